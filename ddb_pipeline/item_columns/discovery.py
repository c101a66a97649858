"""The query that finds attributes, and what its rows say. Pure."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib import resources
from string import Template
from typing import Any

from ddb_pipeline.arrivals import hour_values, partition_key
from ddb_pipeline.item_columns.types import BIGINT_DIGITS, Observation
from ddb_pipeline.sql_text import quote_literal

MOST_ROWS = 10_000
"""Most rows that the query returns, the most frequent attributes first: names may be data (ids as names of members)."""


def discovery_statement(table: str, rows: Sequence[str], depth: int) -> str:
    """Return the query that finds the attributes of some rows.

    Args:
        table: SQL of the table; it has a column `new_image`.
        rows: Conditions that the rows meet.
        depth: Longest path of an attribute, at least 1.
    """
    levels = range(2, depth + 1)
    values = [f"value_{level}" for level in range(depth, 0, -1)]
    text = resources.files("ddb_pipeline").joinpath("sql", "attributes.sql").read_text(encoding="utf-8")
    return Template(text).substitute(
        table=table,
        rows="\n        AND ".join(rows),
        names=", ".join(f"name_{level}" for level in range(1, depth + 1)),
        deepest_value=f"coalesce({', '.join(values)})" if levels else values[0],
        deeper_levels="".join(
            f"\n    LEFT JOIN UNNEST(CAST(json_extract(value_{level - 1}, '$[\"M\"]') AS map(varchar, json))) "
            f"AS level_{level} (name_{level}, value_{level}) ON TRUE"
            for level in levels
        ),
        digits_of_no_bigint=BIGINT_DIGITS + 1,
        most_rows=MOST_ROWS,
    )


def rows_of_hours(hours: Iterable[datetime]) -> str:
    """Return the condition that rows are of some hours; it names each hour, so that Athena reads no other."""
    by_day: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for moment in sorted(hours):
        *day, hour = hour_values(moment)
        by_day[day[0], day[1], day[2]].append(hour)
    days = [
        f"(year = {quote_literal(year)} AND month = {quote_literal(month)} AND day = {quote_literal(day)} "
        f"AND hour IN ({', '.join(map(quote_literal, of_day))}))"
        for (year, month, day), of_day in by_day.items()
    ]
    return f"({' OR '.join(days)})"


def mark_of(hours: Iterable[datetime], fingerprints: Mapping[datetime, str]) -> str:
    """Return a comment for the end of the query that differs when the hours hold something else.

    A step that is tried again finds the query of the attempt before by its text (`athena_finding`). Without the mark
    that query would stand for a look at what arrived after it, and nobody would look again.

    Args:
        hours: Hours that the query reads.
        fingerprints: What they held before it, as far as somebody asked.
    """
    held = [f"{partition_key(hour)} {fingerprints.get(hour, '')}" for hour in sorted(hours)]
    return f"\n-- reads what has the digest {hashlib.sha256(' '.join(held).encode()).hexdigest()}\n"


def observations(rows: Iterable[Sequence[Any]], depth: int) -> list[Observation]:
    """Read the rows of the query.

    Args:
        rows: Its rows.
        depth: The depth that it was made with.
    """
    return [
        Observation(
            tuple(str(name) for name in row[:depth] if name is not None),
            str(row[depth]),
            *(int(count) for count in row[depth + 1 :]),
        )
        for row in rows
    ]
