"""The attributes of items: found in hours that nobody has looked at, remembered, given to the views as columns.

An attribute is in `item` and `image` as soon as its hour is in the catalog. It becomes a column at the next refresh.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from dagster import AssetExecutionContext, AssetsDefinition, MaterializeResult, MetadataValue, TableRecord, asset

from ddb_pipeline.arrivals import listed, partition_key
from ddb_pipeline.assets.baseline import NAME as BASELINE
from ddb_pipeline.assets.change_table import NAME as CHANGE_TABLE
from ddb_pipeline.assets.common import CHANGES_GROUP, OWNERS, QUERY_POOL, RETRY_TRANSIENT, asset_key, failing_plainly
from ddb_pipeline.baseline_making.in_use import baseline_in_use
from ddb_pipeline.baselines import TABLE_NAME as BASELINE_TABLE
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.item_columns import ItemColumn
from ddb_pipeline.item_columns.discovery import discovery_statement, mark_of, observations, rows_of_hours
from ddb_pipeline.item_columns.expressions import shown_types
from ddb_pipeline.item_columns.hours import HoursLookedAt, plan
from ddb_pipeline.item_columns.learning import Learned, item_columns, learn, needs_everything
from ddb_pipeline.item_columns.memory import EMPTY, Memory
from ddb_pipeline.item_columns.types import Observation
from ddb_pipeline.resources.athena import QueryResult
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.resources.column_memory import StoredMemory
from ddb_pipeline.sql_text import quote_identifier, quote_literal
from ddb_pipeline.view_sql import NOTHING_KNOWN, ViewInputs, change_rows, views

NAME = "item_attributes"
_ATTEMPTS = 5
"""How often a run starts over because another one was faster; each look of the other one spares it hours."""
_PLAIN_NAME = re.compile(r"[^.\[]+")


@dataclass
class Look:
    """What one run looked at, and what it found there."""

    hours: tuple[datetime, ...] = ()
    baseline_id: str | None = None
    queries: list[QueryResult] = field(default_factory=list)
    found: list[Observation] = field(default_factory=list)


def item_attributes_asset(pipeline: Pipeline) -> AssetsDefinition:
    """Return the asset of the attributes that are columns of a pipeline's views."""
    # items that are older than the stream are in a baseline alone
    before = [CHANGE_TABLE] if pipeline.baseline == "none" else [CHANGE_TABLE, BASELINE]

    @asset(
        key=asset_key(pipeline, NAME),
        deps=[asset_key(pipeline, name) for name in before],
        description="Attributes of items, found in the hours that nobody has looked at yet, with the column that each "
        "has in the views: its name stays, its type only widens. One query over the new hours; none without any.",
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
    now = datetime.now(UTC)
    look = Look()
    for _attempt in range(_ATTEMPTS):
        stored = deployment.column_memory.read()
        before = _before(context, deployment, stored)
        look = Look(queries=look.queries)
        learned = _look(context, deployment, before, look, now)
        if learned.memory == stored.memory or deployment.column_memory.write(learned.memory, stored):
            return _metadata(deployment, before, learned, look)
        context.log.info("another run has written %s meanwhile: looking again", deployment.column_memory.uri)
    raise PipelineError(
        f"{_ATTEMPTS} times another run wrote {deployment.column_memory.uri} first: let one refresh run at a time",
        transient=True,
    )


def _before(context: AssetExecutionContext, deployment: Deployment, stored: StoredMemory) -> Memory:
    """What is remembered; without a memory, or when more is wanted than was looked for, every hour counts as new."""
    if stored.memory is None:
        uri = deployment.column_memory.uri
        if stored.broken:
            context.log.error("%s %s: it is made anew from all hours", uri, stored.broken)
        elif context.instance.get_latest_materialization_event(context.asset_key):
            context.log.warning("%s is gone: it is made anew from all hours", uri)
        return EMPTY
    if needs_everything(stored.memory, deployment.pipeline):
        context.log.info("pipeline.toml asks for more columns than before: all hours are looked at again")
        return replace(stored.memory, looked_at=HoursLookedAt(), baseline_id=None)
    return stored.memory


def _look(context: AssetExecutionContext, deployment: Deployment, before: Memory, look: Look, now: datetime) -> Learned:
    pipeline, names = deployment.pipeline, deployment.names
    after = before
    if pipeline.discover_columns:
        bucket, database = deployment.raw_bucket, quote_identifier(names.database)

        def fingerprint(hour: datetime) -> str:
            content = bucket.content(hour)
            return content.fingerprint if content else "empty"

        planned = plan(deployment.hours_in_tables(), before.looked_at, fingerprint, now)
        conditions = [f"table_name = {quote_literal(names.table)}"]
        if planned.hours:
            look.hours = planned.hours
            rows = conditions if planned.is_everything else [*conditions, rows_of_hours(planned.hours)]
            changes = change_rows(["new_image"], names, deployment.other_change_table)
            mark = mark_of(planned.hours, planned.after.fingerprints)
            _ask(context, deployment, changes, rows, look, mark=mark)
        baseline = baseline_in_use(deployment)
        if baseline is not None and baseline.baseline_id != before.baseline_id:
            look.baseline_id = baseline.baseline_id
            rows = [*conditions, f"baseline_id = {quote_literal(baseline.baseline_id)}"]
            _ask(context, deployment, f"{database}.{quote_identifier(BASELINE_TABLE)}", rows, look)
        after = replace(before, looked_at=planned.after, baseline_id=look.baseline_id or before.baseline_id)
    taken = {
        column.name for view in views(pipeline) if view.name in views_with_columns(pipeline) for column in view.columns
    }
    return learn(after, look.found, pipeline, taken, f"{now:%Y-%m-%dT%H:%M:%SZ}")


def _ask(
    context: AssetExecutionContext,
    deployment: Deployment,
    table: str,
    rows: Sequence[str],
    look: Look,
    *,
    mark: str = "",
) -> None:
    depth = deployment.pipeline.item_column_depth
    statement = discovery_statement(table, rows, depth) + mark
    result = deployment.athena.execute(
        statement, on_start=lambda query: context.log.info("query %s", query), context=context
    )
    look.queries.append(result)
    look.found += observations(result.rows, depth)


def _metadata(deployment: Deployment, before: Memory, learned: Learned, look: Look) -> dict[str, Any]:
    old, columns = (item_columns(memory, deployment.pipeline) for memory in (before, learned.memory))
    metadata: dict[str, Any] = {
        "columns": len(columns),
        "new": listed(new_columns(old, columns), 50) or "none",
        "widened": listed(widened_columns(old, columns), 50) or "none",
        "hours_looked_at": len(look.hours),
        "hours_looked_at_list": listed([partition_key(hour) for hour in look.hours], 20) or "none",
        "uri": deployment.column_memory.uri,
    }
    if learned.left_out:
        metadata["left_in_item"] = listed([attribute_text(path) for path in learned.left_out], 50)
        metadata["left_in_item_count"] = len(learned.left_out)
    if look.baseline_id:
        metadata["baseline_looked_at"] = look.baseline_id
    if look.queries:
        metadata["query"] = look.queries[-1].query_id
        metadata["query_in_console"] = MetadataValue.url(look.queries[-1].console_url)
        metadata["bytes_scanned"] = sum(query.data_scanned_in_bytes for query in look.queries)
    if columns:
        metadata["mapping"] = MetadataValue.table(_mapping(columns, learned.memory))
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
