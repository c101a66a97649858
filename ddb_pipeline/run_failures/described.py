"""What failed, and why, in words for people: pipeline, run, step, cause, and where to look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dagster import AssetCheckSeverity, DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun
from dagster._core.errors import DagsterAssetCheckFailedError

_LONGEST_CAUSE = 2000
"""Characters: a message is read on a phone, the run has the rest."""

_LONGEST_SUBJECT = 99
"""Characters of a subject (SNS, API Publish: "less than 100", ASCII, no line breaks)."""

_OPENED_BY = "Run: "


@dataclass(frozen=True)
class FailedStep:
    """A step that failed: its name, such as `persons/change_table`, and why."""

    name: str
    cause: str


@dataclass(frozen=True)
class RunFailure:
    """A run that failed.

    Attributes:
        pipelines: The pipelines that it concerns, as far as they are known.
        stage: The configured stage; None: there is none.
        job: Name of the job.
        run_id: Dagster's id of the run.
        steps: The steps that failed; none when the run itself did, as when its process died.
        cause: Why, when no step failed.
        url: Where the run is shown; None: the address of the Dagster UI is not known.
    """

    pipelines: tuple[str, ...]
    stage: str | None
    job: str
    run_id: str
    steps: tuple[FailedStep, ...]
    cause: str
    url: str | None

    @property
    def subject(self) -> str:
        """One line, in the length and the characters that a mail's subject may have everywhere."""
        what = ", ".join(self.pipelines) or self.job
        line = f"Dagster: {what} failed" + (f" (stage {self.stage})" if self.stage else "")
        return _ascii(line)[:_LONGEST_SUBJECT]

    @property
    def text(self) -> str:
        """All of it: what failed, each cause, and where to look."""
        whose = f"pipeline {', '.join(self.pipelines)}" if self.pipelines else "no known pipeline"
        lines = [f"Run {self.run_id[:8]} of {self.job} failed ({whose}, stage {self.stage or 'not configured'})."]
        lines += [f"Step {step.name}: {step.cause}" for step in self.steps] or [self.cause]
        lines.append(_OPENED_BY + (self.url or f"{self.run_id}, under Runs in the Dagster UI"))
        return "\n".join(lines)


def failure_of(
    run: DagsterRun,
    step_events: Sequence[DagsterEvent],
    instance: DagsterInstance,
    *,
    pipelines: Iterable[str],
    stage: str | None,
    dagster_url: str | None,
) -> RunFailure:
    """Return what is to be told of a run that failed.

    Args:
        run: The run.
        step_events: The failures of its steps.
        instance: Where its events are.
        pipelines: All pipelines there are.
        stage: The configured stage.
        dagster_url: Address of the Dagster UI.
    """
    steps = tuple(
        FailedStep(str(event.step_key).replace("__", "/", 1), _cause(event, run, instance)) for event in step_events
    )
    return RunFailure(
        pipelines=_concerned(run, steps, tuple(pipelines)),
        stage=stage,
        job="Materialize" if run.job_name.startswith("__") else run.job_name,
        run_id=run.run_id,
        steps=steps,
        cause="" if steps else _cause_outside(run, instance),
        url=f"{dagster_url.rstrip('/')}/runs/{run.run_id}" if dagster_url else None,
    )


def _concerned(run: DagsterRun, steps: Sequence[FailedStep], pipelines: tuple[str, ...]) -> tuple[str, ...]:
    named = {step.name.partition("/")[0] for step in steps}
    if not named & set(pipelines):
        named = {key.path[0] for key in run.asset_selection or ()}
    if not named & set(pipelines):
        # a job is named after its pipeline; of two such names the longer one is meant
        named = {max((name for name in pipelines if run.job_name.startswith(f"{name}_")), key=len, default="")}
    return tuple(name for name in pipelines if name in named)


def _cause(event: DagsterEvent, run: DagsterRun, instance: DagsterInstance) -> str:
    """The sentence that our steps fail with, what failed checks said, else the first line of the error."""
    failure = event.step_failure_data
    if failure.user_failure_data is not None and failure.user_failure_data.description:
        return _shortened(failure.user_failure_data.description)
    error = failure.error
    if error is None:
        return "Dagster gives no reason"
    # what Dagster wraps around an error of ours says only that there was one
    while error.cause is not None:
        error = error.cause
    if error.cls_name == DagsterAssetCheckFailedError.__name__ and (said := _failed_checks(run, instance)):
        return _shortened(said)
    return _shortened(error.message)


def _failed_checks(run: DagsterRun, instance: DagsterInstance) -> str:
    """What the checks that stopped a run said: Dagster's error has their names alone."""
    evaluations = [
        entry.dagster_event.asset_check_evaluation_data
        for entry in instance.all_logs(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION)
        if entry.dagster_event is not None
    ]
    return "; ".join(
        f"check {found.check_name}: {found.description}"
        for found in evaluations
        if found.blocking and not found.passed and found.severity is AssetCheckSeverity.ERROR and found.description
    )


def _cause_outside(run: DagsterRun, instance: DagsterInstance) -> str:
    """What Dagster noted last about the run itself: that its process died, or took too long."""
    noted = [
        entry.dagster_event
        for entry in instance.all_logs(
            run.run_id, of_type={DagsterEventType.ENGINE_EVENT, DagsterEventType.PIPELINE_FAILURE}
        )
        if entry.dagster_event is not None and entry.dagster_event.message
    ]
    failed = [event.message for event in noted if event.event_type == DagsterEventType.PIPELINE_FAILURE]
    engine = [event.message for event in noted if event.event_type == DagsterEventType.ENGINE_EVENT]
    told = [str(message) for message in (engine[-1:] + failed[-1:])]
    return _shortened(" ".join(dict.fromkeys(told)) or "Dagster gives no reason")


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_CAUSE else f"{line[:_LONGEST_CAUSE]} ..."


def _ascii(text: str) -> str:
    return " ".join(text.encode("ascii", "replace").decode("ascii").split())
