"""After a deployment: the canaries of all pipelines, written first and then waited for together.

One after the other, each would take as long as Firehose collects.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace

from ddb_pipeline.cli.canary import Arrival, Clients, waited_for
from ddb_pipeline.cli.console import Steps, UserError, console
from ddb_pipeline.cli.place import Place
from ddb_pipeline.declaration import Declaration, Pipeline, Stage
from ddb_pipeline.errors import STAGE_ADVICE, PipelineError
from ddb_pipeline.resources.aws import published_names

_PAUSE_SECONDS = 2.0
_ADVICE = replace(
    STAGE_ADVICE,
    denied="the canary takes dynamodb:PutItem and DeleteItem on the table, s3:ListBucket and GetObject on the raw "
    "bucket, and the use of the stack's key, which the stack's policies for Dagster do not hold together: use "
    "credentials that have them",
)

_Waited = Generator[None, None, Arrival]


def watch_arrivals(declaration: Declaration, place: Place, steps: Steps) -> dict[str, Arrival]:
    """See a change of each pipeline's table arrive in S3.

    Args:
        declaration: The pipelines.
        place: Where the stage is deployed.
        steps: Tells of the waiting.

    Returns:
        Where the canaries were found, by pipeline; a pipeline with a table of the user's own has none.

    Raises:
        UserError: Some did not arrive, or AWS refuses what this takes: each is named, when all others have arrived.
    """
    stage = declaration.stage(place.stage)
    pipelines = [one for one in declaration.pipelines.values() if one.existing_table.of(stage.name) is None]
    if not pipelines:
        return {}
    clients = Clients(place.client("dynamodb"), place.client("s3"))
    whose = f"Pipeline {pipelines[0].name}" if len(pipelines) == 1 else f"{len(pipelines)} pipelines, each"
    text = f"{whose}: write a canary and wait until it is in S3 (about {(stage.buffer_seconds + 120) // 60} min)"
    # those that are still waited for when an error or Ctrl-C ends this are deleted, too
    with steps.step("canary", text) as progress, place.explained(_ADVICE), ExitStack() as canaries:
        waiting = {
            one.name: canaries.enter_context(closing(_canary_of(clients, place, one, stage))) for one in pipelines
        }
        arrivals: dict[str, Arrival] = {}
        failures: dict[str, str] = {}
        while waiting:
            for name, canary in list(waiting.items()):
                try:
                    arrival = _look(canary, place)
                except (UserError, PipelineError) as error:
                    failures[name] = str(error)
                else:
                    if arrival is None:
                        continue
                    arrivals[name] = arrival
                del waiting[name]
                if len(pipelines) > 1:
                    done = "its canary arrived" if name in arrivals else "[red]its canary failed[/]"
                    console.print(f"  pipeline {name}: {done}")
            progress(f"{len(arrivals)} of {len(pipelines)} arrived" + (f", {len(failures)} failed" if failures else ""))
            if waiting:
                time.sleep(_PAUSE_SECONDS if stage.buffer_seconds > _PAUSE_SECONDS else _PAUSE_SECONDS / 10)
        if failures:
            raise UserError(_said_of(failures))
    return arrivals


def say_what_is_not_proved(arrivals: Mapping[str, Arrival]) -> None:
    """Say of which pipelines it is not known that the canary itself arrived, and what would show it."""
    for pipeline, arrival in arrivals.items():
        if not arrival.is_proved:
            console.print(
                f"  [yellow]pipeline {pipeline}: it is not proved that the canary itself arrived[/]: an object of "
                "Parquet came after it, and the package pyarrow, which opens it, is not installed: "
                "pip install -c constraints.txt -e '.\\[erase]', and deploy again"
            )


def _canary_of(clients: Clients, place: Place, pipeline: Pipeline, stage: Stage) -> _Waited:
    return (yield from waited_for(clients, published_names(pipeline.name, place.settings), pipeline, stage))


def _look(canary: _Waited, place: Place) -> Arrival | None:
    """Write a canary if it is not, else look for it; None: it has not arrived."""
    with place.explained(_ADVICE):
        try:
            next(canary)
        except StopIteration as found:
            arrival: Arrival = found.value
            return arrival
    return None


def _said_of(failures: Mapping[str, str]) -> str:
    """Name what failed, pipelines with the same reason in one line: expired credentials fail all of them."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in failures.items():
        by_reason.setdefault(reason, []).append(name)
    lines = [
        f"pipeline{'s' if len(names) > 1 else ''} {', '.join(names)}: {reason}" for reason, names in by_reason.items()
    ]
    return "\n".join([*lines, "the stage is deployed: --no-canary leaves the canary out"])
