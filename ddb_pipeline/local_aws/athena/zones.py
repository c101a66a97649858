"""Time zones. A `timestamp with time zone` is an instant in UTC; its zone is a part of its type, known at compile time.

Where zones would differ from row to row, the type has none, and whatever asks for the zone is refused by name.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytz

from ddb_pipeline.local_aws.athena.types import MIXED, UTC, ZONED, Type

_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})")
_UTC_NAMES = ("UTC", "Z", "GMT", "+00:00", "-00:00")


def zone_named(name: str) -> str | None:
    """The zone of a name as Trino writes it; None: there is none of that name."""
    if name in _UTC_NAMES:
        return UTC
    if _OFFSET.fullmatch(name):
        return name
    return name if "/" in name and name in pytz.all_timezones_set else None


def in_zone(type_: Type, zone: str) -> Type:
    """The `timestamp with time zone` of a timestamp's precision and this zone."""
    return replace(ZONED, numbers=type_.numbers or ZONED.numbers, zone=zone)


def local(sql: str, type_: Type) -> str | None:
    """SQL of the local time of an instant, as a timestamp without zone; None: its zone is not known."""
    if type_.zone == UTC:
        return sql
    if type_.zone == MIXED:
        return None
    offset = _OFFSET.fullmatch(type_.zone)
    if offset:
        minutes = int(offset[2]) * 60 + int(offset[3])
        return f"({sql} {offset[1]} to_minutes({minutes}))"
    return f"timezone('{type_.zone}', timezone('UTC', {sql}))"
