"""When a refresh may be requested: never beside another one, and after failures ever more rarely. Mostly pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from ddb_pipeline.arrivals import HOUR, partition_key, retry_delay
from ddb_pipeline.declaration import Pipeline

_FAILED = (DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED)
_FINISHED = (*_FAILED, DagsterRunStatus.SUCCESS)
_RUNS_LOOKED_AT = 10


@dataclass(frozen=True)
class Attempt:
    """A run of the refresh job: its id, how it stands, and when it ended (None: not yet)."""

    run_id: str
    status: DagsterRunStatus
    ended_at: datetime | None


@dataclass(frozen=True)
class Decision:
    """Whether to request a refresh now: `run_key` identifies the attempt, or `reason` says why none is made."""

    run_key: str | None
    reason: str


def refresh_job_name(pipeline: Pipeline) -> str:
    """Return the name of a pipeline's one job."""
    return f"{pipeline.name}_refresh"


def attempts(instance: DagsterInstance, pipeline: Pipeline) -> list[Attempt]:
    """Return the latest runs of a pipeline's job, newest first."""
    records = instance.get_run_records(RunsFilter(job_name=refresh_job_name(pipeline)), limit=_RUNS_LOOKED_AT)
    return [
        Attempt(
            record.dagster_run.run_id,
            record.dagster_run.status,
            datetime.fromtimestamp(record.end_time, UTC) if record.end_time else None,
        )
        for record in records
    ]


def decide(lacking: Sequence[datetime], latest: Sequence[Attempt], now: datetime) -> Decision:
    """Decide whether hours that the catalog lacks are worth a run now.

    The run key names the hours and the run before. So a repeated tick requests nothing twice, while a failed run is
    followed by another: Dagster drops a request whose key some run has had, failed ones included.

    Args:
        lacking: Hours that the catalog lacks, oldest first.
        latest: Latest runs of the job, newest first.
        now: Time of the tick.
    """
    if not lacking:
        return Decision(None, "every hour is in the catalog")
    if any(attempt.status not in _FINISHED for attempt in latest):
        return Decision(None, "a refresh is queued or running")
    failed = 0
    while failed < len(latest) and latest[failed].status in _FAILED:
        failed += 1
    if failed:
        next_at = (latest[0].ended_at or now - HOUR) + retry_delay(failed)
        if now < next_at:
            return Decision(None, f"the last {failed} refreshes failed, the next may start at {next_at:%H:%M:%S} UTC")
    before = latest[0].run_id if latest else "none"
    first, last = partition_key(lacking[0]), partition_key(lacking[-1])
    return Decision(f"{first}..{last} ({len(lacking)}) after {before}", f"{len(lacking)} hours are not in the catalog")
