"""The sensor that notices failed runs of all pipelines, and has them told."""

from __future__ import annotations

from pathlib import Path

from dagster import (
    DefaultSensorStatus,
    RunFailureSensorContext,
    SensorDefinition,
    SkipReason,
    run_failure_sensor,
)

from ddb_pipeline.declaration import Automation, Declaration
from ddb_pipeline.errors import PipelineError, SettingsError
from ddb_pipeline.resources.settings import dagster_url, read_settings
from ddb_pipeline.run_failures.described import failure_of
from ddb_pipeline.run_failures.notifiers import Notifier
from ddb_pipeline.ticks import TICK_SECONDS, in_time

NAME = "run_failures"
# dagster._core.storage.tags: set on a failed run that Dagster starts again by itself (`run_retries` of dagster.yaml)
_WILL_RETRY = "dagster/will_retry"
_TELLING_SECONDS = TICK_SECONDS / 5
"""How long telling of a run may take: a tick tells of five at most (Dagster's DAGSTER_RUN_STATUS_SENSOR_PROCESS_LIMIT,
where it is not set)."""
_TELLING_LATE = "it may still be told; look at the network between here and who is to be told"


def failure_sensor(declaration: Declaration, automation: Automation) -> SensorDefinition:
    """Return the sensor.

    One for all pipelines: each sensor costs a tick. A run that Dagster starts again by itself is no failure yet.

    Args:
        declaration: The pipelines.
        automation: Whether the sensor is on when Dagster first loads it.
    """

    @run_failure_sensor(
        name=NAME,
        default_status=DefaultSensorStatus.RUNNING if automation == "running" else DefaultSensorStatus.STOPPED,
        description="Tells of runs that failed: here in the log, and to the topic of the stage's alarms.",
    )
    def run_failures(context: RunFailureSensorContext, notifier: Notifier) -> SkipReason | None:
        run = context.dagster_run
        if run.tags.get(_WILL_RETRY) == "true":
            return SkipReason(f"run {run.run_id[:8]} failed, and Dagster starts it again")
        folder = declaration.path.parent
        failure = failure_of(
            run,
            context.get_step_failure_events(),
            context.instance,
            pipelines=[*declaration.pipelines, *declaration.left_out],
            stage=_stage(folder),
            dagster_url=dagster_url(folder),
        )
        # first of all, and whatever becomes of the rest
        context.log.error(failure.text)
        try:
            told = in_time(type(notifier).__name__, lambda: notifier.notify(failure), _TELLING_SECONDS, _TELLING_LATE)
        except PipelineError as error:
            raise NotTold(f"{failure.subject}, and that could not be told: {error}\n{failure.text}") from error
        except Exception as error:
            raise NotTold(
                f"{failure.subject}, and that could not be told: {type(notifier).__name__} fails with "
                f"{type(error).__name__}: {error}\n{failure.text}"
            ) from error
        context.log.info(told)
        return None

    return run_failures


class NotTold(Exception):  # noqa: N818 - the UI shows the name before the message
    """A run failed, and so did telling of it; the message has both."""


def _stage(folder: Path) -> str | None:
    try:
        return read_settings(folder).stage
    except SettingsError:
        return None
