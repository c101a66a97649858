"""The query that counts values which their column does not show. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ddb_pipeline.item_columns.expressions import ItemColumn, attribute_sql
from ddb_pipeline.sql_text import json_path, quote_identifier, quote_literal

_COUNTS = 3
"""Results per column: how many values, and two of the items."""


@dataclass(frozen=True)
class Misfits:
    """Values of an attribute that its column does not show.

    Attributes:
        column: The column.
        count: How many items have such a value.
        examples: Keys of one or two of these items, canonical DynamoDB JSON.
    """

    column: ItemColumn
    count: int
    examples: tuple[str, ...]


def misfit_statement(view: str, columns: Sequence[ItemColumn]) -> str:
    """Return the query, which reads the view once. A NULL of DynamoDB is no value.

    Args:
        view: SQL of the view; it has the columns, `image` and `item_key`.
        columns: The columns, one at least.
    """
    null = quote_literal(json_path("NULL"))
    flags = []
    for number, column in enumerate(columns):
        value = attribute_sql(column.path, "image")
        condition = f"{quote_identifier(column.name)} IS NULL AND json_extract({value}, {null}) IS NULL"
        flags.append(f"CASE WHEN {condition} AND {value} IS NOT NULL THEN item_key END AS misfit_{number}")
    inner = f"SELECT {', '.join(flags)} FROM {view}"  # noqa: S608 - every name is quoted
    counts = [
        f"count(misfit_{number}), min(misfit_{number}), max(misfit_{number})" for number, _column in enumerate(columns)
    ]
    return f"SELECT {', '.join(counts)} FROM ({inner}) AS misfits"  # noqa: S608 - nothing else in it


def misfits(columns: Sequence[ItemColumn], row: Sequence[Any]) -> list[Misfits]:
    """Read the one row of the query: columns that have misfits, most first.

    Args:
        columns: The columns that it was made for.
        row: The row.
    """
    found = []
    for number, column in enumerate(columns):
        count, *examples = row[number * _COUNTS : (number + 1) * _COUNTS]
        if count:
            found.append(Misfits(column, int(count), tuple(sorted({str(example) for example in examples}))))
    return sorted(found, key=lambda one: (-one.count, one.column.name))


def told(found: Iterable[Misfits]) -> str:
    """Say how many values do not fit where."""
    return ", ".join(f"{one.column.name} ({one.count})" for one in found)
