"""The command `dev`."""

from __future__ import annotations

import click

from ddb_pipeline.cli.commands.options import PORT, examples


@click.command(epilog=examples("ddb-pipeline dev", "ddb-pipeline dev --port 3001 --local-aws-port 4578"))
@click.option("--port", default=3000, show_default=True, type=PORT, help="Port of the Dagster UI.")
@click.option("--local-aws-port", default=None, type=PORT, help="Port of local AWS.  [default: 4577]")
@click.option("--changes-per-second", default=5, show_default=True, type=click.IntRange(0, 200), help="New persons.")
def dev(port: int, local_aws_port: int | None, changes_per_second: int) -> None:
    """Run local AWS with live traffic and the Dagster UI, until Ctrl-C."""
    from ddb_pipeline.cli.dev import run_dev

    run_dev(ui_port=port, local_aws_port=local_aws_port, changes_per_second=changes_per_second)
