"""GROUP BY: the keys of a SELECT, and the sets of them that are grouped by.

Source: https://trino.io/docs/current/sql/select.html#group-by-clause; the messages are of Trino's StatementAnalyzer.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence

from sqlglot import exp

from ddb_pipeline.local_aws.athena.compiler import Expressions
from ddb_pipeline.local_aws.athena.errors import QueryFailedError, failed_at, not_supported
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.types import INTEGER, JSON

MAX_SETS = 2048
"""Most grouping sets of a query (Trino's `query.max-grouping-sets`)."""
# of more columns, Trino's GROUPING() is a bigint
_MOST_COLUMNS = 31
_COMPLEX = (exp.GroupingSets, exp.Cube, exp.Rollup)

KeySet = tuple[str, ...]


class GroupCompiler:
    """Compiles a GROUP BY.

    Args:
        sql: Text of the query, for the places in messages.
        items: Expressions of the SELECT's list, which a number in GROUP BY means.
        value: Compiles an expression.
    """

    def __init__(self, sql: str, items: Sequence[exp.Expr], value: Callable[[exp.Expr], Value]) -> None:
        self._sql = sql
        self._items = items
        self._value = value

    def sets(self, group: exp.Group) -> list[KeySet]:
        """The sets of compiled keys that rows are grouped by; one, unless it asks for more.

        Raises:
            QueryFailedError: It is wrong, or uses what local AWS does not know.
        """
        if any(part for key, part in group.args.items() if key not in {"expressions", "all"} and part):
            raise not_supported(self._sql, group, "this form of GROUP BY")
        elements = [self._element(key) for key in group.expressions]
        count = math.prod(map(len, elements))
        if count > MAX_SETS:
            raise self._too_many(group, count)
        found = [_joined(chosen) for chosen in itertools.product(*elements)]
        # GROUP BY DISTINCT
        return list({frozenset(keys): keys for keys in found}.values()) if group.args.get("all") is False else found

    def _too_many(self, node: exp.Expr, count: int) -> QueryFailedError:
        message = f"GROUP BY has {count} grouping sets but can contain at most {MAX_SETS}"
        return failed_at(self._sql, node, "TOO_MANY_GROUPING_SETS", message)

    def _element(self, key: exp.Expr) -> list[KeySet]:
        """The sets that one element of GROUP BY stands for."""
        if not isinstance(key, _COMPLEX):
            parts = key.expressions if isinstance(key, exp.Tuple) else [key]
            return [_joined([self._key(part)] for part in parts)]
        sets = [self._columns(part) for part in key.expressions]
        if isinstance(key, exp.GroupingSets):
            return sets
        lengths = range(len(sets), -1, -1)
        if isinstance(key, exp.Rollup):
            return [_joined(sets[:length]) for length in lengths]
        if 2 ** len(sets) > MAX_SETS:
            raise self._too_many(key, 2 ** len(sets))
        return [_joined(chosen) for length in lengths for chosen in itertools.combinations(sets, length)]

    def _columns(self, part: exp.Expr) -> KeySet:
        """A set in GROUPING SETS, or what ROLLUP and CUBE take as one; of columns only, as Trino has it."""
        nodes = part.expressions if isinstance(part, exp.Tuple) else [part.unnest()]
        for node in nodes:
            if isinstance(node, _COMPLEX):
                raise not_supported(self._sql, node, "ROLLUP or CUBE inside of GROUPING SETS")
            if not isinstance(node, exp.Column):
                message = f"GROUP BY expression must be a column reference: {node.sql('trino')}"
                raise failed_at(self._sql, node, "INVALID_COLUMN_REFERENCE", message)
        return _joined([self._key(node)] for node in nodes)

    def _key(self, key: exp.Expr) -> str:
        if isinstance(key, exp.Literal) and not key.is_string:
            place = int(key.name) if key.name.isdecimal() else 0
            if not 1 <= place <= len(self._items):
                message = f"GROUP BY position {key.name} is not in select list"
                raise failed_at(self._sql, key, "INVALID_COLUMN_REFERENCE", message)
            key = self._items[place - 1]
        value = self._value(key)
        if value.type == JSON:
            raise not_supported(self._sql, key, "GROUP BY of json")
        return value.sql


def group_by(sets: Sequence[KeySet]) -> str:
    """SQL of the clause."""
    shown = [f"({', '.join(keys)})" for keys in sets]
    if len(sets) > 1:
        return f"GROUP BY GROUPING SETS ({', '.join(shown)})"
    return f"GROUP BY {', '.join(sets[0]) or '()'}"


def has_sets(group: exp.Group | None) -> bool:
    """Whether rows of the result may hold NULL in place of a key."""
    return group is not None and any(isinstance(key, _COMPLEX) for key in group.expressions)


def grouping(c: Expressions, node: exp.Anonymous) -> Value:
    """Compile `grouping(column, ...)`: a bit for each column, 1 if the row is not grouped by it."""
    if c.env.grouped is None:
        raise failed_at(
            c.env.sql, node, "MISSING_GROUP_BY", "A GROUPING() operation can only be used with a GROUP BY clause"
        )
    if c.inside_aggregate or not 1 <= len(node.expressions) <= _MOST_COLUMNS:
        raise not_supported(c.env.sql, node, "GROUPING() inside of an aggregation, or of this many columns")
    columns = [c.compile(argument).sql for argument in node.expressions]
    if not c.env.grouped.issuperset(columns):
        message = "The arguments to GROUPING() must be expressions referenced by the GROUP BY at this level"
        raise failed_at(c.env.sql, node, "INVALID_ARGUMENTS", message)
    return Value(f"CAST(GROUPING({', '.join(columns)}) AS INTEGER)", INTEGER)


def _joined(sets: Iterable[Iterable[str]]) -> KeySet:
    return tuple(dict.fromkeys(key for keys in sets for key in keys))
