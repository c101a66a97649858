"""What a query reads and what it gives: tables, columns, partitions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.openx.options import Options
from ddb_pipeline.local_aws.athena.types import Type


@dataclass(frozen=True)
class Field:
    """A column of a table or of a query's result; a name of None is shown as `_col0`, `_col1`, ..."""

    name: str | None
    type: Type


@dataclass(frozen=True)
class Partition:
    """A partition as the catalog has it.

    Attributes:
        values: Values of the partition columns; None is NULL.
        location: Where its objects are.
        mismatch: Why its columns are not the table's, if they are not: then it cannot be read.
    """

    values: tuple[str | None, ...]
    location: str
    mismatch: QueryFailedError | None = None


@dataclass(frozen=True)
class Projection:
    """Partitions that a table's parameters tell: every combination of the columns' values.

    Attributes:
        values: Values of each partition column.
        template: Address of a partition, ending with a slash, with `${column}` for a value.
        columns: Names of the partition columns.
    """

    values: tuple[tuple[str, ...], ...]
    template: str
    columns: tuple[str, ...]


Format = Literal["json", "openx", "parquet"]


@dataclass(frozen=True)
class Table:
    """A table in S3: columns, partition columns (always last, always varchar) and partitions.

    A table without partition columns has one partition without values: its own location.

    Attributes:
        location: Where the table is, ending with a slash; partitions may be elsewhere.
        format: What its objects are.
        projection: Its partitions, if they are projected: then `partitions` is empty.
        openx: How lines are read, if the format is `openx`.
    """

    database: str
    name: str
    columns: tuple[Field, ...]
    partition_columns: tuple[Field, ...]
    partitions: tuple[Partition, ...]
    location: str = ""
    format: Format = "json"
    projection: Projection | None = None
    openx: Options | None = None

    @property
    def path_place(self) -> int:
        """Place, from 1, of the hidden column `$path`: behind all others."""
        return len(self.columns) + len(self.partition_columns) + 1


@dataclass(frozen=True)
class View:
    """A view: its query, the database it was made in, and the columns it promises."""

    database: str
    name: str
    sql: str
    columns: tuple[Field, ...]


@dataclass(frozen=True)
class Listing:
    """A table that shows the catalog: its rows are known before the query runs.

    Attributes:
        rows: Values of its columns, which are varchar and bigint.
    """

    database: str
    name: str
    columns: tuple[Field, ...]
    rows: tuple[tuple[str | int | None, ...], ...]


@dataclass
class Scan:
    """One reading of a table in a query.

    Attributes:
        name: Name of the DuckDB view that stands for it; its columns are `c1`, `c2`, ...
        table: What is read.
        alias: Name that the query's SQL gives it.
        predicates: DuckDB conditions on the partition columns, as columns of a relation `p`.
    """

    name: str
    table: Table
    alias: str = ""
    predicates: list[str] = field(default_factory=list)

    def used(self, sql: str) -> frozenset[int]:
        """Places, from 1, of the columns that a query's SQL names: what is read, and billed, of a columnar format."""
        return frozenset(map(int, re.findall(rf"\b{self.alias}\.c(\d+)\b", sql)))


Origins = tuple[tuple[tuple[Scan, int], ...], ...]
"""For each column, the partition columns that it is: reading and place, from 1. Several: a UNION."""


@dataclass(frozen=True)
class Relation:
    """A compiled query: its columns are `c1`, `c2`, ... in DuckDB.

    Attributes:
        sql: DuckDB SQL.
        fields: Its columns.
        origins: Which of its columns are partition columns of tables; empty: none.
    """

    sql: str
    fields: tuple[Field, ...]
    origins: Origins = ()

    def origin(self, place: int) -> tuple[tuple[Scan, int], ...]:
        """The partition columns that the column of a place, from 1, is."""
        return self.origins[place - 1] if self.origins else ()


CommonTables = Mapping[str, Relation]
