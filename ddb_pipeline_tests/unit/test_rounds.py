"""The rounds of the arrivals sensor: bounded in every tick, and nothing is passed over."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddb_pipeline.arrivals import HOUR, LOOK_BACK, WEEK, HourContent, hour_of, hour_prefix
from ddb_pipeline.readings import Page, Position, Reading, Share, Span, after_hour, joined, read
from ddb_pipeline.rounds import AGAIN, NEW, ROUNDS, SHARES, Cursor, begun_before, next_cursor, spans
from ddb_pipeline_tests.model_bucket import ModelBucket

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
NOW = NOON + timedelta(minutes=30)
EVERYTHING, PLENTY = Span("", "z"), Share(1000, 1000)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
HOURS = MOMENTS.map(hour_of)
CONTENTS = st.builds(
    HourContent,
    HOURS,
    st.integers(1),
    st.integers(0),
    MOMENTS,
    MOMENTS,
    st.dictionaries(st.sampled_from(["changes/", "changes_parquet/"]), MOMENTS),
)


def name(hour: datetime, version: int = 1, second: int = 0, unique: str = "a") -> str:
    """A name as Firehose gives it."""
    return f"{hour_prefix(hour)}stream-{version}-{hour + timedelta(seconds=second):%Y-%m-%d-%H-%M-%S}-{unique}.json.gz"


def bucket_of(*names: str, page: int = 1000) -> ModelBucket:
    bucket = ModelBucket(page)
    for one in names:
        bucket.put(one)
    return bucket


def test_hours_are_read_to_their_end_and_summed_up():
    bucket = bucket_of(name(NOON), name(NOON, second=1), name(NOON + HOUR))

    found = read(bucket.page, EVERYTHING, None, PLENTY)

    assert list(found.contents) == list(bucket.truth().values())
    assert (found.rest, found.pages, found.unreadable) == (None, 1, ())


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
@pytest.mark.parametrize("pages", [1, 2, 1000])
@pytest.mark.parametrize("hours", [1, 2, 1000])
def test_a_reading_in_parts_reads_what_one_reading_does(page: int, pages: int, hours: int):
    names = [name(NOON + HOUR * step, second=second) for step in range(4) for second in range(step + 1)]
    bucket = bucket_of(*names, hour_prefix(NOON) + "_hidden", "tmp/a", "tmp/b", page=page)
    contents, position = [], None
    for _ in range(50):
        found = read(bucket.page, EVERYTHING, position, Share(pages, hours))
        assert found.pages <= pages
        assert len(found.contents) <= hours
        contents += found.contents
        # what stands in Dagster between two ticks
        kept = Cursor.from_json(Cursor(NOON, {NEW: found.rest} if found.rest else {}).to_json())
        position = kept.positions.get(NEW)
        if position is None:
            break

    assert contents == list(bucket.truth().values())


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_an_hour_below_two_prefixes_is_read_as_one(size: int):
    """A pipeline that was switched to another format."""
    old, new = ModelBucket(size), ModelBucket(size)
    for step in range(6):
        old.put(name(NOON + HOUR * (step // 2), unique="a"))
        old.put("same name")
    for step in range(4):
        new.put(name(NOON + HOUR * (2 + step // 2), second=step % 2, unique="a"))
        new.put("same name")

    def list_page(after: str) -> Page:
        pages = [(prefix, bucket.page(after)) for prefix, bucket in (("old/", old), ("new/", new))]
        return joined(
            [Page([replace(one, prefix=prefix) for one in page.objects], page.is_last) for prefix, page in pages]
        )

    found = read(list_page, EVERYTHING, None, PLENTY)

    assert [(content.hour, content.objects, set(content.first_written)) for content in found.contents] == [
        (NOON, 1, {"old/"}),
        (NOON + HOUR, 1, {"old/"}),
        (NOON + HOUR * 2, 3, {"old/", "new/"}),
        (NOON + HOUR * 3, 2, {"new/"}),
    ]
    assert set(found.unreadable) == {"old/same name", "new/same name"}


def test_only_names_within_the_span_count_and_the_first_beyond_is_told():
    bucket = bucket_of(*(name(NOON + HOUR * step) for step in range(5)))

    found = read(bucket.page, spans(NOON + HOUR * 2, NOON + HOUR * 3)[NEW], None, PLENTY)

    assert [content.hour for content in found.contents] == [NOON + HOUR * 3]
    assert found.beyond is not None
    assert [met.hour for met in found.met] == [NOON + HOUR * 3, NOON + HOUR * 4]


@pytest.mark.parametrize("hours", [1, 2, 1000])
def test_hours_that_were_passed_and_hold_nothing_are_told_once_in_a_round(hours: int):
    bucket = bucket_of(name(NOON), name(NOON + HOUR * 3), name(NOON + HOUR * 4), name(NOON + HOUR * 30), page=2)
    span, first, position = Span("", after_hour(NOON + HOUR * 32)), NOON - HOUR * 2, None
    without: list[datetime] = []
    for _ in range(10):
        found = read(bucket.page, span, position, Share(1, hours))
        told = found.hours_without_data(first)
        assert len(told) == len(list(told))
        without += told
        position = found.rest
        if position is None:
            break

    assert without == [first + HOUR * step for step in range(35) if step - 2 not in {0, 3, 4, 30}]


def test_what_is_no_hour_is_told_and_costs_a_page_a_folder():
    odd = ["loose.json", "year=2026/y", *(f"tmp/{number:04}" for number in range(3000))]
    odd += [f"year=2026/month=13/day=01/hour=00/{number:04}" for number in range(3000)]
    odd += ["year=2026/month=02/day=30/hour=00/x", "year=2026/month=1/day=1/hour=1/x", "year=abcd/month=01/x"]
    bucket = bucket_of(name(NOON), *odd, "", "year=2026/", "year=2026/month=03/")

    found = read(bucket.page, EVERYTHING, None, PLENTY)

    assert [content.hour for content in found.contents] == [NOON]
    assert set(found.unreadable) == {
        f"changes/{one}"
        for one in (
            "loose.json",
            "year=2026/y",
            "tmp/",
            "year=2026/month=13/day=01/hour=00/",
            "year=2026/month=02/day=30/hour=00/",
            "year=2026/month=1/",
            "year=abcd/",
        )
    }
    assert found.pages <= len(found.unreadable) + 1


def test_when_the_time_is_used_up_no_page_is_begun():
    bucket = bucket_of(name(NOON), page=1)
    times = iter([False, True])

    found = read(bucket.page, EVERYTHING, None, PLENTY, lambda: next(times))

    assert found.pages == 1


def test_a_position_beyond_the_span_begins_anew():
    """A clock that went back, say."""
    bucket = bucket_of(name(NOON))

    found = read(bucket.page, Span("", "year=2026/month=04"), Position("year=2027", None), PLENTY)

    assert [content.hour for content in found.contents] == [NOON]


@given(HOURS, st.integers(0, 10_000_000))
def test_the_rounds_cover_every_hour_up_to_now_and_each_just_once(hour: datetime, minutes_ago: int):
    stored, now = name(hour), datetime(2026, 3, 5, 12, 30, tzinfo=UTC)
    watermark = hour_of(now - timedelta(minutes=minutes_ago))

    covering = [which for which, span in spans(watermark, now).items() if span.start < stored < span.end]

    assert len(covering) == (1 if hour <= now else 0)


def test_without_a_watermark_everything_is_new():
    assert list(spans(None, NOW)) == [NEW]
    assert list(spans(NOON, NOW)) == list(ROUNDS)


def test_the_look_back_is_three_hours_and_the_week_is_before_it():
    found = spans(NOON, NOW)

    assert found["look_back"].start < name(NOON - LOOK_BACK) < name(NOON) < found["look_back"].end
    assert name(NOON - LOOK_BACK - HOUR) < found["week"].end <= found["look_back"].start
    assert found["week"].start < name(NOON - LOOK_BACK - WEEK) < found["week"].end


def reading(*hours: datetime, rest: Position | None = None) -> Reading:
    contents = tuple(HourContent(hour, 1, 1, hour, hour, {"changes/": hour}) for hour in hours)
    return Reading(contents, rest, None, (), 1)


def test_the_watermark_is_the_newest_hour_read_and_never_goes_back():
    assert next_cursor(Cursor(NOON), {NEW: reading()}, NOW).watermark == NOON
    assert next_cursor(Cursor(NOON), {NEW: reading(NOON + HOUR)}, NOW).watermark == NOON + HOUR
    assert next_cursor(Cursor(NOON), {NEW: reading(), "week": reading(NOON - HOUR)}, NOW).watermark == NOON
    assert next_cursor(Cursor(), {NEW: reading()}, NOW) == Cursor()


def test_a_watermark_of_the_future_is_taken_back():
    """A clock that ran ahead for a while must not hide what arrives."""
    future = Cursor(datetime(2099, 1, 1, tzinfo=UTC))

    assert spans(future.watermark, NOW)[NEW].start < name(NOON + HOUR) < name(future.watermark or NOON)
    assert next_cursor(future, {NEW: reading()}, NOW).watermark == NOON


def test_a_round_that_is_through_begins_anew_and_one_that_did_not_read_stays():
    cursor = Cursor(NOON, {"week": Position("w"), "history": Position("h")})

    after = next_cursor(cursor, {NEW: reading(), "week": reading()}, NOW)

    assert after.positions == {"history": Position("h")}


@given(
    st.none() | HOURS,
    st.dictionaries(st.sampled_from(ROUNDS), st.builds(Position, st.text(max_size=100), st.none() | CONTENTS)),
)
def test_a_cursor_is_read_as_it_was_written(watermark: datetime | None, positions: dict[str, Position]):
    cursor = Cursor(watermark, positions)

    assert Cursor.from_json(cursor.to_json()) == cursor


def test_the_cursor_says_when_the_reading_of_an_hour_began_that_takes_several_ticks():
    begun, next_one = (HourContent(hour, 1, 1, hour, hour, {"changes/": hour}) for hour in (NOON, NOON + HOUR))
    cursor = Cursor(NOON - HOUR)
    for minutes in range(3):
        cursor = next_cursor(cursor, {NEW: reading(rest=Position("a", begun))}, NOW + timedelta(minutes=minutes))
        cursor = Cursor.from_json(cursor.to_json())
        assert begun_before(cursor) == {NOON: NOW}

    later = NOW + HOUR
    assert begun_before(next_cursor(cursor, {NEW: reading(rest=Position("b", next_one))}, later)) == {
        NOON + HOUR: later
    }
    assert begun_before(next_cursor(cursor, {NEW: reading(rest=Position("b"))}, later)) == {}


def test_a_cursor_that_does_not_say_when_an_hour_was_begun_leaves_it_open():
    written = json.loads(Cursor(NOON, {NEW: Position("a", HourContent(NOON, 1, 1, NOON, NOON))}).to_json())
    del written["positions"][NEW]["since"]

    (begun,) = begun_before(Cursor.from_json(json.dumps(written))).values()

    assert begun.year == 1970


def test_a_cursor_is_small():
    begun = HourContent(NOON, 10**6, 10**12, NOW, NOW, {"changes/": NOW, "changes_parquet/": NOW})
    longest = "x" * 1024  # bytes of an S3 key at most

    assert len(Cursor(NOON, dict.fromkeys(ROUNDS, Position(longest, begun, NOW))).to_json()) < 5000


def test_a_cursor_of_version_1_keeps_its_watermark():
    old = json.dumps({"version": 1, "watermark": "2026-03-05-12:00", "sweep": "2026-03-04-12:00"})

    assert Cursor.from_json(old) == Cursor(NOON)
    assert Cursor.from_json('{"version": 1, "watermark": null, "sweep": null}') == Cursor()


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{",
        "[]",
        "null",
        '"x"',
        "1",
        '{"version": 3}',
        '{"version": 2}',
        '{"version": [], "watermark": null}',
        '{"version": 1, "watermark": "x", "sweep": 3}',
        '{"version": 2, "watermark": null, "positions": []}',
        '{"version": 2, "watermark": null, "positions": {"new": {}}}',
        '{"version": 2, "watermark": null, "positions": {"new": 1}}',
        '{"version": 2, "watermark": null, "positions": {"new": {"after": "", "hour": "x", "begun": []}}}',
        (
            '{"version": 2, "watermark": null, "positions": '
            '{"new": {"after": "", "hour": "2026-03-05-12:00", "begun": [1, 2, 1e300, 1, {}]}}}'
        ),
    ],
)
def test_a_cursor_that_cannot_be_read_starts_anew(text: str | None):
    assert Cursor.from_json(text) == Cursor()


def test_every_round_has_a_share_of_a_tick():
    assert set(SHARES) == set(ROUNDS) == {NEW, *AGAIN}
