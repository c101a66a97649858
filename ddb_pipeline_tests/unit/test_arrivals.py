"""Hours and their fingerprints."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddb_pipeline import arrivals
from ddb_pipeline.arrivals import HourContent, StoredObject

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
HOURS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC)).map(arrivals.hour_of)  # noqa: DTZ001


def stored(name: str, size: int = 10, at: datetime = NOON) -> StoredObject:
    return StoredObject(name, size, at)


def test_an_hour_is_named_as_firehose_glue_and_dagster_name_it():
    hour = datetime(2026, 1, 2, 3, tzinfo=UTC)

    assert arrivals.hour_prefix(hour) == "year=2026/month=01/day=02/hour=03/"
    assert arrivals.hour_values(hour) == ("2026", "01", "02", "03")
    assert arrivals.partition_key(hour) == "2026-01-02-03:00"


@given(HOURS)
def test_every_hour_is_found_again_by_its_names(hour: datetime):
    assert arrivals.hour_of_prefix(arrivals.hour_prefix(hour)) == hour
    assert arrivals.hour_of_values(arrivals.hour_values(hour)) == hour
    assert arrivals.hour_of_key(arrivals.partition_key(hour)) == hour


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "year=2026/month=01/day=02/",
        "year=2026/month=13/day=02/hour=03/",
        "year=2026/month=02/day=30/hour=03/",
        "year=2026/month=1/day=2/hour=3/",
        "year=2026/month=01/day=02/hour=24/",
        "year=2026/month=01/day=02/hour=03/part=1/",
        "YEAR=2026/month=01/day=02/hour=03/",
        "year=٢٠٢٦/month=01/day=02/hour=03/",
    ],
)
def test_what_is_no_hour_is_none(prefix: str):
    assert arrivals.hour_of_prefix(prefix) is None


def test_an_hour_sums_up_what_athena_reads():
    objects = [
        stored("b.json.gz", 20, NOON + timedelta(seconds=5)),
        stored("a.json.gz", 10),
        stored("_temporary", 1000, NOON + timedelta(hours=1)),
        stored(".hidden", 1000, NOON + timedelta(hours=1)),
        stored("", 0, NOON - timedelta(hours=1)),
        stored("folder/", 0, NOON - timedelta(hours=1)),
    ]

    found = arrivals.content(NOON, {"changes/": objects})

    assert found == HourContent(NOON, 2, 30, NOON, NOON + timedelta(seconds=5), {"changes/": NOON})


def test_an_hour_of_two_formats_is_one_hour_and_two_folders():
    later = NOON + timedelta(minutes=30)
    found = arrivals.content(NOON, {"changes_parquet/": [stored("b", 20, later)], "changes/": [stored("a")]})

    assert found == HourContent(NOON, 2, 30, NOON, later, {"changes_parquet/": later, "changes/": NOON})
    other = HourContent(NOON + arrivals.HOUR, 1, 1, NOON, NOON, {"changes/": NOON})
    hours = arrivals.by_prefix([found, other])
    assert hours == {"changes_parquet/": [NOON], "changes/": [NOON, NOON + arrivals.HOUR]}
    assert arrivals.merged(hours) == (NOON, NOON + arrivals.HOUR)
    assert arrivals.merged({}) == ()


@pytest.mark.parametrize("objects", [[], [stored("_SUCCESS")], [stored("")]])
def test_an_hour_without_data_has_no_content(objects: list[StoredObject]):
    assert arrivals.content(NOON, {"changes/": objects, "changes_parquet/": []}) is None


@pytest.mark.parametrize(
    "then",
    [
        [stored("a"), stored("b")],
        [],
        [stored("a", size=11)],
        [stored("a", at=NOON + timedelta(seconds=1))],
    ],
    ids=["added", "removed", "grown", "replaced"],
)
def test_a_fingerprint_changes_with_the_objects(then: list[StoredObject]):
    before, after = (arrivals.content(NOON, {"changes/": found}) for found in ([stored("a")], then))

    assert before is not None
    assert after is None or after.fingerprint != before.fingerprint


def test_only_hours_with_another_fingerprint_have_changed():
    same = HourContent(NOON, 1, 10, NOON, NOON)
    grown = HourContent(NOON + arrivals.HOUR, 2, 20, NOON, NOON)
    new = HourContent(NOON - arrivals.HOUR, 1, 10, NOON, NOON)
    known = {"2026-03-05-12:00": same.fingerprint, "2026-03-05-13:00": "1-10-0"}

    assert arrivals.changed([same, grown, new], known) == (new, grown)


def test_hours_are_sorted_by_what_dagster_can_show():
    old, future = datetime(2025, 12, 31, 23, tzinfo=UTC), datetime(2026, 3, 5, 13, tzinfo=UTC)

    found = arrivals.classify([future, NOON, old, NOON], date(2026, 1, 1), NOON + timedelta(minutes=30))

    assert (found.before_start, found.hours, found.future) == ((old,), (NOON,), (future,))
    told = arrivals.oddities(found, ["changes/tmp/"], date(2026, 1, 1))
    assert "before start_date 2026-01-01" in told
    assert "2025-12-31-23:00" in told
    assert "2026-03-05-13:00" in told
    assert "changes/tmp/" in told


def test_nothing_odd_is_told_when_nothing_is():
    assert arrivals.oddities(arrivals.classify([NOON], date(2026, 1, 1), NOON), [], date(2026, 1, 1)) == ""


def test_retries_wait_ever_longer_up_to_an_hour_and_after_a_day_up_to_four():
    delays = [arrivals.retry_delay(failed) for failed in range(1, 100)]

    assert arrivals.retry_delay(0) == timedelta(0)
    assert delays[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert all(shorter <= longer for shorter, longer in itertools.pairwise(delays))
    assert delays[6:30] == [timedelta(hours=1)] * 24
    assert set(delays[30:]) == {timedelta(hours=4)}


def test_long_lists_are_cut_and_counted():
    assert arrivals.listed(["a", "b"]) == "a, b"
    assert arrivals.listed(["a", "b", "c"], limit=1) == "a and 2 more"
