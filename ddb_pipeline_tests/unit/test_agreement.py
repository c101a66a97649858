"""An item is called wrong only if no change that is under way can explain it, and is called wrong then."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from ddb_pipeline.checks.agreement import Agreement, Shown, Suspect, compare

MINUTE = 60_000_000
UNDER_WAY = 10 * MINUTE
NOW = 1_000 * MINUTE


def judged(
    held: str | None,
    shown: Shown | None,
    suspects: tuple[Suspect, ...] = (),
    *,
    now: int = NOW,
    read: int | None = None,
    all_is_crawled: bool = True,
) -> Agreement:
    return compare(
        {"k": held},
        {"k": shown} if shown else {},
        {one.item_key: one for one in suspects},
        asked_us=now,
        read_us=now if read is None else read,
        under_way_us=UNDER_WAY,
        all_is_crawled=all_is_crawled,
    )


OLD = Shown("old", NOW - 500 * MINUTE, is_certain=True)


def test_the_same_item_agrees_and_so_does_its_absence():
    assert judged("old", OLD).agreeing == 1
    assert judged(None, None).agreeing == 1


def test_a_difference_is_a_suspect_at_first_and_wrong_when_nothing_can_be_under_way_any_more():
    for held, shown, how in (
        ("new", OLD, "another image in the view"),
        ("new", None, "in the table, not in the view"),
        (None, OLD, "in the view, not in the table"),
    ):
        first = judged(held, shown)
        assert (first.differences, len(first.suspects)) == ((), 1)
        early = judged(held, shown, first.suspects, now=NOW + UNDER_WAY - 1)
        assert (early.differences, early.suspects) == ((), first.suspects)
        hour_missing = judged(held, shown, early.suspects, now=NOW + UNDER_WAY, all_is_crawled=False)
        assert hour_missing.differences == ()
        late = judged(held, shown, hour_missing.suspects, now=NOW + UNDER_WAY)
        assert [one.how for one in late.differences] == [how]
        assert late.suspects == first.suspects, "it is looked at again until it is right"


def test_what_was_read_late_in_a_check_may_have_changed_just_before():
    first = judged("new", OLD, read=NOW + 5 * MINUTE)

    too_early = judged("new", OLD, first.suspects, now=NOW + UNDER_WAY + 4 * MINUTE)
    late_enough = judged("new", OLD, first.suspects, now=NOW + UNDER_WAY + 5 * MINUTE)

    assert (len(too_early.differences), len(late_enough.differences)) == (0, 1)


def test_a_change_that_the_view_learned_of_while_the_table_was_read_may_have_had_another_one_after_it():
    first = judged("new", OLD, read=NOW + 5 * MINUTE)
    learned = Shown("newer", NOW + MINUTE, is_certain=True)

    assert judged("new", learned, first.suspects, now=NOW + 2 * UNDER_WAY).differences == ()


def test_a_suspect_that_came_right_is_forgotten():
    first = judged("new", OLD)

    assert judged("new", Shown("new", NOW, is_certain=True), first.suspects, now=NOW + 2 * UNDER_WAY).suspects == ()


def test_an_item_that_changed_again_is_a_new_suspect():
    first = judged("new", OLD)

    again = judged("newer", OLD, first.suspects, now=NOW + UNDER_WAY)

    assert again.differences == ()
    assert again.suspects[0].read_us == NOW + UNDER_WAY


def test_what_changed_lately_or_is_uncertain_is_left_out():
    assert judged("new", Shown("old", NOW - UNDER_WAY + 1, is_certain=True)).changed_lately == 1
    assert judged("new", Shown("old", OLD.changed_at_us, is_certain=False)).uncertain == 1


@dataclass
class Life:
    """An item that is written at some moments; the view shows each write after a delay, or never."""

    writes: list[tuple[int, str | None]]
    delays: list[int]
    lost: int | None
    arrivals: list[tuple[int, int, str | None]] = field(init=False)

    def __post_init__(self) -> None:
        self.arrivals = [
            (at + self.delays[number % len(self.delays)], at, item)
            for number, (at, item) in enumerate(self.writes)
            if number != self.lost
        ]

    def held(self, now: int) -> str | None:
        return next((item for at, item in reversed(self.writes) if at <= now), None)

    def shown(self, now: int) -> Shown | None:
        known = [(at, item) for arrived, at, item in self.arrivals if arrived <= now]
        at, item = max(known, key=lambda write: write[0], default=(0, None))
        return None if item is None else Shown(item, at, is_certain=True)


def in_order(writes: list[tuple[int, str | None]]) -> list[tuple[int, str | None]]:
    return [(minute * MINUTE + n, item) for n, (minute, item) in enumerate(sorted(writes, key=lambda write: write[0]))]


lives = st.builds(
    Life,
    writes=st.lists(st.tuples(st.integers(0, 600), st.sampled_from([None, "a", "b"])), min_size=1, max_size=12).map(
        lambda writes: [
            (at * MINUTE + number, item) for number, (at, item) in enumerate(sorted(writes, key=lambda w: w[0]))
        ]
    ),
    delays=st.lists(st.integers(0, UNDER_WAY - 1), min_size=1, max_size=4),
    lost=st.just(None),
)
checks = st.lists(st.integers(0, 700), min_size=1, max_size=40, unique=True).map(sorted)


def run(life: Life, moments: list[int]) -> list[Agreement]:
    suspects: tuple[Suspect, ...] = ()
    found = []
    for minute in moments:
        now = minute * MINUTE
        found.append(judged(life.held(now), life.shown(now), suspects, now=now))
        suspects = found[-1].suspects
    return found


@given(life=lives, moments=checks)
def test_no_item_is_called_wrong_while_every_change_arrives_in_time(life: Life, moments: list[int]):
    assert all(not one.differences for one in run(life, moments))


@given(life=lives, gap=st.integers(0, 100))
def test_a_lost_last_change_is_found_by_the_second_check_that_is_late_enough(life: Life, gap: int):
    life = Life(life.writes, life.delays, lost=len(life.writes) - 1)
    end = life.writes[-1][0] // MINUTE + 30 + gap
    differs = life.held(end * MINUTE) != (shown.item if (shown := life.shown(end * MINUTE)) else None)

    first, second = run(life, [end, end + 11])

    assert not first.differences
    assert bool(second.differences) is differs
