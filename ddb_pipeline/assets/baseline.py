"""The baseline: made by its own job, newest first in what the views read."""

from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, MetadataValue, asset

from ddb_pipeline.assets.change_table import NAME as CHANGE_TABLE
from ddb_pipeline.assets.common import CHANGES_GROUP, OWNERS, asset_key, failing_plainly, table_name, table_schema
from ddb_pipeline.baseline_making.making import Made, Making
from ddb_pipeline.baselines import BASELINE_COLUMNS, BASELINE_PARTITION_COLUMNS, DATA_PREFIX, TABLE_NAME, moment_of
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.resources.prices import TERABYTE, TERABYTE_SCANNED_DOLLARS

NAME = "baseline"


def baseline_assets(pipeline: Pipeline, stage: str | None) -> list[AssetsDefinition]:
    """Return the asset of a pipeline's baselines, if it has some.

    Args:
        pipeline: The pipeline.
        stage: Stage that is configured when Dagster loads, if any: names the table in the UI.
    """
    if pipeline.baseline == "none":
        return []

    @asset(
        key=asset_key(pipeline, NAME),
        deps=[asset_key(pipeline, CHANGE_TABLE)],
        description="The state of all items at one moment, so that the views need not read what came before: "
        + (
            "from an export of the table, which also holds items older than the stream."
            if pipeline.baseline == "export"
            else "a snapshot of our own state."
        ),
        kinds={"athena", "parquet", "table"},
        owners=OWNERS,
        group_name=CHANGES_GROUP,
        metadata={
            "dagster/table_name": table_name(pipeline, stage, TABLE_NAME),
            "dagster/column_schema": table_schema((*BASELINE_COLUMNS, *BASELINE_PARTITION_COLUMNS)),
        },
    )
    def make_baseline(context: AssetExecutionContext, aws: PipelineAwsResource) -> MaterializeResult[None]:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            made = Making(deployment, note=context.log.info).run()
            return MaterializeResult(metadata=_metadata(deployment, made))

    return [make_baseline]


def _metadata(deployment: Deployment, made: Made) -> dict[str, Any]:
    manifest, bucket = made.manifest, deployment.names.raw_bucket
    return {
        "baseline_id": manifest.baseline_id,
        "source": manifest.source,
        "as_of": MetadataValue.timestamp(moment_of(manifest.as_of_us)),
        "dagster/row_count": manifest.rows,
        "uncertain_rows": manifest.uncertain,
        "parent": manifest.parent or "none",
        "bytes": sum(found.size for found in manifest.files),
        "bytes_scanned": manifest.bytes_scanned,
        "athena_dollars": round(manifest.bytes_scanned / TERABYTE * TERABYTE_SCANNED_DOLLARS, 6),
        "seconds": manifest.seconds,
        "begun_by_another_run": made.resumed,
        "retired": ", ".join(made.retired) or "none",
        "late_changes_healed": sum(late.changes for late in made.healed.values()),
        "uri": f"s3://{bucket}/{DATA_PREFIX}baseline_id={manifest.baseline_id}/",
        **({"export": manifest.export_arn} if manifest.export_arn else {}),
        **{f"query_that_{what}": query_id for what, query_id in manifest.queries.items()},
    }
