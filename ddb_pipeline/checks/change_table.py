"""Checks of the change table: whether it has every hour, and is what the views expect. Both stop the refresh."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, cast

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    DagsterInstance,
    TimestampMetadataValue,
    asset_check,
)

from ddb_pipeline import change_row, projection
from ddb_pipeline.arrivals import CLOCKS, listed, partition_key
from ddb_pipeline.assets.change_table import LISTED_AT
from ddb_pipeline.assets.change_table import NAME as CHANGE_TABLE
from ddb_pipeline.assets.common import RETRY_TRANSIENT, asset_key, failing_plainly
from ddb_pipeline.change_row import Column
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.errors import REPAIR_ADVICE
from ddb_pipeline.refreshes import scope_of_run
from ddb_pipeline.resources.aws import PipelineAwsResource
from ddb_pipeline.resources.change_catalog import columns
from ddb_pipeline.survey import Survey, survey

HOURS_CHECK = "every_s3_hour_is_in_the_catalog"
SCHEMA_CHECK = "schema_is_the_contract"

_PROJECTED = "partitions are projected, the catalog has no hours: looked for years that the projection leaves out"


def hours_check(pipeline: Pipeline) -> AssetChecksDefinition:
    """Return the check that no hour is missing in the catalog."""
    key = asset_key(pipeline, CHANGE_TABLE)

    @asset_check(
        asset=key,
        name=HOURS_CHECK,
        blocking=True,
        description="Every hour with raw objects in S3 is a partition of its change table: none is missing in a view.",
        retry_policy=RETRY_TRANSIENT,
    )
    def every_s3_hour_is_in_the_catalog(
        context: AssetCheckExecutionContext, aws: PipelineAwsResource
    ) -> AssetCheckResult:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            deployment.catalog.require_change_tables()
            found = survey(deployment, scope_of_run(context.run.tags, datetime.now(UTC)))
            is_projected = deployment.catalog.is_projected
            crawlers = " and ".join(
                table.crawler for table in deployment.names.change_tables if table.prefix in found.lacking_below
            )
        listed_at = _listed_at(context.instance, key)
        # an hour whose first object came after the crawl listed S3 waits for the next one
        late = {
            hour
            for hour in found.lacking
            if listed_at and not is_projected and hour in found.begun and _began(found, hour) > listed_at - CLOCKS
        }
        lacking = [partition_key(hour) for hour in found.lacking if hour not in late]
        looked_at = "hours_in_s3" if found.is_everything else "hours_looked_at"
        metadata: dict[str, Any] = {looked_at: len(found.hours), "hours_lacking": len(lacking)}
        if is_projected:
            metadata["not_applicable"] = _PROJECTED
        if late:
            metadata["arrived_after_the_crawl"] = listed([partition_key(hour) for hour in sorted(late)], 20)
        if not lacking:
            return AssetCheckResult(passed=True, metadata=metadata)
        return AssetCheckResult(
            passed=False,
            metadata=metadata,
            description=(
                f"in S3 but of years that the change tables do not project: {listed(lacking, 20)}: set start_date of "
                f"pipelines.{pipeline.name} in pipeline.toml to the first of these days and deploy; a year to come is "
                "read when it has begun"
                if is_projected
                else f"in S3 but not in the catalog: {listed(lacking, 20)}: materialize {key.to_user_string()}; if "
                f"that does not help, look at the last run of crawler {crawlers} in the Glue console: it passes over "
                "folders whose format or compression is not the table's"
            ),
        )

    return every_s3_hour_is_in_the_catalog


def _began(found: Survey, hour: datetime) -> datetime:
    """When the first data of an hour came that a table lacks."""
    written = found.begun[hour].first_written
    return min(written[prefix] for prefix, lacking in found.lacking_below.items() if hour in lacking)


def _listed_at(instance: DagsterInstance, key: Any) -> datetime | None:
    event = instance.get_latest_materialization_event(key)
    materialization = event.asset_materialization if event else None
    value = materialization.metadata.get(LISTED_AT) if materialization else None
    return datetime.fromtimestamp(value.value, UTC) if isinstance(value, TimestampMetadataValue) else None


def schema_check(pipeline: Pipeline) -> AssetChecksDefinition:
    """Return the check that the table is the one that the change row asks for."""

    @asset_check(
        asset=asset_key(pipeline, CHANGE_TABLE),
        name=SCHEMA_CHECK,
        blocking=True,
        description="Columns, types, format and partition keys of each change table are those of the change row.",
        retry_policy=RETRY_TRANSIENT,
    )
    def schema_is_the_contract(aws: PipelineAwsResource) -> AssetCheckResult:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            described = deployment.catalog.require_change_tables()
            problems = [
                f"{table.name}: {problem}"
                for table in deployment.names.change_tables
                for problem in contract_problems(described[table.name], table.format, is_projected=table.is_projected)
            ]
        return AssetCheckResult(
            passed=not problems,
            metadata={"problems": len(problems)},
            description=(
                f"{'; '.join(problems)}: somebody changed it: bring it back to what the stack declares "
                f"({REPAIR_ADVICE})"
                if problems
                else None
            ),
        )

    return schema_is_the_contract


def contract_problems(table: Mapping[str, Any], format_: str, *, is_projected: bool = False) -> list[str]:
    """Say where a table in the Glue catalog departs from the change row.

    Args:
        table: Glue's description of the table.
        format_: What its raw objects are: json or parquet.
        is_projected: Whether its partitions are projected. If they were against this, Athena would overlook all hours
            that the crawler has registered; if they were not, it would find none.
    """
    wanted_storage = change_row.STORAGES[cast("change_row.Format", format_)]
    storage = table.get("StorageDescriptor", {})
    problems = [
        *_column_problems("column", change_row.COLUMNS, columns(storage.get("Columns", []))),
        *_column_problems("partition key", change_row.PARTITION_COLUMNS, columns(table.get("PartitionKeys", []))),
    ]
    formats = {
        "SerDe": (wanted_storage.serialization_library, storage.get("SerdeInfo", {}).get("SerializationLibrary")),
        "input format": (wanted_storage.input_format, storage.get("InputFormat")),
        "output format": (wanted_storage.output_format, storage.get("OutputFormat")),
    }
    problems.extend(f"{what} is {found}, not {wanted}" for what, (wanted, found) in formats.items() if found != wanted)
    return [*problems, *_projection_problems(table.get("Parameters") or {}, is_projected=is_projected)]


def _projection_problems(parameters: Mapping[str, str], *, is_projected: bool) -> list[str]:
    if not is_projected:
        return ["partition projection is on, not off"] if projection.is_enabled(parameters) else []
    # from which year on is the declaration's choice; a wrong one is told by the hours that it leaves out
    wanted = {name: value for name, value in projection.parameters(date.min).items() if name != projection.YEARS}
    return [
        f"{name} is {parameters.get(name)}, not {value}"
        for name, value in wanted.items()
        if parameters.get(name) != value
    ]


def _column_problems(what: str, wanted: tuple[Column, ...], found: list[tuple[str, str]]) -> list[str]:
    types = dict(found)
    problems = [f"{what} {column.name} is missing" for column in wanted if column.name not in types]
    problems += [
        f"{what} {column.name} is {types[column.name]}, not {column.type}"
        for column in wanted
        if types.get(column.name, column.type) != column.type
    ]
    names = [column.name for column in wanted]
    problems += [f"{what} {name} is unknown to the contract" for name, _type in found if name not in names]
    if not problems and [name for name, _type in found] != names:
        problems.append(f"{what}s are in another order: {', '.join(name for name, _type in found)}")
    return problems
