"""Which baseline serves what, held against the words of the rule on any set of baselines."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddb_pipeline.baselines.choice import (
    expired_too_early,
    for_moment,
    is_behind_a_gap,
    newest,
    parent_for,
    to_retire,
)
from ddb_pipeline.baselines.records import (
    Capture,
    Manifest,
    Pending,
    RecordError,
    Sight,
    StoredFile,
    baseline_id,
    microseconds,
    moment_of,
    next_capture,
)

SECOND = 1_000_000
START = 1_790_000_000 * SECOND


def manifest(as_of_s: int, source="snapshot", margin_s: int = 3600) -> Manifest:
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
        table="persons",
        table_id="1-2-3",
        capture=1,
        export_arn=None,
        queries={"wrote": "q"},
        bytes_scanned=10,
        seconds=1.5,
        files=(StoredFile("k", 1, "e"),),
    )


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
    gone = {one.baseline_id for one in to_retire(known, kept, in_use)}
    order = sorted((one.baseline_id for one in known), reverse=True)
    fit = [name for name in order if name not in healed]
    assert not gone & {*order[:2], *in_use, *fit[:kept]}
    assert gone == set(order) - {*order[:2], *in_use, *fit[:kept]}


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
    assert expired_too_early(baseline, set(hours[:4])) == hours[2:4]
    assert expired_too_early(baseline, set(hours[:2])) == []
    assert expired_too_early(None, set(hours[:1])) == hours[:1]


def test_ids_sort_by_moment_and_tell_the_cut():
    found = [baseline_id(START + step, 3600 * SECOND, "snapshot") for step in (0, 1, SECOND, 10**10)]
    assert found == sorted(found)
    assert found[0] == "20260921T141320000000Z-3600s-snapshot"


@pytest.mark.parametrize("source", ["snapshot", "export"])
def test_what_is_written_down_is_read_back(source):
    for record in (
        manifest(5, source),
        Pending("id", source, 1, 9, 2, 3, "parent", 4, ("lacking",), "arn", "query"),
        Capture(1, "id", "stream", active=True, active_since_us=5, gap=""),
    ):
        assert type(record).from_json(record.to_json()) == record


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "number": 1}'])
def test_what_this_version_did_not_write_is_refused(text):
    with pytest.raises(RecordError):
        Capture.from_json(text)


def look(*, table="t", stream="s", active=True, at=1):
    return Sight(table, stream, active=active, seen_at_us=at)


def test_the_first_sight_of_an_active_destination_begins_the_capture():
    waiting = next_capture(None, look(active=False, at=1))
    assert (waiting.number, waiting.active, waiting.active_since_us) == (1, False, 0)
    begun = next_capture(waiting, look(at=2))
    assert (begun.number, begun.active, begun.active_since_us) == (1, True, 2)
    assert next_capture(begun, look(at=3)) == begun


@pytest.mark.parametrize(
    ("sights", "gap"),
    [
        ([look(active=False, at=5), look(at=6)], "the streaming destination was not active for a while"),
        ([look(table="u", at=6)], "the table was deleted and made again"),
        ([look(stream="z", at=6)], "the table streams into another stream"),
    ],
)
def test_a_gap_that_was_seen_begins_another_capture(sights, gap):
    capture = next_capture(None, look())
    for sight in sights:
        capture = next_capture(capture, sight)
    assert (capture.number, capture.gap, capture.active_since_us) == (2, gap, 6)


@given(st.integers(0, 4 * 10**15))
def test_moments_lose_no_microsecond(us):
    assert microseconds(moment_of(us)) == us


def test_a_moment_is_behind_a_gap_until_the_export_that_was_made_after_it():
    """Baselines of 0 s and 300 s (a snapshot, which rests on the one before), a gap, one from an export of 1000 s."""
    whole, snapshot = manifest(0, "export"), manifest(300)
    after = replace(manifest(1000, "export"), capture=2)
    capture = Capture(2, "t", "s", active=True, active_since_us=START + 900 * SECOND, gap="was off")

    def behind(baselines, at_s, known=capture):
        return is_behind_a_gap(baselines, known, START + at_s * SECOND)

    assert not behind([whole, snapshot], 400), "the gap may have come later"
    assert behind([whole, snapshot], 900)
    assert behind([whole, snapshot, after], 400), "it came before the next export: this is all that is known"
    assert behind([whole, snapshot, after], 1030), "an export may hold what came a minute later"
    assert not behind([whole, snapshot, after], 1060)
    assert not behind([whole, snapshot], 900, replace(capture, number=1, gap=""))
    assert not behind([], 900, None)
    assert behind([], 900)
