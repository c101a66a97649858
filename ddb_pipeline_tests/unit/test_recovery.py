"""What a table held at a moment: held against a copy of the table that was made at that moment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddb_pipeline.local_aws.change_stream.recovery import History, OutsideWindowError

SECOND = 1_000_000
DAY = 24 * 60 * 60 * SECOND
STARTED = 100 * SECOND

# microseconds since the write before, item, what it becomes
WRITES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.none() | st.integers(0, 5)), max_size=30)


@given(st.dictionaries(st.sampled_from("abc"), st.integers(0, 5)), WRITES)
def test_every_moment_shows_the_table_after_the_last_write_up_to_it(table, writes):
    history, now, copies = History(STARTED), STARTED, {STARTED: dict(table)}
    for later, key, value in writes:
        now += later
        history.record(now, key, table.get(key))
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
        copies[now] = dict(table)

    expected = copies[STARTED]
    for moment in range(STARTED, now + 1):
        expected = copies.get(moment, expected)
        assert history.items_at(moment, now, table) == expected


def test_the_window_begins_with_the_second_of_the_start_and_ends_now():
    history, now = History(STARTED + 700_000), STARTED + 900_000
    history.record(STARTED + 800_000, "a", None)

    assert history.earliest_seconds(now) == 100
    assert history.items_at(STARTED, now, {"a": 1}) == {}
    assert history.items_at(now, now, {"a": 1}) == {"a": 1}
    for moment in (STARTED - 1, now + 1):
        with pytest.raises(OutsideWindowError):
            history.items_at(moment, now, {})


def test_what_is_older_than_the_period_is_forgotten():
    history = History(STARTED, period_days=2)
    for day in range(6):
        history.record(STARTED + day * DAY, "a", day)
    now = STARTED + 5 * DAY

    assert history.earliest_seconds(now) == 100 + 3 * 24 * 60 * 60
    assert history.items_at(STARTED + 3 * DAY, now, {"a": "now"}) == {"a": 4}
    assert len(history._changes) == 3
