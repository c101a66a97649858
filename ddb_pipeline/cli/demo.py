"""`ddb-pipeline demo`: the whole path, once, on this machine, and proof that its answers are right."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.console import Steps, UserError, console
from ddb_pipeline.cli.dagster_processes import dagster_process
from ddb_pipeline.cli.demo_changes import Written, write_changes
from ddb_pipeline.cli.folder_lock import FolderLockedError, folder_lock
from ddb_pipeline.cli.interrupts import terminated_as_interrupt
from ddb_pipeline.cli.local import local_aws_parts
from ddb_pipeline.cli.local_tables import existing_table, make_existing_tables
from ddb_pipeline.cli.query import ask_local, print_rows
from ddb_pipeline.cli.table_scan import Ask, changes_counted, differing_keys, distinct_keys, scan_items, state_rows
from ddb_pipeline.declaration import Declaration, Pipeline, load_declaration
from ddb_pipeline.sql_text import quote_identifier
from ddb_pipeline.view_sql import key_column_names

_PATH_DEADLINE_SECONDS = 180
"""How long sensor, crawl and views may take together before the demo gives up."""

_INSTANCE_SETTINGS = """\
telemetry:
  enabled: false
"""


def run_demo(*, directory: str, items: int, seed: int) -> None:
    """Run the demo; exits 1 when an answer differs.

    Raises:
        UserError: A step failed; the message names the log to read.
    """
    home = Path(directory).resolve()
    declaration = load_declaration()
    pipeline = _pipeline(declaration)
    home.mkdir(parents=True, exist_ok=True)
    shown = os.path.relpath(home / "report.json")
    try:
        with terminated_as_interrupt(), folder_lock(home):
            for leftover in ("dagster_home", "cdk.out", "report.json"):
                path = home / leftover
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            report = _run(declaration, pipeline, home, items=items, seed=seed)
    except FolderLockedError:
        raise UserError(
            f"another demo runs in {home}: wait until it has ended, or choose another folder with --directory"
        ) from None
    (home / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if report["mismatches"]:
        raise UserError(f"{report['mismatches']} answers differ from the table: see {shown}")
    console.print(
        f"\n[bold green]Nothing differs.[/] latest_item_state equals a scan of the table "
        f"({report['items_in_table']} items), change_counts adds up to the "
        f"{report['changes_written']} changes written. Report: {shown}"
    )
    console.print("Next: `make dev` (or .venv/bin/ddb-pipeline dev) for the Dagster UI with live traffic.")


def _pipeline(declaration: Declaration) -> Pipeline:
    """The first pipeline whose table the stack makes: the demo writes to no other.

    Raises:
        UserError: There is none.
    """
    for pipeline in declaration.pipelines.values():
        if existing_table(pipeline) is None:
            return pipeline
    raise UserError(
        "the demo writes to a table that the stack makes, and every pipeline has an existing_table in stage "
        f'{local_stack.STAGE}: leave that stage out of one, such as existing_table = {{ prod = "..." }}'
    )


def _run(declaration: Declaration, pipeline: Pipeline, home: Path, *, items: int, seed: int) -> dict[str, Any]:
    LocalAws, _, _, deploy, DeploymentError = local_aws_parts()  # noqa: N806
    steps = Steps()
    with ExitStack() as stack:
        with steps.step("start", "Start local AWS"):
            server = LocalAws(port=0, directory=home)
            stack.callback(server.stop)
            server.start()
        endpoint = server.endpoint
        with steps.step("synthesize", "Synthesize the stack with CDK"):
            assembly = local_stack.synthesize(declaration, home / "cdk.out")
        make_existing_tables(declaration, endpoint)
        with steps.step("deploy", "Deploy it to local AWS"):
            try:
                deploy(assembly, endpoint, local_stack.REGION)
            except DeploymentError as error:
                raise UserError(f"the stack could not be deployed: {error}") from None
        names = local_stack.published_names(declaration, endpoint)[pipeline.name]
        ask = partial(ask_local, endpoint, names)
        with steps.step("daemon", "Start a Dagster daemon"):
            daemon = stack.enter_context(_daemon(declaration, home, endpoint))
        with steps.step("write", "Write changes to the DynamoDB table"):
            written = write_changes(pipeline, names, endpoint, items=items, seed=seed)
        with steps.step("refresh", "Sensor finds the new hour, Dagster crawls it and makes the views"):
            _wait_for(lambda: _views_are_made(home, pipeline), daemon, home, "the views were not made")
        with steps.step("arrive", "Wait until the last change has arrived"):
            _wait_for(lambda: changes_counted(ask) >= written.total, daemon, home, "not every change arrived")
        with steps.step("compare", "Ask Athena, and compare with the table"):
            report = _compare(ask, scan_items(local_stack.client("dynamodb", endpoint), names.table), written)
        _print_answers(ask, pipeline)
    report["seconds"] = steps.seconds
    return report


def _daemon(declaration: Declaration, home: Path, endpoint: str) -> Any:
    """A real `dagster-daemon` on workspace.yaml, with an instance of its own."""
    from dagster import DagsterInstance

    dagster_home = home / "dagster_home"
    dagster_home.mkdir()
    (dagster_home / "dagster.yaml").write_text(_INSTANCE_SETTINGS, encoding="utf-8")
    # its databases are made here and now: two processes that make them at once stumble over each other
    with DagsterInstance.from_config(str(dagster_home)):
        pass
    return dagster_process(
        ["dagster-daemon", "run", "-w", str(declaration.path.parent / "workspace.yaml")],
        declaration=declaration,
        environment=local_stack.environment(endpoint),
        dagster_home=dagster_home,
        log=home / "daemon.log",
    )


def _wait_for(condition: Callable[[], bool], daemon: Any, home: Path, what: str) -> None:
    log = os.path.relpath(home / "daemon.log")
    deadline = time.monotonic() + _PATH_DEADLINE_SECONDS
    while not condition():
        if daemon.poll() is not None:
            raise UserError(f"the Dagster daemon ended with code {daemon.returncode}: its log is {log}")
        if time.monotonic() > deadline:
            raise UserError(f"{what} within {_PATH_DEADLINE_SECONDS} seconds: the daemon's log is {log}")
        time.sleep(0.3)


def _views_are_made(home: Path, pipeline: Pipeline) -> bool:
    """Whether the refresh job has succeeded.

    Raises:
        UserError: It failed for good.
    """
    from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

    with DagsterInstance.from_config(str(home / "dagster_home")) as instance:
        runs = instance.get_runs(RunsFilter(job_name=f"{pipeline.name}_refresh"))
        finished = [run.status for run in runs if run.is_finished]
        if DagsterRunStatus.SUCCESS in finished:
            return True
        if len(finished) > 2:  # noqa: PLR2004
            raise UserError(f"the job {pipeline.name}_refresh failed: see {os.path.relpath(home / 'daemon.log')}")
    return False


def _compare(ask: Ask, table: dict[str, Any], written: Written) -> dict[str, Any]:
    """Hold the views against the table itself."""
    rows, counted = state_rows(ask), changes_counted(ask)
    differing = differing_keys(table, rows)
    return {
        "items_in_table": len(table),
        "rows_in_latest_item_state": len(rows),
        "changes_written": written.total,
        "changes_counted": counted,
        "mismatches": len(differing) + (len(distinct_keys(rows)) != len(rows)) + (counted != written.total),
        "differing_keys": differing[:20],
    }


def _print_answers(ask: Ask, pipeline: Pipeline) -> None:
    key_column = next(iter(key_column_names(pipeline)))
    counts = ask(
        "SELECT changed_hour, event_name, expired_by_ttl, changes, distinct_items FROM change_counts "
        "ORDER BY changed_hour, event_name, expired_by_ttl",
    )
    print_rows("\nchange_counts: what happened, by hour of change", counts)
    state = ask(
        f"SELECT {quote_identifier(key_column)}, "  # noqa: S608 - quoted
        "json_extract_scalar(item, '$.person.first_name') || ' ' || "
        "json_extract_scalar(item, '$.person.last_name') AS name, "
        "json_extract_scalar(item, '$.person.job.area') AS area, "
        "date_trunc('second', changed_at) AS changed_at, state_certain AS certain "
        "FROM latest_item_state ORDER BY changed_at_us DESC LIMIT 10",
    )
    print_rows("\nlatest_item_state: what the table holds now (the ten newest)", state, widest=16)
