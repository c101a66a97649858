"""How a tick of the arrivals sensor works through hours: bounded, and without leaving any out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from ddb_pipeline.arrivals import HOUR, HOURS_PER_TICK, Cursor, HourContent, next_cursor
from ddb_pipeline.resources.raw_bucket import RawBucket
from ddb_pipeline.sensors import _read

START = datetime(2026, 1, 1, tzinfo=UTC)


class Bucket:
    """A raw bucket in memory, that counts what it was asked."""

    def __init__(self, hours: set[datetime]) -> None:
        self.stored = hours
        self.asked = 0

    def hours(self, first: datetime | None = None) -> Iterator[datetime]:
        yield from sorted(hour for hour in self.stored if first is None or hour >= first)

    def content(self, hour: datetime) -> HourContent | None:
        self.asked += 1
        return HourContent(hour, 1, 1, hour, hour) if hour in self.stored else None


def read(bucket: Bucket, cursor: Cursor) -> Any:
    return _read(cast("RawBucket", bucket), cursor)


def test_a_long_history_is_read_in_bounded_ticks_until_all_is_seen():
    bucket = Bucket({START + HOUR * step for step in range(1000)})
    now, cursor, seen, ticks = START + HOUR * 999, Cursor(), set(), 0
    more = True
    while more:
        bucket.asked = 0
        reading = read(bucket, cursor)
        assert bucket.asked <= HOURS_PER_TICK + 1
        seen |= {found.hour for found in reading.contents}
        cursor, more, ticks = next_cursor(cursor, reading.hours, now), reading.more, ticks + 1

    assert seen == bucket.stored
    assert ticks < 8


def test_a_tick_that_has_caught_up_reads_the_look_back_and_one_older_hour():
    bucket = Bucket({START + HOUR * step for step in range(100)})

    reading = read(bucket, Cursor(watermark=START + HOUR * 99))

    assert reading.hours == [START + HOUR * step for step in (96, 97, 98, 99)]
    assert [found.hour for found in reading.contents] == [START + HOUR * 95, *reading.hours]
    assert bucket.asked == 5


@settings(max_examples=50, deadline=None)
@given(late=st.integers(0, 160), now=st.integers(200, 400))
def test_an_object_that_comes_days_late_is_found(late: int, now: int):
    """Firehose writes by arrival of the oldest record, and may retry as long as the stream keeps records."""
    bucket = Bucket({START + HOUR * step for step in range(now)})
    moment = START + HOUR * (now - 1)
    hour = moment - HOUR * late
    bucket.stored.discard(hour)
    cursor = next_cursor(Cursor(), sorted(bucket.stored), moment)
    bucket.stored.add(hour)
    for _tick in range(170):
        reading = read(bucket, cursor)
        if hour in {found.hour for found in reading.contents}:
            return
        cursor = next_cursor(cursor, reading.hours, moment)
    raise AssertionError(f"never found: {hour}")


def test_folders_of_the_future_do_not_hide_the_present():
    future = START + timedelta(days=10_000)
    bucket = Bucket({START, future})
    cursor = next_cursor(Cursor(), read(bucket, Cursor()).hours, START)
    bucket.stored.add(START + HOUR)

    assert START + HOUR in read(bucket, cursor).hours
