"""The check that few records are repeated: repeats do no harm to a view, but cost, and tell of trouble."""

from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetChecksDefinition,
    AssetCheckSeverity,
    MetadataValue,
)

from ddb_pipeline.arrivals import hour_of, listed, partition_key
from ddb_pipeline.assets.change_table import NAME as CHANGE_TABLE
from ddb_pipeline.assets.common import asset_key
from ddb_pipeline.checks.scanning import scanning_check
from ddb_pipeline.checks.verdict import Verdict
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.sql_text import quote_literal
from ddb_pipeline.view_sql import change_rows

REPEATS_CHECK = "few_records_are_repeated"
LOOKED_BACK = timedelta(hours=24)
MOST_REPEATED = 0.05
"""Share of records that may be repeats: Kinesis and Firehose repeat some when a call is made again."""
_FEWEST = 100
"""With fewer repeats than this the share says nothing."""


def repeats_check_key(pipeline: Pipeline) -> AssetCheckKey:
    """Return the key of the check, so that a schedule can ask for it."""
    return AssetCheckKey(asset_key(pipeline, CHANGE_TABLE), REPEATS_CHECK)


def repeats_check(pipeline: Pipeline) -> AssetChecksDefinition:
    """Return the check that few records are repeated."""
    return scanning_check(
        pipeline,
        repeats_check_key(pipeline),
        f"Of the records of the last day at most {MOST_REPEATED:.0%} are repeats, which the views count once. Scans "
        "that day: follows `measure` of the stage, except when it is asked for by itself.",
        lambda context, deployment: _judge(context, deployment, datetime.now(UTC)),
    )


def repeats_statement(table: str, first_hour: datetime) -> str:
    """Return the query for records and changes by hour of arrival, the hours with most repeats first.

    Args:
        table: The change table, quoted.
        first_hour: First hour of arrival to look into.
    """
    return (
        "SELECT concat(year, '-', month, '-', day, '-', hour, ':00') AS hour, count(*) AS records, "  # noqa: S608 - quoted
        f"count(DISTINCT event_id) AS changes FROM {table} "
        f"WHERE year >= {quote_literal(f'{first_hour:%Y}')} "
        f"AND concat(year, month, day, hour) >= {quote_literal(f'{first_hour:%Y%m%d%H}')} "
        "GROUP BY year, month, day, hour ORDER BY count(*) - count(DISTINCT event_id) DESC"
    )


def judge(hours: list[tuple[str, int, int]], metadata: dict[str, Any]) -> Verdict:
    """Judge records and changes by hour; a change that arrived again in a later hour counts as two.

    Args:
        hours: Hour, records, changes, the hours with most repeats first.
        metadata: What else there is to say.
    """
    records = sum(count for _hour, count, _changes in hours)
    repeats = sum(count - changes for _hour, count, changes in hours)
    share = repeats / records if records else 0.0
    metadata = {"records": records, "repeats": repeats, "share_of_repeats": round(share, 4), **metadata}
    if repeats < _FEWEST or share <= MOST_REPEATED:
        return Verdict(None, metadata)
    worst = listed([f"{hour} ({count - changes} of {count})" for hour, count, changes in hours if count > changes])
    return Verdict(
        f"{repeats} of {records} records of the last day are repeats ({share:.1%}), most in {worst}: no view counts "
        "them twice, but they are delivered and scanned: see whether the converter times out or deliveries are made "
        "again (the delivery stream's error log)",
        metadata,
        severity=AssetCheckSeverity.WARN,
    )


def _judge(context: AssetCheckExecutionContext, deployment: Deployment, now: datetime) -> Verdict:
    first = hour_of(now - LOOKED_BACK)
    table = change_rows(["event_id"], deployment.names, deployment.other_change_table)
    result = deployment.athena.execute(repeats_statement(table, first), context=context)
    hours = [(str(hour), int(records), int(changes)) for hour, records, changes in result.rows]
    return judge(
        hours,
        {
            "since": partition_key(first),
            "query": result.query_id,
            "query_in_console": MetadataValue.url(result.console_url),
            "bytes_scanned": result.data_scanned_in_bytes,
        },
    )
