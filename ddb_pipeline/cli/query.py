"""`ddb-pipeline query`: a question to Athena on the configured stage, the answer as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.markup import escape
from rich.table import Table

from ddb_pipeline.cli.console import UserError, console
from ddb_pipeline.cli.local import choose_pipeline
from ddb_pipeline.declaration import load_declaration


def run_query(sql: str, *, pipeline_name: str | None, rows: int) -> None:
    """Run the query and print at most `rows` rows."""
    raise UserError("not wired")


def print_rows(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, widest: int = 60) -> None:
    """Print rows as a table; long values are cut to `widest` characters, None is shown as null."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value, widest) for value in row))
    console.print(table)


def _cell(value: object, widest: int) -> str:
    if value is None:
        return "[dim]null[/]"
    text = escape(str(value))
    return text if len(text) <= widest else text[: widest - 1] + "…"
