"""Conditions that the partition columns of a table alone decide, found wherever they stand.

A condition of WHERE or ON is pushed through views, subqueries, WITH and UNION to the readings of tables below, as
Trino does it: it leaves out partitions whose rows it would reject anyway. It stays where it is, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlglot import exp

from ddb_pipeline.local_aws.athena.grouping import has_sets
from ddb_pipeline.local_aws.athena.relations import Origins, Relation
from ddb_pipeline.local_aws.athena.scope import Column, Scope, find


def push_down(
    condition: exp.Expr, columns: Sequence[Column], compile_condition: Callable[[exp.Expr, Scope], str]
) -> None:
    """Give each part of a condition to the readings of tables whose partition columns alone decide it.

    Args:
        condition: The condition of WHERE or of an inner join.
        columns: What it can name.
        compile_condition: Compiles a part of it in a scope of partition columns.
    """
    for part in _conjuncts(condition):
        named = _named(part, columns)
        if not named:
            continue
        for scan, _ in named[0].origins:
            places = [next((place for own, place in column.origins if own is scan), None) for column in named]
            if None in places:
                continue
            scope = Scope([replace(column, sql=f"p.v{place}") for column, place in zip(named, places, strict=True)])
            scan.predicates.append(compile_condition(part, scope))


def _named(condition: exp.Expr, columns: Sequence[Column]) -> list[Column]:
    """The columns that a condition names, each once; empty: it is none that can be asked of partitions."""
    found: dict[str, Column] = {}
    for node in condition.walk():
        if isinstance(node, (exp.Query, exp.Window, exp.Lambda)) or _is_random(node):
            return []
        if isinstance(node, exp.Column):
            named = find(Scope(columns), [part.name.lower() for part in node.parts])
            if named is None or len(named.candidates) != 1 or named.fields or not named.candidates[0].origins:
                return []
            found[named.candidates[0].sql] = named.candidates[0]
    return list(found.values())


def _is_random(node: exp.Expr) -> bool:
    """Whether it would say one thing of a partition and another of its rows."""
    return isinstance(node, exp.Anonymous) and str(node.this).lower() in {"rand", "random"}


def _conjuncts(condition: exp.Expr) -> list[exp.Expr]:
    inner = condition.this if isinstance(condition, exp.Paren) else condition
    if isinstance(inner, exp.And):
        return [*_conjuncts(inner.this), *_conjuncts(inner.expression)]
    return [inner]


def origins_of(node: exp.Select, columns: Sequence[Column], values: Sequence[str]) -> Origins:
    """Where the result columns of a SELECT come from, as far as a condition on them may be pushed below it.

    Rows must not depend on each other: LIMIT and window functions end it, as does a NULL in place of a key. A column of
    a grouped SELECT that is a plain column is one of its keys, so the rows of a group stay together.

    Args:
        node: The SELECT.
        columns: What its FROM gives.
        values: SQL of its result columns.
    """
    group = node.args.get("group")
    ends = node.args.get("limit") or node.args.get("offset") or any(node.find_all(exp.Window)) or has_sets(group)
    known = {} if ends else {column.sql: column.origins for column in columns}
    return tuple(known.get(value, ()) for value in values)


def united(left: Relation, right: Relation) -> Origins:
    """Where the columns of a UNION come from: both sides, each for itself."""
    return tuple((*left.origin(place), *right.origin(place)) for place in range(1, len(left.fields) + 1))
