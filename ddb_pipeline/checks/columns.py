"""The check of typed columns: whether each value of an item is in its column."""

from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetChecksDefinition,
    MetadataValue,
    TableRecord,
)

from ddb_pipeline.assets.common import asset_key
from ddb_pipeline.assets.item_attributes import NAME as ITEM_ATTRIBUTES
from ddb_pipeline.assets.item_attributes import attribute_text, remembered_columns
from ddb_pipeline.checks.scanning import scanning_check
from ddb_pipeline.checks.verdict import Verdict
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.item_columns.fit import Misfits, misfit_statement, misfits, told
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.sql_text import quote_identifier
from ddb_pipeline.view_sql import STATE_VIEW

FIT_CHECK = "values_fit_their_columns"


def fit_check_key(pipeline: Pipeline) -> AssetCheckKey:
    """Return the key of the check, so that a schedule can ask for it."""
    return AssetCheckKey(asset_key(pipeline, STATE_VIEW), FIT_CHECK)


def fit_check(pipeline: Pipeline) -> AssetChecksDefinition:
    """Return the check that counts values which their column does not show."""
    return scanning_check(
        pipeline,
        fit_check_key(pipeline),
        "No value of an attribute is NULL in its column because it does not fit: each such value is in `item` and "
        "`image`. Scans the data: follows `measure` of the stage, except when it is asked for by itself.",
        _judge,
    )


def _judge(context: AssetCheckExecutionContext, deployment: Deployment) -> Verdict:
    found, metadata = _look(context, deployment)
    if not found:
        return Verdict(None, metadata)
    attributes = asset_key(deployment.pipeline, ITEM_ATTRIBUTES).to_user_string()
    return Verdict(
        f"values that are NULL in their column, in how many items: {told(found)}: they are in `item` and `image`; "
        f"materialize {attributes} and the view, which widens columns; one that pipeline.toml declares needs another "
        "type there",
        metadata,
    )


def _look(context: AssetCheckExecutionContext, deployment: Deployment) -> tuple[list[Misfits], dict[str, Any]]:
    columns = remembered_columns(deployment)
    if not columns:
        return [], {"columns": 0}
    view = f"{quote_identifier(deployment.names.database)}.{quote_identifier(STATE_VIEW)}"
    result = deployment.athena.execute(misfit_statement(view, columns), context=context)
    found = misfits(columns, result.rows[0])
    metadata: dict[str, Any] = {
        "columns": len(columns),
        "misfits": sum(one.count for one in found),
        "query": result.query_id,
        "query_in_console": MetadataValue.url(result.console_url),
        "bytes_scanned": result.data_scanned_in_bytes,
    }
    if found:
        metadata["by_column"] = MetadataValue.table(
            [
                TableRecord(
                    {
                        "column": one.column.name,
                        "attribute": attribute_text(one.column.path),
                        "type": one.column.type,
                        "items": one.count,
                        "examples": " and ".join(one.examples),
                    }
                )
                for one in found
            ]
        )
    return found, metadata
