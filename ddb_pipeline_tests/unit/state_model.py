"""The rule of the state, written down a second time, in Python; and change rows of any events.

Unlike the tests that know an item's true life, the events may be such as no item can have: losses, contradictions,
clocks that step back. There the rule says nothing true, but it must still say what it says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from ddb_pipeline.baselines import Baseline
from ddb_pipeline.view_sql import ViewInputs
from ddb_pipeline_tests.unit.view_answers import NAMES, Row

HOUR_US = 3_600_000_000
T0 = 490_896 * HOUR_US  # 2026-01-01, in microseconds
INSTANTS = (T0, T0 + HOUR_US - 1, T0 + HOUR_US)

SNAPSHOT_EVENT = 0
"""Place of the event that a snapshot names as what made the state; a view may read that event again."""

Image = str | None
"""Here a letter; None is absence."""


@dataclass(frozen=True)
class Event:
    """One change of an item, which the stream may have delivered more than once."""

    old: Image
    new: Image
    at_us: int
    deliveries: int = 1
    expired: bool = False

    @property
    def name(self) -> str:
        return "INSERT" if self.old is None else "REMOVE" if self.new is None else "MODIFY"


@dataclass(frozen=True)
class Item:
    """Events in the order of their first arrival, and the baseline's row of the item, if there is one."""

    events: tuple[Event, ...]
    baseline_image: Image = None
    baseline_certain: bool = True


@dataclass(frozen=True)
class State:
    """What an item is; `event` is the place of the event that made it, None where the baseline knows it."""

    image: Image
    certain: bool
    event: int | None = None


Numbered = tuple[int, Event]
"""An event and its place among the item's."""


def balances(events: Sequence[Numbered]) -> Counter[Image]:
    """The balance of each image: 1 for each event that made it, less 1 for each that replaced it."""
    balance: Counter[Image] = Counter()
    for _, event in events:
        balance[event.new] += 1
        balance[event.old] -= 1
    return balance


def ends(events: Sequence[Numbered]) -> set[Image]:
    """The images that have a positive balance: what the events may have come to; none if they lead back."""
    return {image for image, count in balances(events).items() if count > 0}


def last_arrived(events: Sequence[Numbered], images: set[Image]) -> int:
    """Of some images, the place of the last event that has made one; absence gives way to any other."""
    return [place for place, event in events if event.new in images and event.new is not None][-1]


def instants(item: Item, inputs: ViewInputs, *, since_the_baseline: bool) -> list[tuple[int, list[Numbered]]]:
    """The events that count, instant by instant."""
    cut = inputs.baseline.cut_us if inputs.baseline is not None and since_the_baseline else None
    groups: dict[int, list[Numbered]] = {}
    for place, event in enumerate(item.events):
        if (cut is None or event.at_us >= cut) and (inputs.as_of_us is None or event.at_us <= inputs.as_of_us):
            groups.setdefault(event.at_us, []).append((place, event))
    return sorted(groups.items())


def state_by_the_rule(item: Item, inputs: ViewInputs) -> State:
    """What docs/correctness.md says an item is."""
    groups = instants(item, inputs, since_the_baseline=True)
    for _, own in reversed(groups):
        positive = ends(own)
        if positive == {None}:
            return State(None, certain=True)
        if positive:
            place = last_arrived(own, positive)
            return State(item.events[place].new, len(positive) == 1, place)
    if inputs.baseline is not None:
        return State(item.baseline_image, item.baseline_image is None or item.baseline_certain)
    if not groups:
        return State(None, certain=True)
    first = groups[0][1]
    involved = {image for _, event in first for image in (event.old, event.new)}
    place = last_arrived(first, involved)
    return State(item.events[place].new, len(involved) == 1, place)


@dataclass(frozen=True)
class Interval:
    """How long the image that an event made was valid; None, None: it made none. An open end is None."""

    start: int | None
    end: int | None
    is_current: bool
    tied: bool


def history_by_the_rule(item: Item, inputs: ViewInputs) -> dict[int, Interval]:
    """What `item_history` says of each event, by its place."""
    groups = instants(item, inputs, since_the_baseline=False)
    states: dict[int, int] = {}  # by instant: the place of the event that made its state
    for instant, own in groups:
        positive = ends(own)
        if positive:
            gone = [place for place, event in own if event.new is None]
            states[instant] = gone[-1] if positive == {None} else last_arrived(own, positive)
    if groups and not states:
        first, own = groups[0]
        states[first] = last_arrived(own, {event.new for _, event in own})
    found = {}
    for instant, own in groups:
        later = [one for one in states if one > instant]
        for place, event in own:
            tied = len(own) > 1
            is_state = states.get(instant) == place
            if event.new is None:
                found[place] = Interval(None, None, is_current=False, tied=tied)
            elif is_state:
                found[place] = Interval(instant, min(later, default=None), is_current=not later, tied=tied)
            else:
                found[place] = Interval(instant, instant, is_current=False, tied=tied)
    return found


@dataclass(frozen=True)
class End:
    """The last image of an item that is gone, and the place of its delete, if a delete was seen."""

    image: Image
    delete: int | None


def end_by_the_rule(item: Item, inputs: ViewInputs) -> End | None:
    """What `deleted_items` says of an item; None: it exists, or nobody knows of it."""
    groups = instants(item, inputs, since_the_baseline=False)
    if not groups or state_by_the_rule(item, inputs).image is not None:
        return None
    for _, own in reversed(groups):
        deletes = [place for place, event in own if event.new is None]
        if deletes:
            return End(item.events[deletes[-1]].old, deletes[-1])
        if ends(own):
            return End(item.events[last_arrived(own, ends(own))].new, None)
    newest = groups[-1][1]
    return End(newest[-1][1].new, None)


def problems_by_the_rule(item: Item, inputs: ViewInputs) -> dict[str, set[int]]:
    """What `change_problems` says of an item: places of events by problem."""
    groups = instants(item, inputs, since_the_baseline=False)
    found: dict[str, set[int]] = {}
    before: set[Image] | None = None  # what the item may have been before the instant
    for _, own in groups:
        balance = balances(own)
        starts = {image for image, count in balance.items() if count < 0} or set(balance)
        if before is not None and not starts & before:
            found.setdefault("broken_chain", set()).update(place for place, _ in own)
        before = ends(own) or before or set(balance)
    state = state_by_the_rule(item, inputs)
    if state.event is None and not state.certain:
        found["undecided"] = {SNAPSHOT_EVENT}
    elif state.event is not None and not state.certain:
        deciding = item.events[state.event].at_us
        found["undecided"] = {place for instant, own in groups for place, _ in own if instant == deciding}
    every = [numbered for _, own in groups for numbered in own]
    whole, last = ends(every), next((own for _, own in reversed(groups) if ends(own)), [])
    if whole and (len(whole) > 1 or whole != ends(last)):
        found["unbalanced"] = {place for place, event in every if event.new in whole} | {place for place, _ in last}
    return found


def item_key(number: int) -> str:
    return f'{{"pk":{{"S":"{number}"}}}}'


def image_text(image: Image) -> str | None:
    return None if image is None else f'{{"value":{{"S":"{image}"}}}}'


def item_text(image: Image) -> str | None:
    return None if image is None else f'{{"value":"{image}"}}'


def change_rows(items: Sequence[Item], gaps: Sequence[int]) -> Iterator[Row]:
    """Change rows; the first deliveries arrive in the order of the events, the repeats at once or at the end.

    `gaps` says how arrival times, shards and sequence numbers grow: 0 leaves the order to the next of the three.
    """
    for number, item in enumerate(items):
        order = [place for place, _ in enumerate(item.events)]
        order += [place for place, event in enumerate(item.events) for _ in range(event.deliveries - 1)]
        arrived, shard, sequence = 1_767_225_600_000, 0, 8
        for step, place in enumerate(order):
            event = item.events[place]
            grown = [(arrived, shard, sequence + 1), (arrived, shard + 1, 8), (arrived + 1, 0, 8)]
            arrived, shard, sequence = grown[gaps[step % len(gaps)]]
            yield {
                "event_id": f"{number}-{place}",
                "event_name": event.name,
                "table_name": NAMES.table,
                "changed_at_us": event.at_us,
                "item_key": item_key(number),
                "new_image": image_text(event.new),
                "old_image": image_text(event.old),
                "new_hash": event.new,
                "old_hash": event.old,
                "new_item": item_text(event.new),
                "expired_by_ttl": event.expired,
                "arrived_at_ms": arrived,
                "shard_id": f"shardId-{shard:012}",
                "sequence_number": str(sequence),
                # an hour that no predicate leaves out: which hours may be is a test of its own
                "year": "2026",
                "month": "01",
                "day": "02",
                "hour": "00",
            }


def baseline_rows(items: Sequence[Item], baseline: Baseline) -> Iterator[Row]:
    """Rows of a baseline as a snapshot has them: those of items that it says exist."""
    for number, item in enumerate(items):
        if item.baseline_image is not None:
            yield {
                "event_id": f"{number}-{SNAPSHOT_EVENT}",
                "event_name": "BASELINE",
                "table_name": NAMES.table,
                "changed_at_us": baseline.as_of_us,
                "item_key": item_key(number),
                "new_image": image_text(item.baseline_image),
                "new_hash": item.baseline_image,
                "new_item": item_text(item.baseline_image),
                "expired_by_ttl": False,
                "state_certain": item.baseline_certain,
                "baseline_id": baseline.baseline_id,
            }


IMAGES = st.sampled_from([None, "A", "B", "C"])
EVENTS = st.builds(
    Event,
    old=IMAGES,
    new=IMAGES,
    at_us=st.sampled_from(INSTANTS),
    deliveries=st.sampled_from([1, 1, 1, 2, 3]),
    expired=st.booleans(),
).filter(lambda event: event.old is not None or event.new is not None)
ITEMS = st.lists(
    st.builds(
        Item,
        events=st.lists(EVENTS, max_size=6).map(tuple),
        baseline_image=IMAGES,
        baseline_certain=st.booleans(),
    ),
    min_size=1,
    max_size=25,
)
GAPS = st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=5)


@st.composite
def some_inputs(draw: st.DrawFn) -> ViewInputs:
    """With or without a baseline, of now or of a moment."""
    baseline = None
    if draw(st.booleans()):
        cut = draw(st.sampled_from((*INSTANTS, T0 + 1)))
        margin = draw(st.sampled_from([0, 1, HOUR_US]))
        source = draw(st.sampled_from(["export", "snapshot"]))
        baseline = Baseline("2026-01-01T00:00:00Z", source, as_of_us=cut + margin, margin_us=margin)
    moments = [at for at in (*INSTANTS, T0 + 2 * HOUR_US) if baseline is None or at >= baseline.as_of_us]
    return ViewInputs(baseline, as_of_us=draw(st.sampled_from([None, *moments])))
