"""Which failed deliveries are open: new, changed or still open hours are looked into, the rest is known to be settled.

Receipts are tags, which a listing does not show, and each costs a request. So an hour is told apart by a fingerprint of
what is in it, and one that is remembered as settled is not asked again until it changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice

from ddb_pipeline.arrivals import WEEK
from ddb_pipeline.failed_deliveries.receipts import Receipt
from ddb_pipeline.resources.failed_deliveries import ErrorObject, FailedDeliveries

MOST_LISTED = 50_000
"""Objects that one look lists at most: 50 requests. More than these in a week is a delivery that does nothing else."""
MOST_RECEIPTS = 300
"""Receipts that one look reads at most, but those of one hour always: one request each."""
_REQUESTS_AT_ONCE = 8


@dataclass(frozen=True)
class Known:
    """What is remembered of an hour: its fingerprint, and how many of its objects were open."""

    fingerprint: str
    open_objects: int

    def to_text(self) -> str:
        """Write it down."""
        return f"{self.fingerprint}-{self.open_objects}"

    @classmethod
    def of_text(cls, text: str) -> Known | None:
        """Read what was written down; None: it is something else, so nothing is remembered."""
        fingerprint, _, count = text.rpartition("-")
        return cls(fingerprint, int(count)) if fingerprint and count.isdecimal() else None


@dataclass(frozen=True)
class OpenObject:
    """An object that was not replayed, or not whole: then it has a receipt that says so."""

    found: ErrorObject
    receipt: Receipt | None


@dataclass(frozen=True)
class FailedHour:
    """An hour that was looked into.

    Attributes:
        hour: The hour.
        objects: All its objects; none if somebody took them away.
        open: Those that are open.
    """

    hour: datetime
    objects: tuple[ErrorObject, ...]
    open: tuple[OpenObject, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Differs whenever an object was added, removed or replaced."""
        newest = max((one.last_modified for one in self.objects), default=datetime.fromtimestamp(0, UTC))
        return f"{len(self.objects)}-{sum(one.size for one in self.objects)}-{int(newest.timestamp())}"

    @property
    def known(self) -> Known:
        """What is to be remembered of it."""
        return Known(self.fingerprint, len(self.open))


@dataclass(frozen=True)
class Look:
    """What a look found.

    Attributes:
        hours: Hours that were looked into because they are new, changed or open; oldest first.
        left: Objects of such hours that are left for the next look.
        is_whole: Whether everything was listed.
    """

    hours: tuple[FailedHour, ...]
    left: int
    is_whole: bool

    @property
    def open(self) -> list[OpenObject]:
        """All open objects that were looked into, oldest hour first."""
        return [one for hour in self.hours for one in hour.open]


def look(
    failed: FailedDeliveries,
    known: Mapping[datetime, Known],
    since: datetime,
    *,
    most_receipts: int = MOST_RECEIPTS,
) -> Look:
    """Look for what failed, and for what was open before.

    Args:
        failed: The objects.
        known: What is remembered, by hour; nothing: everything is listed.
        since: When the last look was: from a week before that on, or from the oldest open hour, all is listed.
        most_receipts: Receipts that are read at most.
    """
    still_open = {hour for hour, one in known.items() if one.open_objects}
    listed = list(islice(failed.objects(min([since - WEEK, *still_open]) if known else None), MOST_LISTED + 1))
    # an open hour whose objects somebody took away is news, too
    by_hour: dict[datetime, list[ErrorObject]] = defaultdict(list, {hour: [] for hour in still_open})
    for one in listed[:MOST_LISTED]:
        by_hour[one.hour].append(one)
    hours = [FailedHour(hour, tuple(objects)) for hour, objects in sorted(by_hour.items())]
    unsettled = [found for found in hours if known.get(found.hour) != found.known]
    # what is new comes first: what was open may stay so for long
    unsettled.sort(key=lambda found: found.hour in known and known[found.hour].fingerprint == found.fingerprint)
    chosen = _first(unsettled, most_receipts)
    return Look(
        hours=tuple(_with_receipts(failed, chosen)),
        left=sum(len(found.objects) for found in unsettled[len(chosen) :]),
        is_whole=len(listed) <= MOST_LISTED,
    )


def _first(hours: list[FailedHour], most_objects: int) -> list[FailedHour]:
    size = 0
    for number, found in enumerate(hours):
        size += len(found.objects)
        if size > most_objects and number:
            return hours[:number]
    return hours


def _with_receipts(failed: FailedDeliveries, hours: list[FailedHour]) -> list[FailedHour]:
    objects = [one for found in hours for one in found.objects]
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        receipts = dict(zip(objects, pool.map(lambda one: failed.receipt(one.key), objects), strict=True))
    looked_into = [
        replace(found, open=tuple(OpenObject(one, receipts[one]) for one in found.objects if _is_open(receipts[one])))
        for found in hours
    ]
    return sorted(looked_into, key=lambda found: found.hour)


def _is_open(receipt: Receipt | None) -> bool:
    return receipt is None or receipt.left > 0
