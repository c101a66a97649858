"""Functions of dates and times (https://trino.io/docs/current/functions/datetime.html)."""

from __future__ import annotations

import re
from collections.abc import Callable

from ddb_pipeline.local_aws.athena import date_patterns
from ddb_pipeline.local_aws.athena.arguments import UnsupportedArgumentError, text_literal
from ddb_pipeline.local_aws.athena.casts import cast, coerce, text
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.types import (
    BIGINT,
    DATE,
    DAYS,
    DOUBLE,
    TIMESTAMP,
    UTC,
    VARCHAR,
    ZONED,
    Type,
    common_type,
    duckdb_type,
)
from ddb_pipeline.local_aws.athena.zones import in_zone, local, zone_named

MILLISECOND_DIGITS = 3
_UNITS = {
    "millisecond": "to_milliseconds({})",
    "second": "to_seconds({})",
    "minute": "to_minutes({})",
    "hour": "to_hours({})",
    "day": "to_days(CAST({} AS INTEGER))",
    "week": "to_weeks(CAST({} AS INTEGER))",
    "month": "to_months(CAST({} AS INTEGER))",
    "quarter": "to_months(CAST(3 * {} AS INTEGER))",
    "year": "to_years(CAST({} AS INTEGER))",
}
_TRUNCATED = ("millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAY_UNITS = ("day", "week", "month", "quarter", "year")
# MySQL's patterns, which date_format takes, as those of DuckDB's strftime
_PATTERNS = {
    "%Y": "%Y", "%y": "%y", "%m": "%m", "%c": "%-m", "%d": "%d", "%e": "%-d", "%H": "%H", "%k": "%-H", "%h": "%I",
    "%I": "%I", "%l": "%-I", "%i": "%M", "%s": "%S", "%S": "%S", "%f": "%g000", "%p": "%p", "%M": "%B", "%b": "%b",
    "%W": "%A", "%a": "%a", "%j": "%j", "%T": "%H:%M:%S", "%r": "%I:%M:%S %p", "%%": "%%",
}  # fmt: skip
FIELDS = (
    "day", "day_of_month", "day_of_week", "day_of_year", "dow", "doy", "hour", "last_day_of_month", "millisecond",
    "minute", "month", "quarter", "second", "week", "week_of_year", "year", "year_of_week",
)  # fmt: skip
"""Functions that read a field of a moment: of an instant, the one that clocks of its zone show."""


def wall_time(value: Value) -> Value:
    """An instant as the local time of its zone; other values as they are.

    Raises:
        UnsupportedArgumentError: Its zone differs from row to row.
    """
    if value.type.name != ZONED.name:
        return value
    sql = local(value.sql, value.type)
    if sql is None:
        raise UnsupportedArgumentError("timestamps of different time zones are not supported here by local AWS")
    return Value(sql, Type("timestamp", value.type.numbers))


def to_date(value: Value) -> Value | None:
    """`date(x)`: the same as a CAST."""
    if value.type.name not in {"varchar", "date", "timestamp", ZONED.name}:
        return None
    sql = cast(value.sql, value.type, DATE)
    return None if sql is None else Value(sql, DATE)


def date_add(unit: Value, count: Value, moment: Value) -> Value | None:
    """`date_add('hour', n, timestamp)`."""
    name = _unit(unit, tuple(_UNITS))
    number = coerce(count.sql, count.type, BIGINT)
    if number is None or not _is_moment(moment.type):
        return None
    _refuse_days_of_zones(name, moment.type)
    moved = f"({moment.sql} + {_UNITS[name].format(f'({number})')})"
    if moment.type.name == "date":
        _refuse_times_of_day(name)
        return Value(f"CAST({moved} AS DATE)", moment.type)
    if name == "millisecond" and moment.type.numbers[0] < MILLISECOND_DIGITS:
        raise UnsupportedArgumentError(f"adding milliseconds to a {moment.type} is not supported by local AWS")
    return Value(moved, moment.type)


def date_diff(unit: Value, start: Value, end: Value) -> Value | None:
    """`date_diff('hour', start, end)`: whole units between the two."""
    name = _unit(unit, tuple(_UNITS))
    common = common_type(start.type, end.type)
    if common is None or not _is_moment(common):
        return None
    if common.name == "date":
        _refuse_times_of_day(name)
    _refuse_days_of_zones(name, common)
    first, second = coerce(start.sql, start.type, common), coerce(end.sql, end.type, common)
    if name in _MONTHS:
        wide = [f"CAST({sql} AS TIMESTAMP)" for sql in (first, second)]
        return Value(f"(athena_months_between({wide[0]}, {wide[1]}) // {_MONTHS[name]})", BIGINT)
    return Value(f"date_sub('{name}', {first}, {second})", BIGINT)


def date_trunc(unit: Value, moment: Value) -> Value | None:
    """`date_trunc('hour', timestamp)`."""
    name = _unit(unit, _TRUNCATED)
    if not _is_moment(moment.type):
        return None
    if moment.type.name == "date":
        _refuse_times_of_day(name)
    if moment.type.zone != UTC:
        raise UnsupportedArgumentError("date_trunc in a time zone other than UTC is not supported by local AWS")
    return Value(f"CAST(date_trunc('{name}', {moment.sql}) AS {duckdb_type(moment.type)})", moment.type)


def date_format(moment: Value, pattern: Value) -> Value | None:
    """`date_format(timestamp, '%Y-%m-%d')` with MySQL's patterns."""
    if not _is_moment(moment.type):
        return None
    template = text_literal(pattern, "the format of date_format")
    pieces = re.findall(r"%.?|[^%]+", template, re.DOTALL)
    unknown = [piece for piece in pieces if piece.startswith("%") and piece not in _PATTERNS]
    if unknown:
        raise UnsupportedArgumentError(f"date_format with {unknown[0]!r} is not supported by local AWS")
    translated = "".join(_PATTERNS.get(piece, piece) for piece in pieces)
    return Value(f"strftime({wall_time(moment).sql}, {text(translated)})", VARCHAR)


def date_parse(value: Value, pattern: Value) -> Value | None:
    """`date_parse(text, '%Y-%m-%d')` with MySQL's patterns: a timestamp without zone."""
    fields = date_patterns.mysql_fields(text_literal(pattern, "the format of date_parse"))
    return _parsed(value, fields, "date_parse", TIMESTAMP)


def parse_datetime(value: Value, pattern: Value) -> Value | None:
    """`parse_datetime(text, 'yyyy-MM-dd')` with Joda's patterns: an instant in the session's zone, UTC."""
    pieces = date_patterns.joda_pieces(text_literal(pattern, "the format of parse_datetime"))
    fields: list[str] | None = []
    for piece, is_field in pieces or []:
        own = date_patterns.JODA[piece][0] if is_field else piece
        fields = None if fields is None or own is None else [*fields, own]
    return _parsed(value, fields if pieces else None, "parse_datetime", ZONED)


def _parsed(value: Value, fields: list[str] | None, name: str, result: Type) -> Value | None:
    if value.type.name != "varchar":
        return None
    if fields and "half" in fields and "hour12" not in fields:
        raise UnsupportedArgumentError(f"AM or PM beside an hour of 24 in {name} is not supported by local AWS")
    named = [field for field in fields or [] if field.replace(" ", "").isalnum() and not field.isdecimal()]
    if fields is None or any("\n" in field for field in fields) or len(set(named)) != len(named):
        raise UnsupportedArgumentError(f"this format of {name} is not supported by local AWS")
    encoded = text(date_patterns.encoded(fields))
    return Value(f"make_timestamp(athena_python_parse_moment({value.sql}, {encoded}))", result)


def format_datetime(moment: Value, pattern: Value) -> Value | None:
    """`format_datetime(timestamp, 'yyyy-MM-dd')` with Joda's patterns."""
    if not _is_moment(moment.type):
        return None
    pieces = date_patterns.joda_pieces(text_literal(pattern, "the format of format_datetime"))
    if not pieces:
        raise UnsupportedArgumentError("this format of format_datetime is not supported by local AWS")
    template = "".join(date_patterns.JODA[own][1] if is_field else own.replace("%", "%%") for own, is_field in pieces)
    return Value(f"strftime({wall_time(moment).sql}, {text(template)})", VARCHAR)


def from_iso8601_timestamp(value: Value) -> Value | None:
    """`from_iso8601_timestamp(text)`: the zone of a literal is its own, that of a column must be UTC."""
    if value.type.name != "varchar":
        return None
    zone = (date_patterns.iso_zone(value.literal) if isinstance(value.literal, str) else None) or UTC
    return Value(f"make_timestamp(athena_python_from_iso({value.sql}, {text(zone)}))", in_zone(TIMESTAMP, zone))


def to_iso8601(moment: Value) -> Value | None:
    """`to_iso8601(x)`."""
    if moment.type.name == "date":
        return Value(f"strftime({moment.sql}, '%Y-%m-%d')", VARCHAR)
    if not _is_moment(moment.type) or moment.type.numbers != TIMESTAMP.numbers:
        return None
    zone = "" if moment.type.name == "timestamp" else "Z" if moment.type.zone == UTC else moment.type.zone
    if "/" in zone:
        raise UnsupportedArgumentError("to_iso8601 in a named time zone is not supported by local AWS")
    return Value(f"(strftime({wall_time(moment).sql}, '%Y-%m-%dT%H:%M:%S.%g') || '{zone}')", VARCHAR)


def at_timezone(moment: Value, zone: Value) -> Value | None:
    """`at_timezone(timestamp, zone)`: the same instant on other clocks; a timestamp without zone is one of UTC."""
    if moment.type.name not in {"timestamp", ZONED.name}:
        return None
    return Value(moment.sql, in_zone(moment.type, _zone(zone)))


def with_timezone(moment: Value, zone: Value) -> Value | None:
    """`with_timezone(timestamp, zone)`: the instant when clocks of the zone show this time."""
    return in_zone_named(moment, text_literal(zone, "a time zone")) if moment.type.name == "timestamp" else None


def in_zone_named(moment: Value, zone: str) -> Value:
    """The instant when clocks of a zone show this time.

    Raises:
        UnsupportedArgumentError: There is no such zone.
    """
    name = _known_zone(zone)
    if name == UTC:
        return Value(moment.sql, in_zone(moment.type, name))
    if "/" not in name:
        minutes = (int(name[1:3]) * 60 + int(name[4:])) * (-1 if name[0] == "+" else 1)
        return Value(f"({moment.sql} + to_minutes({minutes}))", in_zone(moment.type, name))
    return Value(f"athena_instant({moment.sql}, '{name}')", in_zone(moment.type, name))


def from_unixtime(seconds: Value, zone: Value | None = None) -> Value | None:
    """`from_unixtime(seconds[, zone])`."""
    number = coerce(seconds.sql, seconds.type, DOUBLE)
    if number is None:
        return None
    name = _zone(zone) if zone else UTC
    sql = f"make_timestamp(CAST(floor({number} * 1000 + 0.5e0) AS BIGINT) * 1000)"
    return Value(sql, in_zone(TIMESTAMP, name))


def to_unixtime(moment: Value) -> Value | None:
    """`to_unixtime(timestamp)`."""
    if moment.type.name not in {"timestamp", ZONED.name}:
        return None
    return Value(f"(CAST(epoch_us({moment.sql}) AS DOUBLE) / CAST(1000000 AS DOUBLE))", DOUBLE)


def _zone(value: Value) -> str:
    return _known_zone(text_literal(value, "a time zone"))


def _known_zone(name: str) -> str:
    zone = zone_named(name)
    if zone is None:
        raise UnsupportedArgumentError(f"'{name}' is not a valid time zone ID, as far as local AWS knows")
    return zone


def _is_moment(type_: Type) -> bool:
    return type_.name in {"date", "timestamp", ZONED.name}


def _unit(unit: Value, allowed: tuple[str, ...]) -> str:
    name = text_literal(unit, "a time unit").lower()
    if name not in allowed:
        raise UnsupportedArgumentError(f"the time unit '{name}' is not supported here by local AWS")
    return name


def _refuse_times_of_day(unit: str) -> None:
    if unit not in _DAY_UNITS:
        raise UnsupportedArgumentError(f"'{unit}' is not a valid DATE field")


def _refuse_days_of_zones(unit: str, type_: Type) -> None:
    if unit in _DAY_UNITS and type_.zone != UTC:
        raise UnsupportedArgumentError("days in a time zone other than UTC are not supported here by local AWS")


def to_milliseconds(interval: Value) -> Value | None:
    """`to_milliseconds(interval)` of days and times."""
    return Value(f"(epoch_us({interval.sql}) // 1000)", BIGINT) if interval.type == DAYS else None


MOMENTS: dict[str, tuple[int, int, Callable[..., Value | None]]] = {
    "at_timezone": (2, 2, at_timezone),
    "date": (1, 1, to_date),
    "date_add": (3, 3, date_add),
    "date_diff": (3, 3, date_diff),
    "date_format": (2, 2, date_format),
    "date_parse": (2, 2, date_parse),
    "date_trunc": (2, 2, date_trunc),
    "format_datetime": (2, 2, format_datetime),
    "from_iso8601_timestamp": (1, 1, from_iso8601_timestamp),
    "from_unixtime": (1, 2, from_unixtime),
    "parse_datetime": (2, 2, parse_datetime),
    "to_iso8601": (1, 1, to_iso8601),
    "to_milliseconds": (1, 1, to_milliseconds),
    "to_unixtime": (1, 1, to_unixtime),
    "with_timezone": (2, 2, with_timezone),
}
"""As `special_forms.FORMS`: least and most number of arguments of each form, and the form."""
