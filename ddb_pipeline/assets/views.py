"""The views: re-created only when their SQL changed or somebody else touched them, measured only when asked for.

Athena stores a view as base64 in the Glue catalog, in a form that AWS does not document and may reformat. So the
text is never compared with ours: each materialization records a hash of our statement beside a hash of what the catalog
held afterwards, and a view is current as long as both still hold.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetExecutionContext,
    AssetsDefinition,
    DagsterInstance,
    DagsterRun,
    FreshnessPolicy,
    MaterializeResult,
    MetadataValue,
    TableRecord,
    asset,
)

from ddb_pipeline.assets.baseline import NAME as BASELINE
from ddb_pipeline.assets.change_table import NAME as CHANGE_TABLE
from ddb_pipeline.assets.common import (
    MEASURE_TAG,
    OWNERS,
    QUERY_POOL,
    RETRY_TRANSIENT,
    VIEWS_GROUP,
    asset_key,
    failing_plainly,
    table_name,
    table_schema,
)
from ddb_pipeline.assets.item_attributes import NAME as ITEM_ATTRIBUTES
from ddb_pipeline.assets.item_attributes import views_with_columns
from ddb_pipeline.assets.view_inputs import column_lineage, view_inputs
from ddb_pipeline.baselines import moment_of
from ddb_pipeline.baselines.records import microseconds
from ddb_pipeline.cron import longest_gap
from ddb_pipeline.declaration import Automation, Pipeline, Stage
from ddb_pipeline.resources.athena import QueryResult
from ddb_pipeline.resources.athena_queries import AthenaQueryError
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.sql_text import quote_identifier
from ddb_pipeline.view_sql import STATE_VIEW, View, ViewInputs, create_view_statement, select_statement, views

STATEMENT_HASH = "statement_sha256"
STORED_HASH = "stored_view_sha256"
MEASURED_BY = "query"
"""Name of the metadata of a view that was measured: Athena's id of the query."""
NOT_MEASURED = "not_measured"
"""Name of the metadata of a view that was too large to be measured: why, and what to do."""
MEASURED_PERIOD = timedelta(days=1)
"""How far back changes are measured once a day."""
PREVIEW_ROWS = 10
PREVIEW_ATTRIBUTES = 30
_LATE_REFRESH = timedelta(hours=6)
_CELL_CHARACTERS = 80
_SQL_CHARACTERS = 30_000
_COUNT_COLUMN = "rows_in_view"


@dataclass(frozen=True)
class Recorded:
    """Hashes of our statement and of the stored view, as they were when it was created."""

    statement: str
    stored: str


def view_assets(pipeline: Pipeline, stage: str | None, automation: Automation) -> list[AssetsDefinition]:
    """Return the assets of a pipeline's views.

    Args:
        pipeline: The pipeline.
        stage: Stage that is configured when Dagster loads, if any: names the views in the UI.
        automation: Whether the schedule that refreshes the views is on: then they are to be fresh.
    """
    freshness = view_freshness(pipeline) if automation == "running" else None
    return [_view_asset(pipeline, view, stage, freshness) for view in views(pipeline)]


def view_freshness(pipeline: Pipeline) -> FreshnessPolicy | None:
    """Return how old a view's last refresh may be: the schedule's longest pause and six hours more.

    The schedule refreshes the views whether or not the table was written, so an idle table raises no alarm. The change
    table has no such policy, being crawled only when an hour is new: its checks judge it by what arrived.
    """
    gap = longest_gap(pipeline.views_schedule)
    return FreshnessPolicy.time_window(fail_window=gap + _LATE_REFRESH) if gap else None


def _view_asset(
    pipeline: Pipeline, view: View, stage: str | None, freshness: FreshnessPolicy | None
) -> AssetsDefinition:
    key = asset_key(pipeline, view.name)
    has_columns = view.name in views_with_columns(pipeline)
    upstream = [CHANGE_TABLE, *[BASELINE] * (pipeline.baseline != "none"), *[ITEM_ATTRIBUTES] * has_columns]

    @asset(
        key=key,
        deps=[asset_key(pipeline, name) for name in upstream],
        description=view.description,
        kinds={"athena", "view", "sql"},
        owners=OWNERS,
        group_name=VIEWS_GROUP,
        metadata={
            "dagster/table_name": table_name(pipeline, stage, view.name),
            "dagster/column_schema": table_schema(view.columns),
        },
        retry_policy=RETRY_TRANSIENT,
        pool=QUERY_POOL,
        freshness_policy=freshness,
    )
    def create_view(context: AssetExecutionContext, aws: PipelineAwsResource) -> MaterializeResult[None]:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            inputs = view_inputs(deployment, view.name)
            (current,) = [one for one in views(deployment.pipeline, inputs) if one.name == view.name]
            metadata = _create_when_changed(context, deployment, current, inputs)
            if measures(deployment.stage, context.run):
                metadata |= _measure(context, deployment, current, inputs)
                for name in (STATEMENT_HASH, STORED_HASH):  # last in the UI: people read the rest
                    metadata[name] = metadata.pop(name)
            else:
                context.log.info("not measured in this run: measure = %r of the stage", deployment.stage.measure)
        return MaterializeResult(metadata=metadata)

    return create_view


def measures(stage: Stage, run: DagsterRun) -> bool:
    """Whether this run may scan the data to count and preview rows."""
    return stage.measure == "each" or (stage.measure == "daily" and run.tags.get(MEASURE_TAG) == "daily")


def check_may_scan(context: AssetCheckExecutionContext, stage: Stage) -> bool:
    """Whether a check may scan the data in this run: where `measure` says so, or where somebody asked for checks alone.

    Logs why not.
    """
    if is_asked_for(context) or measures(stage, context.run):
        return True
    context.log.info("not checked in this run: measure = %r of the stage", stage.measure)
    return False


def is_asked_for(context: AssetCheckExecutionContext) -> bool:
    """Whether somebody started this run for its checks alone: it has no assets."""
    return not context.job_def.asset_layer.executable_asset_keys


def is_current(statement: str, stored: Mapping[str, Any] | None, recorded: Recorded | None) -> bool:
    """Whether the stored view is the one that our statement created.

    Args:
        statement: Our CREATE statement.
        stored: Glue's description of the view; None when there is none.
        recorded: What the last materialization recorded; None when there was none.
    """
    return stored is not None and recorded == Recorded(_hash(statement), stored_hash(stored))


def stored_hash(stored: Mapping[str, Any]) -> str:
    """Hash what a view in the Glue catalog says: its text, whatever form Athena gave it."""
    return _hash(str(stored.get("ViewOriginalText") or ""))


def preview_of(view: View, inputs: ViewInputs) -> View:
    """Return the view with no more attributes as columns than people look through."""
    left_out = {column.name for column in inputs.item_columns[PREVIEW_ATTRIBUTES:]}
    return replace(view, columns=tuple(column for column in view.columns if column.name not in left_out))


def measured_since(stage: Stage, view: View, now: datetime) -> int | None:
    """Return since when changes are measured, epoch microseconds; None: all of the view is.

    The views of history grow for ever, and a measurement that reads all of them would cost more each day. The state is
    what a baseline bounds.

    Args:
        stage: Says how often is measured.
        view: The view.
        now: The time.
    """
    if stage.measure == "each" or view.name == STATE_VIEW:
        return None
    return microseconds(now.replace(minute=0, second=0, microsecond=0) - MEASURED_PERIOD)


def view_source(deployment: Deployment, view: View, inputs: ViewInputs, since_us: int | None) -> str:
    """Return what stands for a view in a FROM: its name, or what it says of the changes since a moment.

    Args:
        deployment: The pipeline on its stage.
        view: The view.
        inputs: What it is made with.
        since_us: The moment, epoch microseconds: hours before are not read; None: the whole view.
    """
    name = quote_identifier(view.name)
    if since_us is None:
        return f"{quote_identifier(deployment.names.database)}.{name}"
    since = replace(inputs, baseline=None, since_us=since_us)
    return f"(\n{select_statement(view, deployment.pipeline, deployment.names, since)}\n) AS {name}"


def measure_statement(view: View, source: str) -> str:
    """Return the one query that both counts and previews a view: the newest rows, with the count beside each.

    Args:
        view: The view, with the columns that are shown.
        source: The view's name, quoted, or a query in parentheses.
    """
    columns = ", ".join(quote_identifier(column.name) for column in view.columns)
    newest = next((column.name for column in view.columns if column.type.startswith("timestamp")), None)
    order = f" ORDER BY {quote_identifier(newest)} DESC" if newest else ""
    # every name is quoted
    counted = f"SELECT {columns}, count(*) OVER () AS {quote_identifier(_COUNT_COLUMN)}"
    return f"{counted} FROM {source}{order} LIMIT {PREVIEW_ROWS}"


def preview_records(names: Iterable[str], rows: Iterable[Iterable[Any]]) -> list[TableRecord]:
    """Return rows as Dagster shows them; long text is cut, bytes become hexadecimal digits."""
    names = list(names)
    return [TableRecord(dict(zip(names, map(_cell, row), strict=False))) for row in rows]


def _create_when_changed(
    context: AssetExecutionContext, deployment: Deployment, view: View, inputs: ViewInputs
) -> dict[str, Any]:
    names, catalog = deployment.names, deployment.catalog
    catalog.require_change_tables()
    statement = create_view_statement(view, deployment.pipeline, names, inputs)
    stored = catalog.table(view.name)
    created: dict[str, Any] = {}
    if is_current(statement, stored, _recorded(context.instance, context.asset_key)):
        context.log.info("%s.%s is current", names.database, view.name)
    else:
        # without the context: a retry must create the view, not find the query that once did
        result = deployment.athena.execute(statement, on_start=lambda query: context.log.info("query %s", query))
        stored = catalog.table(view.name)
        created = {"created_by_query": result.query_id, "created_by": MetadataValue.url(result.console_url)}
    return {
        "view": "created" if created else "unchanged",
        **created,
        "sql": MetadataValue.md(f"```sql\n{_shown(statement)}\n```"),
        "uri": f"awsdatacatalog://{names.account}/{names.region}/{names.database}/{view.name}",
        "dagster/column_schema": table_schema(view.columns),
        **_lineage(deployment, view, inputs),
        STATEMENT_HASH: _hash(statement),
        STORED_HASH: stored_hash(stored or {}),
    }


def _lineage(deployment: Deployment, view: View, inputs: ViewInputs) -> dict[str, Any]:
    if view.name not in views_with_columns(deployment.pipeline):
        return {}
    change_table = asset_key(deployment.pipeline, CHANGE_TABLE)
    return {"dagster/column_lineage": column_lineage(view, inputs, deployment, change_table)}


def _shown(statement: str) -> str:
    """A statement with hundreds of columns would fill Dagster's event log: the view itself has it whole."""
    left = len(statement) - _SQL_CHARACTERS
    return statement if left <= 0 else f"{statement[:_SQL_CHARACTERS]}\n-- and {left} more characters"


def _recorded(instance: DagsterInstance, key: Any) -> Recorded | None:
    event = instance.get_latest_materialization_event(key)
    materialization = event.asset_materialization if event else None
    if materialization is None:
        return None
    values = [materialization.metadata.get(name) for name in (STATEMENT_HASH, STORED_HASH)]
    texts = [str(value.value) for value in values if value is not None]
    return Recorded(*texts) if len(texts) == len(values) else None


def _measure(context: AssetExecutionContext, deployment: Deployment, view: View, inputs: ViewInputs) -> dict[str, Any]:
    """Count and preview a view. That it is too large to be measured fails no run: the view itself stands."""
    shown = preview_of(view, inputs)
    since_us = measured_since(deployment.stage, view, datetime.now(UTC))
    source = view_source(deployment, view, inputs, since_us)
    try:
        result = deployment.athena.execute(measure_statement(shown, source), context=context)
    except AthenaQueryError as error:
        if not error.cut_off:
            raise
        context.log.warning("not measured: %s", error)
        return {NOT_MEASURED: str(error)}
    return _measured(result, shown, since_us)


def _measured(result: QueryResult, view: View, since_us: int | None) -> dict[str, Any]:
    names = [column.name for column in view.columns]
    rows = int(result.rows[0][-1]) if result.rows else 0
    metadata: dict[str, Any] = {
        # Dagster takes its own name for the rows of all of the view
        **({"dagster/row_count": rows} if since_us is None else {"rows_of_the_last_day": rows}),
        **({} if since_us is None else {"measured_since": MetadataValue.timestamp(moment_of(since_us))}),
        MEASURED_BY: result.query_id,
        "query_in_console": MetadataValue.url(result.console_url),
        "bytes_scanned": result.data_scanned_in_bytes,
        "engine_milliseconds": result.engine_milliseconds,
    }
    if result.rows:
        metadata["preview"] = MetadataValue.table(preview_records(names, (row[:-1] for row in result.rows)))
    return metadata


def _cell(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value.hex() if isinstance(value, (bytes, bytearray)) else str(value)
    return text if len(text) <= _CELL_CHARACTERS else text[: _CELL_CHARACTERS - 1] + "…"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
