"""The check of the state's shape: one row per item."""

from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSpec,
    MetadataValue,
    multi_asset_check,
)

from ddb_pipeline.assets.common import QUERY_POOL, RETRY_TRANSIENT, asset_key, failing_plainly
from ddb_pipeline.assets.views import check_may_scan, preview_records
from ddb_pipeline.checks.too_large import told_when_too_large
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.resources.aws import PipelineAwsResource
from ddb_pipeline.sql_text import quote_identifier

ITEMS_CHECK = "one_row_per_item"
ITEM_VIEW = "latest_item_state"


def items_check_key(pipeline: Pipeline) -> AssetCheckKey:
    """Return the key of the check that scans data, so that a schedule can ask for it."""
    return AssetCheckKey(asset_key(pipeline, ITEM_VIEW), ITEMS_CHECK)


def items_check(pipeline: Pipeline) -> AssetChecksDefinition:
    """Return the check that no item has two rows."""
    key = asset_key(pipeline, ITEM_VIEW)

    # a multi-check may yield nothing: a check that did not look must not say that it passed
    @multi_asset_check(
        name=f"{pipeline.name}_{ITEMS_CHECK}",
        specs=[
            AssetCheckSpec(
                ITEMS_CHECK,
                asset=key,
                description="No item has two rows in the view. Scans the data: follows `measure` of the stage, "
                "except when it is asked for by itself.",
            )
        ],
        can_subset=True,
        retry_policy=RETRY_TRANSIENT,
        pool=QUERY_POOL,
    )
    @told_when_too_large(items_check_key(pipeline))
    def one_row_per_item(context: AssetCheckExecutionContext, aws: PipelineAwsResource) -> Iterator[AssetCheckResult]:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            if not check_may_scan(context, deployment.stage):
                return
            view = f"{quote_identifier(deployment.names.database)}.{quote_identifier(ITEM_VIEW)}"
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
            if rows != items:
                repeated = deployment.athena.execute(
                    f"SELECT item_key, count(*) AS all_rows FROM {view} GROUP BY item_key "  # noqa: S608 - quoted
                    "HAVING count(*) > 1 ORDER BY item_key LIMIT 10",
                    context=context,
                )
                metadata["repeated"] = MetadataValue.table(preview_records(("item_key", "rows"), repeated.rows))
        yield AssetCheckResult(
            check_name=ITEMS_CHECK,
            asset_key=key,
            passed=rows == items,
            metadata=metadata,
            description=(
                None
                if rows == items
                else f"{rows} rows for {items} items: the view breaks its rule: materialize it again, and report the "
                "repeated keys (metadata) as a defect if that does not help"
            ),
        )

    return one_row_per_item
