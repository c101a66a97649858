"""The deliveries sensor: reports what Firehose could not deliver, and whether deliveries and crawls keep up.

A delivery that stands still brings no new hour, so no refresh runs whose checks would tell. The sensor tells them, and
only what changed since. What it looked into is remembered in Dagster's event log. Its cursor says when a tick listed
all, and where one stopped that could not look into all; without it some is looked into again, and nothing is lost.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Self

from dagster import (
    AssetCheckKey,
    DagsterInstance,
    DefaultSensorStatus,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from ddb_pipeline.arrivals import hour_of_key, longest_delivery, partition_key
from ddb_pipeline.assets.failed_deliveries import failure_events, known_hours
from ddb_pipeline.checks.deliveries import (
    TICK_OBJECTS,
    crawled_check_key,
    crawled_verdict,
    delivered_check_key,
    delivered_verdict,
    failed_check_key,
    failed_verdict,
    overdue_before,
)
from ddb_pipeline.checks.verdict import Verdict, last_evaluation
from ddb_pipeline.declaration import Automation, Pipeline
from ddb_pipeline.errors import PipelineError, explained
from ddb_pipeline.failed_deliveries.looking import Position, look
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.ticks import ticked

_CURSOR_VERSION = 2
_TICK_RECEIPTS = 300
"""Receipts of failed objects that a tick reads at most: one request each."""
_LISTED, _RECEIPTS_READ, _REASONS_READ, _SURVEYED, _DELIVERED, _JUDGED = 6, 12, 15, 21, 28, 32
"""Until how many seconds after its start a tick may go on with each part of its work, in this order; what is left the
next ticks do. After 40 seconds each request is refused (`tick_limit`): then a tick tells what it found until then."""
_SHORTEST_SECONDS, _LONGEST_SECONDS = 30, 600
_ARRIVALS_INTERVALS = 10


@dataclass(frozen=True)
class Cursor:
    """What the sensor remembers between two ticks.

    Attributes:
        looked_at: When ticks had listed all last; None: not known.
        position: Where the last tick stopped; None: it was through.
    """

    looked_at: datetime | None = None
    position: Position | None = None

    def to_json(self) -> str:
        """Write the cursor as Dagster stores it."""
        stopped = {**asdict(self.position), "hour": partition_key(self.position.hour)} if self.position else None
        looked_at = self.looked_at.isoformat() if self.looked_at else None
        return json.dumps({"version": _CURSOR_VERSION, "looked_at": looked_at, "position": stopped})

    @classmethod
    def from_json(cls, text: str | None, now: datetime) -> Self:
        """Read a stored cursor; one that cannot be read says nothing.

        Args:
            text: The cursor.
            now: The time: a look of the future says nothing about what arrives until then.
        """
        try:
            values = json.loads(text or "")
            if values["version"] != _CURSOR_VERSION:
                return cls()
            looked_at = datetime.fromisoformat(values["looked_at"]) if values["looked_at"] else None
            stopped = values["position"] and Position(
                hour_of_key(values["position"]["hour"]),
                str(values["position"]["after"]),
                str(values["position"]["fingerprint"]),
                int(values["position"]["open_objects"]),
            )
            return cls(min(looked_at, now) if looked_at else None, stopped or None)
        except (ValueError, KeyError, TypeError):
            return cls()


def deliveries_sensor_name(pipeline: Pipeline) -> str:
    """Return the name of the sensor."""
    return f"{pipeline.name}_deliveries"


def deliveries_sensor(pipeline: Pipeline, arrivals_seconds: int, automation: Automation) -> SensorDefinition:
    """Return the deliveries sensor of a pipeline.

    Args:
        pipeline: The pipeline.
        arrivals_seconds: Shortest pause between two ticks of the arrivals sensor: this one pauses ten times as long,
            half a minute to ten minutes.
        automation: Whether the sensor is on when Dagster first loads it.
    """

    @sensor(
        name=deliveries_sensor_name(pipeline),
        minimum_interval_seconds=min(max(_ARRIVALS_INTERVALS * arrivals_seconds, _SHORTEST_SECONDS), _LONGEST_SECONDS),
        default_status=DefaultSensorStatus.RUNNING if automation == "running" else DefaultSensorStatus.STOPPED,
        description="Reports records that Firehose could not deliver, and checks that what is written arrives in S3 "
        "and in the catalog.",
    )
    def deliveries(context: SensorEvaluationContext, aws: PipelineAwsResource) -> SensorResult | SkipReason:
        begun = time.monotonic()

        def work() -> SensorResult:
            with aws.deployment(pipeline.name, hurried=True) as deployment:
                return _tick(context, deployment, lambda seconds: lambda: time.monotonic() > begun + seconds)

        return ticked(deliveries_sensor_name(pipeline), work)

    return deliveries


def _tick(
    context: SensorEvaluationContext, deployment: Deployment, after: Callable[[float], Callable[[], bool]]
) -> SensorResult:
    pipeline, instance, now = deployment.pipeline, context.instance, datetime.now(UTC)
    cursor = Cursor.from_json(context.cursor, now)
    found = look(
        deployment.failed_deliveries,
        known_hours(instance, pipeline),
        longest_delivery=longest_delivery(deployment.stage.stream_retention_hours),
        looked_at=cursor.looked_at,
        position=cursor.position,
        most_listed=TICK_OBJECTS,
        most_receipts=_TICK_RECEIPTS,
        no_time_to_list=after(_LISTED),
        no_time_to_read=after(_RECEIPTS_READ),
    )
    events = failure_events(instance, pipeline, deployment.failed_deliveries, found, after(_REASONS_READ))
    before = overdue_before(instance, pipeline)
    verdicts: dict[AssetCheckKey, Verdict] = {}
    not_known: list[str] = []
    with _noted(not_known, deployment):
        verdicts[crawled_check_key(pipeline)] = crawled_verdict(deployment, now, before, after(_SURVEYED))
    with _noted(not_known, deployment):
        verdicts[delivered_check_key(pipeline)] = delivered_verdict(deployment, now, after(_DELIVERED))
    if found.is_through or (found.open and not _has_failed(instance, failed_check_key(pipeline))):
        with _noted(not_known, deployment):
            verdicts[failed_check_key(pipeline)] = failed_verdict(deployment, found, after(_JUDGED))
    else:
        # each tick would tell of others, and an event a tick would fill the event log
        not_known.append("below errors/ is more than a tick looks into: the next ticks go on")
    evaluations = [one for key, verdict in verdicts.items() for one in verdict.news(key, instance)]
    problems = [verdict.problem for verdict in verdicts.values() if verdict.problem] + not_known
    message = "; ".join(problems) or "nothing failed, deliveries and crawls keep up"
    context.log.info(message)
    return SensorResult(
        skip_reason=message,
        asset_events=[*events, *evaluations],
        # what came in behind the looks that led here lies no further before it than the next one begins to list
        cursor=Cursor(cursor.looked_at if found.position else now, found.position).to_json(),
    )


@contextmanager
def _noted(not_known: list[str], deployment: Deployment) -> Iterator[None]:
    """Note why something cannot be told; what was told of it before stands, and the rest of the tick is told.

    Else one service that refuses for good, as where a right is missing, would keep all that failed from being told.
    """
    try:
        with explained(deployment.settings.where):
            yield
    except PipelineError as error:
        if str(error) not in not_known:
            not_known.append(str(error))


def _has_failed(instance: DagsterInstance, key: AssetCheckKey) -> bool:
    last = last_evaluation(instance, key)
    return last is not None and not last.passed
