"""The command `repair`."""

from __future__ import annotations

import click

from ddb_pipeline.cli.commands.options import examples, pipeline_option


@click.command(
    epilog=examples("ddb-pipeline repair --dry-run", "ddb-pipeline repair", "ddb-pipeline repair --every-view")
)
@pipeline_option("Pipeline that is repaired")
@click.option("--dry-run", is_flag=True, help="Only say what is wrong and what a repair would do.")
@click.option("--every-view", is_flag=True, help="Make every view again, also those that nothing seems wrong with.")
def repair(pipeline_name: str | None, dry_run: bool, every_view: bool) -> None:
    """Bring back what somebody dropped or changed.

    Tables, hours and baselines in the Glue catalog, and views, on the configured stage: made again from the
    contract, from what S3 holds, and from their SQL. No raw object is touched, and a repair that is repeated finds
    nothing. What S3 has lost is said, with what still holds it. Exits 1 when something is left that is wrong.
    """
    from ddb_pipeline.cli.repair import run_repair

    run_repair(pipeline_name=pipeline_name, dry_run=dry_run, every_view=every_view)
