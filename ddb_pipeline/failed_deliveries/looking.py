"""Which failed deliveries are open: new, changed or still open hours are looked into, the rest is known to be settled.

Receipts are tags, which a listing does not show, and each costs a request. So an hour is told apart by a fingerprint of
what is in it, and one that is remembered as settled is not asked again until it changes. Where a listing ended before
it was through is remembered, too, as an hour that is unread: the next one begins there, however old that hour is.

A look that may list or read no more stops, also inside an hour, and says where: the next one goes on there, and after
the newest hour begins at the oldest again, so that no object waits for ever behind others that stay open.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ddb_pipeline.arrivals import HOUR, WEEK, hour_of
from ddb_pipeline.failed_deliveries.receipts import Receipt
from ddb_pipeline.resources.failed_deliveries import PAGE, ErrorObject, FailedDeliveries
from ddb_pipeline.resources.tick_limit import Threads

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
class Position:
    """Where a look stopped, and the next one goes on.

    Attributes:
        hour: The hour.
        after: Key of the last of its objects that was looked into; empty: none was.
        fingerprint: That of its objects so far, as they are listed; if it is another by now, the hour is begun anew.
        open_objects: How many of them were open.
    """

    hour: datetime
    after: str
    fingerprint: str
    open_objects: int


@dataclass(frozen=True)
class FailedHour:
    """An hour that was looked into.

    Attributes:
        hour: The hour.
        objects: All its objects; none if somebody took them away.
        open: Those that are open, as far as this look read their receipts.
        open_before: How many more are open: looks before this one read their receipts.
        is_read: Whether all its objects were listed, and their receipts read.
    """

    hour: datetime
    objects: tuple[ErrorObject, ...]
    open: tuple[OpenObject, ...] = ()
    open_before: int = 0
    is_read: bool = False

    @property
    def fingerprint(self) -> str:
        """Differs whenever an object was added, removed or replaced."""
        return fingerprint_of(self.objects)

    @property
    def known(self) -> Known:
        """What is to be remembered of it."""
        if not self.is_read:
            return Known(_UNREAD, len(self.objects))
        return Known(self.fingerprint, self.open_before + len(self.open))


@dataclass(frozen=True)
class Look:
    """What a look found.

    Attributes:
        open: Open objects, as far as receipts were read.
        hours: Hours that are new, changed or open, and were looked into to their end; oldest first.
        left: Objects of such hours whose receipts this look did not read, as far as they were listed.
        unread: Hours that it did not come to the end of and that are not remembered as open; oldest first. The first
            that can be remembered has to be, and before the others: all after it are listed as long as it is unread.
        is_whole: Whether everything was listed.
        position: Where the next look goes on; None: it came to the end, the next one begins at the oldest hour.
    """

    open: tuple[OpenObject, ...]
    hours: tuple[FailedHour, ...]
    left: int
    unread: tuple[FailedHour, ...]
    is_whole: bool
    position: Position | None

    @property
    def is_through(self) -> bool:
        """Whether there is no open object that it did not find."""
        return self.is_whole and not self.left


@dataclass(frozen=True)
class _Part:
    """Objects of an hour, from one number to before another; how many before these are open; whether none follows."""

    found: FailedHour
    start: int
    stop: int
    open_before: int
    is_last: bool

    @property
    def objects(self) -> tuple[ErrorObject, ...]:
        return self.found.objects[self.start : self.stop]


def fingerprint_of(objects: Sequence[ErrorObject]) -> str:
    """Return what tells objects of an hour from others: their number, their bytes, when the newest was written."""
    newest = max((one.last_modified for one in objects), default=datetime.fromtimestamp(0, UTC))
    return f"{len(objects)}-{sum(one.size for one in objects)}-{int(newest.timestamp())}"


def listed_from(
    known: Mapping[datetime, Known], longest_delivery: timedelta, looked_at: datetime | None
) -> datetime | None:
    """Return the hour from which on failed deliveries are to be listed; None: all of them, as nothing is remembered.

    An object is named after the arrival of its oldest record. So what was never listed lies as far before the last look
    that listed all as a delivery may take, and a week at least; where nobody knows when that look was, as far before
    the newest hour that is remembered. What is open lies where it does.

    Args:
        known: What is remembered, by hour.
        longest_delivery: How long after its arrival Firehose may store a record (`arrivals.longest_delivery`).
        looked_at: When a look listed all, if that is known.
    """
    if not known:
        return None
    if any(one.fingerprint == _UNREAD for one in known.values()):
        # from there on: what is before it would be listed in vain, and the listing might never come past it
        return min(_still_open(known))
    return min([hour_of((looked_at or max(known)) - max(WEEK, longest_delivery)), *_still_open(known)])


def look(
    failed: FailedDeliveries,
    known: Mapping[datetime, Known],
    *,
    longest_delivery: timedelta,
    looked_at: datetime | None = None,
    position: Position | None = None,
    most_listed: int | None = None,
    most_receipts: int | None = None,
    no_time_to_list: Callable[[], bool] = lambda: False,
    no_time_to_read: Callable[[], bool] = lambda: False,
) -> Look:
    """Look for what failed, and for what was open before.

    Args:
        failed: The objects.
        known: What is remembered, by hour.
        longest_delivery: How long after its arrival Firehose may store a record (`arrivals.longest_delivery`).
        looked_at: When a look listed all, if that is known.
        position: Where the last look stopped.
        most_listed: Objects that are listed at most, a request for each thousand; None: all.
        most_receipts: Receipts that are read at most, a request each; None: all.
        no_time_to_list: Whether nothing more may be listed; asked after each thousand objects.
        no_time_to_read: Whether no more receipts may be read; some are in any case, so that looks get on.
    """
    still_open = _still_open(known)
    first = position.hour if position else listed_from(known, longest_delivery, looked_at)
    listed, is_all = _listed(failed.objects(first), most_listed, no_time_to_list)
    # the hour in which the listing was cut off, and all after it, may hold more than was listed
    cut = None if is_all else listed[-1].hour
    # an open hour whose objects somebody took away is news, too
    gone = (hour for hour in still_open if (first is None or hour >= first) and (cut is None or hour < cut))
    by_hour: dict[datetime, list[ErrorObject]] = defaultdict(list, {hour: [] for hour in gone})
    for one in listed:
        by_hour[one.hour].append(one)
    hours = [FailedHour(hour, tuple(objects)) for hour, objects in sorted(by_hour.items())]
    unsettled = [found for found in hours if found.hour == cut or known.get(found.hour) != Known(found.fingerprint, 0)]
    parts = list(_parts(unsettled, cut, position, most_receipts))
    wanted = [one for part in parts for one in part.objects]
    receipts = _receipts(failed, wanted, no_time_to_read)
    if len(receipts) < len(wanted):
        parts = list(_parts(unsettled, cut, position, len(receipts)))
    opened = [_open_objects(part, receipts) for part in parts]
    ended = {
        part.found.hour: replace(part.found, open=opened[number], open_before=part.open_before, is_read=True)
        for number, part in enumerate(parts)
        if part.is_last
    }
    # of an hour that was cut off nobody knows that it changed
    told = still_open | ({cut} & known.keys() if cut else set())
    return Look(
        open=tuple(one for found in opened for one in found),
        hours=tuple(ended.values()),
        left=sum(len(found.objects) for found in unsettled) - sum(len(part.objects) for part in parts),
        unread=tuple(found for found in unsettled if found.hour not in ended and found.hour not in told),
        is_whole=position is None and cut is None,
        position=_stopped_at(parts[-1], opened[-1], cut) if parts and not parts[-1].is_last else None,
    )


def _listed(
    objects: Iterable[ErrorObject], most: int | None, out_of_time: Callable[[], bool]
) -> tuple[list[ErrorObject], bool]:
    """As many objects as may be listed, and one more, and whether these are all."""
    listed: list[ErrorObject] = []
    for one in objects:
        listed.append(one)
        if len(listed) - 1 == most or (len(listed) % PAGE == 0 and out_of_time()):
            return listed, False
    return listed, True


def _still_open(known: Mapping[datetime, Known]) -> set[datetime]:
    return {hour for hour, one in known.items() if one.open_objects}


def _parts(
    hours: Iterable[FailedHour], cut: datetime | None, position: Position | None, most_objects: int | None
) -> Iterator[_Part]:
    """As much of some hours as may be looked into; the last part may be empty, and says where that ended."""
    size = 0
    for found in hours:
        start, open_before = _begun(found, position, is_cut=found.hour == cut)
        stop = len(found.objects) if most_objects is None else min(len(found.objects), start + most_objects - size)
        part = _Part(found, start, stop, open_before, stop == len(found.objects) and found.hour != cut)
        yield part
        if not part.is_last:
            return
        size += stop - start


def _begun(found: FailedHour, position: Position | None, *, is_cut: bool) -> tuple[int, int]:
    """How many objects of an hour were looked into already, and how many of these were open."""
    if position is None or position.hour != found.hour:
        return 0, 0
    if is_cut and found.objects[-1].key < position.after:
        # as far as it was listed this time, all of it was looked into
        return len(found.objects), position.open_objects
    read = next((number for number, one in enumerate(found.objects, start=1) if one.key == position.after), 0)
    is_same = fingerprint_of(found.objects[:read]) == position.fingerprint
    return (read, position.open_objects) if is_same else (0, 0)


def _receipts(
    failed: FailedDeliveries, objects: Sequence[ErrorObject], out_of_time: Callable[[], bool]
) -> dict[ErrorObject, Receipt | None]:
    """The receipts of objects, of the first ones alone where the time does not suffice for all."""
    receipts: dict[ErrorObject, Receipt | None] = {}
    with Threads(_REQUESTS_AT_ONCE) as pool:
        for start in range(0, len(objects), _REQUESTS_AT_ONCE):
            if receipts and out_of_time():
                break
            some = objects[start : start + _REQUESTS_AT_ONCE]
            receipts.update(zip(some, pool.map(lambda one: failed.receipt(one.key), some), strict=True))
    return receipts


def _open_objects(part: _Part, receipts: Mapping[ErrorObject, Receipt | None]) -> tuple[OpenObject, ...]:
    return tuple(OpenObject(one, receipts[one]) for one in part.objects if _is_open(receipts[one]))


def _stopped_at(part: _Part, opened: Sequence[OpenObject], cut: datetime | None) -> Position:
    hour, read = part.found.hour, part.found.objects[: part.stop]
    if hour == cut and part.start == len(part.found.objects):
        # it holds more than one look lists: what can be read of it was read before
        return Position(hour + HOUR, "", "", 0)
    return Position(hour, read[-1].key if read else "", fingerprint_of(read), part.open_before + len(opened))


def _is_open(receipt: Receipt | None) -> bool:
    return receipt is None or receipt.left > 0
