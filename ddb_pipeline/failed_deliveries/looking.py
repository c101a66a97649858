"""Which failed deliveries are open: new, changed or still open hours are looked into, the rest is known to be settled.

Receipts are tags, which a listing does not show, and each costs a request. So an hour is told apart by a fingerprint of
what is in it, and one that is remembered as settled is not asked again until it changes. Where a look ended before it
was through is remembered, too, as an hour that is unread: the next look begins there, however old that hour is.
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
_UNREAD = "unread"


@dataclass(frozen=True)
class Known:
    """What is remembered of an hour: its fingerprint, and how many of its objects were open.

    An unread hour has no fingerprint, and all its objects count as open: nothing says that they are not.
    """

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
        is_read: Whether all its objects were listed, and their receipts read.
    """

    hour: datetime
    objects: tuple[ErrorObject, ...]
    open: tuple[OpenObject, ...] = ()
    is_read: bool = False

    @property
    def fingerprint(self) -> str:
        """Differs whenever an object was added, removed or replaced."""
        newest = max((one.last_modified for one in self.objects), default=datetime.fromtimestamp(0, UTC))
        return f"{len(self.objects)}-{sum(one.size for one in self.objects)}-{int(newest.timestamp())}"

    @property
    def known(self) -> Known:
        """What is to be remembered of it."""
        return Known(self.fingerprint, len(self.open)) if self.is_read else Known(_UNREAD, len(self.objects))


@dataclass(frozen=True)
class Look:
    """What a look found.

    Attributes:
        hours: Hours that were looked into because they are new, changed or open; oldest first.
        left: Objects of such hours that are left for the next look.
        unread: Those of the hours left that are not remembered as open; oldest first. The first that can be remembered
            has to be, and before the others: all after it are listed as long as it is unread.
        is_whole: Whether everything was listed.
    """

    hours: tuple[FailedHour, ...]
    left: int
    unread: tuple[FailedHour, ...]
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
        since: When the last look was: from a week before that on, or from the oldest open or unread hour, all is
            listed.
        most_receipts: Receipts that are read at most.
    """
    still_open = {hour for hour, one in known.items() if one.open_objects}
    listed = list(islice(failed.objects(min([since - WEEK, *still_open]) if known else None), MOST_LISTED + 1))
    # the hour in which the listing was cut off, and all after it, may hold more than was listed
    cut = listed[-1].hour if len(listed) > MOST_LISTED else None
    # an open hour whose objects somebody took away is news, too
    gone = {hour: list[ErrorObject]() for hour in still_open if cut is None or hour < cut}
    by_hour: dict[datetime, list[ErrorObject]] = defaultdict(list, gone)
    for one in listed[:MOST_LISTED]:
        by_hour[one.hour].append(one)
    if cut:
        by_hour[cut].append(listed[-1])
    hours = [FailedHour(hour, tuple(objects)) for hour, objects in sorted(by_hour.items())]
    unsettled = [found for found in hours if found.hour == cut or known.get(found.hour) != Known(found.fingerprint, 0)]
    # what is new comes first: what was open may stay so for long
    unsettled.sort(key=lambda found: found.hour in known and known[found.hour].fingerprint == found.fingerprint)
    chosen = _first(unsettled, most_receipts)
    left = unsettled[len(chosen) :]
    return Look(
        hours=tuple(_with_receipts(failed, chosen, cut)),
        left=sum(len(found.objects) for found in left),
        unread=tuple(sorted((found for found in left if found.hour not in still_open), key=_hour)),
        is_whole=cut is None,
    )


def _first(hours: list[FailedHour], most_objects: int) -> list[FailedHour]:
    size = 0
    for number, found in enumerate(hours):
        size += len(found.objects)
        if size > most_objects and number:
            return hours[:number]
    return hours


def _with_receipts(failed: FailedDeliveries, hours: list[FailedHour], cut: datetime | None) -> list[FailedHour]:
    objects = [one for found in hours for one in found.objects]
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        receipts = dict(zip(objects, pool.map(lambda one: failed.receipt(one.key), objects), strict=True))
    looked_into = [
        replace(
            found,
            open=tuple(OpenObject(one, receipts[one]) for one in found.objects if _is_open(receipts[one])),
            is_read=found.hour != cut,
        )
        for found in hours
    ]
    return sorted(looked_into, key=_hour)


def _hour(found: FailedHour) -> datetime:
    return found.hour


def _is_open(receipt: Receipt | None) -> bool:
    return receipt is None or receipt.left > 0
