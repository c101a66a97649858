"""Checks of the change table: whether it has every hour, and is what the views expect. Both stop the refresh."""

from datetime import UTC, datetime
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    DagsterInstance,
    TimestampMetadataValue,
    asset_check,
)

from ddb_pipeline.arrivals import CLOCKS, listed, partition_key
from ddb_pipeline.assets.change_table import LISTED_AT
from ddb_pipeline.assets.change_table import NAME as CHANGE_TABLE
from ddb_pipeline.assets.common import RETRY_TRANSIENT, asset_key, failing_plainly
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.errors import REPAIR_ADVICE
from ddb_pipeline.refreshes import scope_of_run
from ddb_pipeline.resources.aws import PipelineAwsResource
from ddb_pipeline.survey import Survey, survey
from ddb_pipeline.table_changes import declared_tables, table_changes, with_what_was_chosen

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
        description="Columns, partition keys, format, location and parameters of each change table are as declared.",
        retry_policy=RETRY_TRANSIENT,
    )
    def schema_is_the_contract(aws: PipelineAwsResource) -> AssetCheckResult:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            described, bucket = deployment.catalog.require_change_tables(), deployment.names.raw_bucket
            problems = [
                f"{table.name}: {change.text}"
                for table in declared_tables(deployment)
                if table.name in described
                for change in table_changes(
                    described[table.name], with_what_was_chosen(table, described[table.name]).table_input(bucket)
                )
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
