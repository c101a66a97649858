"""`ddb-pipeline local up | status | down | load`: the embedded AWS of this folder."""

from __future__ import annotations

import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.choice import chosen_pipeline
from ddb_pipeline.cli.console import Steps, UserError, console
from ddb_pipeline.cli.environment_file import confirm_overwrite, write_environment
from ddb_pipeline.cli.folder_lock import FolderLockedError, folder_lock, is_locked
from ddb_pipeline.cli.interrupts import terminated_as_interrupt
from ddb_pipeline.cli.local_faults import parsed_faults, parsed_stream_faults
from ddb_pipeline.cli.local_tables import make_existing_tables, require_loader
from ddb_pipeline.declaration import Declaration, load_declaration
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.resources.settings import ENVIRONMENT_FILE

_LOAD_BATCH = 100
"""Persons a call of the item loader: some seconds of work, far below its time-out."""

DIRECTORY = ".local-aws"
"""Beside `pipeline.toml`: what the local AWS of the folder writes."""

EXPIRY_SECONDS = 10.0
"""How often expired items are deleted; DynamoDB takes days, but who waits for it here wants to see it."""

_LAST_PORT = 65_535
_STOP_SECONDS = 40
"""Longest wait for a stop; the delivery of what Firehose has read may take 30 of them."""


@dataclass(frozen=True)
class Running:
    """What `.local-aws/running.json` remembers of the local AWS that was started in this folder."""

    pid: int
    endpoint: str
    state: str | None = None


def run_up(
    *,
    port: int | None,
    overwrite: bool,
    expiry_seconds: float | None,
    stream_faults: str,
    faults: tuple[str, ...],
    state: Path | None,
) -> None:
    """Start, deploy, write `.env`, serve until Ctrl-C or `local down`."""
    with local_aws_running(
        port=port,
        overwrite=overwrite,
        expiry_seconds=expiry_seconds,
        stream_faults=stream_faults,
        faults=faults,
        state=state,
    ) as (endpoint, stopped, names):
        console.print(f"\nLocal AWS serves at [bold]{endpoint}[/] until Ctrl-C.")
        for name in names.values():
            console.print(f"  pipeline {name.pipeline}: database {name.database}, table {name.table}")
        console.print("\nIn another terminal:")
        console.print("  ddb-pipeline local load --items 100   # persons into the table")
        console.print("  dagster dev                           # the Dagster UI at http://localhost:3000")
        while not stopped():
            time.sleep(0.2)
    console.print("Local AWS has stopped.")


@contextmanager
def local_aws_running(
    *,
    port: int | None,
    overwrite: bool,
    port_option: str = "--port",
    expiry_seconds: float | None = EXPIRY_SECONDS,
    stream_faults: str = "",
    faults: tuple[str, ...] = (),
    state: Path | None = None,
) -> Iterator[tuple[str, Callable[[], bool], dict[str, PublishedNames]]]:
    """Bring the local stage up in this process, with `.env` and the file that `status` and `down` read.

    An interrupt ends the block and stops local AWS; it goes on to the caller only if it came before the block began.

    Args:
        port: Port to listen on; None for the default one.
        overwrite: Do not ask before a `.env` of other content is overwritten.
        port_option: The command's option that chooses another port, for messages.
        expiry_seconds: How often items whose time to live has passed are deleted; None is never.
        stream_faults: What change streams are to do wrong, as `--stream-faults` has it.
        faults: What is to go wrong with requests once the block begins, as `--fault` has each.
        state: Directory that keeps the state beyond the end of this process; None keeps it in memory.

    Yields:
        The endpoint, a function that says whether someone stopped it, and the published names by pipeline.

    Raises:
        UserError: Local AWS runs in this folder already, the port is taken, the stack could not be made, or the
            faults are none that exist.
    """
    LocalAws, LocalAwsError, PortTakenError, deploy, DeploymentError = local_aws_parts()  # noqa: N806
    of_streams = parsed_stream_faults(stream_faults)
    of_requests = parsed_faults(faults)
    declaration = load_declaration()
    home = declaration.path.parent
    directory = home / DIRECTORY
    port = port or local_stack.DEFAULT_PORT
    directory.mkdir(exist_ok=True)
    steps = Steps()
    try:
        server = LocalAws(
            port=port,
            directory=directory,
            faults=of_streams,
            expiry_seconds=expiry_seconds,
            state=state,
            may_be_killed=True,
        )
    except LocalAwsError as error:
        raise UserError(str(error)) from None
    serving = False
    with ExitStack() as stack:
        stack.enter_context(terminated_as_interrupt())
        _lock(stack, home)
        confirm_overwrite(
            home / ENVIRONMENT_FILE, local_stack.environment(f"http://127.0.0.1:{port}"), overwrite=overwrite
        )
        # what is begun is undone, in this order, also when a second interrupt cuts the stop short
        stack.callback(_running_file(home).unlink, missing_ok=True)
        stack.callback(server.stop)
        try:
            with steps.step("start", f"Start local AWS on port {port}"):
                server.start()
            with steps.step("synthesize", "Synthesize the stack with CDK"):
                assembly = local_stack.synthesize(declaration, directory / "cdk.out")
            make_existing_tables(declaration, server.endpoint)
            with steps.step("deploy", "Deploy it"):
                deploy(assembly, server.endpoint, local_stack.REGION)
            names = local_stack.published_names(declaration, server.endpoint)
            write_environment(home / ENVIRONMENT_FILE, local_stack.environment(server.endpoint))
            running = Running(os.getpid(), server.endpoint, None if state is None else str(state.resolve()))
            _running_file(home).write_text(json.dumps(asdict(running)), encoding="utf-8")
            serving = True
            server.request_faults.set(of_requests)
            yield server.endpoint, lambda: server.wait(0), names
        except PortTakenError:
            raise UserError(_taken(port, port_option)) from None
        except LocalAwsError as error:
            raise UserError(str(error)) from None
        except DeploymentError as error:
            raise UserError(f"the stack could not be deployed: {error}") from None
        except KeyboardInterrupt:
            console.print("\nStopping local AWS ...")
            if not serving:
                raise


def _lock(stack: ExitStack, home: Path) -> None:
    """Hold the folder until the stack is left.

    Raises:
        UserError: Another process holds it.
    """
    try:
        stack.enter_context(folder_lock(home / DIRECTORY))
    except FolderLockedError:
        running = find_running(home)
        where = f" at {running.endpoint} (process {running.pid})" if running else ""
        raise UserError(f"local AWS runs already in this folder{where}: `ddb-pipeline local down` stops it") from None


def _taken(port: int, port_option: str) -> str:
    try:
        health = json.loads(_request(f"http://127.0.0.1:{port}/_local_aws/health", timeout_seconds=1))
        other = f"the local AWS of another folder (process {health['pid']})"
    except (UserError, ValueError, KeyError, TypeError):
        other = "another program"
    another = port + 1 if port < _LAST_PORT else port - 1
    return f"port {port} is taken by {other}: stop that, or choose another port, such as {port_option} {another}"


def run_status() -> None:
    """Print whether local AWS runs, and what is in it."""
    declaration = load_declaration()
    running = require_running(declaration)
    console.print(f"Local AWS runs at {running.endpoint} (process {running.pid}).")
    for names in local_stack.published_names(declaration, running.endpoint).values():
        console.print(f"Pipeline {names.pipeline}: {_contents(names, running.endpoint)}")


def run_down() -> None:
    """Ask the local AWS of this folder to stop, and wait until it has."""
    declaration = load_declaration()
    running = require_running(declaration)
    _request(f"{running.endpoint}/_local_aws/shutdown", method="POST")
    home = declaration.path.parent
    deadline = time.monotonic() + _STOP_SECONDS
    while is_locked(home / DIRECTORY):
        if time.monotonic() > deadline:
            raise UserError(
                f"process {running.pid} did not stop within {_STOP_SECONDS} seconds: end it with `kill {running.pid}`"
            )
        time.sleep(0.1)
    _running_file(home).unlink(missing_ok=True)
    what = f"What it held is in {running.state}" if running.state else "Its tables and objects are gone"
    console.print(f"Local AWS has stopped. {what}; .env and Dagster's history stay.")


def run_load(*, items: int, seed: int | None, pipeline_name: str | None) -> None:
    """Insert persons through the item loader, batch by batch."""
    declaration = load_declaration()
    running = require_running(declaration)
    published = local_stack.published_names(declaration, running.endpoint)
    names = published[chosen_pipeline(published, pipeline_name)]
    require_loader(names)
    seed = random.randrange(2**31) if seed is None else seed
    bar = Progress(TextColumn("Loading persons"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                   console=console, transient=True)  # fmt: skip
    counts = {"inserted": 0, "updated": 0, "deleted": 0}
    with bar:
        task = bar.add_task("load", total=items)
        for first in range(0, items, _LOAD_BATCH):
            size = min(_LOAD_BATCH, items - first)
            for name, count in invoke_item_loader(names, running.endpoint, size, seed * 1_000_003 + first).items():
                counts[name] += count
            bar.advance(task, size)
    console.print(
        f"{counts['inserted']} persons inserted, {counts['updated']} changed, {counts['deleted']} deleted in table "
        f"{names.table} (seed {seed}). The arrivals sensor of `dagster dev` takes it from here."
    )


def invoke_item_loader(names: PublishedNames, endpoint: str, batch_size: int, seed: int) -> dict[str, int]:
    """Run the stack's item loader once.

    Raises:
        UserError: The function failed; the message is its own.
    """
    answer = local_stack.client("lambda", endpoint).invoke(
        FunctionName=names.item_loader, Payload=json.dumps({"batchSize": batch_size, "seed": seed})
    )
    payload = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise UserError(f"the item loader failed: {payload.get('errorMessage', payload)}")
    return {name: int(payload[name]) for name in ("inserted", "updated", "deleted")}


def find_running(home: Path) -> Running | None:
    """Return the local AWS of this folder if it answers; forget one that died."""
    file = _running_file(home)
    try:
        running = Running(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    try:
        health = json.loads(_request(f"{running.endpoint}/_local_aws/health"))
    except (UserError, ValueError):
        return None
    return running if health.get("pid") == running.pid else None


def require_running(declaration: Declaration) -> Running:
    """Return the local AWS of this folder.

    Raises:
        UserError: None runs, it is starting or busy, or it died.
    """
    home = declaration.path.parent
    running = find_running(home)
    if running is not None:
        return running
    if is_locked(home / DIRECTORY):
        raise UserError(
            "local AWS is starting or stopping in this folder, or too busy to answer: try again in some seconds"
        )
    if _running_file(home).exists():
        _running_file(home).unlink()
        raise UserError("local AWS was started here and has died: start it again with `ddb-pipeline local up`")
    raise UserError("local AWS does not run in this folder: start it with `ddb-pipeline local up`")


def local_aws_parts() -> Any:
    """Import what the extra `local` brings, or say that it is missing."""
    try:
        from ddb_pipeline.local_aws.deployment import DeploymentError, deploy
        from ddb_pipeline.local_aws.server import LocalAws, LocalAwsError, PortTakenError
    except ModuleNotFoundError as error:
        raise UserError(
            f"the package {error.name} is not installed: pip install -c constraints.txt -e '.[infra,local]'"
        ) from None
    return LocalAws, LocalAwsError, PortTakenError, deploy, DeploymentError


def _running_file(home: Path) -> Path:
    return home / DIRECTORY / "running.json"


def _contents(names: PublishedNames, endpoint: str) -> str:
    count = local_stack.client("dynamodb", endpoint).describe_table(TableName=names.table)["Table"]["ItemCount"]
    pages = local_stack.client("s3", endpoint).get_paginator("list_objects_v2")
    objects = sum(
        page["KeyCount"]
        for table in names.change_tables
        for page in pages.paginate(Bucket=names.raw_bucket, Prefix=table.prefix)
    )
    failed = sum(page["KeyCount"] for page in pages.paginate(Bucket=names.raw_bucket, Prefix=names.errors_prefix))
    text = f"{count} items in table {names.table}, {objects} raw objects"
    return text + (f", {failed} objects under {names.errors_prefix}" if failed else "")


def _request(url: str, method: str = "GET", *, timeout_seconds: float = 5) -> str:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=timeout_seconds) as answer:  # noqa: S310
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError) as error:
        raise UserError(f"{url} does not answer: {error}") from None


def expire_items(endpoint: str) -> None:
    """Let DynamoDB's time to live delete what has expired, now rather than within days.

    Raises:
        UserError: Local AWS does not answer.
    """
    _request(f"{endpoint}/_local_aws/expire-items", method="POST")
