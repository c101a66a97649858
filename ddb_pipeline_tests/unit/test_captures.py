"""Since when a table is captured, as far as looks tell: gaps, and other tables."""

from dataclasses import replace

import pytest

from ddb_pipeline.baselines.captures import Capture, Sight, next_capture
from ddb_pipeline.baselines.records import RecordError

HOUR = 3_600_000_000


def look(table="persons", *, table_id="1", stream="s", active=True, at=1):
    return Sight(table, table_id, stream, active=active, seen_at_us=at)


def seen(*sights: Sight) -> Capture:
    """What is known after these looks, each of which was written down and read back."""
    capture = None
    for sight in sights:
        capture = Capture.from_json(next_capture(capture, sight).to_json())
    assert capture
    return capture


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "number": 1}'])
def test_what_this_version_did_not_write_is_refused(text):
    with pytest.raises(RecordError):
        Capture.from_json(text)


def test_the_first_sight_of_an_active_destination_begins_the_capture():
    waiting = seen(look(active=False, at=1))
    assert (waiting.number, waiting.active, waiting.active_since_us) == (1, False, 0)
    begun = next_capture(waiting, look(at=2))
    assert (begun.number, begun.active, begun.active_since_us) == (1, True, 2)
    assert next_capture(begun, look(at=3)) == begun


def test_a_look_is_written_down_once_an_hour():
    assert [next_capture(seen(look(at=1)), look(at=at)).looked_at_us for at in (HOUR, HOUR + 1)] == [1, HOUR + 1]


@pytest.mark.parametrize(
    ("sights", "gap"),
    [
        ([look(active=False, at=5), look(at=6)], "the streaming destination was not active for a while"),
        ([look(table_id="2", at=6)], "the table was deleted and made again"),
        ([look(stream="z", at=6)], "the table streams into another stream"),
        ([look("orders", table_id="2", at=6)], "table persons was streamed before"),
        # what was never seen active is not a capture of its own
        ([look("orders", active=False, at=5), look("orders", at=6)], "table persons was streamed before"),
        ([look(table_id="2", active=False, at=5), look(table_id="2", at=6)], "the table was deleted and made again"),
    ],
)
def test_a_gap_that_was_seen_begins_another_capture(sights, gap):
    capture = seen(look(), *sights)
    assert (capture.number, capture.gap, capture.active_since_us) == (2, gap, 6)


def test_what_another_table_left_does_not_count_for_the_one_that_is_streamed_now():
    one = look(at=1)
    other = look("orders", table_id="2", at=2 * HOUR)
    gap = look("orders", table_id="2", active=False, at=3 * HOUR), look("orders", table_id="2", at=4 * HOUR)
    back = look(at=5 * HOUR)

    def known(*sights: Sight) -> tuple[int, int, int, int]:
        capture = seen(*sights)
        return capture.number, capture.first_number, capture.begun_us, capture.table_since_us

    assert known(one) == (1, 1, 0, 1)
    assert known(one, other) == (2, 2, 1, 2 * HOUR)
    assert known(one, other, *gap) == (3, 2, 1, 2 * HOUR)
    # its own changes of the first time are there, and count
    assert known(one, other, *gap, back) == (4, 1, 0, 5 * HOUR)
    assert known(one, replace(other, active=False)) == (2, 2, 1, 0)
