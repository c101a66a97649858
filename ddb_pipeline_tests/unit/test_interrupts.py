"""Interrupts: none is lost, and none comes at a bad moment."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from ddb_pipeline.cli.interrupts import interrupts_deferred, terminated_as_interrupt
from ddb_pipeline.cli.process_group import process_group


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_waits_for_the_end_of_what_must_be_done_whole(number):
    done = []

    def work() -> None:
        with interrupts_deferred():
            os.kill(os.getpid(), number)
            done.append("whole")

    with terminated_as_interrupt(), pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["whole"]


def test_a_group_ends_with_its_grandchildren():
    start_another = (
        "import subprocess, sys, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    )
    with process_group([sys.executable, "-c", start_another], stdout=subprocess.PIPE, text=True) as process:
        grandchild = psutil.Process(int(process.stdout.readline()))
    psutil.wait_procs([grandchild], timeout=5)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE
    assert process.returncode is not None
