"""A child process with everything that it starts: begun so that no interrupt loses it, and ended as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ddb_pipeline.cli.interrupts import interrupts_deferred

_GRACE_SECONDS = 15


@contextmanager
def process_group(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a program in a process group of its own, and end the whole group afterwards.

    A group, because programs start others (code servers, run workers, Node) that outlive a parent that is killed.

    Args:
        command: Program and arguments.
        **options: What else `subprocess.Popen` takes.
    """
    process: subprocess.Popen[Any] | None = None
    try:
        # an interrupt between fork and assignment would leave a child that nobody knows
        with interrupts_deferred():
            process = subprocess.Popen(command, start_new_session=True, **options)
        yield process
    finally:
        if process is not None:
            _end_group(process)


def _end_group(process: subprocess.Popen[Any]) -> None:
    """Ask politely, then end whatever of the group is left."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):  # whoever is left is ended below
            process.wait(timeout=_GRACE_SECONDS)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return  # nobody is left
