"""The command `demo`."""

from __future__ import annotations

import click

from ddb_pipeline.cli.commands.options import examples


@click.command(epilog=examples("ddb-pipeline demo", "ddb-pipeline demo --items 1000 --seed 7"))
@click.option("--directory", default=".demo", show_default=True, help="Where the report and the run's files go.")
@click.option("--items", default=120, show_default=True, type=click.IntRange(20, 5000), help="Persons to insert.")
@click.option("--seed", default=1, show_default=True, help="Same seed, same persons.")
def demo(directory: str, items: int, seed: int) -> None:
    """Run the whole path on this machine, once, and print the answers.

    Starts an embedded AWS, deploys the stack, writes changes to DynamoDB, lets a real Dagster daemon crawl and make the
    views, asks them in SQL, and compares with the table. Exits 0 only if nothing differs. Leaves nothing running.
    """
    from ddb_pipeline.cli.demo import run_demo

    run_demo(directory=directory, items=items, seed=seed)
