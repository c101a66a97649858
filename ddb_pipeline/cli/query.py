"""`ddb-pipeline query`: a question to Athena on the configured stage, the answer as a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rich import box
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from ddb_pipeline.arrivals import counted
from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.as_of import EVERYTHING, gap_note, moment, statement_at
from ddb_pipeline.cli.choice import chosen_pipeline
from ddb_pipeline.cli.console import UserError, console
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.resources.athena import AthenaResource, QueryResult
from ddb_pipeline.resources.aws import PipelineAwsResource

_BYTES_A_MEBIBYTE = 2**20
_UNBOUNDED = 100_000
_LONGEST_VALUE = 2_000
_WIDEST_NAME = 40
"""Characters of a name that values are aligned behind: one attribute may have 255."""


def run_query(sql: str | None, *, pipeline_name: str | None, rows: int, as_of: str | None) -> None:
    """Run the query on the configured stage and print at most `rows` rows.

    Args:
        sql: The query; None, with `as_of`: every item.
        pipeline_name: Name of the pipeline; None: the only one.
        rows: Rows to print at most.
        as_of: A moment: the views stand as they stood then. None: as they stand now.

    Raises:
        UserError: No pipeline of that name, or several and none was named.
        PipelineError: No stage, no way to AWS, or a query that failed.
    """
    if (sql is None and as_of is None) or (sql is not None and not sql.strip()):
        raise UserError("say what to ask: ddb-pipeline query 'SELECT ...' (only with --as-of it may be left out)")
    now = datetime.now(UTC)
    at = moment(as_of, now) if as_of is not None else None
    declaration = load_declaration()
    name = chosen_pipeline(declaration.pipelines, pipeline_name)
    aws = PipelineAwsResource(declaration_file=str(declaration.path))
    with aws.deployment(name) as deployment:
        asked = EVERYTHING if sql is None else sql
        answer = deployment.athena.execute(statement_at(deployment, asked, at) if at else asked)
        under_way = timedelta(seconds=2 * deployment.stage.buffer_seconds + 60)
        # a question of the catalog, which costs nothing: an empty answer must not pass for an empty table
        empty = not deployment.catalog.has_hours()
        gap = gap_note(deployment, at) if at else None
    if answer.columns:
        print_rows(None, answer, most=rows)
    left = len(answer.rows) - rows
    console.print(
        f"[dim]{counted(len(answer.rows), 'row')}"
        + (f", {left} of them not shown (--rows)" if left > 0 else "")
        + f"; {answer.data_scanned_in_bytes / _BYTES_A_MEBIBYTE:.2f} MiB scanned; "
        + f"{answer.engine_milliseconds / 1000:.1f} s; query {answer.query_id}[/]"
    )
    if at and now - at < under_way:
        console.print(f"[dim]changes of the last {under_way.total_seconds():.0f} s may still be under way[/]")
    if gap:
        console.print(f"[yellow]{gap}[/]")
    if empty:
        console.print(
            "[yellow]No hour of changes is in the catalog yet, so every view is empty:[/] write to the table, then let "
            "Dagster crawl (`dagster dev`, Materialize all, or wait for its sensor)."
        )


def ask_local(endpoint: str, names: PublishedNames, sql: str) -> QueryResult:
    """Run a query on the local AWS at an endpoint, whatever stage is configured."""
    settings = local_stack.environment(endpoint)
    athena = AthenaResource(
        workgroup=names.workgroup,
        database=names.database,
        region_name=names.region,
        endpoint_url=endpoint,
        aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
    )
    return athena.execute(sql)


def print_rows(title: str | None, answer: QueryResult, *, most: int = 50, widest: int = 60) -> None:
    """Print an answer as a table, or row by row if it is wider than the terminal; NULL is shown as null.

    Args:
        title: What stands above it.
        answer: Result of the query.
        most: Rows to print at most.
        widest: Longest value in a table; longer ones are cut.
    """
    table = Table(title=title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column, _ in answer.columns:
        table.add_column(escape(column), overflow="ellipsis", no_wrap=True)
    for row in answer.rows[:most]:
        table.add_row(*(_cell(value, widest) for value in row))
    unbounded = console.options.update(width=_UNBOUNDED)
    if not answer.rows:
        console.print(", ".join(escape(column) for column, _ in answer.columns), style="bold", soft_wrap=True)
    elif Measurement.get(console, unbounded, table).maximum <= console.width:
        console.print(table, soft_wrap=False)
    else:
        _print_records(title, answer, most)


def _print_records(title: str | None, answer: QueryResult, most: int) -> None:
    """Print a line for each value: columns that do not fit beside each other would be cut to nothing."""
    if title:
        console.print(title)
    names = [escape(column) for column, _ in answer.columns]
    indent = min(max(map(len, names)), _WIDEST_NAME) + 2
    for number, row in enumerate(answer.rows[:most], start=1):
        console.print(f"\n[bold]row {number}[/]")
        for name, value in zip(names, row, strict=True):
            console.print(f"{name:<{indent - 1}} {_cell(value, _LONGEST_VALUE)}")
    console.print()


def _cell(value: object, widest: int) -> str:
    if value is None:
        return "[dim]null[/]"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="milliseconds" if value.microsecond else "seconds")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if not text.isprintable():
        # what an item holds may move the cursor or break lines
        text = "".join(part if part.isprintable() else part.encode("unicode_escape").decode() for part in text)
    return escape(text if len(text) <= widest else text[: widest - 1] + "…")
