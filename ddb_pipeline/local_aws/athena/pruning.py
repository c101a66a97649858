"""Which partitions a query reads: DuckDB evaluates the query's conditions on the partition columns' values alone."""

# ruff: noqa: S608 - SQL is what this module makes; the values go in as parameters

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence

import duckdb

from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.projection import MAX_VALUES, project
from ddb_pipeline.local_aws.athena.relations import Partition, Projection, Scan

Values = tuple[str | None, ...]


def selected(connection: duckdb.DuckDBPyConnection, scan: Scan) -> list[Partition]:
    """Partitions that the query's conditions leave.

    Args:
        connection: Used for evaluating.
        scan: The reading of the table.

    Raises:
        QueryFailedError: A projection makes more partitions than Athena reads.
    """
    if scan.table.projection is not None:
        return _projected(connection, scan, scan.table.projection)
    partitions = list(scan.table.partitions)
    if not scan.predicates or not partitions:
        return partitions
    width = len(scan.table.partition_columns)
    return [
        partitions[place] for place in _matching(connection, [p.values for p in partitions], scan.predicates, width)
    ]


def _projected(connection: duckdb.DuckDBPyConnection, scan: Scan, projection: Projection) -> list[Partition]:
    """Conditions on one column first: they keep the combinations of the columns few."""
    rest, columns = list(scan.predicates), []
    for number, values in enumerate(projection.values, 1):
        own = [predicate for predicate in rest if set(re.findall(r"\bp\.v(\d+)\b", predicate)) == {str(number)}]
        rest = [predicate for predicate in rest if predicate not in own]
        width = len(projection.values)
        padded: list[Values] = [tuple(value if i == number else None for i in range(1, width + 1)) for value in values]
        kept = _matching(connection, padded, own, width) if own else range(len(values))
        columns.append([values[place] for place in kept])
    count = math.prod(map(len, columns))
    if count > MAX_VALUES:
        message = f"the query reads {count} projected partitions of table {scan.table.name}; the most is {MAX_VALUES}"
        raise QueryFailedError("HIVE_EXCEEDED_PARTITION_LIMIT", message)
    combined = list(itertools.product(*columns))
    if rest and combined:
        combined = [combined[place] for place in _matching(connection, combined, rest, len(columns))]
    return [project(projection, values) for values in combined]


def _matching(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[Values], predicates: Sequence[str], width: int
) -> list[int]:
    """Places of the rows, from 0, for which all predicates hold."""
    columns = ", ".join(f"unnest(CAST(${i} AS VARCHAR[])) AS v{i}" for i in range(1, width + 1))
    condition = " AND ".join(f"({predicate})" for predicate in predicates)
    query = f"SELECT id FROM (SELECT unnest(range({len(rows)})) AS id, {columns}) AS p WHERE {condition} ORDER BY id"
    values = [[row[i] for row in rows] for i in range(width)]
    return [place for (place,) in connection.execute(query, values).fetchall()]
