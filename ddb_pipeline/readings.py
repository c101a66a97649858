"""How raw objects are read: from a position in their names on, page by page, hour by hour. Pure.

Names of raw objects sort by time, and LIST starts after any name. A reading ends where its share is used up, and
another one goes on there (`rounds` says which readings there are).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from ddb_pipeline.arrivals import HOUR, HourContent, StoredObject, hour_of_prefix, hour_prefix, is_data

_LEVELS = tuple(re.compile(pattern) for pattern in ("year=[0-9]{4}", "month=[0-9]{2}", "day=[0-9]{2}", "hour=[0-9]{2}"))
_FOLDERS_LENGTH = len("year=yyyy/month=mm/day=dd/hour=hh/")
_PAST_SLASH = chr(ord("/") + 1)
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Page:
    """An answer of LIST: objects by their names below a prefix of raw objects, and whether it is the last."""

    objects: Sequence[StoredObject]
    is_last: bool


@dataclass(frozen=True)
class Span:
    """Which names a round reads: those after `start` and before `end`."""

    start: str
    end: str


@dataclass(frozen=True)
class Share:
    """What a round may use of a tick: pages, and hours that it may complete."""

    pages: int
    hours: int


@dataclass(frozen=True)
class Position:
    """Where a round goes on: after a name, in an hour of which so much was read already (None: nothing).

    `since` says when the first of it was read, where that is known.
    """

    after: str
    begun: HourContent | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class Reading:
    """What a round read in one tick.

    Attributes:
        contents: Hours that were read to their end, oldest first.
        rest: Where the round goes on; None: it is through, and begins anew.
        beyond: The first object at or after the end of the span, as far as one was met, as the content of its hour.
        unreadable: Keys and folders (with `/` at their end) that are not of an hour.
        pages: Pages that it took.
        passed: The names that it read: what is not there has no object.
    """

    contents: tuple[HourContent, ...]
    rest: Position | None
    beyond: HourContent | None
    unreadable: tuple[str, ...]
    pages: int
    passed: Span = Span("", "")

    @property
    def met(self) -> tuple[HourContent, ...]:
        """Hours that hold data, with as much of it as was read."""
        others = (self.rest.begun if self.rest else None, self.beyond)
        return (*self.contents, *(other for other in others if other))

    def hours_without_data(self, first: datetime) -> HoursWithoutData:
        """Return the hours that it passed and in which it found nothing that Athena would read.

        Args:
            first: The first hour of interest.
        """
        start, end = self.passed.start, self.passed.end
        begins, ends = (_hour_of_folders(name[: _FOLDERS_LENGTH - 1] + "/") for name in (start, end))
        if ends is None or (begins is None and start):
            return HoursWithoutData()  # it stands at a name that is no hour's
        hour = max(first, begins if begins and start <= before_hour(begins) else begins + HOUR) if begins else first
        last = ends if end >= after_hour(ends) else ends - HOUR
        full = frozenset(content.hour for content in self.contents if hour <= content.hour <= last)
        return HoursWithoutData(((hour, last),), full) if hour <= last else HoursWithoutData()


@dataclass(frozen=True)
class HoursWithoutData:
    """Hours that hold nothing, oldest first. They may be those of years: they are counted without being made.

    Attributes:
        spans: From which hour to which one they lie; no two spans have an hour in common.
        full: Hours of the spans that hold something.
    """

    spans: tuple[tuple[datetime, datetime], ...] = ()
    full: frozenset[datetime] = frozenset()

    def __len__(self) -> int:
        """How many they are."""
        return sum(int((last - first) / HOUR) + 1 for first, last in self.spans) - len(self.full)

    def __iter__(self) -> Iterator[datetime]:
        """Each of them."""
        for first, last in self.spans:
            for step in range(int((last - first) / HOUR) + 1):
                if (hour := first + HOUR * step) not in self.full:
                    yield hour

    def __or__(self, other: HoursWithoutData) -> HoursWithoutData:
        """These and those of other spans."""
        return HoursWithoutData(self.spans + other.spans, self.full | other.full)


def before_hour(hour: datetime) -> str:
    """Return a name that sorts before all objects of an hour and after those of the hours before it."""
    return hour_prefix(hour).removesuffix("/")


def after_hour(hour: datetime) -> str:
    """Return a name that sorts after all objects of an hour and before those of the hours after it."""
    return before_hour(hour) + _PAST_SLASH


def joined(pages: Sequence[Page]) -> Page:
    """Return pages of several prefixes that begin after the same name as one, as far as all of them reach."""
    if len(pages) == 1:
        return pages[0]
    reach = min((page.objects[-1].name for page in pages if not page.is_last), default=None)
    objects = [stored for page in pages for stored in page.objects if reach is None or stored.name <= reach]
    return Page(sorted(objects, key=lambda stored: stored.name), is_last=reach is None)


def read(
    list_page: Callable[[str], Page],
    span: Span,
    position: Position | None,
    share: Share,
    out_of_time: Callable[[], bool] = lambda: False,
) -> Reading:
    """Read on in a round, as far as its share of the tick goes.

    Args:
        list_page: Lists objects whose names come after the one that is given.
        span: What the round reads.
        position: Where it goes on, as the last reading left it; a position beyond the span begins anew.
        share: What it may use.
        out_of_time: Whether the tick's time is used up; asked before each page.
    """
    if position is None or position.after >= span.end:
        position = Position(span.start)
    walk, pages, start = _Walk(span.end, position, share.hours), 0, position.after
    while not walk.has_ended and pages < share.pages and not out_of_time():
        walk.take(list_page(walk.after))
        pages += 1
    passed = Span(start, walk.rest.after if walk.rest else span.end)
    return Reading(tuple(walk.contents), walk.rest, walk.beyond, tuple(walk.unreadable), pages, passed)


class _Walk:
    """A round while it reads."""

    def __init__(self, end: str, position: Position, hours: int) -> None:
        self.after, self.begun = position.after, position.begun
        self.contents: list[HourContent] = []
        self.unreadable: dict[str, None] = {}
        self.beyond: HourContent | None = None
        self.has_ended = False
        self._is_through = False
        self._end, self._hours = end, hours

    @property
    def rest(self) -> Position | None:
        return None if self._is_through else Position(self.after, self.begun)

    def take(self, page: Page) -> None:
        """Read a page on, to its end or to where the reading leaves it."""
        for stored in page.objects:
            hour = hour_of_name(stored.name)
            if stored.name >= self._end:
                self.beyond = _with(None, hour, stored) if hour and is_data(stored) else None
                self._end_here()
                return
            if not self._read_on(stored, hour):
                return
        if page.is_last:
            self._end_here()

    def _read_on(self, stored: StoredObject, hour: datetime | None) -> bool:
        """Read an object; False: the page is not read on."""
        if self.begun and hour != self.begun.hour:
            self._close()
            if len(self.contents) >= self._hours:
                self.has_ended = True
                return False
        if hour is None:
            return self._pass_over(stored)
        self.after = stored.name
        if is_data(stored):
            self.begun = _with(self.begun, hour, stored)
        return True

    def _pass_over(self, stored: StoredObject) -> bool:
        odd, self.after = _odd_part(stored.name)
        is_folder = self.after != stored.name
        # an object whose name is a folder's was made by S3's console
        if is_folder or not f"/{odd}".endswith("/"):
            self.unreadable[stored.prefix + odd] = None
        return not is_folder

    def _close(self) -> None:
        if self.begun:
            self.contents.append(self.begun)
        self.begun = None

    def _end_here(self) -> None:
        self._close()
        self._is_through = self.has_ended = True


def _with(begun: HourContent | None, hour: datetime, stored: StoredObject) -> HourContent:
    at, prefix = stored.last_modified, stored.prefix
    if begun is None:
        return HourContent(hour, 1, stored.size, at, at, {prefix: at})
    first = begun.first_written
    if at < first.get(prefix, _NEVER):
        first = {**first, prefix: at}
    oldest, newest = min(begun.oldest, at), max(begun.newest, at)
    return HourContent(hour, begun.objects + 1, begun.size + stored.size, oldest, newest, first)


def hour_of_name(name: str) -> datetime | None:
    """Return the hour of an object by its name below a prefix of raw objects; None: it is of none."""
    return _hour_of_folders(name[:_FOLDERS_LENGTH])


@lru_cache(maxsize=64)
def _hour_of_folders(folders: str) -> datetime | None:
    """Names come by the hour: what thousands of them begin with is read once."""
    return hour_of_prefix(folders)


def _odd_part(name: str) -> tuple[str, str]:
    """What of a name is not of an hour, and after which name to go on: past the folder that is odd, or the object."""
    folders = name.split("/")[:-1]
    for number, folder in enumerate(folders[: len(_LEVELS)]):
        # a folder that looks right down to the hour has a date that there is not
        if number == len(_LEVELS) - 1 or not _LEVELS[number].fullmatch(folder):
            odd = "/".join(folders[: number + 1])
            return f"{odd}/", odd + _PAST_SLASH
    return name, name
