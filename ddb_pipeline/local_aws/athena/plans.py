"""What a statement turns out to be: rows to compute, rows to write, or lines that say what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ddb_pipeline.local_aws.athena.catalog import Catalog
from ddb_pipeline.local_aws.athena.relations import Field, Relation, Scan, Table


@dataclass(frozen=True)
class PreparedStatement:
    """A statement kept for later: its text, the time of its last change (epoch seconds), and what it is for."""

    sql: str
    modified: float
    description: str | None = None


@dataclass(frozen=True)
class Session:
    """What a statement is run with.

    Attributes:
        sql: Its text.
        database: Database of names without one, lower case; None: there is none.
        started: Start of the statement, UTC.
        catalog: Where tables and views are.
        id: Id of the query execution.
        results: Folder of the results in S3, ending with a slash.
        is_enforced: Whether the workgroup decides where results go.
        parameters: Values of `?`, as SQL.
        prepared: The workgroup's prepared statements by name.
        list_names: Names of the objects below an address in S3, relative to it.
    """

    sql: str
    database: str | None
    started: datetime
    catalog: Catalog
    id: str
    results: str
    is_enforced: bool
    parameters: Sequence[str]
    prepared: MutableMapping[str, PreparedStatement]
    list_names: Callable[[str], Iterable[str]]


@dataclass(frozen=True)
class Plan:
    """A query that can run: its compiled SQL and the tables it reads."""

    relation: Relation
    scans: tuple[Scan, ...]


@dataclass(frozen=True)
class Write:
    """Rows that go into a table.

    Attributes:
        plan: The query that makes them.
        table: Where they go.
        values: SQL of each column of the table, over a relation `w` with the query's columns; of partition columns too.
        compression: DuckDB's name of the objects' compression.
        creates: Glue's `TableInput` of a table that is made with them; None: it is there already.
        is_unload: Whether they go to the table's location alone, and there is no such table.
    """

    plan: Plan
    table: Table
    values: tuple[str, ...]
    compression: str = "GZIP"
    creates: dict[str, Any] | None = None
    is_unload: bool = False

    @property
    def kinds(self) -> tuple[str, str]:
        """StatementType and SubstatementType."""
        if self.creates is not None:
            return "DDL", "CREATE_TABLE_AS_SELECT"
        return "DML", "UNLOAD" if self.is_unload else "INSERT"


@dataclass(frozen=True)
class Lines:
    """What a statement about the catalog says: lines of one or more cells, parted by tabs.

    Attributes:
        fields: The columns that the API names.
        lines: The lines.
    """

    fields: tuple[Field, ...] = ()
    lines: tuple[str, ...] = ()


Outcome = Plan | Write | Lines
