"""The check of typed columns: whether each value of an item is in its column."""

from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSpec,
    MetadataValue,
    TableRecord,
    multi_asset_check,
)

from ddb_pipeline.assets.common import RETRY_TRANSIENT, asset_key, failing_plainly
from ddb_pipeline.assets.item_attributes import NAME as ITEM_ATTRIBUTES
from ddb_pipeline.assets.item_attributes import attribute_text, remembered_columns
from ddb_pipeline.assets.views import check_may_scan
from ddb_pipeline.checks.too_large import told_when_too_large
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.item_columns.fit import Misfits, misfit_statement, misfits, told
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.sql_text import quote_identifier

FIT_CHECK = "values_fit_their_columns"
_VIEW = "latest_item_state"


def fit_check_key(pipeline: Pipeline) -> AssetCheckKey:
    """Return the key of the check, so that a schedule can ask for it."""
    return AssetCheckKey(asset_key(pipeline, _VIEW), FIT_CHECK)


def fit_check(pipeline: Pipeline) -> AssetChecksDefinition:
    """Return the check that counts values which their column does not show."""
    key = asset_key(pipeline, _VIEW)

    # a multi-check may yield nothing: a check that did not look must not say that it passed
    @multi_asset_check(
        name=f"{pipeline.name}_{FIT_CHECK}",
        specs=[
            AssetCheckSpec(
                FIT_CHECK,
                asset=key,
                description="No value of an attribute is NULL in its column because it does not fit: each such value "
                "is in `item` and `image`. Scans the data: follows `measure` of the stage, except when it is asked "
                "for by itself.",
            )
        ],
        can_subset=True,
        retry_policy=RETRY_TRANSIENT,
    )
    @told_when_too_large(fit_check_key(pipeline))
    def values_fit_their_columns(
        context: AssetCheckExecutionContext, aws: PipelineAwsResource
    ) -> Iterator[AssetCheckResult]:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            if not check_may_scan(context, deployment.stage):
                return
            found, metadata = _look(context, deployment)
        yield AssetCheckResult(
            check_name=FIT_CHECK,
            asset_key=key,
            passed=not found,
            metadata=metadata,
            description=(
                f"values that are NULL in their column, in how many items: {told(found)}: they are in `item` and "
                f"`image`; materialize {asset_key(pipeline, ITEM_ATTRIBUTES).to_user_string()} and the view, which "
                "widens columns; one that pipeline.toml declares needs another type there"
                if found
                else None
            ),
        )

    return values_fit_their_columns


def _look(context: AssetCheckExecutionContext, deployment: Deployment) -> tuple[list[Misfits], dict[str, Any]]:
    columns = remembered_columns(deployment)
    if not columns:
        return [], {"columns": 0}
    view = f"{quote_identifier(deployment.names.database)}.{quote_identifier(_VIEW)}"
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
