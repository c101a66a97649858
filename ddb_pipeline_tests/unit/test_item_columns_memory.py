"""The memory of attributes: read as it was written, refused when it is not one."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddb_pipeline.item_columns.hours import MOST_ASKED, STAYS_OPEN, HoursLookedAt, plan, read_ranges, write_ranges
from ddb_pipeline.item_columns.memory import (
    EMPTY,
    Attribute,
    BrokenMemoryError,
    Memory,
    NewerMemoryError,
    read_memory,
    write_memory,
)
from ddb_pipeline.item_columns.types import Seen

FIRST = datetime(2026, 1, 31, 22, tzinfo=UTC)
hours = st.integers(0, 400).map(lambda step: FIRST + timedelta(hours=step))
text = st.text(max_size=20)
attributes = st.builds(
    Attribute,
    st.lists(text, min_size=1, max_size=3).map(tuple),
    text,
    text,
    st.builds(
        Seen,
        st.dictionaries(st.sampled_from(["S", "N", "M"]), st.integers(0, 9)),
        st.integers(0, 40),
        st.integers(0, 40),
    ),
)
memories = st.builds(
    Memory,
    st.lists(attributes, max_size=5, unique_by=(lambda found: found.path, lambda found: found.column)).map(tuple),
    st.builds(
        HoursLookedAt,
        st.frozensets(hours),
        st.dictionaries(hours, text, max_size=3),
        st.dictionaries(hours, st.integers(1, 2**40), max_size=3),
    ),
    st.none() | text,
    st.integers(0, 5),
    st.integers(0, 500),
)


@given(memories)
def test_what_is_written_is_read(memory):
    assert read_memory(write_memory(memory)) == memory


def test_a_memory_from_before_hours_could_be_too_large_is_read():
    assert read_memory(without("hours_too_large")) == EMPTY


@given(st.frozensets(hours))
def test_ranges_hold_exactly_the_hours(some):
    assert read_ranges(write_ranges(some)) == some


def test_a_person_can_read_it():
    looked_at = HoursLookedAt(frozenset({FIRST, FIRST + timedelta(hours=1), FIRST + timedelta(hours=5)}), {})
    attribute = Attribute(("größe", "cm"), "grosse_cm", "2026-02-01T00:00:00Z", Seen({"N": 3}, 3, 1))
    lines = write_memory(Memory((attribute,), looked_at, None, 2, 200)).splitlines()
    assert '  "hours": ["2026-01-31-22:00..2026-01-31-23:00", "2026-02-01-03:00"],' in lines
    assert (
        '    {"column": "grosse_cm", "path": ["größe", "cm"], "since": "2026-02-01T00:00:00Z", "seen": {"N": 3}, '
        '"whole_digits": 3, "fraction_digits": 1}'
    ) in lines


def test_ten_years_of_hours_take_one_line():
    assert len(write_ranges(FIRST + timedelta(hours=step) for step in range(87_600))) == 1


def without(name: str) -> str:
    values = json.loads(write_memory(EMPTY))
    del values[name]
    return json.dumps(values)


def altered(**changes: object) -> str:
    return json.dumps({**json.loads(write_memory(EMPTY)), **changes})


TWICE = {"column": "a", "path": ["a"], "since": "", "seen": {}, "whole_digits": 0, "fraction_digits": 0}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("", "cannot be read"),
        ("null", "cannot be read"),
        ("[]", "cannot be read"),
        ("{}", "lacks 'version'"),
        (without("hours"), "lacks 'hours'"),
        (altered(version="1"), "has version '1'"),
        (altered(hours=["yesterday"]), "'yesterday' is no hour"),
        (altered(hours=["2026-01-01-02:00..2026-01-01-01:00"]), "ends before it begins"),
        (altered(depth=-1), "-1 is not a count"),
        (altered(attributes=[{**TWICE, "path": []}]), "an attribute without a path"),
        (altered(attributes=[{**TWICE, "seen": {"N": "many"}}]), "'many' is not a count"),
        (altered(attributes=[TWICE, TWICE]), "names a column or an attribute twice"),
        (altered(attributes=[TWICE, {**TWICE, "path": ["b"]}]), "names a column or an attribute twice"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_what_is_no_memory_is_told(broken, said):
    with pytest.raises(BrokenMemoryError, match=said):
        read_memory(broken)


def test_a_memory_of_a_later_version_is_left_alone():
    with pytest.raises(NewerMemoryError, match="has version 2, and this version of the project reads up to 1"):
        read_memory(altered(version=2))


NOW = FIRST + timedelta(days=30)


def same(_hour: datetime) -> str:
    return "one object"


def never(hour: datetime) -> str:
    raise AssertionError(f"{hour} is closed: nobody may ask what it holds")


def test_hours_that_were_never_looked_at_are_looked_at_once():
    old = [FIRST, FIRST + timedelta(hours=1)]
    first = plan(old, HoursLookedAt(), same, NOW)
    assert (first.hours, first.is_everything) == (tuple(old), True)
    second = plan(old, first.after, same, NOW)
    assert second.hours == ()
    assert plan(old, second.after, never, NOW).hours == ()


def test_a_late_hour_of_long_ago_is_found_and_stays_open_while_it_arrives():
    first = plan([FIRST, FIRST + timedelta(hours=2)], HoursLookedAt(), same, NOW)
    late = FIRST + timedelta(hours=1)
    present = [FIRST, late, FIRST + timedelta(hours=2)]
    second = plan(present, first.after, same, NOW)
    assert (second.hours, second.is_everything) == ((late,), False)
    more = plan(present, second.after, lambda _: "two objects", NOW)
    assert more.hours == (late,)
    still = plan(present, more.after, lambda _: "three objects", NOW)
    assert still.hours == (late,)
    unchanged = plan(present, still.after, lambda _: "three objects", NOW)
    assert unchanged.hours == ()
    assert plan(present, unchanged.after, never, NOW).hours == ()


def test_an_open_hour_is_looked_at_again_when_it_has_grown_and_closes_when_it_is_old_and_as_it_was():
    hour = NOW - timedelta(hours=1)
    first = plan([hour], HoursLookedAt(), same, NOW)
    assert plan([hour], first.after, same, NOW).hours == ()
    grown = plan([hour], first.after, lambda _: "two objects", NOW)
    assert grown.hours == (hour,)
    old = NOW + STAYS_OPEN + timedelta(hours=1)
    last = plan([hour], grown.after, lambda _: "two objects", old)
    assert last.hours == ()
    assert last.after.fingerprints == {}
    assert plan([hour], last.after, never, old).hours == ()


def test_thousands_of_old_hours_cost_no_requests():
    many = [FIRST + timedelta(hours=step) for step in range(MOST_ASKED + 1)]
    first = plan(many, HoursLookedAt(), never, NOW)
    assert first.hours == tuple(many)
    assert first.after.fingerprints == {}


@given(st.frozensets(hours), st.frozensets(hours), hours)
def test_after_a_plan_every_hour_has_been_looked_at(before, present, now):
    done = plan(present, HoursLookedAt(before), lambda _: "same", now)
    assert present <= done.after.hours
    assert set(done.hours) == present - before
    assert plan(present, done.after, lambda _: "same", now).hours == ()


@given(
    st.frozensets(hours, min_size=1),
    st.builds(HoursLookedAt, st.frozensets(hours), st.dictionaries(hours, st.sampled_from(["same", "less"]))),
    hours,
    st.integers(1, 5),
)
def test_what_is_looked_at_in_portions_has_in_the_end_been_looked_at_as_planned(present, before, now, size):
    planned = plan(present, before, lambda _: "same", now)

    looked_at = planned.and_looked_at(before)
    for start in range(0, len(planned.hours), size):
        left = planned.hours[start:]
        again = plan(present, looked_at, lambda _: "same", now)
        assert set(again.hours) == set(left), "a run that breaks off here leaves these, and no others"
        looked_at = planned.and_looked_at(looked_at, left[:size])

    assert looked_at == planned.after


def test_another_runs_look_at_the_same_hours_is_kept():
    """It saw more of an hour that this run takes for closed, and an hour that came after this run's plan."""
    old, late = FIRST, FIRST + timedelta(hours=1)
    before = HoursLookedAt(frozenset({old}), {old: "one object"})
    planned = plan([old], before, same, NOW)
    others = HoursLookedAt(frozenset({old, late}), {old: "two objects", late: "one object"})

    assert planned.and_looked_at(before).fingerprints == {}
    assert planned.and_looked_at(others) == others


def test_an_hour_too_large_for_a_query_is_left_out_until_the_limit_is_higher():
    hour, other = NOW - timedelta(hours=1), NOW - timedelta(hours=2)
    looked_at = plan([hour, other], HoursLookedAt(), same, NOW, 100).and_looked_at(HoursLookedAt(), [other])
    looked_at = looked_at.and_too_large(hour, 100)

    assert plan([hour, other], looked_at, lambda _: "two objects", NOW, 100).hours == (other,)
    more = plan([hour, other], looked_at, same, NOW, 200)
    assert (more.hours, more.after.too_large) == ((hour,), {})
