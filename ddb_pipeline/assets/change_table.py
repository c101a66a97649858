"""The crawl: brings the hours that S3 holds into the Glue catalog, where Athena finds them.

A crawl is billed for ten minutes at least (facts of AWS' price list), so it runs only when an hour is *not yet in the
catalog*; objects that arrive in an hour that is there need none.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    MaterializeResult,
    MetadataValue,
    TableColumn,
    TableSchema,
    asset,
)

from ddb_pipeline.arrivals import classify, listed, merged, oddities, partition_key
from ddb_pipeline.assets.common import (
    CHANGES_GROUP,
    CRAWL_POOL,
    OWNERS,
    RETRY_TRANSIENT,
    RUN_LIMIT_TAG,
    asset_key,
    failing_plainly,
    table_name,
    table_schema,
)
from ddb_pipeline.assets.projected_hours import NEWEST_HOURS, seen
from ddb_pipeline.assets.raw_changes import NAME as RAW_CHANGES
from ddb_pipeline.assets.raw_changes import arrival_events, losses
from ddb_pipeline.change_row import COLUMNS, PARTITION_COLUMNS, STORAGES
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.names import ChangeTable
from ddb_pipeline.refreshes import CRAWLED, LIMITED_RUN_SECONDS, scope_of_run
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.resources.change_catalog import columns
from ddb_pipeline.resources.glue_crawler import CrawlResult
from ddb_pipeline.resources.steps import step_of
from ddb_pipeline.survey import Survey, survey

NAME = CRAWLED
LISTED_AT = "hours_listed_at"
"""Metadata: when the hours in S3 were listed. An hour that began to fill later is no fault of this crawl."""
REST_OF_RUN_SECONDS = 2700
"""What is left of a run's time for what comes after its crawl: a long look for attributes (twenty minutes, and a query
of a quarter of an hour that began just before), and the views."""
LONGEST_CRAWL_SECONDS = LIMITED_RUN_SECONDS - REST_OF_RUN_SECONDS
"""How long a run waits for a crawl at most. A crawl that takes longer goes on, and the next run joins it."""
PROJECTED = 'none: Athena computes the hours (catalog = "projection" in pipeline.toml), nothing is registered'


def change_table_asset(pipeline: Pipeline, stage: str | None) -> AssetsDefinition:
    """Return the asset of a pipeline's change table.

    Args:
        pipeline: The pipeline.
        stage: Stage that is configured when Dagster loads, if any: names the table in the UI.
    """

    @asset(
        key=asset_key(pipeline, NAME),
        deps=[asset_key(pipeline, RAW_CHANGES)],
        description="Table of change rows in the Glue catalog, for Athena. Its schema never changes; "
        + (
            "Athena computes its hours, so that nothing is registered: what it does is to report arrivals."
            if pipeline.catalog == "projection"
            else "the crawl adds the hours that it lacks."
        ),
        kinds={"glue", "table"},
        owners=OWNERS,
        group_name=CHANGES_GROUP,
        metadata={
            "dagster/table_name": table_name(pipeline, stage, STORAGES[pipeline.format].table),
            "dagster/column_schema": table_schema((*COLUMNS, *PARTITION_COLUMNS)),
        },
        retry_policy=RETRY_TRANSIENT,
        pool=CRAWL_POOL,
    )
    def change_table(context: AssetExecutionContext, aws: PipelineAwsResource) -> MaterializeResult[None]:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            return MaterializeResult(metadata=_bring_in_hours(context, deployment))

    return change_table


def _bring_in_hours(context: AssetExecutionContext, deployment: Deployment) -> dict[str, Any]:
    described = deployment.catalog.require_change_tables()[deployment.names.change_table]
    listed_at = datetime.now(UTC)
    found = survey(deployment, scope_of_run(context.run.tags, listed_at))
    _report_arrivals(context, deployment, found, listed_at)
    crawls = [
        crawl
        for table in deployment.names.change_tables
        if not table.is_projected
        for crawl in _crawled(context, deployment, table, found.lacking_below.get(table.prefix, ()))
    ]
    lacking = merged(deployment.catalog.lacking(found.lacking_below))
    added = [hour for hour in found.lacking if hour not in lacking]
    fields = described.get("StorageDescriptor", {}).get("Columns", []), described.get("PartitionKeys", [])
    return {
        LISTED_AT: MetadataValue.timestamp(listed_at),
        "uri": deployment.raw_bucket.uri,
        "hours_in_s3" if found.is_everything else "hours_looked_at": len(found.hours),
        "hours_added": len(added),
        "hours_added_list": listed([partition_key(hour) for hour in added], 20) or "none",
        "crawl": PROJECTED if deployment.catalog.is_projected else _told(crawls, found),
        "dagster/column_schema": TableSchema([TableColumn(*column) for part in fields for column in columns(part)]),
        **(crawls[-1].metadata() if crawls else {}),
        **({NEWEST_HOURS: seen(found.hours_below, listed_at)} if deployment.catalog.is_projected else {}),
    }


def _crawled(
    context: AssetExecutionContext, deployment: Deployment, table: ChangeTable, lacking: tuple[datetime, ...]
) -> list[CrawlResult]:
    """Crawl for the hours that a table lacks, and return how the crawls went."""
    crawls: list[CrawlResult] = []
    while lacking:
        context.log.info("not in table %s: %s", table.name, listed([partition_key(hour) for hour in lacking]))
        seconds = _crawl_seconds(context)
        crawls.append(deployment.crawler.crawl(table.crawler, deadline_seconds=seconds, context=context))
        if not crawls[-1].joined:
            break
        # a crawl that ran already may have listed S3 before these hours arrived: the next one is our own
        lacking = deployment.catalog.lacking({table.prefix: lacking}).get(table.prefix, ())
    return crawls


def _crawl_seconds(context: AssetExecutionContext) -> float:
    """How long this run may wait for a crawl: Dagster ends the run at its limit, which would stop the crawl."""
    limit = float(context.run.tags.get(RUN_LIMIT_TAG) or context.instance.run_monitoring_max_runtime_seconds or 0)
    step = step_of(context)
    if not limit or step is None:
        return LONGEST_CRAWL_SECONDS
    left = max(limit - (datetime.now(UTC) - step.began_at()).total_seconds(), 0)
    return min(LONGEST_CRAWL_SECONDS, max(left - REST_OF_RUN_SECONDS, left / 2))


def _report_arrivals(
    context: AssetExecutionContext, deployment: Deployment, found: Survey, listed_at: datetime
) -> None:
    pipeline = deployment.pipeline
    sorted_hours = classify(found.hours, pipeline.start_date, datetime.now(UTC))
    if odd := oddities(sorted_hours, found.unreadable, pipeline.start_date):
        context.log.warning(odd)
    partitions = set(sorted_hours.hours)
    reportable = [content for hour, content in found.contents.items() if hour in partitions]
    bucket = deployment.names.raw_bucket
    events = arrival_events(context.instance, pipeline, reportable, bucket, listed_at=listed_at)
    for event in events:
        context.log_event(event)
    if lost := losses(events):
        context.log.warning(lost)
    looked_at = "hours in S3" if found.is_everything else "hours looked at"
    context.log.info("%s: %d, reported as changed: %d", looked_at, len(found.hours), len(events))


def _told(crawls: Iterable[CrawlResult], found: Survey) -> str:
    crawls = list(crawls)
    if crawls:
        return ", then ".join("joined one that ran" if crawl.joined else "started" for crawl in crawls)
    if found.hours or not found.is_everything:
        return "none needed: every hour is in the catalog"
    return "none needed: no hour has arrived yet"
