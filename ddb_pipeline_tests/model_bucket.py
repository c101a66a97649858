"""A raw bucket that holds names alone, answers as LIST does, and counts what it was asked."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from ddb_pipeline.arrivals import HourContent, StoredObject, content, hour_of_prefix, hour_prefix
from ddb_pipeline.readings import Page, Reading, Share, Span, after_hour, before_hour, read

PREFIX = "changes/"
PAGE = 1000
"""As many objects as LIST returns at most (API ListObjectsV2)."""


class ModelBucket:
    """Objects by name below the prefix of all changes; in the place of `RawBucket`."""

    def __init__(self, page: int = PAGE) -> None:
        self.names: list[str] = []
        self.objects: dict[str, StoredObject] = {}
        self.requests = 0
        self._size = page
        self._truth: dict[datetime, HourContent] | None = None

    def put(self, name: str, size: int = 10, at: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        if name not in self.objects:
            bisect.insort(self.names, name)
        self.objects[name] = StoredObject(name, size, at, PREFIX)
        self._truth = None

    def put_all(self, names: list[str]) -> None:
        """Many at once, which are not there yet."""
        self.names = sorted([*self.names, *names])
        self.objects |= {name: StoredObject(name, 10, datetime(2026, 1, 1, tzinfo=UTC), PREFIX) for name in names}
        self._truth = None

    def delete(self, name: str) -> None:
        self.names.remove(name)
        del self.objects[name]
        self._truth = None

    def page(self, after: str) -> Page:
        self.requests += 1
        first = bisect.bisect_right(self.names, after)
        found = self.names[first : first + self._size]
        return Page([self.objects[name] for name in found], is_last=first + self._size >= len(self.names))

    def hours(self, first: datetime | None = None) -> Iterator[datetime]:
        """Hours by delimiter: a request a day, say."""
        days = set()
        for hour in sorted(self.truth()):
            if first is None or hour >= first:
                if hour.date() not in days:
                    self.requests += 1
                    days.add(hour.date())
                yield hour

    def read_hour(self, hour: datetime, pages: int, out_of_time: Callable[[], bool] = lambda: False) -> Reading:
        return read(self.page, Span(before_hour(hour), after_hour(hour)), None, Share(pages, 1), out_of_time)

    def truth(self) -> dict[datetime, HourContent]:
        """What each hour holds."""
        if self._truth is not None:
            return self._truth
        folders: dict[str, list[StoredObject]] = {}
        length = len(hour_prefix(datetime(2026, 1, 1, tzinfo=UTC)))
        for name, stored in self.objects.items():
            folders.setdefault(name[:length], []).append(stored)
        by_hour = {hour_of_prefix(folder): objects for folder, objects in folders.items()}
        summed = {hour: content(hour, {PREFIX: objects}) for hour, objects in by_hour.items() if hour}
        self._truth = {hour: found for hour, found in summed.items() if found}
        return self._truth
