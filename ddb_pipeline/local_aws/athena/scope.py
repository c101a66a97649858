"""Names that an expression can see, and how a dotted name is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ddb_pipeline.local_aws.athena.relations import Scan
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.types import Type


@dataclass(frozen=True)
class Column:
    """A column that can be named.

    Attributes:
        name: Lower-case name, None for a column without one.
        type: Its type.
        sql: DuckDB SQL that reads it.
        qualifier: Lower-case name or alias of its relation.
        database: Its table's database, when the table was not given an alias.
        hidden: The second column of a `USING` pair: not part of `*`.
        in_star: Whether it is part of `*`; `$path` is not.
        origins: The partition columns that it is, whose tables may leave out what a condition on it rejects.
    """

    name: str | None
    type: Type
    sql: str
    qualifier: str | None = None
    database: str | None = None
    hidden: bool = False
    in_star: bool = True
    origins: tuple[tuple[Scan, int], ...] = field(default=(), compare=False)


@dataclass
class Scope:
    """Columns of one SELECT's FROM, then those of the queries around it."""

    columns: Sequence[Column]
    parent: Scope | None = None
    lambdas: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What a dotted name refers to: the candidates (more than one is ambiguous), the field names left over."""

    candidates: tuple[Column, ...]
    fields: tuple[str, ...]
    outer: bool


def find(scope: Scope, parts: Sequence[str]) -> Found | None:
    """Read a dotted name: as table and column if it can be, else as a column and fields of its row.

    Args:
        scope: Where it stands.
        parts: Its parts, lower case.
    """
    place: Scope | None = scope
    outer = False
    while place is not None:
        for names in range(min(3, len(parts)), 0, -1):
            candidates = tuple(column for column in place.columns if _is_named(column, parts[:names]))
            if candidates:
                return Found(candidates, tuple(parts[names:]), outer)
        place, outer = place.parent, True
    return None


def _is_named(column: Column, parts: Sequence[str]) -> bool:
    if column.name != parts[-1] or column.name is None:
        return False
    if len(parts) == 1:
        return not column.hidden
    own = (column.database, column.qualifier)
    wanted = tuple(parts[:-1])
    return own[-len(wanted) :] == wanted
