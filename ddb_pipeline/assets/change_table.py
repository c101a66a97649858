"""The crawl: brings the hours that S3 holds into the Glue catalog, where Athena finds them.

A crawl is billed for ten minutes at least (facts of AWS' price list), so it runs only when an hour is *not yet in the
catalog*; objects that arrive in an hour that is there need none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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

from ddb_pipeline.arrivals import (
    LOOK_BACK,
    HourContent,
    classify,
    listed,
    merged,
    oddities,
    partition_key,
)
from ddb_pipeline.assets.common import (
    CHANGES_GROUP,
    CRAWL_POOL,
    OWNERS,
    RETRY_TRANSIENT,
    asset_key,
    failing_plainly,
    table_name,
    table_schema,
)
from ddb_pipeline.assets.projected_hours import NEWEST_HOURS, seen
from ddb_pipeline.assets.raw_changes import NAME as RAW_CHANGES
from ddb_pipeline.assets.raw_changes import arrival_events
from ddb_pipeline.change_row import COLUMNS, PARTITION_COLUMNS, STORAGES
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.names import ChangeTable
from ddb_pipeline.refreshes import CRAWLED, EVERYTHING, Scope, scope_of_run
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.resources.change_catalog import columns
from ddb_pipeline.resources.glue_crawler import CrawlResult
from ddb_pipeline.resources.raw_bucket import RawBucket

NAME = CRAWLED
LISTED_AT = "hours_listed_at"
"""Metadata: when the hours in S3 were listed. An hour that began to fill later is no fault of this crawl."""
PROJECTED = 'none: Athena computes the hours (catalog = "projection" in pipeline.toml), nothing is registered'


@dataclass(frozen=True)
class Survey:
    """What S3 holds and the catalog lacks.

    Attributes:
        hours: Hours that have a folder in S3, of those looked at, oldest first.
        contents: What the newest of the hours of interest hold, recent ones and those that are lacking, as far as they
            were read to their end.
        lacking_below: Hours that the catalog has no partition for, oldest first, by the prefix of their raw objects;
            folders without data are left out.
        unreadable: Prefixes and keys that are not of an hour.
        is_everything: Whether all hours were looked at.
        hours_below: Hours that have a folder, by the prefix of their raw objects.
        begun: What hours of interest begin with, those that are lacking above all: their oldest objects, a page at
            least. It tells when their first data came, however much they hold.
    """

    hours: tuple[datetime, ...]
    contents: Mapping[datetime, HourContent]
    lacking_below: Mapping[str, tuple[datetime, ...]]
    unreadable: tuple[str, ...]
    is_everything: bool = True
    hours_below: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    begun: Mapping[datetime, HourContent] = field(default_factory=dict)

    @property
    def lacking(self) -> tuple[datetime, ...]:
        """Hours that some change table lacks, oldest first."""
        return merged(self.lacking_below)


def survey(deployment: Deployment, scope: Scope = EVERYTHING, *, pages: int = 200) -> Survey:
    """Compare hours in S3 with those in the catalog.

    Costs a LIST request per day that is looked at, and one per thousand objects in the hours that are recent or
    lacking, up to a bound; one Glue request per thousand hours.

    Args:
        deployment: The pipeline on its stage.
        scope: Hours to look at; all by default.
        pages: How many pages of LIST may go into what hours hold, a thousand objects each: first one for each hour that
            is lacking, oldest first, then the rest, newest first. What is not read the sensor's rounds read; that an
            hour holds data is taken for granted then.
    """
    bucket, catalog = deployment.raw_bucket, deployment.catalog
    stored = bucket.hours_by_prefix(scope.first)
    hours = merged(stored)
    asked = {prefix: {*found, *scope.named} for prefix, found in stored.items()}
    absent = catalog.lacking(asked) if scope.first else catalog.all_lacking(asked)
    now = datetime.now(UTC)
    newest = max((hour for hour in hours if hour <= now), default=now)
    recent = {hour for hour in hours if newest - LOOK_BACK <= hour <= newest}
    # an hour of many objects must not hide when another one began
    first = sorted(merged(absent), key=lambda hour: (hour not in scope.named, hour))
    # those that were named may be gone by now; then the newest
    order = sorted({*first, *recent}, key=lambda hour: (hour in scope.named, hour), reverse=True)
    contents, begun, without = _contents(bucket, first, order, pages)
    lacking = {
        prefix: tuple(hour for hour in found if prefix not in without.get(hour, ())) for prefix, found in absent.items()
    }
    return Survey(
        merged({"": hours, **lacking}),
        contents,
        {prefix: found for prefix, found in lacking.items() if found},
        tuple(bucket.unreadable),
        scope.first is None,
        stored,
        begun,
    )


def _contents(
    bucket: RawBucket, first: Sequence[datetime], hours: Sequence[datetime], pages: int
) -> tuple[dict[datetime, HourContent], dict[datetime, HourContent], dict[datetime, set[str]]]:
    """Read what hours hold, a page of the first ones and then all of it, as far as the pages go.

    Returns:
        What the hours hold that were read to their end, how those begin that were read, and the prefixes that have
        nothing of an hour.
    """
    contents: dict[datetime, HourContent] = {}
    begun: dict[datetime, HourContent] = {}
    without: dict[datetime, set[str]] = {}
    ended: set[datetime] = set()
    for hour, most in [*((hour, 1) for hour in first), *((hour, pages) for hour in hours)]:
        if pages <= 0:
            break
        if hour in ended:
            continue
        reading = bucket.read_hour(hour, min(most, pages))
        pages -= reading.pages
        contents |= {content.hour: content for content in reading.contents}
        met = [met for met in reading.met if met.hour == hour]
        begun |= {met.hour: met for met in met}
        if reading.rest is None:
            ended.add(hour)
        if met or reading.rest is None:
            # names sort by time: what an hour has below a prefix shows among its first objects
            without[hour] = set(bucket.prefixes).difference(*(met.first_written for met in met))
    return contents, begun, without


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
    _report_arrivals(context, deployment, found)
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
        crawls.append(deployment.crawler.crawl(table.crawler, context=context))
        if not crawls[-1].joined:
            break
        # a crawl that ran already may have listed S3 before these hours arrived: the next one is our own
        lacking = deployment.catalog.lacking({table.prefix: lacking}).get(table.prefix, ())
    return crawls


def _report_arrivals(context: AssetExecutionContext, deployment: Deployment, found: Survey) -> None:
    pipeline = deployment.pipeline
    sorted_hours = classify(found.hours, pipeline.start_date, datetime.now(UTC))
    if odd := oddities(sorted_hours, found.unreadable, pipeline.start_date):
        context.log.warning(odd)
    partitions = set(sorted_hours.hours)
    reportable = [content for hour, content in found.contents.items() if hour in partitions]
    events = arrival_events(context.instance, pipeline, reportable, deployment.names.raw_bucket)
    for event in events:
        context.log_event(event)
    looked_at = "hours in S3" if found.is_everything else "hours looked at"
    context.log.info("%s: %d, reported as changed: %d", looked_at, len(found.hours), len(events))


def _told(crawls: Iterable[CrawlResult], found: Survey) -> str:
    crawls = list(crawls)
    if crawls:
        return ", then ".join("joined one that ran" if crawl.joined else "started" for crawl in crawls)
    if found.hours or not found.is_everything:
        return "none needed: every hour is in the catalog"
    return "none needed: no hour has arrived yet"
