"""Lists the hours of raw objects without listing every object.

LIST with a delimiter returns one entry per folder, so the walk over years, months, days and hours costs one request
per day that is looked at. `StartAfter` starts it at a watermark (AWS: API ListObjectsV2).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ddb_pipeline.arrivals import HourContent, StoredObject, content, hour_of_prefix, hour_prefix

_LEVELS = ("year", "month", "day", "hour")
# not more than boto3 keeps connections for (botocore Config.max_pool_connections)
_REQUESTS_AT_ONCE = 8


@dataclass
class RawBucket:
    """The raw bucket of a pipeline.

    Attributes:
        client: boto3's S3 client.
        bucket: Name of the bucket.
        prefix: Prefix of the raw objects, with a `/` at its end.
        unreadable: Prefixes and keys met while listing that are not of an hour.
    """

    client: Any
    bucket: str
    prefix: str
    unreadable: list[str] = field(default_factory=list)

    @property
    def uri(self) -> str:
        """Where the raw objects are."""
        return f"s3://{self.bucket}/{self.prefix}"

    def hours(self, first: datetime | None = None) -> Iterator[datetime]:
        """List hours, oldest first, as they are asked for.

        Args:
            first: First hour wanted; all by default.

        Yields:
            Hours that have a folder, also those whose objects Athena would pass over.
        """
        yield from self._hours_below("", hour_prefix(first).rstrip("/").split("/") if first else [])

    def all_hours(self) -> list[datetime]:
        """List all hours at once, oldest first: one request a day of history, eight at a time."""
        days = list(self._below("", [], _LEVELS.index("hour")))
        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
            return [hour for hours in pool.map(lambda day: list(self._hours_below(day, [])), days) for hour in hours]

    def stored_since(self, first: datetime, since: datetime) -> dict[datetime, set[str]]:
        """Find what was written lately.

        Args:
            first: First hour to look into.
            since: Objects that were written at this moment or later count.

        Returns:
            Their addresses, by hour, oldest hour first.
        """
        found = {
            hour: {
                f"{self.uri}{hour_prefix(hour)}{stored.name}"
                for stored in self._objects(self.prefix + hour_prefix(hour))
                if stored.last_modified >= since
            }
            for hour in self.hours(first)
        }
        return {hour: addresses for hour, addresses in found.items() if addresses}

    def content(self, hour: datetime) -> HourContent | None:
        """Read what an hour holds; None when Athena would find nothing in it."""
        return content(hour, self._objects(self.prefix + hour_prefix(hour)))

    def _hours_below(self, folder: str, start: list[str]) -> Iterator[datetime]:
        for below in self._below(folder, start, len(_LEVELS)):
            hour = hour_of_prefix(below)
            if hour is None:
                self.unreadable.append(self.prefix + below)
            else:
                yield hour

    def _below(self, folder: str, start: list[str], depth: int) -> Iterator[str]:
        """Folders of a depth in and below a folder; the names in `start` say, level by level, where to begin."""
        level = folder.count("/")
        if level == depth:
            yield folder
            return
        for below in self._folders(folder, start[0] if start else None):
            name = below.removeprefix(folder)
            if not name.startswith(_LEVELS[level] + "="):
                self.unreadable.append(self.prefix + below)
                continue
            # only the folder at the boundary still has something to leave out
            yield from self._below(below, start[1:] if start and name == start[0] + "/" else [], depth)

    def _folders(self, below: str, start: str | None) -> Iterator[str]:
        """Folders directly below one, from the one named `start` on; objects that lie there are unreadable."""
        prefix = self.prefix + below
        arguments = {"Bucket": self.bucket, "Prefix": prefix, "Delimiter": "/"}
        if start:
            # a folder sorts after its own name without the slash, so it is still listed
            arguments["StartAfter"] = prefix + start
        for page in self.client.get_paginator("list_objects_v2").paginate(**arguments):
            self.unreadable.extend(found["Key"] for found in page.get("Contents", []) if found["Key"] != prefix)
            for found in page.get("CommonPrefixes", []):
                yield str(found["Prefix"]).removeprefix(self.prefix)

    def _objects(self, prefix: str) -> Iterator[StoredObject]:
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                yield StoredObject(found["Key"].removeprefix(prefix), found["Size"], found["LastModified"])
