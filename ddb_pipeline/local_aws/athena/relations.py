"""What a query reads and what it gives: tables, columns, partitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ddb_pipeline.local_aws.athena.types import Type


@dataclass(frozen=True)
class Field:
    """A column of a table or of a query's result; a name of None is shown as `_col0`, `_col1`, ..."""

    name: str | None
    type: Type


@dataclass(frozen=True)
class Partition:
    """A partition as the catalog has it: values of the partition columns, and where its objects are."""

    values: tuple[str, ...]
    location: str


@dataclass(frozen=True)
class Table:
    """A table of JSON lines: columns, partition columns (always last, always varchar) and partitions.

    A table without partition columns has one partition without values: its own location.
    """

    database: str
    name: str
    columns: tuple[Field, ...]
    partition_columns: tuple[Field, ...]
    partitions: tuple[Partition, ...]


@dataclass(frozen=True)
class View:
    """A view: its query, the database it was made in, and the columns it promises."""

    database: str
    name: str
    sql: str
    columns: tuple[Field, ...]


@dataclass
class Scan:
    """One reading of a table in a query.

    Attributes:
        name: Name of the DuckDB view that stands for it; its columns are `c1`, `c2`, ...
        table: What is read.
        predicates: DuckDB conditions on the partition columns, as columns of a relation `p`.
    """

    name: str
    table: Table
    predicates: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Relation:
    """A compiled query: its columns are `c1`, `c2`, ... in DuckDB."""

    sql: str
    fields: tuple[Field, ...]


CommonTables = Mapping[str, Relation]
