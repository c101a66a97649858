"""`ddb-pipeline dev`: local AWS, live traffic and the Dagster UI, until Ctrl-C."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.console import Steps, UserError, console
from ddb_pipeline.cli.dagster_processes import dagster_process
from ddb_pipeline.cli.local import DIRECTORY, invoke_item_loader, local_aws_running
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.names import PublishedNames

_UI_DEADLINE_SECONDS = 120
_LINES_SHOWN = 20


def run_dev(*, ui_port: int, local_aws_port: int | None, changes_per_second: int) -> None:
    """Run until Ctrl-C or until Dagster ends.

    Raises:
        UserError: A port is taken, or Dagster ended by itself.
    """
    _require_free(ui_port)
    declaration = load_declaration()
    log = declaration.path.parent / DIRECTORY / "dagster.log"
    stop_traffic = threading.Event()
    with local_aws_running(port=local_aws_port, overwrite=False, port_option="--local-aws-port") as running:
        endpoint, stopped, names = running
        traffic = [
            threading.Thread(target=_write_traffic, args=(one, endpoint, changes_per_second, stop_traffic), daemon=True)
            for one in names.values()
            if changes_per_second and one.item_loader
        ]
        for one in names.values():
            if not one.item_loader:
                console.print(f"  no traffic for pipeline {one.pipeline}: nothing here writes to an existing table")
        for thread in traffic:
            thread.start()
        try:
            with dagster_process(
                ["dagster", "dev", "--host", "127.0.0.1", "--port", str(ui_port)],
                declaration=declaration,
                environment=local_stack.environment(endpoint),
                dagster_home=None,
                log=log,
            ) as dagster:
                with Steps().step("dagster", "Start Dagster"):
                    _wait_for_ui(ui_port, dagster, log)
                shown = os.path.relpath(log)
                console.print(f"\nDagster UI: [bold]http://localhost:{ui_port}[/] (Ctrl-C stops everything)")
                console.print(f"Local AWS: {endpoint}, {changes_per_second} new persons a second. Log: {shown}")
                while not stopped():
                    _require_alive(dagster, log)
                    time.sleep(0.3)
        finally:
            stop_traffic.set()
            for thread in traffic:
                thread.join(timeout=10)


def _write_traffic(names: PublishedNames, endpoint: str, changes_per_second: int, stop: threading.Event) -> None:
    """Invoke the item loader once a second with as many persons as are wanted."""
    run = random.randrange(2**31)
    call = 0
    while not stop.wait(1.0):
        call += 1
        try:
            invoke_item_loader(names, endpoint, changes_per_second, run * 1_000_003 + call)
        except Exception as error:  # noqa: BLE001 - a thread's error must reach the terminal; the UI goes on
            console.print(f"[red]live traffic for {names.pipeline} has stopped:[/] {error}")
            return


def _wait_for_ui(port: int, dagster: Any, log: Path) -> None:
    deadline = time.monotonic() + _UI_DEADLINE_SECONDS
    while time.monotonic() < deadline:
        _require_alive(dagster, log)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)  # not up yet: the deadline decides
    raise UserError(f"the Dagster UI did not answer within {_UI_DEADLINE_SECONDS} seconds: its log is {log}")


def _require_alive(dagster: Any, log: Path) -> None:
    if dagster.poll() is None:
        return
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES_SHOWN:]
    last = "".join(f"\n  {line}" for line in lines)
    raise UserError(f"`dagster dev` ended with code {dagster.returncode}; the end of its log {log}:{last}")


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise UserError(
                f"port {port} is taken (is another Dagster running?): stop that, or choose one with --port"
            ) from None
