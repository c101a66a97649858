"""The deliveries sensor: reports what Firehose could not deliver, and whether deliveries and crawls keep up.

A delivery that stands still brings no new hour, so no refresh runs whose checks would tell. The sensor tells them, and
only what changed since. Its cursor is the time of its last look: all since a week before that is listed again, at one
request for a thousand failed objects, so that late ones, repeats and a daemon that was down lose nothing.
"""

import json
from datetime import UTC, datetime

from dagster import (
    DefaultSensorStatus,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from ddb_pipeline.assets.failed_deliveries import failure_events, known_hours
from ddb_pipeline.checks.deliveries import (
    NotKnownError,
    crawled_check_key,
    crawled_verdict,
    delivered_check_key,
    delivered_verdict,
    failed_check_key,
    failed_verdict,
)
from ddb_pipeline.declaration import Automation, Pipeline
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.failed_deliveries.looking import look
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource

_CURSOR_VERSION = 1
_SHORTEST_SECONDS, _LONGEST_SECONDS = 30, 600
_ARRIVALS_INTERVALS = 10


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
        try:
            with aws.deployment(pipeline.name, hurried=True) as deployment:
                return _tick(context, deployment)
        except PipelineError as error:
            return SkipReason(str(error))

    return deliveries


def _tick(context: SensorEvaluationContext, deployment: Deployment) -> SensorResult:
    pipeline, instance, now = deployment.pipeline, context.instance, datetime.now(UTC)
    found = look(deployment.failed_deliveries, known_hours(instance, pipeline), last_look(context.cursor, now))
    events = failure_events(instance, pipeline, deployment.failed_deliveries, found)
    verdicts = {crawled_check_key(pipeline): crawled_verdict(deployment, now)}
    not_known: list[str] = []
    try:
        verdicts[delivered_check_key(pipeline)] = delivered_verdict(deployment, now)
    except NotKnownError as error:
        # what was told before stands
        not_known.append(str(error))
    if found.open or not found.left:
        # with a lost history it takes some ticks to see that all of a long past is settled
        verdicts[failed_check_key(pipeline)] = failed_verdict(deployment, found)
    evaluations = [one for key, verdict in verdicts.items() for one in verdict.news(key, instance)]
    problems = [verdict.problem for verdict in verdicts.values() if verdict.problem] + not_known
    message = "; ".join(problems) or "nothing failed, deliveries and crawls keep up"
    context.log.info(message)
    return SensorResult(
        skip_reason=message,
        asset_events=[*events, *evaluations],
        cursor=json.dumps({"version": _CURSOR_VERSION, "looked_at": now.isoformat()}),
    )


def last_look(cursor: str | None, now: datetime) -> datetime:
    """Return when the last look was; a cursor that cannot be read, or is of the future, says nothing: now.

    What is open is remembered in the event log and not in the cursor, and a lost event log has everything listed.
    """
    try:
        values = json.loads(cursor or "")
        looked_at = datetime.fromisoformat(values["looked_at"]) if values["version"] == _CURSOR_VERSION else now
        return min(looked_at, now)
    except (ValueError, KeyError, TypeError):
        return now
