"""Partition projection: partitions that the table's parameters tell, in place of those in the catalog.

Source: Athena user guide, "Use partition projection with Amazon Athena" and its pages on types and set-up. A folder
that does not exist has no rows; values outside of the range have none either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.relations import Partition, Projection

MAX_VALUES = 1_000_000
"""Most values of one column (Athena reads at most as many partitions in a scan)."""
_UNITS = {"SECOND": timedelta(seconds=1), "MINUTE": timedelta(minutes=1), "HOUR": timedelta(hours=1)}
_UNITS |= {"DAY": timedelta(days=1), "WEEK": timedelta(weeks=1)}
_MONTHS = {"MONTH": 1, "YEAR": 12}
_NOW = re.compile(r"\s*NOW\s*(?:([+-])\s*([0-9]+)\s*(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE|SECOND)S?\s*)?")
# letters of Java's DateTimeFormatter, and of strptime
_LETTERS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}


def read_projection(
    table: str, parameters: Mapping[str, str], columns: Sequence[str], location: str, now: datetime
) -> Projection | None:
    """Read the projection of a table.

    Args:
        table: Its name, for messages.
        parameters: Its parameters.
        columns: Its partition columns.
        location: Where it is, ending with a slash.
        now: The present, UTC.

    Returns:
        The projection; None: it is not enabled.

    Raises:
        QueryFailedError: The parameters do not fit, or are of a kind that local AWS does not know.
    """
    known = {name.lower(): str(value) for name, value in parameters.items()}
    if known.get("projection.enabled", "false").strip().lower() != "true" or not columns:
        return None
    missing = [column for column in columns if f"projection.{column}.type" not in known]
    if missing:
        raise _invalid(
            f"Table {table} is configured for partition projection, but the following partition columns are missing "
            f"projection configuration: [{', '.join(missing)}]"
        )
    template = known.get("storage.location.template")
    if template is None:
        template = location + "".join(f"{column}=${{{column}}}/" for column in columns)
    if not template.startswith("s3://") or any(f"${{{column}}}" not in template for column in columns):
        raise _invalid(f"storage.location.template of table {table} must be in S3 and name every partition column")
    values = tuple(_values(_Settings(table, column, known), now) for column in columns)
    return Projection(values, template if template.endswith("/") else f"{template}/", tuple(columns))


def project(projection: Projection, values: tuple[str, ...]) -> Partition:
    """Make the partition of these values."""
    location = projection.template
    for column, value in zip(projection.columns, values, strict=True):
        location = location.replace(f"${{{column}}}", value)
    return Partition(values, location)


def _invalid(message: str) -> QueryFailedError:
    return QueryFailedError("HIVE_METASTORE_ERROR", message)


@dataclass(frozen=True)
class _Settings:
    """The parameters `projection.<column>.*` of one column."""

    table: str
    column: str
    parameters: Mapping[str, str]

    def get(self, name: str) -> str | None:
        return self.parameters.get(f"projection.{self.column}.{name}")

    def needed(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise _invalid(f"table {self.table} lacks projection.{self.column}.{name}")
        return value

    def whole(self, name: str, default: int | None = None) -> int | None:
        value = self.get(name)
        if value is None:
            return default
        if not value.strip().isdecimal() or int(value) < 1:
            raise self.wrong(name)
        return int(value)

    def wrong(self, name: str) -> QueryFailedError:
        return _invalid(f"projection.{self.column}.{name} of table {self.table} is '{self.get(name)}'")

    def unknown(self, what: str) -> QueryFailedError:
        message = f"{what} of projection.{self.column} of table {self.table} is not supported by local AWS"
        return QueryFailedError("NOT_SUPPORTED", message)


def _values(settings: _Settings, now: datetime) -> tuple[str, ...]:
    kind = settings.needed("type").strip().lower()
    if kind == "enum":
        # white space is part of a value
        return tuple(settings.needed("values").split(","))
    if kind not in {"integer", "date"}:
        raise settings.unknown(f"the type {kind}")
    found = _integers(settings) if kind == "integer" else _dates(settings, now)
    values: dict[str, None] = {}
    for value in found:
        values[value] = None
        if len(values) > MAX_VALUES:
            raise settings.unknown(f"a range of more than {MAX_VALUES} values")
    return tuple(values)


def _range(settings: _Settings) -> tuple[str, str]:
    first, comma, last = settings.needed("range").partition(",")
    if not comma or "," in last:
        raise settings.wrong("range")
    return first, last


def _integers(settings: _Settings) -> Iterator[str]:
    ends = [end.strip() for end in _range(settings)]
    if not all(re.fullmatch(r"-?[0-9]{1,18}", end) for end in ends):
        raise settings.wrong("range")
    step, digits = settings.whole("interval", 1), settings.whole("digits", 1)
    return (f"{number:0{digits}d}" for number in range(int(ends[0]), int(ends[1]) + 1, step or 1))


def _dates(settings: _Settings, now: datetime) -> Iterator[str]:
    form = _python_form(settings)
    first, last = (_moment(settings, end, form, now) for end in _range(settings))
    # a start that is relative to now lies somewhere inside of its own value
    first = datetime.strptime(first.strftime(form), form).replace(tzinfo=UTC)
    add = _step(settings, form)
    count = 0
    while (moment := add(first, count)) <= last:
        yield moment.strftime(form)
        count += 1


def _python_form(settings: _Settings) -> str:
    parts = []
    for quoted, letters, other in re.findall(r"'([^']*)'|([A-Za-z]+)|([^A-Za-z']+)", settings.needed("format")):
        if letters:
            # neighbours without anything between them, as in yyyyMMdd
            runs = [run[0] for run in re.finditer(r"(.)\1*", letters)]
            unknown = [run for run in runs if run not in _LETTERS]
            if unknown:
                raise settings.unknown(f"the letters {unknown[0]} in the format")
            parts += [_LETTERS[run] for run in runs]
        else:
            parts.append((quoted or other).replace("%", "%%"))
    if "%Y" not in parts:
        raise settings.unknown("a format without yyyy")
    return "".join(parts)


def _moment(settings: _Settings, end: str, form: str, now: datetime) -> datetime:
    relative = _NOW.fullmatch(end)
    if relative is None:
        try:
            return datetime.strptime(end.strip(), form).replace(tzinfo=UTC)
        except ValueError:
            raise settings.wrong("range") from None
    if relative[2] is None:
        return now
    return _shifted(now, int(relative[2]) * (-1 if relative[1] == "-" else 1), relative[3])


def _step(settings: _Settings, form: str) -> Callable[[datetime, int], datetime]:
    """What adds so many intervals to a moment; days or months unless said otherwise, if the format ends there."""
    interval, unit = settings.whole("interval", 1) or 1, settings.get("interval.unit")
    if unit is None:
        if any(letter in form for letter in ("%H", "%M", "%S")) or "%m" not in form:
            raise _invalid(f"table {settings.table} lacks projection.{settings.column}.interval.unit")
        unit = "DAYS" if "%d" in form else "MONTHS"
    name = unit.strip().upper().removesuffix("S")
    if name not in _UNITS and name not in _MONTHS:
        raise settings.unknown(f"the interval unit {unit}")
    return lambda moment, count: _shifted(moment, count * interval, name)


def _shifted(moment: datetime, count: int, unit: str) -> datetime:
    if unit in _UNITS:
        return moment + count * _UNITS[unit]
    months = moment.year * 12 + moment.month - 1 + count * _MONTHS[unit]
    year, month = divmod(months, 12)
    for day in range(moment.day, 0, -1):
        try:
            return moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            if day == 1:
                raise
    raise AssertionError("every month has a first day")
