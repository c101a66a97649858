"""The arrivals sensor: tells Dagster which hours got raw objects, and asks for a refresh when one wants a crawl.

A tick without settings, without a stack or without a network skips with the sentence that says what to do.
"""

import functools
import itertools
import operator
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dagster import (
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from ddb_pipeline.arrivals import HOUR, LOOK_BACK, HourContent, by_prefix, classify, hour_of, merged, oddities
from ddb_pipeline.assets.projected_hours import decide_refresh
from ddb_pipeline.assets.raw_changes import arrival_events, losses, lost_hours
from ddb_pipeline.declaration import Automation, Pipeline
from ddb_pipeline.readings import HoursWithoutData, Reading, read
from ddb_pipeline.refreshes import refresh_job_name
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.resources.raw_bucket import RawBucket
from ddb_pipeline.resources.tick_limit import READING_SECONDS
from ddb_pipeline.rounds import AGAIN, NEW, SHARES, Cursor, begun_before, next_cursor, spans
from ddb_pipeline.ticks import ticked

_NOTHING_YET = "write to the table; its changes arrive when the delivery stream has buffered them (buffer_seconds)"
_NEW_SECONDS = 10.0
"""How long after its start a tick may begin to read another page of what is new: where that takes more, time is left
for the hours around now."""


@dataclass(frozen=True)
class TickReading:
    """What one tick read, by name of the round, and hours besides that it looked into."""

    readings: Mapping[str, Reading]
    recent: tuple[HourContent, ...] = ()

    @property
    def contents(self) -> list[HourContent]:
        """What the hours hold that were read to their end."""
        return [content for reading in self.readings.values() for content in reading.contents]

    @property
    def met(self) -> list[HourContent]:
        """Hours that hold data, with as much of it as was read."""
        return [*self.recent, *(content for reading in self.readings.values() for content in reading.met)]

    @property
    def unreadable(self) -> list[str]:
        """Keys and folders that are not of an hour."""
        return [odd for reading in self.readings.values() for odd in reading.unreadable]

    def hours_without_data(self, first: datetime) -> HoursWithoutData:
        """Hours from one on where a round passed, and found no data."""
        passed = (reading.hours_without_data(first) for reading in self.readings.values())
        return functools.reduce(operator.or_, passed, HoursWithoutData())

    @property
    def more(self) -> bool:
        """Whether new hours wait for the next tick."""
        return self.readings[NEW].rest is not None


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
        begun = time.monotonic()

        def work() -> SensorResult:
            with aws.deployment(pipeline.name, hurried=True) as deployment:
                return _tick(context, deployment, lambda: time.monotonic() - begun)

        return ticked(f"{pipeline.name}_arrivals", work)

    return arrivals


def _tick(context: SensorEvaluationContext, deployment: Deployment, elapsed: Callable[[], float]) -> SensorResult:
    pipeline, bucket, now = deployment.pipeline, deployment.raw_bucket, datetime.now(UTC)
    cursor = Cursor.from_json(context.cursor)
    found = read_rounds(bucket, cursor, now, elapsed)
    sorted_hours = classify((met.hour for met in found.met), pipeline.start_date, now)
    partitions = frozenset(sorted_hours.hours)
    reportable = [content for content in found.contents if content.hour in partitions]
    gone = lost_hours(context.instance, pipeline, found.hours_without_data(_first_kept(deployment, now)))
    events = arrival_events(
        context.instance,
        pipeline,
        [*reportable, *gone],
        deployment.names.raw_bucket,
        listed_at=now,
        begun_before=begun_before(cursor),
    )
    lacking = merged(deployment.catalog.lacking(by_prefix(found.met)))
    decision = decide_refresh(context.instance, deployment, lacking, found.met, now)
    sentences = [f"hours read: {len(found.contents)}, reported as changed: {len(events)}", decision.reason]
    if not found.met and not found.more and cursor.watermark is None:
        # "every hour is in the catalog" would be true, and no help
        sentences = [f"nothing has arrived in {bucket.uri} yet: {_NOTHING_YET}"]
    if found.more:
        sentences.append("more hours wait for the next tick")
    if lost := losses(events):
        sentences.append(lost)
    if odd := oddities(sorted_hours, found.unreadable, pipeline.start_date):
        sentences.append(odd)
    message = "; ".join(sentences)
    context.log.info(message)
    return SensorResult(
        run_requests=[RunRequest(run_key=decision.run_key, tags=decision.tags)] if decision.run_key else None,
        skip_reason=None if decision.run_key else message,
        asset_events=events,
        cursor=next_cursor(cursor, found.readings, now).to_json(),
    )


def _first_kept(deployment: Deployment, now: datetime) -> datetime:
    """The first hour whose objects have not expired."""
    start, days = (
        datetime.combine(deployment.pipeline.start_date, datetime.min.time(), UTC),
        deployment.stage.raw_retention_days,
    )
    return start if days is None else max(start, hour_of(now - timedelta(days=days)) + HOUR)


def read_rounds(
    bucket: RawBucket, cursor: Cursor, now: datetime, elapsed: Callable[[], float] = lambda: 0
) -> TickReading:
    """Read on in the rounds, as far as the tick's time goes: first what is new, then what was read before.

    Args:
        bucket: The raw bucket.
        cursor: Where the rounds stand.
        now: Time of the tick.
        elapsed: How many seconds ago the tick began.
    """
    wanted, readings = spans(cursor.watermark, now), {}

    def out_of_time() -> bool:
        return elapsed() > READING_SECONDS

    # however late it is, a page is read: a tick that can do nothing would be followed by another
    new_ends = _after_once(lambda: elapsed() > _NEW_SECONDS)
    readings[NEW] = read(bucket.page, wanted[NEW], cursor.positions.get(NEW), SHARES[NEW], new_ends)
    if readings[NEW].rest is not None:
        # so long as a long past is being read, the present must not wait for its crawl
        return TickReading(readings, _recent(bucket, now, out_of_time))
    for name in (name for name in AGAIN if name in wanted):
        readings[name] = read(bucket.page, wanted[name], cursor.positions.get(name), SHARES[name], out_of_time)
    return TickReading(readings)


def _after_once(out_of_time: Callable[[], bool]) -> Callable[[], bool]:
    asked = itertools.count()
    return lambda: bool(next(asked)) and out_of_time()


def _recent(bucket: RawBucket, now: datetime, out_of_time: Callable[[], bool]) -> tuple[HourContent, ...]:
    """Hours around now that hold data, the newest first, at the price of a page each."""
    newest = hour_of(now) + HOUR  # the clock of S3 may be ahead of ours
    hours = (newest - HOUR * behind for behind in range(int(LOOK_BACK / HOUR) + 2))
    in_time = itertools.takewhile(lambda _: not out_of_time(), hours)
    return tuple(met for hour in in_time for met in bucket.read_hour(hour, 1).met if met.hour == hour)
