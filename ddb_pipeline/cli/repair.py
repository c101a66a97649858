"""`ddb-pipeline repair`: says what is wrong with a pipeline's catalog, and mends it."""

from __future__ import annotations

import sys

from rich.markup import escape

from ddb_pipeline.cli.choice import chosen_pipeline
from ddb_pipeline.cli.console import console
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.repair.findings import Outcome
from ddb_pipeline.repair.repairing import repair
from ddb_pipeline.resources.aws import PipelineAwsResource


def run_repair(*, pipeline_name: str | None, dry_run: bool, every_view: bool) -> None:
    """Repair a pipeline on the configured stage, and say each thing that was found.

    Exits 1 when something is left that is wrong.

    Args:
        pipeline_name: Name of the pipeline; None: the only one.
        dry_run: Only say what is wrong and what a repair would do.
        every_view: Make every view again.

    Raises:
        UserError: No pipeline of that name, or several and none was named.
        PipelineError: No stage, no way to AWS, or something could not be mended.
    """
    declaration = load_declaration()
    name = chosen_pipeline(declaration.pipelines, pipeline_name)
    aws = PipelineAwsResource(declaration_file=str(declaration.path))
    with console.status(f"Looking at pipeline {name} ..."):
        outcomes = repair(
            aws,
            name,
            dry_run=dry_run,
            every_view=every_view,
            note=_print,
            progress=lambda line: console.print(f"  [dim]{escape(line)}[/]"),
        )
    left = [outcome for outcome in outcomes if not outcome.is_mended]
    if not outcomes:
        console.print("[green]✓[/] Nothing is wrong.")
    elif dry_run:
        console.print("Nothing was changed (--dry-run).")
    elif len(left) < len(outcomes):
        console.print(f"Next: launch {name}_refresh in Dagster, which looks at all of it again and checks it.")
    if left:
        sys.exit(1)


def _print(outcome: Outcome) -> None:
    mark = "[green]✓[/]" if outcome.is_mended else "[yellow]✗[/]"
    console.print(f"{mark} {escape(outcome.sentence)}")
