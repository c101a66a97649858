"""The check that no item's story has a problem that is not explained."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetChecksDefinition,
    AssetCheckSeverity,
    MetadataValue,
)

from ddb_pipeline.arrivals import listed
from ddb_pipeline.assets.common import asset_key
from ddb_pipeline.assets.views import is_asked_for, preview_records, view_source
from ddb_pipeline.baseline_making.capture import observe
from ddb_pipeline.baselines import moment_of
from ddb_pipeline.baselines.captures import Capture
from ddb_pipeline.baselines.choice import newest
from ddb_pipeline.baselines.records import microseconds
from ddb_pipeline.checks.deliveries import FAILED_CHECK, under_way
from ddb_pipeline.checks.scanning import scanning_check
from ddb_pipeline.checks.verdict import Verdict
from ddb_pipeline.declaration import Pipeline, Stage
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.sql_text import quote_literal
from ddb_pipeline.view_sql import ViewInputs, views

PROBLEMS_CHECK = "no_unexplained_change_problems"
PROBLEMS_VIEW = "change_problems"
_SHOWN = 20
# the history lacks a change, and the state is right if the item changed since
_HISTORY_ONLY = {"broken_chain"}
_OTHER_TABLE = "other_table"
_STOPPED = timedelta(hours=1)
"""How long a table that was streamed before may go on beside the new one: a deployment stops it last."""
_SILENT = timedelta(days=7)
"""After how long without a change another table is taken for one that streams no more."""
PERIOD = timedelta(days=7)
"""How far back the check of a day looks: a problem that nobody looked at for so long is for the view to tell."""
_COLUMNS = ("problem", "item_key", "table_name", "changes", "event_ids", "last_changed_at")


def problems_check_key(pipeline: Pipeline) -> AssetCheckKey:
    """Return the key of the check, so that a schedule can ask for it."""
    return AssetCheckKey(asset_key(pipeline, PROBLEMS_VIEW), PROBLEMS_CHECK)


def problems_check(pipeline: Pipeline) -> AssetChecksDefinition:
    """Return the check that no item's story has a problem that is not explained."""
    return scanning_check(
        pipeline,
        problems_check_key(pipeline),
        "The story of every item adds up, save where changes may be under way, and before the newest baseline of an "
        "export, which holds the state itself; and no other table streams into the pipeline. Scans the data: follows "
        "`measure` of the stage, except when it is asked for by itself. Once a day it looks at the changes of "
        f"{PERIOD.days} days, asked for by itself at all.",
        _judge_now,
    )


def _judge_now(context: AssetCheckExecutionContext, deployment: Deployment) -> Verdict:
    now = datetime.now(UTC)
    return _judge(deployment, now, checked_since(deployment.stage, now, asked_for=is_asked_for(context)))


def problems_statement(
    view: str, *, under_way_since: datetime, healed_before: datetime | None, stopped_before: datetime
) -> str:
    """Return the query for problems, with how many there are of each.

    Those without an explanation come first, and among them those that make the check fail: what is shown decides.

    Args:
        view: What stands for the view in a FROM.
        under_way_since: Changes since then may not all have arrived.
        healed_before: A baseline of an export was made of the table after all changes before this moment.
        stopped_before: Another table whose last change is older than this streams no more.
    """
    healed = f" WHEN last_changed_at < {_timestamp(healed_before)} THEN 1" if healed_before else ""
    # neither waiting nor an export ends the stream of another table
    explained = (
        f"CASE WHEN problem = {quote_literal(_OTHER_TABLE)}"
        f" THEN CASE WHEN last_changed_at < {_timestamp(stopped_before)} THEN 1 ELSE 0 END"
        f" WHEN last_changed_at >= {_timestamp(under_way_since)} THEN 1{healed} ELSE 0 END"
    )
    columns = ", ".join(_COLUMNS)
    lesser = ", ".join(quote_literal(problem) for problem in sorted(_HISTORY_ONLY))
    order = f"CASE WHEN problem = {quote_literal(_OTHER_TABLE)} THEN 0 WHEN problem IN ({lesser}) THEN 2 ELSE 1 END"
    # names are quoted
    return (
        f"SELECT {columns}, explained, count(*) OVER () AS problems, sum(explained) OVER () AS all_explained "  # noqa: S608
        f"FROM (SELECT {columns}, {explained} AS explained FROM {view}) AS judged "
        f"ORDER BY explained, {order}, last_changed_at DESC LIMIT {_SHOWN}"
    )


def stopped_before(capture: Capture, now: datetime) -> datetime:
    """Return the moment before which the last change of a table lies that streams into the pipeline no more.

    A table that was streamed before this one has stopped by the time when this one was first seen streaming, or soon
    after it. Of any other, only its silence tells.

    Args:
        capture: What is known of the capture of this table's changes.
        now: The time.
    """
    return max(moment_of(capture.table_since_us) + _STOPPED, now - _SILENT)


def checked_since(stage: Stage, now: datetime, *, asked_for: bool) -> int | None:
    """Return since when changes are looked at, epoch microseconds; None: since the first.

    The view reads all history, and a check that does so each day would cost more each day.

    Args:
        stage: Says how often is checked.
        now: The time.
        asked_for: Whether somebody asked for this check by itself.
    """
    return None if asked_for or stage.measure == "each" else microseconds(now - PERIOD)


def _judge(deployment: Deployment, now: datetime, since_us: int | None) -> Verdict:
    names = deployment.names
    (view,) = [one for one in views(deployment.pipeline) if one.name == PROBLEMS_VIEW]
    inputs = ViewInputs(other_change_table=deployment.other_change_table)
    manifest = newest(deployment.baselines.manifests()) if deployment.pipeline.baseline == "export" else None
    statement = problems_statement(
        view_source(deployment, view, inputs, since_us),
        under_way_since=now - under_way(deployment.stage),
        healed_before=moment_of(manifest.cut_us) if manifest and manifest.source == "export" else None,
        stopped_before=stopped_before(observe(deployment, now), now),
    )
    result = deployment.athena.execute(statement)
    problems, explained = (int(value) for value in result.rows[0][-2:]) if result.rows else (0, 0)
    metadata: dict[str, Any] = {
        "problems": problems,
        "explained": explained,
        "query": result.query_id,
        "query_in_console": MetadataValue.url(result.console_url),
        "bytes_scanned": result.data_scanned_in_bytes,
        **({} if since_us is None else {"checked_since": MetadataValue.timestamp(moment_of(since_us))}),
    }
    unexplained = [row[: len(_COLUMNS)] for row in result.rows if not row[len(_COLUMNS)]]
    if not unexplained:
        return Verdict(None, metadata)
    metadata["unexplained"] = MetadataValue.table(preview_records(_COLUMNS, unexplained))
    kinds = {str(row[0]) for row in unexplained}
    return Verdict(
        sentence(problems - explained, unexplained, names.change_stream),
        metadata,
        severity=AssetCheckSeverity.WARN if kinds <= _HISTORY_ONLY else AssetCheckSeverity.ERROR,
    )


def sentence(problems: int, shown: Sequence[Sequence[Any]], stream: str) -> str:
    """Say what is not explained, and what to do.

    Args:
        problems: How many problems there are.
        shown: Rows of some of them, at least one; other tables first.
        stream: Name of the change stream.
    """
    # of a table that is not ours there is no item key to show
    others = [(str(row[2]), row[5]) for row in shown if row[0] == _OTHER_TABLE]
    stories = problems - len(others)
    sentences = [
        f"table {table} streams into {stream}, too, with its last change at {at:%Y-%m-%d %H:%M:%S} UTC: no view shows "
        f"its changes, and each is paid for: disable the Kinesis streaming destination of table {table}; the check "
        f"passes {_SILENT.days} days after its last change"
        for table, at in others
    ]
    if stories:
        places = listed([f"{row[0]} {row[1]}" for row in shown if row[0] != _OTHER_TABLE], 5)
        sentences.append(
            f"{stories} problems: {places}: records are missing or wrong: if {FAILED_CHECK} fails, too, replay what "
            "failed; docs/correctness.md says what each problem means for the state; a baseline of an export explains "
            "what lies before it"
        )
    return "; ".join(sentences)


def _timestamp(moment: datetime) -> str:
    return f"TIMESTAMP {quote_literal(moment.astimezone(UTC).strftime('%Y-%m-%d %H:%M:%S.%f')[:-3])}"
