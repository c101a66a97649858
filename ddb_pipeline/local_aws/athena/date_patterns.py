"""Dates and times by a pattern: MySQL's of `date_parse`, Joda's of `parse_datetime` and `format_datetime`, ISO 8601.

Source: https://trino.io/docs/current/functions/datetime.html ("MySQL date functions", "Java date functions").
Every moment is in microseconds since 1970, UTC; Trino's are cut to milliseconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ddb_pipeline.local_aws.athena.errors import FunctionFailedError

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_TWO_DIGIT_YEARS_FROM = 70
_NOON = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS = {"month": 2, "day": 2, "hour": 2, "hour12": 2, "minute": 2, "second": 2}
# MySQL's specifiers, as the fields they stand for
MYSQL = {
    "%Y": ["year"], "%y": ["year2"], "%m": ["month"], "%c": ["month"], "%d": ["day"], "%e": ["day"], "%H": ["hour"],
    "%k": ["hour"], "%h": ["hour12"], "%I": ["hour12"], "%l": ["hour12"], "%i": ["minute"], "%s": ["second"],
    "%S": ["second"], "%f": ["fraction"], "%p": ["half"], "%b": ["short month"], "%M": ["long month"],
    "%T": ["hour", ":", "minute", ":", "second"],
    "%r": ["hour12", ":", "minute", ":", "second", " ", "half"], "%%": ["%"],
}  # fmt: skip
# Joda's letters, as the fields they stand for and as DuckDB's strftime prints them
JODA = {
    "yyyy": ("year", "%Y"), "YYYY": ("year", "%Y"), "MM": ("month", "%m"), "M": ("month", "%-m"), "dd": ("day", "%d"),
    "d": ("day", "%-d"), "HH": ("hour", "%H"), "H": ("hour", "%-H"), "hh": ("hour12", "%I"), "h": ("hour12", "%-I"),
    "mm": ("minute", "%M"), "m": ("minute", "%-M"), "ss": ("second", "%S"), "s": ("second", "%-S"),
    "SSS": ("milliseconds", "%g"), "a": ("half", "%p"), "MMM": ("short month", "%b"), "MMMM": ("long month", "%B"),
    "E": (None, "%a"), "EEE": (None, "%a"), "EEEE": (None, "%A"), "DDD": (None, "%j"),
}  # fmt: skip
_ISO = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{2})(?:-(?P<day>\d{2}))?)?"
    r"(?:T(?P<hour>\d{2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    r"(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)?)?",
    re.ASCII,
)
_JODA_PIECE = re.compile(r"'(?:[^']|'')*'|'|(?P<letters>(?P<one>[a-zA-Z])(?P=one)*)|[^a-zA-Z']+")


def mysql_fields(pattern: str) -> list[str] | None:
    """Split a pattern of `date_parse` into fields and literal text; None: a specifier is not known."""
    found: list[str] = []
    for piece in re.findall(r"%.?|[^%]+", pattern, re.DOTALL):
        if piece.startswith("%"):
            if piece not in MYSQL:
                return None
            found += MYSQL[piece]
        else:
            found.append(piece)
    return found


def joda_pieces(pattern: str) -> list[tuple[str, bool]] | None:
    """Split a Joda pattern into letters (True) and literal text; None: letters are not known, or a quote is open."""
    found: list[tuple[str, bool]] = []
    for piece in _JODA_PIECE.finditer(pattern):
        text = piece[0]
        if piece["letters"]:
            if text not in JODA:
                return None
            found.append((text, True))
        elif text == "'":
            return None
        elif text.startswith("'"):
            found.append((text[1:-1].replace("''", "'") or "'", False))
        else:
            found.append((text, False))
    return found


def parse(text: str, fields: str) -> int:
    """Read a moment.

    Args:
        text: The text.
        fields: The pattern's fields and literals, each ended by a line feed, as `encoded` makes them.

    Returns:
        Microseconds since 1970.

    Raises:
        FunctionFailedError: The text is not of the pattern, or no moment.
    """
    found = _expression(fields).fullmatch(text)
    if found is None:
        raise FunctionFailedError("INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{text}"')
    values = found.groupdict()
    hour = int(values.get("hour") or 0)
    if values.get("hour12"):
        hour = int(values["hour12"]) % _NOON + (_NOON if (values.get("half") or "am").lower() == "pm" else 0)
    year = int(values.get("year") or 1970)
    if values.get("year2"):
        year = int(values["year2"])
        year += 1900 if year >= _TWO_DIGIT_YEARS_FROM else 2000
    month = int(values.get("month") or 1)
    name = (values.get("short_month") or values.get("long_month") or "").lower()
    if name:
        month = next(i for i, own in enumerate(_MONTHS, 1) if name in (own.lower(), own[:3].lower()))
    digits = (values.get("fraction") or values.get("milliseconds") or "")[:3].ljust(3, "0")
    day, minute, second = (int(values.get(own) or least) for own, least in (("day", 1), ("minute", 0), ("second", 0)))
    return _moment(text, (year, month, day, hour, minute, second), int(digits))


def iso_zone(text: str) -> str | None:
    """The zone of an ISO 8601 text: `UTC`, `+01:00`, ...; None: it is not such a text."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    minutes = _offset(found["zone"])
    if minutes == 0:
        return "UTC"
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def from_iso(text: str, zone: str) -> int:
    """`from_iso8601_timestamp` of a text of this zone.

    Raises:
        FunctionFailedError: It is not such a text, no moment, or of another zone.
    """
    found, own = _ISO.fullmatch(text), iso_zone(text)
    if found is None:
        raise FunctionFailedError("INVALID_FUNCTION_ARGUMENT", f'Invalid format: "{text}"')
    if own != zone:
        message = f"from_iso8601_timestamp of a column with the zone {own} in it is not supported by local AWS"
        raise FunctionFailedError("NOT_SUPPORTED", message)
    names = ("year", "month", "day", "hour", "minute", "second")
    parts = tuple(int(found[name] or (1 if name in {"month", "day"} else 0)) for name in names)
    milliseconds = int((found["fraction"] or "")[:3].ljust(3, "0"))
    return _moment(text, parts, milliseconds) - _offset(found["zone"]) * 60_000_000


def encoded(fields: list[str]) -> str:
    """Fields and literals as one text, for `parse`."""
    return "\n".join(fields)


@lru_cache(maxsize=64)
def _expression(fields: str) -> re.Pattern[str]:
    parts = []
    for field in fields.split("\n"):
        if field in _NUMBERS:
            parts.append(f"(?P<{field}>[0-9]{{1,{_NUMBERS[field]}}})")
        elif field == "short month":
            parts.append(f"(?P<short_month>{'|'.join(month[:3] for month in _MONTHS)})")
        elif field == "long month":
            parts.append(f"(?P<long_month>{'|'.join(_MONTHS)})")
        else:
            numbers = {"year": "[0-9]{1,4}", "year2": "[0-9]{2}", "fraction": "[0-9]{1,9}", "milliseconds": "[0-9]{3}"}
            form = "[AaPp][Mm]" if field == "half" else numbers.get(field)
            parts.append(f"(?P<{field}>{form})" if form else re.escape(field))
    return re.compile("".join(parts), re.IGNORECASE | re.ASCII)


def _moment(text: str, parts: tuple[int, ...], milliseconds: int) -> int:
    year, month, day, hour, minute, second = parts
    try:
        moment = datetime(year, month, day, hour, minute, second, milliseconds * 1000, tzinfo=UTC)
    except ValueError as error:
        raise FunctionFailedError("INVALID_FUNCTION_ARGUMENT", f'Cannot parse "{text}": {error}') from None
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _offset(zone: str | None) -> int:
    """Minutes east of UTC."""
    if zone in (None, "Z"):
        return 0
    digits = str(zone)[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return -minutes if str(zone).startswith("-") else minutes
