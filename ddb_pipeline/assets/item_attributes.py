"""The attributes of items: found in hours that nobody has looked at, remembered, given to the views as columns.

An attribute is in `item` and `image` as soon as its hour is in the catalog. It becomes a column at the next refresh.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, MetadataValue, TableRecord, asset

from ddb_pipeline.arrivals import listed, partition_key
from ddb_pipeline.assets.attribute_looks import Look, Looking
from ddb_pipeline.assets.baseline import NAME as BASELINE
from ddb_pipeline.assets.change_table import NAME as CHANGE_TABLE
from ddb_pipeline.assets.common import CHANGES_GROUP, OWNERS, QUERY_POOL, RETRY_TRANSIENT, asset_key, failing_plainly
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.item_columns import ItemColumn
from ddb_pipeline.item_columns.expressions import shown_types
from ddb_pipeline.item_columns.learning import item_columns
from ddb_pipeline.item_columns.memory import Memory
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.view_sql import NOTHING_KNOWN, ViewInputs, views

NAME = "item_attributes"
_PLAIN_NAME = re.compile(r"[^.\[]+")


def item_attributes_asset(pipeline: Pipeline) -> AssetsDefinition:
    """Return the asset of the attributes that are columns of a pipeline's views."""
    # items that are older than the stream are in a baseline alone
    before = [CHANGE_TABLE] if pipeline.baseline == "none" else [CHANGE_TABLE, BASELINE]

    @asset(
        key=asset_key(pipeline, NAME),
        deps=[asset_key(pipeline, name) for name in before],
        description="Attributes of items, found in the hours that nobody has looked at yet, with the column that each "
        "has in the views: its name stays, its type only widens. One query over the new hours, as a rule.",
        kinds={"athena", "table"},
        owners=OWNERS,
        group_name=CHANGES_GROUP,
        retry_policy=RETRY_TRANSIENT,
        pool=QUERY_POOL,
    )
    def item_attributes(context: AssetExecutionContext, aws: PipelineAwsResource) -> MaterializeResult[None]:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            return MaterializeResult(metadata=_discover(context, deployment))

    return item_attributes


def views_with_columns(pipeline: Pipeline) -> frozenset[str]:
    """Return the names of the views that have attributes as columns."""
    probe = ItemColumn("probe", "varchar", ("probe",))
    with_probe, without = views(pipeline, ViewInputs(item_columns=(probe,))), views(pipeline, NOTHING_KNOWN)
    return frozenset(one.name for one, other in zip(with_probe, without, strict=True) if one.columns != other.columns)


def remembered_columns(deployment: Deployment) -> tuple[ItemColumn, ...]:
    """Return the columns that the views are to have.

    Raises:
        PipelineError: Nobody has looked for attributes yet, or the memory of it is gone or broken.
    """
    stored = deployment.column_memory.read()
    if stored.memory is None:
        what = f"which {stored.broken}" if stored.broken else "which is not there"
        name = asset_key(deployment.pipeline, NAME).to_user_string()
        raise PipelineError(
            f"the columns of the views are written down in {deployment.column_memory.uri}, {what}: materialize {name}"
        )
    return item_columns(stored.memory, deployment.pipeline)


def _discover(context: AssetExecutionContext, deployment: Deployment) -> dict[str, Any]:
    deployment.catalog.require_change_tables()
    shown = views_with_columns(deployment.pipeline)
    taken = {column.name for view in views(deployment.pipeline) if view.name in shown for column in view.columns}
    looking = Looking(context, deployment, sorted(taken), datetime.now(UTC))
    looking.run()
    return _metadata(deployment, looking.before, looking.memory, looking.look)


def _metadata(deployment: Deployment, before: Memory, after: Memory, look: Look) -> dict[str, Any]:
    old, columns = (item_columns(memory, deployment.pipeline) for memory in (before, after))
    known = {attribute.path for attribute in after.attributes}
    left_out = [path for path in look.left_out if path not in known]
    metadata: dict[str, Any] = {
        "columns": len(columns),
        "new": listed(new_columns(old, columns), 50) or "none",
        "widened": listed(widened_columns(old, columns), 50) or "none",
        "hours_looked_at": len(look.hours),
        "hours_looked_at_list": listed([partition_key(hour) for hour in look.hours], 20) or "none",
        "uri": deployment.column_memory.uri,
    }
    if look.left:
        metadata["hours_left_to_the_next_refresh"] = len(look.left)
    if look.too_large:
        metadata["hours_too_large_for_a_query"] = listed([partition_key(hour) for hour in look.too_large], 20)
    if left_out:
        metadata["left_in_item"] = listed([attribute_text(path) for path in left_out], 50)
        metadata["left_in_item_count"] = len(left_out)
    if look.baseline_id:
        metadata["baseline_looked_at"] = look.baseline_id
    if look.queries:
        metadata["query"] = look.queries[-1].query_id
        metadata["query_in_console"] = MetadataValue.url(look.queries[-1].console_url)
        metadata["bytes_scanned"] = sum(query.data_scanned_in_bytes for query in look.queries)
    if columns:
        metadata["mapping"] = MetadataValue.table(_mapping(columns, after))
    return metadata


def _mapping(columns: Iterable[ItemColumn], memory: Memory) -> list[TableRecord]:
    attributes = {attribute.path: attribute for attribute in memory.attributes}
    return [
        TableRecord(
            {
                "column": column.name,
                "attribute": attribute_text(column.path),
                "type": column.type,
                "dynamodb_types": ", ".join(shown_types(column)),
                "since": attributes[column.path].since,
                "occurrences": attributes[column.path].seen.total,
            }
        )
        for column in columns
    ]


def new_columns(old: Iterable[ItemColumn], columns: Iterable[ItemColumn]) -> list[str]:
    """Say which columns there were none of before."""
    known = {column.path for column in old}
    return [f"{column.name} {column.type}" for column in columns if column.path not in known]


def widened_columns(old: Iterable[ItemColumn], columns: Iterable[ItemColumn]) -> list[str]:
    """Say which columns show more values than before, or have another type."""
    before: Mapping[tuple[str, ...], ItemColumn] = {column.path: column for column in old}
    changed = [
        (before[column.path], column) for column in columns if column.path in before and before[column.path] != column
    ]
    return [f"{new.name}: {_described(was)} -> {_described(new)}" for was, new in changed]


def _described(column: ItemColumn) -> str:
    return f"{column.type} of {' and '.join(column.dynamodb_types)}" if column.dynamodb_types else column.type


def attribute_text(path: tuple[str, ...]) -> str:
    """Write an attribute's path as `pipeline.toml` does: names with dots between, or a JSON array."""
    if all(_PLAIN_NAME.fullmatch(name) and name.isprintable() for name in path):
        return ".".join(path)
    return json.dumps(path, ensure_ascii=False)
