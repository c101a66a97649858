"""Dagster's own programs as child processes: the daemon of the demo, `dagster dev` of `ddb-pipeline dev`."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ddb_pipeline.cli.process_group import process_group
from ddb_pipeline.declaration import Declaration

_TICKS_AT_ONCE = {"DAGSTER_GRPC_MAX_WORKERS": "32"}
"""Threads of the server of a code location. It evaluates the ticks: with Dagster's default, four more than there are
processors, the eight sensors and eight schedules that dagster.yaml lets be evaluated at once would wait for others."""


@contextmanager
def dagster_process(
    arguments: list[str],
    *,
    declaration: Declaration,
    environment: dict[str, str],
    dagster_home: Path | None,
    log: Path | None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Dagster program, and end it with everything that it started.

    Args:
        arguments: Name of the program and its arguments, such as `["dagster-daemon", "run"]`.
        declaration: Its folder, with `workspace.yaml`, is the working directory.
        environment: Settings of the stage, on top of this process's environment.
        dagster_home: Folder of the Dagster instance; None for the one of the working directory.
        log: File for what the program prints; None for this terminal.
    """
    variables = {**_TICKS_AT_ONCE, **os.environ, **environment, "PYTHONUNBUFFERED": "1"}
    # one place for each setting: a profile of the user's own must not reach the local stage
    variables.pop("AWS_PROFILE", None)
    variables.pop("AWS_SESSION_TOKEN", None)
    if dagster_home is not None:
        variables["DAGSTER_HOME"] = str(dagster_home)
    with ExitStack() as stack:
        streams: dict[str, Any] = {}
        if log is not None:
            streams = {"stdout": stack.enter_context(log.open("wb")), "stderr": subprocess.STDOUT}
        yield stack.enter_context(
            process_group(
                [str(Path(sysconfig.get_path("scripts")) / arguments[0]), *arguments[1:]],
                cwd=declaration.path.parent,
                env=variables,
                stdin=subprocess.DEVNULL,
                **streams,
            )
        )
