"""Lists raw objects and their hours.

LIST with a delimiter returns one entry per folder, so the walk over years, months, days and hours costs one request
per day that is looked at. `StartAfter` starts it, or a page of objects, at a watermark (AWS: API ListObjectsV2).

S3 tells when an object was written last. `ddb-pipeline erase` writes objects again, which then only hold less than they
did, and notes in their metadata when they were stored first.
"""

from __future__ import annotations

import heapq
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from ddb_pipeline.arrivals import HourContent, StoredObject, content, hour_of_prefix, hour_prefix, is_data, merged
from ddb_pipeline.readings import Page, Reading, Share, Span, after_hour, before_hour, hour_of_name, joined, read
from ddb_pipeline.resources.tick_limit import Threads

_LEVELS = ("year", "month", "day", "hour")
STORED_AT = "stored-at"
"""Metadata of a raw object that an erasure wrote again: when it was stored first, ISO 8601."""
_MOST_ASKED = 20_000
"""Objects that are asked for that at most: some hundred a second."""
# not more than boto3 keeps connections for (botocore Config.max_pool_connections)
_REQUESTS_AT_ONCE = 8


@dataclass
class RawBucket:
    """The raw bucket of a pipeline.

    Attributes:
        client: boto3's S3 client.
        bucket: Name of the bucket.
        prefixes: Prefixes of the raw objects, each with a `/` at its end: first where Firehose writes now, then where
            it wrote in another format.
        unreadable: Prefixes and keys met while listing that are not of an hour.
    """

    client: Any
    bucket: str
    prefixes: tuple[str, ...]
    unreadable: list[str] = field(default_factory=list)

    @property
    def uri(self) -> str:
        """Where raw objects arrive now."""
        return f"s3://{self.bucket}/{self.prefixes[0]}"

    @cached_property
    def used_prefixes(self) -> tuple[str, ...]:
        """The prefix where raw objects arrive now, and the others that hold something: one request each, once."""
        others = (prefix for prefix in self.prefixes[1:] if self._holds_something(prefix))
        return (self.prefixes[0], *others)

    def hours(self, first: datetime | None = None) -> Iterator[datetime]:
        """List hours, each once, oldest first, as they are asked for.

        Args:
            first: First hour wanted; all by default.

        Yields:
            Hours that have a folder, also those whose objects Athena would pass over.
        """
        listed = heapq.merge(*(self._hours_from(prefix, first) for prefix in self.used_prefixes))
        return (hour for hour, _ in itertools.groupby(listed))

    def hours_by_prefix(self, first: datetime | None = None) -> dict[str, list[datetime]]:
        """List hours at once, oldest first, by the prefix that their folder is below.

        All hours take one request a day of history, eight at a time.

        Args:
            first: First hour wanted; all by default.
        """
        if first:
            return {prefix: list(self._hours_from(prefix, first)) for prefix in self.used_prefixes}
        with Threads(_REQUESTS_AT_ONCE) as pool:
            return {prefix: self._all_hours_below(prefix, pool) for prefix in self.used_prefixes}

    def all_hours(self) -> list[datetime]:
        """List all hours at once, each once, oldest first."""
        return list(merged(self.hours_by_prefix()))

    def stored_since(self, first: datetime, since: datetime) -> dict[datetime, set[str]]:
        """Find what was written lately: a request for a thousand objects since the first hour.

        Args:
            first: First hour to look into.
            since: Objects that were written at this moment or later count.

        Returns:
            Their addresses, by hour, oldest hour first.
        """
        found: dict[datetime, set[str]] = {}
        after, is_last = before_hour(first), False
        while not is_last:
            page = self.page(after)
            for stored in page.objects:
                hour = hour_of_name(stored.name)
                if hour is not None and stored.last_modified >= since:
                    found.setdefault(hour, set()).add(self._address(stored))
            after, is_last = page.objects[-1].name if page.objects else after, page.is_last
        return found

    def new_since(self, addresses: Iterable[str], since: datetime) -> Iterator[str]:
        """Leave out objects that are older than they look, as an erasure wrote them again.

        A request each, as they are asked for, eight at a time; of more than `_MOST_ASKED` the rest count as new.

        Args:
            addresses: Objects that were written at that moment or later.
            since: The moment.

        Yields:
            The addresses of those that were stored first at that moment or later, in the order given.
        """
        ordered = list(addresses)
        asked = ordered[:_MOST_ASKED]
        with Threads(_REQUESTS_AT_ONCE) as pool:
            for start in range(0, len(asked), _REQUESTS_AT_ONCE):
                some = asked[start : start + _REQUESTS_AT_ONCE]
                for address, first in zip(some, pool.map(self._first_stored, some), strict=True):
                    if first is None or first >= since:
                        yield address
        yield from ordered[_MOST_ASKED:]

    def first_stored(self, hour: datetime) -> datetime | None:
        """Return when the first of an hour's objects was stored, also if an erasure wrote it again: a request each.

        Returns:
            None when Athena would find nothing in the hour.
        """
        prefixes = [prefix + hour_prefix(hour) for prefix in self.used_prefixes]
        pages = itertools.chain.from_iterable(self._pages(prefix) for prefix in prefixes)
        written = {self._address(one): one.last_modified for page in pages for one in page if is_data(one)}
        with Threads(_REQUESTS_AT_ONCE) as pool:
            known = [first for first in pool.map(self._first_stored, written) if first]
        return min([*written.values(), *known], default=None)

    def has_data_since(
        self,
        first: datetime,
        since: datetime,
        most_pages: int | None,
        out_of_time: Callable[[], bool],
    ) -> bool | None:
        """Whether data was written lately; it reads until it meets some, the newest hour first.

        Args:
            first: First hour to look into.
            since: Objects that were written at this moment or later count.
            most_pages: Pages of a thousand objects that are read at most; None: all.
            out_of_time: Whether no other page may be begun; asked after each.

        Returns:
            None: so many pages do not tell.
        """
        pages = 0
        for hour in sorted(self.hours(first), reverse=True):
            for prefix in self.used_prefixes:
                for objects in self._pages(prefix + hour_prefix(hour)):
                    if pages == most_pages:
                        return None
                    pages += 1
                    if any(stored.last_modified >= since and is_data(stored) for stored in objects):
                        return True
                    if out_of_time():
                        return None
        return False

    def content(self, hour: datetime) -> HourContent | None:
        """Read what an hour holds; None when Athena would find nothing in it."""
        return content(hour, {prefix: self._objects(prefix + hour_prefix(hour)) for prefix in self.used_prefixes})

    def sizes(self, first: datetime, last: datetime) -> dict[datetime, int]:
        """Return how many bytes of data hours hold; those without data are left out. A request for a thousand objects.

        Args:
            first: First hour.
            last: Last hour.
        """
        span = Span(before_hour(first), after_hour(last))
        reading = read(self.page, span, None, Share(pages=sys.maxsize, hours=sys.maxsize))
        return {content.hour: content.size for content in reading.contents}

    def read_hour(self, hour: datetime, pages: int, out_of_time: Callable[[], bool] = lambda: False) -> Reading:
        """Read what an hour holds, in so many pages at most: `rest` says whether it holds more.

        Args:
            hour: The hour.
            pages: How many pages may be read.
            out_of_time: Whether no other page may be begun; asked before each.
        """
        return read(self.page, Span(before_hour(hour), after_hour(hour)), None, Share(pages, 1), out_of_time)

    def begins_with_data(self, prefix: str, hour: datetime) -> bool:
        """Whether an hour has data below a prefix, or so many other objects there that one request does not tell."""
        page = self._page(prefix, before_hour(hour))
        of_hour = [stored for stored in page.objects if hour_of_name(stored.name) == hour]
        is_last = page.is_last or len(of_hour) < len(page.objects)
        return not is_last or any(is_data(stored) for stored in of_hour)

    def page(self, after: str) -> Page:
        """List the next objects, a thousand at most of each prefix: a request for each prefix that is used.

        Args:
            after: Name below a prefix, whether there is such an object or not.
        """
        return joined([self._page(prefix, after) for prefix in self.used_prefixes])

    def _address(self, stored: StoredObject) -> str:
        return f"s3://{self.bucket}/{stored.prefix}{stored.name}"

    def _first_stored(self, address: str) -> datetime | None:
        """When an object was stored that an erasure wrote again; None: none did, or it is gone."""
        from botocore.exceptions import ClientError

        try:
            found = self.client.head_object(Bucket=self.bucket, Key=address.removeprefix(f"s3://{self.bucket}/"))
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "404":  # API_HeadObject.html: no body, so the status
                raise
            return None
        noted = found["Metadata"].get(STORED_AT)
        return datetime.fromisoformat(noted) if noted else None

    def _page(self, prefix: str, after: str) -> Page:
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, StartAfter=prefix + after)
        objects = [
            StoredObject(one["Key"].removeprefix(prefix), one["Size"], one["LastModified"], prefix)
            for one in found.get("Contents", [])
        ]
        return Page(objects, is_last=not found["IsTruncated"])

    def _holds_something(self, prefix: str) -> bool:
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1)
        return bool(found["KeyCount"])

    def _hours_from(self, prefix: str, first: datetime | None) -> Iterator[datetime]:
        return self._hours_below(prefix, "", hour_prefix(first).rstrip("/").split("/") if first else [])

    def _all_hours_below(self, prefix: str, pool: Threads) -> list[datetime]:
        days = list(self._below(prefix, "", [], _LEVELS.index("hour")))
        listed = pool.map(lambda day: list(self._hours_below(prefix, day, [])), days)
        return [hour for hours in listed for hour in hours]

    def _hours_below(self, prefix: str, folder: str, start: list[str]) -> Iterator[datetime]:
        for below in self._below(prefix, folder, start, len(_LEVELS)):
            hour = hour_of_prefix(below)
            if hour is None:
                self.unreadable.append(prefix + below)
            else:
                yield hour

    def _below(self, prefix: str, folder: str, start: list[str], depth: int) -> Iterator[str]:
        """Folders of a depth in and below a folder; the names in `start` say, level by level, where to begin."""
        level = folder.count("/")
        if level == depth:
            yield folder
            return
        for below in self._folders(prefix, folder, start[0] if start else None):
            name = below.removeprefix(folder)
            if not name.startswith(_LEVELS[level] + "="):
                self.unreadable.append(prefix + below)
                continue
            # only the folder at the boundary still has something to leave out
            yield from self._below(prefix, below, start[1:] if start and name == start[0] + "/" else [], depth)

    def _folders(self, prefix: str, below: str, start: str | None) -> Iterator[str]:
        """Folders directly below one, from the one named `start` on; objects that lie there are unreadable."""
        whole = prefix + below
        arguments = {"Bucket": self.bucket, "Prefix": whole, "Delimiter": "/"}
        if start:
            # a folder sorts after its own name without the slash, so it is still listed
            arguments["StartAfter"] = whole + start
        for page in self.client.get_paginator("list_objects_v2").paginate(**arguments):
            self.unreadable.extend(found["Key"] for found in page.get("Contents", []) if found["Key"] != whole)
            for found in page.get("CommonPrefixes", []):
                yield str(found["Prefix"]).removeprefix(prefix)

    def _objects(self, prefix: str) -> Iterator[StoredObject]:
        return itertools.chain.from_iterable(self._pages(prefix))

    def _pages(self, prefix: str) -> Iterator[list[StoredObject]]:
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            yield [
                StoredObject(found["Key"].removeprefix(prefix), found["Size"], found["LastModified"], prefix)
                for found in page.get("Contents", [])
            ]
