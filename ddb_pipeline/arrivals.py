"""Which hours of raw objects there are, which changed, and which still want a crawl. Pure.

An hour is a partition of the change table by arrival at Firehose. It keeps receiving objects after it has ended,
because its name is the arrival time of the *oldest* record in an object. So hours are told apart by a fingerprint
of what is in them, and are read again and again (`rounds`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

HOUR = timedelta(hours=1)
CLOCKS = timedelta(seconds=60)
"""How far the clocks of AWS and of this machine may be apart, and how long an upload may take to be seen."""
LOOK_BACK = timedelta(hours=3)
"""How far behind the newest hour objects are usual: Firehose buffers up to 15 minutes, then retries."""
WEEK = timedelta(days=7)
"""How far behind the look-back late objects are likely: the stream's default retention."""
# Firehose tries for 24 hours to store what it has read (dev/basic-deliver.html); an hour more, for an hour's name.
_LONGEST_STORING = timedelta(hours=25)

_PREFIX = re.compile(r"year=([0-9]{4})/month=([0-9]{2})/day=([0-9]{2})/hour=([0-9]{2})/")
_HOURLY_UNTIL = 30
_KEY_FORMAT = "%Y-%m-%d-%H:%M"


@dataclass(frozen=True)
class StoredObject:
    """An object in S3: its key below a prefix, its size in bytes, when it was last written, and the prefix."""

    name: str
    size: int
    last_modified: datetime
    prefix: str = ""


@dataclass(frozen=True)
class HourContent:
    """What an hour holds: how many objects and bytes, and when the oldest and the newest were written.

    `first_written` has, for each prefix of raw objects that has data of the hour, when the oldest of it was written:
    two in the hour when the format was switched.
    """

    hour: datetime
    objects: int
    size: int
    oldest: datetime
    newest: datetime
    first_written: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Differs whenever an object was added, removed or replaced; the hour's data version in Dagster."""
        return f"{self.objects}-{self.size}-{int(self.newest.timestamp())}"


@dataclass(frozen=True)
class Classified:
    """Hours sorted by what Dagster can do with them.

    Attributes:
        hours: Partitions of `raw_changes`, oldest first.
        before_start: Hours before the pipeline's start date.
        future: Hours that have not begun.
    """

    hours: tuple[datetime, ...]
    before_start: tuple[datetime, ...]
    future: tuple[datetime, ...]


def longest_delivery(stream_retention_hours: int) -> timedelta:
    """Return how long after its arrival a record may be stored: so long as the stream keeps it, and Firehose tries.

    Args:
        stream_retention_hours: For how long the stream keeps records.
    """
    return timedelta(hours=stream_retention_hours) + _LONGEST_STORING


def hour_prefix(hour: datetime) -> str:
    """Return the prefix of an hour below a prefix of raw objects."""
    return f"{hour:year=%Y/month=%m/day=%d/hour=%H/}"


def hour_values(hour: datetime) -> tuple[str, str, str, str]:
    """Return the values of the partition columns of an hour."""
    return (f"{hour:%Y}", f"{hour:%m}", f"{hour:%d}", f"{hour:%H}")


def hour_of_values(values: Sequence[str]) -> datetime | None:
    """Return the hour of partition values, or None when they name none."""
    try:
        return hour_of_prefix("year={}/month={}/day={}/hour={}/".format(*values))
    except IndexError:
        return None


def hour_of_prefix(prefix: str) -> datetime | None:
    """Return the hour of a prefix below a prefix of raw objects, or None when it names none."""
    match = _PREFIX.fullmatch(prefix)
    if match is None:
        return None
    year, month, day, hour = (int(part) for part in match.groups())
    try:
        return datetime(year, month, day, hour, tzinfo=UTC)
    except ValueError:
        return None


def partition_key(hour: datetime) -> str:
    """Return Dagster's key of an hour (`HourlyPartitionsDefinition`'s default format)."""
    return hour.strftime(_KEY_FORMAT)


def hour_of_key(key: str) -> datetime:
    """Return the hour of Dagster's key.

    Raises:
        ValueError: The text is no such key.
    """
    return datetime.strptime(key, _KEY_FORMAT).replace(tzinfo=UTC)


def hour_of(moment: datetime) -> datetime:
    """Return the hour in which a moment lies."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def is_data(stored: StoredObject) -> bool:
    """Whether Athena reads the object: names that start with `_` or `.` are hidden, `/` at the end marks a folder."""
    name = stored.name.rsplit("/", 1)[-1]
    return name != "" and not name.startswith(("_", "."))


def content(hour: datetime, objects: Mapping[str, Iterable[StoredObject]]) -> HourContent | None:
    """Sum up the objects of an hour, by the prefix they are below; None when Athena would find nothing in it."""
    data = {prefix: [stored for stored in found if is_data(stored)] for prefix, found in objects.items()}
    everything = [stored for found in data.values() for stored in found]
    if not everything:
        return None
    written = [stored.last_modified for stored in everything]
    return HourContent(
        hour,
        len(everything),
        sum(stored.size for stored in everything),
        min(written),
        max(written),
        {prefix: min(stored.last_modified for stored in found) for prefix, found in data.items() if found},
    )


def emptied(hour: datetime) -> HourContent:
    """Return what an hour holds that lost all its objects."""
    return HourContent(hour, 0, 0, hour, hour)


def by_prefix(contents: Iterable[HourContent]) -> dict[str, list[datetime]]:
    """Return the hours that have data, by the prefix it is below."""
    hours: dict[str, list[datetime]] = {}
    for found in contents:
        for prefix in found.first_written:
            hours.setdefault(prefix, []).append(found.hour)
    return hours


def merged(hours: Mapping[str, Iterable[datetime]]) -> tuple[datetime, ...]:
    """Return hours that are known by prefix, each once, oldest first."""
    return tuple(sorted(set().union(*hours.values())))


def classify(hours: Iterable[datetime], start_date: date, now: datetime) -> Classified:
    """Sort hours by whether they are partitions of `raw_changes`."""
    start = datetime(start_date.year, start_date.month, start_date.day, tzinfo=UTC)
    ordered = sorted(set(hours))
    return Classified(
        hours=tuple(hour for hour in ordered if start <= hour <= now),
        before_start=tuple(hour for hour in ordered if hour < start),
        future=tuple(hour for hour in ordered if hour > now and hour >= start),
    )


def changed(contents: Iterable[HourContent], known: Mapping[str, str]) -> tuple[HourContent, ...]:
    """Return the hours whose fingerprint is not the one that was reported last, oldest first.

    Args:
        contents: Hours as they are in S3.
        known: Per partition key, the fingerprint that Dagster knows.
    """
    ordered = sorted(contents, key=lambda found: found.hour)
    return tuple(found for found in ordered if known.get(partition_key(found.hour)) != found.fingerprint)


def objects_of(fingerprint: str | None) -> int:
    """Return how many objects an hour held whose fingerprint this is; 0 if it is none."""
    count = (fingerprint or "").partition("-")[0]
    return int(count) if count.isdecimal() else 0


def retry_delay(failed_attempts: int) -> timedelta:
    """Return how long after the last of some failed refreshes the next may start: 1, 2, 4 ... 60 minutes.

    After a day of hourly attempts it is every four hours: somebody has been told long ago, and a crawl costs money.
    """
    if failed_attempts == 0:
        return timedelta(0)
    if failed_attempts > _HOURLY_UNTIL:
        return 4 * HOUR
    return min(timedelta(minutes=2 ** min(failed_attempts - 1, 6)), HOUR)


def listed(names: Sequence[str], limit: int = 5) -> str:
    """Write some names for a message, and how many more there are."""
    text = ", ".join(names[:limit])
    return f"{text} and {len(names) - limit} more" if len(names) > limit else text


def counted(number: int, noun: str) -> str:
    """Write a number of things that have a plural in s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def oddities(classified: Classified, unreadable: Sequence[str], start_date: date) -> str:
    """Say which prefixes Dagster cannot show as partitions, and what to do; empty when there are none."""
    sentences = []
    if unreadable:
        sentences.append(
            f"not an hour, so neither reported nor crawled: {listed(list(unreadable))}: "
            "move these objects out of the prefix of the changes"
        )
    if classified.before_start:
        keys = listed([partition_key(hour) for hour in classified.before_start])
        sentences.append(f"before start_date {start_date} of pipeline.toml, so no partition in Dagster: {keys}")
    if classified.future:
        keys = listed([partition_key(hour) for hour in classified.future])
        sentences.append(f"in the future, so no partition in Dagster yet: {keys}")
    return "; ".join(sentences)
