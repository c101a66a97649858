"""The check of the state's shape: one row per item."""

from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetChecksDefinition,
    MetadataValue,
)

from ddb_pipeline.assets.common import asset_key
from ddb_pipeline.assets.views import preview_records
from ddb_pipeline.checks.scanning import scanning_check
from ddb_pipeline.checks.verdict import Verdict
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.sql_text import quote_identifier
from ddb_pipeline.view_sql import STATE_VIEW

ITEMS_CHECK = "one_row_per_item"


def items_check_key(pipeline: Pipeline) -> AssetCheckKey:
    """Return the key of the check that scans data, so that a schedule can ask for it."""
    return AssetCheckKey(asset_key(pipeline, STATE_VIEW), ITEMS_CHECK)


def items_check(pipeline: Pipeline) -> AssetChecksDefinition:
    """Return the check that no item has two rows."""
    return scanning_check(
        pipeline,
        items_check_key(pipeline),
        "No item has two rows in the view. Scans the data: follows `measure` of the stage, except when it is asked for "
        "by itself.",
        _judge,
    )


def _judge(context: AssetCheckExecutionContext, deployment: Deployment) -> Verdict:
    view = f"{quote_identifier(deployment.names.database)}.{quote_identifier(STATE_VIEW)}"
    result = deployment.athena.execute(
        f"SELECT count(*) AS all_rows, count(DISTINCT item_key) AS all_items FROM {view}",  # noqa: S608 - quoted
        context=context,
    )
    rows, items = result.rows[0]
    metadata: dict[str, Any] = {
        "rows": rows,
        "items": items,
        "query": result.query_id,
        "query_in_console": MetadataValue.url(result.console_url),
        "bytes_scanned": result.data_scanned_in_bytes,
    }
    if rows == items:
        return Verdict(None, metadata)
    repeated = deployment.athena.execute(
        f"SELECT item_key, count(*) AS all_rows FROM {view} GROUP BY item_key "  # noqa: S608 - quoted
        "HAVING count(*) > 1 ORDER BY item_key LIMIT 10",
        context=context,
    )
    metadata["repeated"] = MetadataValue.table(preview_records(("item_key", "rows"), repeated.rows))
    return Verdict(
        f"{rows} rows for {items} items: the view breaks its rule: materialize it again, and report the repeated keys "
        "(metadata) as a defect if that does not help",
        metadata,
    )
