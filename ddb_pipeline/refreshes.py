"""When a refresh may be requested: never beside another one, and after failures ever more rarely. Mostly pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from ddb_pipeline.arrivals import HOUR, partition_key, retry_delay
from ddb_pipeline.declaration import Pipeline

_FAILED = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
_FINISHED = (*_FAILED, DagsterRunStatus.SUCCESS)
_WAITING = (DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED)
_RUNS_LOOKED_AT = 10
_LOST_AFTER = timedelta(hours=1)
"""A run that has been under way for so long is taken for one whose process died. Dagster's default launcher never
notices that (it has no health check), and the run would be in the way for good."""

LOADED_AT = datetime.now(UTC)
"""When this code location was loaded. With the default launcher a run is a child of its server: one that began before
went down with the former server, as after Ctrl-C in mid-run. Where runs live elsewhere, or the location was only
reloaded, it may be alive: then the next run joins its crawl, and no harm is done."""


@dataclass(frozen=True)
class Attempt:
    """A run of the refresh job: its id, how it stands, when it ended (None: not yet) and when it began.

    A run that has not begun has the time of its creation.
    """

    run_id: str
    status: DagsterRunStatus
    ended_at: datetime | None
    begun_at: datetime


@dataclass(frozen=True)
class Decision:
    """Whether to request a refresh now: `run_key` identifies the attempt, or `reason` says why none is made."""

    run_key: str | None
    reason: str


def refresh_job_name(pipeline: Pipeline) -> str:
    """Return the name of the job that brings a pipeline's change table and views up to date."""
    return f"{pipeline.name}_refresh"


def baseline_job_name(pipeline: Pipeline) -> str:
    """Return the name of the job that makes a pipeline's baselines."""
    return f"{pipeline.name}_baseline"


def attempts(instance: DagsterInstance, pipeline: Pipeline) -> list[Attempt]:
    """Return the latest runs of a pipeline's job, newest first."""
    records = instance.get_run_records(RunsFilter(job_name=refresh_job_name(pipeline)), limit=_RUNS_LOOKED_AT)
    return [
        Attempt(
            record.dagster_run.run_id,
            record.dagster_run.status,
            datetime.fromtimestamp(record.end_time, UTC) if record.end_time else None,
            datetime.fromtimestamp(record.start_time, UTC) if record.start_time else record.create_timestamp,
        )
        for record in records
    ]


def decide(
    lacking: Sequence[datetime], latest: Sequence[Attempt], now: datetime, loaded_at: datetime = LOADED_AT
) -> Decision:
    """Decide whether hours that the catalog lacks are worth a run now.

    The run key names the hours and the run before. So a repeated tick requests nothing twice, while a failed run is
    followed by another: Dagster drops a request whose key some run has had, failed ones included.

    Args:
        lacking: Hours that the catalog lacks, oldest first.
        latest: Latest runs of the job, newest first.
        now: Time of the tick.
        loaded_at: When the code location was loaded: a run that began earlier is lost.
    """
    if not lacking:
        return Decision(None, "every hour is in the catalog")
    for attempt in latest:
        if attempt.status in _WAITING:
            return Decision(None, f"refresh {attempt.run_id[:8]} is queued")
        is_lost = attempt.begun_at < loaded_at or now - attempt.begun_at >= _LOST_AFTER
        if attempt.status not in _FINISHED and not is_lost:
            since, until = attempt.begun_at, attempt.begun_at + _LOST_AFTER
            return Decision(
                None,
                f"refresh {attempt.run_id[:8]} is running since {since:%H:%M:%S} UTC (if its process has died: "
                f"terminate it in the UI, or wait until {until:%H:%M:%S})",
            )
    failed = 0
    while failed < len(latest) and latest[failed].status != DagsterRunStatus.SUCCESS:
        failed += 1
    if failed:
        next_at = (latest[0].ended_at or now - HOUR) + retry_delay(failed)
        if now < next_at:
            return Decision(None, f"the last {failed} refreshes failed, the next may start at {next_at:%H:%M:%S} UTC")
    before = latest[0].run_id if latest else "none"
    first, last = partition_key(lacking[0]), partition_key(lacking[-1])
    return Decision(f"{first}..{last} ({len(lacking)}) after {before}", f"hours not in the catalog: {len(lacking)}")
