"""What a faulty stream does to the order, the number and the times of its records, and what it never does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddb_pipeline.local_aws.change_stream.faults import FaultCounts, FaultyOrder, InvalidFaultsError, StreamFaults

RATES = st.sampled_from([0.0, 0.1, 0.5, 1.0])
FAULTS = st.builds(
    StreamFaults,
    repeats=RATES,
    reorders=RATES,
    late=RATES,
    late_seconds=st.integers(1, 5),
    losses=RATES,
    window=st.integers(1, 5),
    seed=st.integers(0, 99),
)


def arrivals(faults, records, name="stream"):
    """Each record with how many were put before it arrived, and what was counted."""
    order = FaultyOrder(faults, name, FaultCounts())
    found = [(number, record) for number, one in enumerate(records) for record in order.put(one, number)]
    held = order.is_holding or order.next_late is not None
    left = order.flush()
    assert held == bool(left)
    assert not order.is_holding
    assert order.next_late is None
    return found + [(len(records), record) for record in left], order.counts


def test_without_faults_every_record_arrives_once_in_order():
    assert arrivals(StreamFaults(), list(range(50)))[0] == [(number, number) for number in range(50)]
    assert not StreamFaults().any


@given(FAULTS, st.integers(0, 60))
def test_nothing_but_what_was_asked_for_goes_wrong(faults, count):
    found, counts = arrivals(faults, list(range(count)))
    records = [record for _, record in found]

    assert len(records) == count - counts.lost + counts.repeated
    assert len(set(records)) == count - counts.lost
    assert all(records.count(record) <= 2 for record in records)
    # one second passes with each record
    longest = max(faults.window, faults.late_seconds if faults.late else 0)
    assert all(at - record <= longest for at, record in found)
    if not faults.losses:
        assert counts.lost == 0
    if not faults.repeats:
        assert counts.repeated == 0
    if not faults.late:
        assert counts.late == 0
    if not faults.reorders and not faults.late:
        first = list(dict.fromkeys(records))
        assert first == sorted(first)


def test_late_records_arrive_at_their_time_and_the_others_do_not_wait_for_them():
    order = FaultyOrder(StreamFaults(late=0.5, late_seconds=10, seed=2), "stream", FaultCounts())
    arrived = {record: now for now in range(40) for record in order.put(now, now)}

    assert {now - record for record, now in arrived.items()} == {0, 10}
    assert order.next_late is not None
    assert order.overtaken() == []
    assert order.due(1000) == sorted(set(range(40)) - set(arrived))
    assert order.next_late is None


def test_rates_are_met_and_each_record_has_its_own_luck():
    faults = StreamFaults(repeats=0.1, reorders=0.2, losses=0.05, seed=3)
    _, counts = arrivals(faults, list(range(20_000)))

    assert counts.lost == pytest.approx(1000, rel=0.15)
    assert counts.repeated == pytest.approx(1900, rel=0.15)
    assert counts.overtaken == pytest.approx(3800, rel=0.15)


def test_the_seed_and_the_stream_choose_the_faults():
    def records(seed, name):
        faults = StreamFaults(repeats=0.3, reorders=0.3, losses=0.3, seed=seed)
        return arrivals(faults, list(range(100)), name)[0]

    assert records(1, "a") == records(1, "a")
    assert records(1, "a") != records(2, "a")
    assert records(1, "a") != records(1, "b")


@given(
    st.lists(st.integers(0, 100_000_000), min_size=2, max_size=30), RATES, st.sampled_from(["millisecond", "second"])
)
def test_coarse_times_never_put_a_change_before_an_earlier_one(times, rate, unit):
    faults = StreamFaults(coarse_times=rate, unit=unit)
    length = {"millisecond": 1000, "second": 1_000_000}[unit]
    coarse = [faults.time_of(time) for time in sorted(times)]

    assert coarse == sorted(coarse)
    for time, found in zip(sorted(times), coarse, strict=True):
        assert found in {time, time - time % length}
        if rate in {0.0, 1.0}:
            assert found == (time - time % length if rate else time)


def test_settings_are_read_from_text_and_from_json():
    wanted = StreamFaults(repeats=0.1, reorders=1, unit="millisecond", window=3, seed=7)

    assert StreamFaults.parse("repeats=0.1, reorders=1,unit=millisecond,window=3,seed=7") == wanted
    assert StreamFaults.of(wanted.settings()) == wanted
    assert StreamFaults.parse("") == StreamFaults()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("repeats", "'repeats' has no value"),
        ("repeat=1", "no setting 'repeat' of stream faults"),
        ("repeats=2", "repeats is a rate from 0 to 1, not 2"),
        ("losses=nan", "losses is a rate"),
        ("losses=a", "losses is a rate"),
        ("unit=day", "unit is one of millisecond, second, minute"),
        ("late=0.1,late_seconds=0", "late_seconds is a whole number from 1 to 86400"),
        ("window=0", "window is a whole number from 1"),
        ("seed=1.5", "seed is a whole number"),
    ],
)
def test_wrong_settings_are_told(text, message):
    with pytest.raises(InvalidFaultsError) as error:
        StreamFaults.parse(text)
    assert message in str(error.value)
