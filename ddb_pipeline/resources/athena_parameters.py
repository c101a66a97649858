"""Python values as Athena's execution parameters: SQL literals for the `?` of a statement, in their order.

Athena parses each one by itself and puts it in the place of a `?` (Athena user guide, "Use parameterized queries"), so
that no text of a user ever becomes a part of the statement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from ddb_pipeline.sql_text import quote_literal


def execution_parameters(values: Sequence[Any]) -> list[str]:
    """Return the literals of some values.

    Args:
        values: None, bool, int, float, Decimal, str, bytes, date or datetime. A datetime without a time zone becomes
            `timestamp`, one with a time zone the same moment as `timestamp with time zone` in UTC.

    Raises:
        TypeError: A value is of another type.
        ValueError: A number is no number, or infinite.
    """
    if isinstance(values, str):
        raise TypeError(f"parameters are a list of values, not the text {values!r}")
    return [_literal(value) for value in values]


def _literal(value: Any) -> str:  # noqa: PLR0911 - a line a type
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (float, Decimal)):
        return _fraction(value)
    if isinstance(value, str):
        return quote_literal(value)
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    if isinstance(value, datetime):
        zone = " UTC" if value.tzinfo else ""
        moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return f"TIMESTAMP '{moment.isoformat(sep=' ', timespec='microseconds')}{zone}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    raise TypeError(
        f"{type(value).__name__} cannot be a parameter of a query: give None, bool, int, float, Decimal, str, bytes, "
        "date or datetime"
    )


def _fraction(value: float | Decimal) -> str:
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be a parameter of a query")
    if isinstance(value, Decimal):
        return f"DECIMAL '{value:f}'"
    text = repr(value)
    # Trino takes 1.5 for a decimal, and 1.5E0 for a double
    return text.upper().replace("+", "") if "e" in text else f"{text}E0"
