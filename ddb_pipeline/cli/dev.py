"""`ddb-pipeline dev`: local AWS, live traffic and the Dagster UI, until Ctrl-C."""

from __future__ import annotations

import random
import socket
import threading
import time

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.console import UserError, console
from ddb_pipeline.cli.dagster_processes import dagster_process
from ddb_pipeline.cli.local import invoke_item_loader, local_aws_running
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.names import PublishedNames


def run_dev(*, ui_port: int, local_aws_port: int | None, changes_per_second: int) -> None:
    """Run until Ctrl-C or until Dagster ends.

    Raises:
        UserError: A port is taken, or Dagster ended by itself.
    """
    _require_free(ui_port)
    declaration = load_declaration()
    stop_traffic = threading.Event()
    with local_aws_running(port=local_aws_port, overwrite=False) as (endpoint, stopped, names):
        traffic = [
            threading.Thread(target=_write_traffic, args=(one, endpoint, changes_per_second, stop_traffic), daemon=True)
            for one in names.values()
            if changes_per_second
        ]
        for thread in traffic:
            thread.start()
        console.print(f"Dagster UI: [bold]http://localhost:{ui_port}[/] (Ctrl-C stops everything)\n")
        try:
            with dagster_process(
                ["dagster", "dev", "--host", "127.0.0.1", "--port", str(ui_port)],
                declaration=declaration,
                environment=local_stack.environment(endpoint),
                dagster_home=None,
                log=None,
            ) as dagster:
                while dagster.poll() is None and not stopped():
                    time.sleep(0.3)
                if dagster.returncode:
                    raise UserError(f"`dagster dev` ended with code {dagster.returncode}: its lines above say why")
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


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise UserError(
                f"port {port} is taken (is another Dagster running?): stop that, or choose one with --port"
            ) from None
