"""The command `erase`."""

from __future__ import annotations

import click

from ddb_pipeline.cli.commands.options import examples, pipeline_option


@click.command(
    epilog=examples(
        """ddb-pipeline erase --key '{"pk": "42"}'            # what there is""",
        """ddb-pipeline erase --key '{"pk": "42"}' --apply    # take it out""",
        """ddb-pipeline erase --key '{"id": {"N": "7"}, "at": {"S": "x"}}'""",
    )
)
@click.option("--key", required=True, metavar="JSON", help="The item's key attributes, plain or as DynamoDB JSON.")
@pipeline_option("Pipeline whose table the item is of")
@click.option("--table", metavar="NAME", help="Table of the item, if it is one that was streamed before.")
@click.option("--apply", is_flag=True, help="Change what is in S3. Without it nothing is changed.")
@click.option("--without-deletion", is_flag=True, help="Take it out though its deletion did not arrive, nor will.")
def erase(key: str, pipeline_name: str | None, table: str | None, apply: bool, without_deletion: bool) -> None:
    """Take one item out of everything that S3 holds.

    Opens every raw object, failed record, baseline and export of the configured stage, rewrites those that hold the
    item, and deletes all query results. Delete the item from the table first. What it cannot reach: docs/erasure.md.

    Items of another table with the same key stay. If the pipeline streamed another one before, --table takes the item
    of that; --key is DynamoDB JSON then.
    """
    from ddb_pipeline.cli.erase import run_erase

    run_erase(key, pipeline_name=pipeline_name, table=table, apply=apply, without_deletion=without_deletion)
