"""Which hours of the change table were looked at for attributes, and which want a look. Pure.

An hour keeps receiving objects after it has ended, so it stays open for a while, and in any case until a later run
finds it as it was: an hour of long ago that arrives now may still be arriving. An open hour is looked at again whenever
its fingerprint has changed. A closed hour is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ddb_pipeline.arrivals import HOUR, hour_of_key, partition_key

STAYS_OPEN = timedelta(hours=24)
"""How long after its end an hour may still change: Firehose tries for up to 24 hours to write an object to S3
(developer guide, "Data delivery failure handling"). What comes later still is found when it comes again."""
MOST_ASKED = 200
"""Up to how many hours that are new are kept open, whatever their age: one request to S3 each. Beyond that, all hours
are being looked at after a long pause or for the first time."""
_KEY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9]{2}:00")
_BETWEEN = ".."


@dataclass(frozen=True)
class HoursLookedAt:
    """Hours that were looked at.

    Attributes:
        hours: All of them.
        fingerprints: Of those that are open: what they held when they were looked at.
        too_large: Hours that one query could not look at, and the limit of scanned bytes that cut it off. They are
            looked at when the limit is a higher one.
    """

    hours: frozenset[datetime] = frozenset()
    fingerprints: Mapping[datetime, str] = field(default_factory=dict)
    too_large: Mapping[datetime, int] = field(default_factory=dict)

    def and_too_large(self, hour: datetime, limit_bytes: int) -> HoursLookedAt:
        """Return the same with an hour that one query could not look at."""
        return replace(self, too_large={**self.too_large, hour: limit_bytes})


@dataclass(frozen=True)
class Plan:
    """What to look at now, and what will have been looked at then.

    Attributes:
        hours: Hours to look at, oldest first.
        is_everything: Whether these are all the hours that there are.
        after: The hours looked at when that is done.
        before: The hours looked at when it was planned.
    """

    hours: tuple[datetime, ...]
    is_everything: bool
    after: HoursLookedAt
    before: HoursLookedAt

    def and_looked_at(self, looked_at: HoursLookedAt, done: Collection[datetime] = ()) -> HoursLookedAt:
        """Return what has been looked at when some of the hours are done, and the others are not yet.

        Args:
            looked_at: What had been looked at, also by another run since the plan was made.
            done: The hours.
        """
        planned, new = set(self.hours), self.after.fingerprints
        closed = {
            hour: found
            for hour, found in self.before.fingerprints.items()
            if hour not in new and hour not in planned and looked_at.fingerprints.get(hour) == found
        }
        kept = {hour: found for hour, found in looked_at.fingerprints.items() if hour not in {*done, *closed}}
        of_done = {hour: found for hour, found in new.items() if hour in done}
        of_others = {hour: found for hour, found in new.items() if hour not in planned}
        return HoursLookedAt(
            looked_at.hours.union(done),
            dict(sorted({**of_others, **kept, **of_done}.items())),
            {hour: limit for hour, limit in looked_at.too_large.items() if hour not in done},
        )


def plan(
    present: Iterable[datetime],
    looked_at: HoursLookedAt,
    fingerprint: Callable[[datetime], str],
    now: datetime,
    limit_bytes: int = 0,
) -> Plan:
    """Decide which hours to look at: those never looked at, and open ones that have changed since.

    Args:
        present: Hours that the change table has.
        looked_at: Hours that were looked at.
        fingerprint: What an hour holds now; asked for hours that are open or new. Taken before the look: what arrives
            between the two is looked at twice, never missed.
        now: The time.
        limit_bytes: How many bytes a query may scan: hours that were too large for that are left out.
    """
    there = frozenset(present)
    present = there - {hour for hour, limit in looked_at.too_large.items() if limit >= limit_bytes}
    fresh = present - (looked_at.hours - looked_at.too_large.keys())
    may_change = {hour for hour in present if hour + HOUR + STAYS_OPEN > now}
    if len(fresh) <= MOST_ASKED:
        may_change |= fresh
    asked = sorted(may_change | (looked_at.fingerprints.keys() & present))
    current = {hour: fingerprint(hour) for hour in asked}
    grown = {hour for hour, found in current.items() if looked_at.fingerprints.get(hour, found) != found}
    hours = tuple(sorted(fresh | grown))
    after = HoursLookedAt(
        looked_at.hours | fresh,
        {hour: current[hour] for hour in sorted(may_change | grown)},
        {hour: limit for hour, limit in looked_at.too_large.items() if hour not in hours},
    )
    return Plan(hours, bool(hours) and len(hours) == len(there), after, looked_at)


def write_ranges(hours: Iterable[datetime]) -> list[str]:
    """Write hours shortly: `2026-01-31-22:00..2026-02-01-03:00` is six of them."""
    ranges: list[list[datetime]] = []
    for hour in sorted(hours):
        if ranges and hour - ranges[-1][1] == HOUR:
            ranges[-1][1] = hour
        else:
            ranges.append([hour, hour])
    return [
        partition_key(first) if first == last else f"{partition_key(first)}{_BETWEEN}{partition_key(last)}"
        for first, last in ranges
    ]


def read_ranges(texts: Iterable[str]) -> frozenset[datetime]:
    """Read what `write_ranges` wrote.

    Raises:
        ValueError: A text names no hours.
    """
    hours: set[datetime] = set()
    for text in texts:
        first, _, last = text.partition(_BETWEEN)
        hour, end = read_hour(first), read_hour(last or first)
        if end < hour:
            raise ValueError(f"{text!r} ends before it begins")
        while hour <= end:
            hours.add(hour)
            hour += HOUR
    return frozenset(hours)


def read_hour(text: str) -> datetime:
    """Read Dagster's key of an hour.

    Raises:
        ValueError: The text is none.
    """
    if not _KEY.fullmatch(text):
        raise ValueError(f"{text!r} is no hour such as 2026-01-31-22:00")
    return hour_of_key(text)
