"""The external lineage: what stands before the raw objects and is not run by Dagster."""

from __future__ import annotations

from dagster import AssetSpec

from ddb_pipeline.assets.common import OWNERS, SOURCE_GROUP, asset_key
from ddb_pipeline.declaration import Pipeline


def source_assets(pipeline: Pipeline) -> list[AssetSpec]:
    """Return table, change stream and delivery stream of a pipeline."""
    keys = ", ".join(f"`{attribute.name}` ({attribute.type})" for attribute in pipeline.key_attributes)
    return [
        AssetSpec(
            asset_key(pipeline, "table"),
            description=f"The DynamoDB table, keyed by {keys}. Applications write it; nothing here scans it.",
            kinds={"dynamodb", "aws"},
            owners=OWNERS,
            group_name=SOURCE_GROUP,
        ),
        AssetSpec(
            asset_key(pipeline, "change_stream"),
            deps=[asset_key(pipeline, "table")],
            description="The Kinesis data stream that DynamoDB writes a change record to for every insert, "
            "modification and removal. It may repeat and reorder records.",
            kinds={"kinesis", "aws"},
            owners=OWNERS,
            group_name=SOURCE_GROUP,
        ),
        AssetSpec(
            asset_key(pipeline, "delivery_stream"),
            deps=[asset_key(pipeline, "change_stream")],
            description="The Firehose stream: its Lambda `change_converter` makes change rows of change records; "
            "what is no change record goes to `errors/` in the raw bucket, never away.",
            kinds={"firehose", "lambda"},
            owners=OWNERS,
            group_name=SOURCE_GROUP,
        ),
    ]
