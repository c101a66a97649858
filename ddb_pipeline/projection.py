"""Partition projection: Athena computes the hours of a change table from the table's parameters; nobody registers any.

The partition columns stay the four strings that Firehose's folders have, so the views' SQL is the same. Types, ranges
and limits: athena/latest/ug/partition-projection-supported-types.html. Standard library only: `infra_cdk` declares the
tables from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime

ENABLED = "projection.enabled"
YEARS = "projection.year.range"


def parameters(start_date: date) -> dict[str, str]:
    """Return the parameters of a table whose partitions are projected.

    A year is a date, because only a date's range may end now; what is in it are whole numbers of two digits. So a
    query without a bound looks for every hour of every year since the first, which is 12 * 31 * 24 folders a year.

    Args:
        start_date: First day of the pipeline: folders of years before are not read.
    """
    return {
        ENABLED: "true",
        "projection.year.type": "date",
        "projection.year.format": "yyyy",
        YEARS: f"{start_date:%Y},NOW",
        "projection.year.interval": "1",
        "projection.year.interval.unit": "YEARS",
        "projection.month.type": "integer",
        "projection.month.range": "1,12",
        "projection.month.digits": "2",
        "projection.day.type": "integer",
        "projection.day.range": "1,31",
        "projection.day.digits": "2",
        "projection.hour.type": "integer",
        "projection.hour.range": "0,23",
        "projection.hour.digits": "2",
    }


def is_enabled(table_parameters: Mapping[str, str]) -> bool:
    """Whether Athena projects a table's partitions, and overlooks those in the catalog."""
    return str(table_parameters.get(ENABLED, "")).strip().lower() == "true"


def can_be_declared(years: str) -> bool:
    """Whether a range of years is one that `parameters` makes of some start date.

    Args:
        years: Value of the parameter `YEARS`.
    """
    return re.fullmatch(r"[0-9]{4},NOW", years) is not None


def covers(table_parameters: Mapping[str, str], hour: datetime, now: datetime) -> bool:
    """Whether the projection of a table has an hour.

    Args:
        table_parameters: Parameters of the table, as `parameters` has made them.
        hour: The hour.
        now: The time.

    Raises:
        ValueError: The range of years is not one that `parameters` makes.
    """
    first, _, last = str(table_parameters.get(YEARS, "")).partition(",")
    if last != "NOW":
        raise ValueError(f"{YEARS} is {table_parameters.get(YEARS)!r}")
    return int(first) <= hour.year <= now.astimezone(UTC).year
