"""What a query of Athena returned, and what it took."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from ddb_pipeline.resources.athena_queries import AthenaQueryError, Queries
from ddb_pipeline.resources.prices import QUERY_BILLED_BYTES_AT_LEAST, TERABYTE

if TYPE_CHECKING:
    from pyathena.connection import Connection

_PAGE = 1000
"""Rows in an answer of GetQueryResults at most."""
_AMBIGUOUS = ("array", "map", "row")
"""Types whose text does not tell what is in them: `[a, b]` is one text or two, `[null]` a text or none."""


@dataclass(frozen=True)
class QueryResult:
    """What a query returned, and what it took.

    Attributes:
        query_id: Athena's id of the query.
        columns: Name and Athena type of each column; empty for statements without a result.
        rows: The rows, each value of the Python type that belongs to its column's; NULL is None.
        data_scanned_in_bytes: What Athena scanned.
        engine_milliseconds: How long the engine worked.
        console_url: The query in the AWS console.
        queue_milliseconds: How long it waited in Athena's queue.
        rows_written: Rows that it inserted, updated or deleted; None: it is no such statement.
        reused: Whether Athena gave the result of an earlier query.
        resumed: Whether an earlier attempt of the step had started it.
        estimated_dollars: What it costs by the resource's price of a terabyte: nothing where nothing was scanned, as
            by statements of definition and reused results, otherwise as much as 10 MB at least.
    """

    query_id: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Any, ...], ...]
    data_scanned_in_bytes: int
    engine_milliseconds: int
    console_url: str
    queue_milliseconds: int = 0
    rows_written: int | None = None
    reused: bool = False
    resumed: bool = False
    estimated_dollars: float = 0.0

    @property
    def records(self) -> list[dict[str, Any]]:
        """The rows as dictionaries by the names of their columns."""
        names = [name for name, _type in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def metadata(self) -> dict[str, Any]:
        """Return what Dagster shows of the query, without its rows."""
        from dagster import MetadataValue

        values = {
            "query": self.query_id,
            "query_in_console": MetadataValue.url(self.console_url),
            "bytes_scanned": self.data_scanned_in_bytes,
            "engine_milliseconds": self.engine_milliseconds,
            "queue_milliseconds": self.queue_milliseconds,
            "athena_dollars": self.estimated_dollars,
            "rows_written": self.rows_written,
            "result_reused": self.reused,
            "query_resumed": self.resumed,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Fetched:
    """Columns and rows of a result, and how many rows the statement wrote."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Any, ...], ...]
    rows_written: int | None


def fetch(queries: Queries, described: Mapping[str, Any]) -> Fetched:
    """Fetch the whole result of a query, through PyAthena: it knows the text of every type.

    Args:
        queries: Asks for the pages.
        described: API shape QueryExecution of a query that succeeded.

    Raises:
        AthenaQueryError: The result could not be fetched, or a value has no Python type.
    """
    from pyathena.error import Error

    query_id = str(described["QueryExecutionId"])
    try:
        return _fetched(queries, described, query_id)
    except (Error, ValueError, ArithmeticError) as error:
        if isinstance(error.__cause__, AthenaQueryError):
            raise error.__cause__ from None
        raise AthenaQueryError(
            f"the result of Athena query {query_id} could not be read: {error}: CAST what Python "
            "cannot hold to varchar",
            query_id,
            links=queries.links(query_id),
        ) from error


def _fetched(queries: Queries, described: Mapping[str, Any], query_id: str) -> Fetched:
    from pyathena.converter import DefaultTypeConverter
    from pyathena.model import AthenaQueryExecution
    from pyathena.result_set import AthenaResultSet
    from pyathena.util import RetryConfig

    # PyAthena logs, with traceback, each error that it also raises: without a handler Python would print that
    logging.getLogger("pyathena").addHandler(logging.NullHandler())
    converter = DefaultTypeConverter()
    for kind in _AMBIGUOUS:
        converter.remove(kind)
    # all that it takes of a connection; the waiting is ours
    client = SimpleNamespace(get_query_results=lambda **page: queries.results(query_id, page))
    result = AthenaResultSet(
        cast("Connection[Any]", SimpleNamespace(client=client)),
        converter,
        AthenaQueryExecution({"QueryExecution": described}),
        _PAGE,
        RetryConfig(attempt=1),
    )
    columns = tuple((str(column[0]), str(column[1])) for column in result.description or ())
    rows = tuple(tuple(row) for row in result.fetchall()) if columns else ()
    return Fetched(columns, rows, result.rowcount if result.rowcount >= 0 else None)


def estimated_dollars(described: Mapping[str, Any], terabyte_dollars: float) -> float:
    """Return what a query costs.

    Args:
        described: API shape QueryExecution.
        terabyte_dollars: Price of a terabyte that is scanned.
    """
    statistics = described.get("Statistics", {})
    scanned = int(statistics.get("DataScannedInBytes") or 0)
    if not scanned or was_reused(described):
        return 0.0
    return round(max(scanned, QUERY_BILLED_BYTES_AT_LEAST) / TERABYTE * terabyte_dollars, 6)


def was_reused(described: Mapping[str, Any]) -> bool:
    """Whether Athena gave the result of an earlier query."""
    statistics = described.get("Statistics", {})
    return bool(statistics.get("ResultReuseInformation", {}).get("ReusedPreviousResult"))
