"""The arrivals sensor: tells Dagster which hours got raw objects, and asks for a refresh when one wants a crawl.

A tick without settings, without a stack or without a network skips with the sentence that says what to do.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from dagster import (
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from ddb_pipeline.arrivals import (
    HOURS_PER_TICK,
    Cursor,
    HourContent,
    by_prefix,
    classify,
    first_hour_to_read,
    hour_to_sweep,
    merged,
    next_cursor,
    oddities,
)
from ddb_pipeline.assets.raw_changes import arrival_events
from ddb_pipeline.declaration import Automation, Pipeline
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.refreshes import attempts, decide, refresh_job_name
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.resources.raw_bucket import RawBucket

_NOTHING_YET = "write to the table; its changes arrive when the delivery stream has buffered them (buffer_seconds)"
# Dagster ends a tick after 60 seconds
_TICK_SECONDS = 30.0


@dataclass(frozen=True)
class _Reading:
    """What one tick saw: hours in order, their contents, and whether some are left for the next tick."""

    hours: list[datetime]
    contents: list[HourContent]
    more: bool


def arrivals_sensor(pipeline: Pipeline, interval_seconds: int, automation: Automation) -> SensorDefinition:
    """Return the arrivals sensor of a pipeline.

    Args:
        pipeline: The pipeline.
        interval_seconds: Shortest pause between two ticks.
        automation: Whether the sensor is on when Dagster first loads it.
    """

    @sensor(
        name=f"{pipeline.name}_arrivals",
        job_name=refresh_job_name(pipeline),
        minimum_interval_seconds=interval_seconds,
        default_status=DefaultSensorStatus.RUNNING if automation == "running" else DefaultSensorStatus.STOPPED,
        description=f"Reports hours of raw objects that changed, and launches {refresh_job_name(pipeline)} when an "
        "hour is not in the catalog yet.",
    )
    def arrivals(context: SensorEvaluationContext, aws: PipelineAwsResource) -> SensorResult | SkipReason:
        try:
            with aws.deployment(pipeline.name) as deployment:
                return _tick(context, deployment)
        except PipelineError as error:
            return SkipReason(str(error))

    return arrivals


def _tick(context: SensorEvaluationContext, deployment: Deployment) -> SensorResult:
    pipeline, bucket, now = deployment.pipeline, deployment.raw_bucket, datetime.now(UTC)
    cursor = Cursor.from_json(context.cursor)
    reading = _read(bucket, cursor)
    sorted_hours = classify(reading.hours, pipeline.start_date, now)
    partitions = {
        *sorted_hours.hours,
        *classify([found.hour for found in reading.contents], pipeline.start_date, now).hours,
    }
    reportable = [found for found in reading.contents if found.hour in partitions]
    events = arrival_events(context.instance, pipeline, reportable, deployment.names.raw_bucket)
    lacking = merged(deployment.catalog.lacking(by_prefix(reading.contents)))
    decision = decide(lacking, attempts(context.instance, pipeline), now)
    sentences = [f"hours read: {len(reading.hours)}, reported as changed: {len(events)}", decision.reason]
    if not reading.hours and cursor.watermark is None:
        # "every hour is in the catalog" would be true, and no help
        sentences = [f"nothing has arrived in {bucket.uri} yet: {_NOTHING_YET}"]
    if reading.more:
        sentences.append("more hours wait for the next tick")
    if odd := oddities(sorted_hours, bucket.unreadable, pipeline.start_date):
        sentences.append(odd)
    message = "; ".join(sentences)
    context.log.info(message)
    return SensorResult(
        run_requests=[RunRequest(run_key=decision.run_key)] if decision.run_key else None,
        skip_reason=None if decision.run_key else message,
        asset_events=events,
        cursor=next_cursor(cursor, reading.hours, now).to_json(),
    )


def _read(bucket: RawBucket, cursor: Cursor) -> _Reading:
    """Read hours from the look-back on, and the one that is swept, as far as the tick's time goes."""
    until = time.monotonic() + _TICK_SECONDS
    hours: list[datetime] = []
    contents: list[HourContent] = []
    swept = hour_to_sweep(cursor)
    if swept and (found := bucket.content(swept)):
        contents.append(found)
    for hour in bucket.hours(first_hour_to_read(cursor)):
        # the look-back alone must always fit, or the watermark would never move
        if len(hours) >= HOURS_PER_TICK or (time.monotonic() > until and len(hours) > 2 * 24):
            return _Reading(hours, contents, more=True)
        hours.append(hour)
        if found := bucket.content(hour):
            contents.append(found)
    return _Reading(hours, contents, more=False)
