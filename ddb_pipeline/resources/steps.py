"""What a step of a Dagster run knows of its earlier attempts, so that it finds what they started.

A step comes again in three ways: Dagster retries it inside its run, in the same process or in another one; Dagster
retries the whole run, whose process died; somebody runs it again in the UI. The second and third are new runs, which
name the run before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# dagster._core.storage.tags. Only the daemon that retries runs sets the second (_daemon.auto_run_reexecution)
_PARENT_RUN = "dagster/parent_run_id"
_RETRIED_BY_DAGSTER = "dagster/retry_number"


def is_repeated_by_a_person(tags: Mapping[str, str]) -> bool:
    """Whether somebody runs a run again: its tags are those of the run before, which something else may have launched.

    Dagster's UI copies them ("Re-execute"), all but those that tell how the run before was retried.

    Args:
        tags: Tags of the run.
    """
    return _PARENT_RUN in tags and _RETRIED_BY_DAGSTER not in tags


@dataclass(frozen=True)
class Step:
    """One attempt of a step.

    Attributes:
        instance: Dagster's instance.
        run_id: Its run.
        tags: Tags of the run.
        key: Key of the step in its run.
        attempt: How often it was retried in this run.
    """

    instance: Any
    run_id: str
    tags: Mapping[str, str]
    key: str
    attempt: int

    @property
    def parent_run_id(self) -> str | None:
        """The run that this one repeats; None: it repeats none."""
        return self.tags.get(_PARENT_RUN)

    @property
    def comes_again(self) -> bool:
        """Whether there may have been an earlier attempt."""
        return self.attempt > 0 or self.parent_run_id is not None

    def began_in(self) -> str:
        """Return the run in which the work of this step began.

        That is the oldest of the runs that this one repeats. A run in which the step succeeded counts only where
        Dagster itself repeats it: a person who does so wants the work done once more.
        """
        run_id, tags = self.run_id, self.tags
        while (parent := tags.get(_PARENT_RUN)) and (_RETRIED_BY_DAGSTER in tags or not self._succeeded_in(parent)):
            run_id, run = parent, self.instance.get_run_by_id(parent)
            tags = run.tags if run else {}
        return run_id

    def _succeeded_in(self, run_id: str) -> bool:
        found = self.instance.get_run_step_stats(run_id, [self.key])
        return any(step.status is not None and step.status.value == "SUCCESS" for step in found)

    def began_at(self) -> datetime:
        """When the run began, by the clock of the machine that runs it."""
        record = self.instance.get_run_record_by_id(self.run_id)
        return datetime.fromtimestamp(record.start_time, UTC) if record and record.start_time else datetime.now(UTC)

    def remember(self, name: str, value: str) -> None:
        """Write something down where the next attempt finds it: a tag of the run."""
        self.instance.add_run_tags(self.run_id, {name: value})

    def recall(self, name: str) -> str | None:
        """Return what an earlier attempt in this run, or in the run before it, wrote down last."""
        for run_id in (self.run_id, self.parent_run_id):
            run = self.instance.get_run_by_id(run_id) if run_id else None
            if run is not None and name in run.tags:
                return str(run.tags[name])
        return None


def step_of(context: Any) -> Step | None:
    """Return the attempt that a context belongs to.

    Args:
        context: Context of an asset, an op or a check; None is allowed.

    Returns:
        The attempt; None without a context, and where there is no run, as when a test calls an asset's function.
    """
    if context is None:
        return None
    from dagster import DagsterInvariantViolationError
    from dagster._core.errors import DagsterInvalidPropertyError

    try:
        step = context.get_step_execution_context()
    except (AttributeError, DagsterInvalidPropertyError, DagsterInvariantViolationError):
        return None
    run = step.dagster_run
    return Step(
        instance=step.instance,
        run_id=run.run_id,
        tags=run.tags,
        key=step.step.key,
        attempt=step.previous_attempt_count,
    )
