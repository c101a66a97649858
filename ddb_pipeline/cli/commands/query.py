"""The command `query`."""

from __future__ import annotations

import click

from ddb_pipeline.cli.commands.options import examples, pipeline_option


@click.command(
    epilog=examples(
        "ddb-pipeline query 'SELECT * FROM change_counts ORDER BY changed_hour'",
        "ddb-pipeline query 'SELECT count(*) FROM latest_item_state WHERE state_certain'",
        "ddb-pipeline query --as-of 2026-11-01T12:00Z",
        """ddb-pipeline query "SELECT json_extract_scalar(item, '$.person.title'),""",
        """                           count(*) FROM latest_item_state GROUP BY 1\"""",
    )
)
@click.argument("sql", required=False)
@click.option("--as-of", help="Ask the views as they stood then, such as 2026-11-01T12:00Z; without SQL: all items.")
@pipeline_option("Pipeline whose database is asked")
@click.option("--rows", default=50, show_default=True, type=click.IntRange(1, 100_000), help="Rows to print at most.")
def query(sql: str | None, as_of: str | None, pipeline_name: str | None, rows: int) -> None:
    """Ask Athena on the configured stage, and print the rows."""
    from ddb_pipeline.cli.query import run_query

    run_query(sql, pipeline_name=pipeline_name, rows=rows, as_of=as_of)
