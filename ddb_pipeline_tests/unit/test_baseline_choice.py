"""Which baseline serves what, held against the words of the rule on any set of baselines."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddb_pipeline.baselines import moment_of
from ddb_pipeline.baselines.captures import Capture, EarlierCapture
from ddb_pipeline.baselines.choice import (
    expired_too_early,
    for_moment,
    is_behind_a_gap,
    newest,
    parent_for,
    to_retire,
)
from ddb_pipeline.baselines.records import Manifest, Pending, StoredFile, baseline_id, microseconds

SECOND = 1_000_000
START = 1_790_000_000 * SECOND


def manifest(as_of_s: int, source="snapshot", margin_s: int = 3600, table: str = "persons") -> Manifest:
    as_of_us = START + as_of_s * SECOND
    return Manifest(
        baseline_id=baseline_id(as_of_us, margin_s * SECOND, source),
        source=source,
        as_of_us=as_of_us,
        margin_us=margin_s * SECOND,
        read_at_us=as_of_us,
        made_at_us=as_of_us + SECOND,
        rows=2,
        uncertain=0,
        parent=None,
        table=table,
        table_id="1-2-3",
        capture=1,
        export_arn=None,
        queries={"wrote": "q"},
        bytes_scanned=10,
        seconds=1.5,
        files=(StoredFile("k", 1, "e"),),
    )


def capture_of(number: int, since_us: int, *earlier: EarlierCapture) -> Capture:
    """A capture of the table `persons`."""
    return Capture(number, "1-2-3", "s", True, since_us, "was off", "persons", since_us, earlier)


MOMENTS = st.integers(0, 10**7)
SETS = st.lists(
    st.builds(manifest, MOMENTS, st.sampled_from(["snapshot", "export"])), max_size=8, unique_by=lambda m: m.as_of_us
)


@given(SETS)
def test_the_newest_is_the_one_that_no_other_is_newer_than(baselines):
    found = newest(baselines)
    assert (found is None) == (not baselines)
    assert all(other.as_of_us <= found.as_of_us for other in baselines if found)


@given(SETS, MOMENTS)
def test_a_moment_gets_the_newest_baseline_that_does_not_know_its_future(baselines, at):
    at_us = START + at * SECOND
    found = for_moment(baselines, at_us)
    fit = [one for one in baselines if one.as_of_us + (60 * SECOND if one.source == "export" else 0) <= at_us]
    assert found == max(fit, key=lambda one: one.as_of_us, default=None)


@given(SETS, MOMENTS, st.data())
def test_a_parent_is_the_newest_that_lacks_nothing_and_older_ones_are_not_asked(baselines, at, data):
    lacking = set(data.draw(st.sets(st.sampled_from([one.baseline_id for one in baselines])))) if baselines else set()
    asked = []

    def is_whole(one):
        asked.append(one)
        return one.baseline_id not in lacking

    at_us = START + at * SECOND
    found = parent_for(baselines, at_us, is_whole)
    fit = [one for one in baselines if one.settled_us < at_us and one.baseline_id not in lacking]
    assert found == max(fit, key=lambda one: one.as_of_us, default=None)
    assert all(one.as_of_us >= found.as_of_us for one in asked if found)


@given(SETS, st.integers(2, 5), st.data())
def test_what_is_retired_is_old_or_healed_and_read_by_no_view(baselines, kept, data):
    ids = [one.baseline_id for one in baselines]
    healed, in_use = (set(data.draw(st.sets(st.sampled_from(ids)))) if ids else set() for _ in range(2))
    top = newest(baselines)
    healed -= {top.baseline_id} if top else set()
    known = [replace(one, heals=tuple(healed)) if one == top else one for one in baselines]
    gone = {one.baseline_id for one in to_retire(known, "persons", kept, in_use)}
    order = sorted((one.baseline_id for one in known), reverse=True)
    fit = [name for name in order if name not in healed]
    assert not gone & {*order[:2], *in_use, *fit[:kept]}
    assert gone == set(order) - {*order[:2], *in_use, *fit[:kept]}


@given(
    st.lists(
        st.builds(manifest, MOMENTS, table=st.sampled_from(["persons", "before"])),
        max_size=12,
        unique_by=lambda m: m.as_of_us,
    ),
    st.integers(2, 5),
)
def test_baselines_of_a_table_that_was_streamed_before_go_as_they_grow_older_and_push_none_out(baselines, kept):
    gone = {one.baseline_id for one in to_retire(baselines, "persons", kept, ())}
    own = {one.baseline_id for one in baselines if one.table == "persons"}
    newest_of_all = sorted((one.baseline_id for one in baselines), reverse=True)[:kept]
    assert own - gone == set(sorted(own, reverse=True)[:kept]) | (own & set(newest_of_all))
    assert {one.baseline_id for one in baselines} - own - gone == set(newest_of_all) - own


@given(SETS, MOMENTS)
def test_no_state_starts_from_what_another_baseline_healed(baselines, at):
    top = newest(baselines)
    known = [
        replace(one, heals=tuple(o.baseline_id for o in baselines if o != top)) if one == top else one
        for one in baselines
    ]
    found = for_moment(known, START + at * SECOND)
    assert found is None or found.baseline_id == top.baseline_id
    parent = parent_for(known, START + at * SECOND, lambda _one: True)
    assert parent is None or parent.baseline_id == top.baseline_id


def test_hours_from_before_the_cut_may_expire():
    cut = datetime(2026, 11, 26, 10, 20, tzinfo=UTC)
    baseline = replace(manifest(0), as_of_us=microseconds(cut) + 3600 * SECOND)
    hours = [cut.replace(minute=0) + timedelta(hours=step) for step in (-3, -2, -1, 0, 1)]
    # the hour before may hold what arrived just after the cut, in an object that began to fill earlier
    assert expired_too_early(baseline, None, set(hours[:4])) == hours[2:4]
    assert expired_too_early(baseline, None, set(hours[:2])) == []
    assert expired_too_early(None, None, set(hours[:1])) == hours[:1]


def test_hours_from_before_the_table_was_streamed_may_expire_without_a_baseline():
    looked_at = datetime(2026, 11, 26, 10, 20, tzinfo=UTC)
    another = EarlierCapture(1, "before", 1, microseconds(looked_at))
    hours = [looked_at.replace(minute=0) + timedelta(hours=step) for step in (-2, -1, 0, 1)]

    def gone(*earlier: EarlierCapture) -> list[datetime]:
        return expired_too_early(None, capture_of(3, microseconds(looked_at) + 1, *earlier), hours)

    assert gone(another) == hours[1:]
    # what another gap of the same table ended does not bound it
    same = replace(another, table="persons")
    assert gone(same) == hours
    assert gone(same, replace(another, number=2)) == hours


def test_ids_sort_by_moment_and_tell_the_cut():
    found = [baseline_id(START + step, 3600 * SECOND, "snapshot") for step in (0, 1, SECOND, 10**10)]
    assert found == sorted(found)
    assert found[0] == "20260921T141320000000Z-3600s-snapshot"


@pytest.mark.parametrize("source", ["snapshot", "export"])
def test_what_is_written_down_is_read_back(source):
    for record in (
        manifest(5, source),
        Pending("id", source, 1, 9, 2, 3, "parent", 4, ("lacking",), "arn", "query", "persons"),
        Capture(2, "id", "s", True, 5, "off", "persons", 6, (EarlierCapture(1, "before", 3, 4),)),
    ):
        assert type(record).from_json(record.to_json()) == record


@given(st.integers(0, 4 * 10**15))
def test_moments_lose_no_microsecond(us):
    assert microseconds(moment_of(us)) == us


def test_a_moment_is_behind_a_gap_until_the_export_that_was_made_after_it():
    """Baselines of 0 s and 300 s (a snapshot, which rests on the one before), a gap, one from an export of 1000 s."""
    whole, snapshot = manifest(0, "export"), manifest(300)
    after = replace(manifest(1000, "export"), capture=2)
    capture = capture_of(2, START + 900 * SECOND, EarlierCapture(1, "persons", 1, 2))

    def behind(baselines, at_s, known=capture):
        return is_behind_a_gap(baselines, known, START + at_s * SECOND)

    assert not behind([whole, snapshot], 400), "the gap may have come later"
    assert behind([whole, snapshot], 900)
    assert behind([whole, snapshot, after], 400), "it came before the next export: this is all that is known"
    assert behind([whole, snapshot, after], 1030), "an export may hold what came a minute later"
    assert not behind([whole, snapshot, after], 1060)
    assert not behind([whole, snapshot], 900, capture_of(1, START + 900 * SECOND))
    assert not behind([], 900, None)
    assert behind([], 900)
    assert not behind([], 899)


def test_a_moment_at_which_another_table_was_streamed_is_behind_a_gap_of_the_table_that_came_back():
    """The pipeline streamed this table, another one from 500 s on, and this one again from 900 s on."""
    earlier = (EarlierCapture(1, "persons", START, START), EarlierCapture(2, "other", START + 500 * SECOND, START))
    capture = capture_of(3, START + 900 * SECOND, *earlier)
    behind = {at: is_behind_a_gap([manifest(100)], capture, START + at * SECOND) for at in (400, 500, 899, 900)}
    assert behind == {400: False, 500: True, 899: True, 900: True}


def test_a_moment_at_which_the_table_had_not_been_seen_may_be_one_of_the_table_before():
    """Another table was last seen at 100 s, this one first at 200 s; a gap of its own ended at 300 s."""
    earlier = (
        EarlierCapture(1, "other", START, START + 100 * SECOND),
        EarlierCapture(2, "persons", START + 200 * SECOND, START),
    )
    capture = capture_of(3, START + 300 * SECOND, *earlier)
    behind = {at: is_behind_a_gap([], capture, START + at * SECOND) for at in (199, 200, 299, 300)}
    assert behind == {199: True, 200: False, 299: False, 300: True}
