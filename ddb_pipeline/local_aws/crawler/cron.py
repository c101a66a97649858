"""Schedules of crawlers: AWS's cron expressions, in UTC.

Syntax and rules: glue/latest/dg/monitor-data-warehouse-schedule.html. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

_LEAST_MINUTES = 5
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
# name, least and greatest value, names of values from the least on
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minutes", 0, 59, []),
    ("hours", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of week", 1, 7, _DAYS),
    ("year", 1970, 2199, []),
)
_DAY_OF_MONTH, _DAY_OF_WEEK = 2, 4
_PART = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?")


class InvalidScheduleError(Exception):
    """The expression is no schedule, or has what local AWS does not know; the message says what."""


@dataclass(frozen=True)
class Cron:
    """A schedule.

    Attributes:
        values: Allowed values of each field: minutes, hours, day of month, month, day of week, year.
    """

    values: tuple[frozenset[int], ...]

    @classmethod
    def parse(cls, expression: str) -> Cron:
        """Read `cron(15 12 * * ? *)`.

        Raises:
            InvalidScheduleError: It is no such expression.
        """
        found = re.fullmatch(r"cron\((.*)\)", expression.strip())
        fields = found[1].split() if found else []
        if len(fields) != len(_FIELDS):
            raise InvalidScheduleError(f"{expression} is not cron(...) with six fields")
        if (fields[_DAY_OF_MONTH] == "?") == (fields[_DAY_OF_WEEK] == "?"):
            raise InvalidScheduleError(f"{expression}: exactly one of day of month and day of week must be ?")
        cron = cls(tuple(_values(text, place) for place, text in enumerate(fields)))
        minutes, hours = sorted(cron.values[0]), cron.values[1]
        gaps = [later - earlier for earlier, later in pairwise(minutes)]
        if any((hour + 1) % 24 in hours for hour in hours):
            gaps.append(minutes[0] + 60 - minutes[-1])
        if min(gaps, default=60) < _LEAST_MINUTES:
            raise InvalidScheduleError(f"{expression} leads to a rate faster than {_LEAST_MINUTES} minutes")
        return cron

    def matches(self, moment: datetime) -> bool:
        """Say whether the schedule names this minute, which is in UTC."""
        now = (
            moment.minute,
            moment.hour,
            moment.day,
            moment.month,
            moment.isoweekday() % 7 + 1,
            moment.year,
        )
        return all(value in values for value, values in zip(now, self.values, strict=True))


def _values(text: str, place: int) -> frozenset[int]:
    name, least, greatest, _ = _FIELDS[place]
    if text == "?" and place in {_DAY_OF_MONTH, _DAY_OF_WEEK}:
        return frozenset(range(least, greatest + 1))
    values: set[int] = set()
    for part in text.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            raise InvalidScheduleError(f"local AWS does not know {part} as {name}: it knows numbers, names, , - * /")
        step = int(found[4] or 1)
        first = least if found[1] else _value(found[2], place)
        last = greatest if found[1] or (found[4] and not found[3]) else first
        last = _value(found[3], place) if found[3] else last
        if not step or not least <= first <= last <= greatest:
            raise InvalidScheduleError(f"{part} is no {name}: these are from {least} to {greatest}")
        values |= set(range(first, last + 1, step))
    return frozenset(values)


def _value(text: str, place: int) -> int:
    name, least, _, names = _FIELDS[place]
    if text.upper() in names:
        return names.index(text.upper()) + least
    if not text.isdecimal():
        raise InvalidScheduleError(f"{text} is no {name}")
    return int(text)
