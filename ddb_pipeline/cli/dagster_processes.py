"""Dagster's own programs as child processes: the daemon of the demo, `dagster dev` of `ddb-pipeline dev`."""

from __future__ import annotations

import os
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ddb_pipeline.declaration import Declaration

_GRACE_SECONDS = 15


@contextmanager
def dagster_process(
    arguments: list[str],
    *,
    declaration: Declaration,
    environment: dict[str, str],
    dagster_home: Path | None,
    log: Path | None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Dagster program in a process group of its own, and end the whole group afterwards.

    A group, because the programs start code servers and run workers that outlive a parent that is killed.

    Args:
        arguments: Name of the program and its arguments, such as `["dagster-daemon", "run"]`.
        declaration: Its folder, with `workspace.yaml`, is the working directory.
        environment: Settings of the stage, on top of this process's environment.
        dagster_home: Folder of the Dagster instance; None for the one of the working directory.
        log: File for what the program prints; None for this terminal.
    """
    variables = {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}
    # one place for each setting: a profile of the user's own must not reach the local stage
    variables.pop("AWS_PROFILE", None)
    variables.pop("AWS_SESSION_TOKEN", None)
    if dagster_home is not None:
        variables["DAGSTER_HOME"] = str(dagster_home)
    output = log.open("wb") if log is not None else None
    process = subprocess.Popen(
        [str(Path(sysconfig.get_path("scripts")) / arguments[0]), *arguments[1:]],
        cwd=declaration.path.parent,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end_group(process)
        if output is not None:
            output.close()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Ask politely, then end whatever of the group is left."""
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
