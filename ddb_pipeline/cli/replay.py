"""`ddb-pipeline replay`: puts records that could not be delivered on the stream again, without Dagster."""

from __future__ import annotations

import getpass
import re
import sys

from rich.markup import escape

from ddb_pipeline.arrivals import counted, longest_delivery
from ddb_pipeline.cli.choice import chosen_pipeline
from ddb_pipeline.cli.console import console
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.failed_deliveries.looking import look
from ddb_pipeline.failed_deliveries.replay import Replay
from ddb_pipeline.resources.aws import PipelineAwsResource


def run_replay(*, pipeline_name: str | None, most_replays: int, most_objects: int) -> None:
    """Replay on the configured stage, and say what came of it.

    Exits 1 when records stay.

    Args:
        pipeline_name: Name of the pipeline; None: the only one.
        most_replays: Records that were put on the stream as often as this already stay.
        most_objects: Objects that are replayed at most.

    Raises:
        UserError: No pipeline of that name, or several and none was named.
        PipelineError: No stage, no way to AWS, or a stream that takes no more.
    """
    declaration = load_declaration()
    name = chosen_pipeline(declaration.pipelines, pipeline_name)
    aws = PipelineAwsResource(declaration_file=str(declaration.path))
    with aws.deployment(name) as deployment:
        failed = deployment.failed_deliveries
        # what Dagster remembers is not at hand: all is listed, and every receipt is looked at
        found = look(failed, {}, longest_delivery=longest_delivery(deployment.stage.stream_retention_hours))
        replaying = Replay(
            failed,
            deployment.change_stream,
            run_id=_who(),
            most_replays=most_replays,
            most_objects=most_objects,
            note=lambda line: console.print(f"  [dim]{escape(line)}[/]"),
        )
        done = replaying.run(one.found for one in found.open)
    if not found.open:
        console.print(f"[green]✓[/] Nothing below {escape(failed.uri(failed.prefix))} waits for a replay.")
        return
    seconds = 2 * deployment.stage.buffer_seconds + 60
    if done.records:
        console.print(
            f"[green]✓[/] On the stream again: {counted(done.records, 'record')} of "
            f"{counted(len(done.objects), 'object')}."
        )
        console.print(
            f"What can be read now is in the views after {seconds} s, and a crawl if its hour is new; what fails again "
            "is below errors/ then."
        )
    else:
        console.print("Nothing was put on the stream.")
    if done.waiting:
        console.print(f"{counted(done.waiting, 'object')} left for the next time: run it again.")
    for key, reason in done.stayed.items():
        console.print(f"[yellow]✗[/] {escape(key)} stays: {escape(reason)}", soft_wrap=True)
    if done.stayed:
        console.print(
            "Mend the cause (the converter's log says what it refused), then replay with --most-replays above the "
            "number of replays that is said; what is no change of the table, is longer than the stream takes, or may "
            "be lost, take out of errors/."
        )
        sys.exit(1)


def _who() -> str:
    """Who does it, in letters that a tag may have."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return f"ddb-pipeline replay by {re.sub(r'[^A-Za-z0-9._-]', '-', user)[:64]}"
