"""Commands as a user types them: started as processes of their own, watched, and never left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from ddb_pipeline_tests.conftest import REPOSITORY

MARK = "DDB_PIPELINE_TEST_MARK"


class Command:
    """A running command; everything it starts inherits its mark, so that what is left behind can be found."""

    def __init__(self, arguments: list[str], directory: Path, environment: dict[str, str] | None = None) -> None:
        self.mark = uuid.uuid4().hex
        self._output = (directory / f"output-{self.mark}.log").open("w+b")
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DAGSTER_"))}
        # the directory is another one, and the tests, of which some commands are, are installed nowhere
        variables["PYTHONPATH"] = str(REPOSITORY)
        self.process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=directory,
            env={**variables, "PYTHONUNBUFFERED": "1", "COLUMNS": "160", MARK: self.mark, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    @property
    def output(self) -> str:
        """Everything printed so far."""
        self._output.flush()
        return Path(self._output.name).read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text: str, seconds: float = 300) -> None:
        """Wait until the command has printed the text."""
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.output}"
            assert time.monotonic() < deadline, f"did not print {text!r}:\n{self.output}"
            time.sleep(0.1)

    def wait(self, seconds: float = 600) -> int:
        """Wait for the end; the exit code."""
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {seconds} s:\n{self.output}") from None

    def interrupt(self) -> int:
        """Press Ctrl-C and wait for the end; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.wait(120)

    def left_running(self) -> list[str]:
        """Command lines of the processes that it started and that still run."""
        left = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get(MARK) == self.mark:
                    left.append(" ".join(process.cmdline()))
        return left


@contextmanager
def command(arguments: list[str], directory: Path, environment: dict[str, str] | None = None) -> Iterator[Command]:
    """Run a Python module as a command; end it, and everything it started, when the block ends."""
    running = Command(arguments, directory, environment)
    try:
        yield running
    finally:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get(MARK) == running.mark:
                    process.kill()
        running.process.wait()


def project_copy(directory: Path) -> Path:
    """A folder as a fresh clone has it, with what the commands read."""
    for name in ("pipeline.toml", "workspace.yaml", "dagster.yaml"):
        (directory / name).write_bytes((REPOSITORY / name).read_bytes())
    return directory


def set_in_stage(directory: Path, stage: str, **settings: int) -> None:
    """Edit numbers of a stage in pipeline.toml, as a user does."""
    file = directory / "pipeline.toml"
    before, mark, after = file.read_text(encoding="utf-8").partition(f"[stages.{stage}]\n")
    for name, value in settings.items():
        after = re.sub(rf"(?m)^{name} = \d+", f"{name} = {value}", after, count=1)
    file.write_text(before + mark + after, encoding="utf-8")
    found = tomllib.loads(file.read_text(encoding="utf-8"))["stages"][stage]
    assert settings.items() <= found.items()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
