"""Cron expressions of five fields, UTC: whether a text is one, and how long it may be silent. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import pairwise

# minute, hour, day of month, month, day of week: their ranges
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_SUNDAY = 7
# Two whole years, the second a leap year: every gap of a cron expression but that from one 29 February to the next.
_FIRST_DAY = date(2027, 1, 1)
_DAYS = 365 + 366 + 1


def is_cron(found: object) -> bool:
    """Whether it is numbers, ranges, steps and lists in five fields: what Dagster and every cron understands."""
    if not isinstance(found, str):
        return False
    fields = found.split()
    return len(fields) == len(_RANGES) and all(
        _is_part(part, low, high)
        for field, (low, high) in zip(fields, _RANGES, strict=True)
        for part in field.split(",")
    )


def longest_gap(expression: str) -> timedelta | None:
    """Return the longest time between two neighbouring ticks; None if there are not two of them within two years.

    Args:
        expression: A cron expression, for which `is_cron` holds.
    """
    ticks = list(_ticks(expression))
    return max((later - earlier for earlier, later in pairwise(ticks)), default=None)


def _ticks(expression: str) -> Iterator[datetime]:
    """First and last tick of each day, and those in between."""
    minutes, hours, days, months, weekdays = (
        _numbers(field, low, high) for field, (low, high) in zip(expression.split(), _RANGES, strict=True)
    )
    weekdays = {weekday % _SUNDAY for weekday in weekdays}
    times = [time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes)]
    _, _, day_field, _, weekday_field = expression.split()
    # crontab(5): where both day fields are restricted, a day that either of them names counts
    either = not day_field.startswith("*") and not weekday_field.startswith("*")
    for number in range(_DAYS):
        day = _FIRST_DAY + timedelta(days=number)
        by_day, by_weekday = day.day in days, day.isoweekday() % _SUNDAY in weekdays
        if day.month in months and ((by_day or by_weekday) if either else (by_day and by_weekday)):
            yield from (datetime.combine(day, moment) for moment in times)


def _numbers(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = ("", "", "") if span == "*" else span.partition("-")
        start = int(first) if first else low
        # "5/15" means from 5 on, as in Dagster's croniter
        end = int(last) if last else (high if step or span == "*" else start)
        found.update(range(start, end + 1, int(step or 1)))
    return found


def _is_part(part: str, low: int, high: int) -> bool:
    match = re.fullmatch(r"(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([1-9][0-9]?))?", part)
    if match is None:
        return False
    first, last, _step = match.groups()
    numbers = [int(number) for number in (first, last) if number is not None]
    return numbers == sorted(numbers) and all(low <= number <= high for number in numbers)
