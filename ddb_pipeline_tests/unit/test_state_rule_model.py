"""The views against the rule written down a second time, in Python: over any events, contradictory ones too."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from ddb_pipeline.local_aws.athena.engine import connect
from ddb_pipeline.view_sql import NOTHING_KNOWN
from ddb_pipeline_tests.unit.state_model import (
    GAPS,
    HOUR_US,
    IMAGES,
    INSTANTS,
    ITEMS,
    T0,
    Event,
    Interval,
    Item,
    baseline_rows,
    change_rows,
    end_by_the_rule,
    history_by_the_rule,
    image_text,
    item_key,
    item_text,
    problems_by_the_rule,
    some_inputs,
    state_by_the_rule,
)
from ddb_pipeline_tests.unit.view_answers import answer

# one example holds 25 items; a failing one is shown as it is, for making it smaller takes minutes
FEW = settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    directory = tmp_path_factory.mktemp("athena")
    return connect(directory, directory / "objects")


def ask(engine, view, items, gaps, inputs):
    baseline = list(baseline_rows(items, inputs.baseline)) if inputs.baseline else []
    return answer(engine, view, list(change_rows(items, gaps)), inputs, baseline)


def told(engine, items, gaps, inputs):
    """By key: what `latest_item_state` says."""
    found = ask(engine, "latest_item_state", items, gaps, inputs)
    assert len({row["item_key"] for row in found}) == len(found)
    return {row["item_key"]: (row["image"], row["item"], row["state_certain"]) for row in found}


def expected(items, inputs):
    states = {item_key(number): state_by_the_rule(item, inputs) for number, item in enumerate(items)}
    return {
        key: (image_text(state.image), item_text(state.image), state.certain)
        for key, state in states.items()
        if state.image is not None
    }


@FEW
@given(items=ITEMS, gaps=GAPS, inputs=some_inputs())
@example(
    items=[Item((Event(None, "C", T0), Event("B", "C", T0 + 1), Event("C", "A", T0 + 1), Event("A", "B", T0 + 1)))],
    gaps=[0],
    inputs=NOTHING_KNOWN,
)
@example(
    items=[Item((Event(None, "B", T0 + 1), Event("B", None, T0 + 1), Event("A", "C", T0)))],
    gaps=[0],
    inputs=NOTHING_KNOWN,
)
def test_the_state_is_what_the_rule_says_for_any_set_of_changes(engine, items, gaps, inputs):
    assert told(engine, items, gaps, inputs) == expected(items, inputs)


@FEW
@given(items=ITEMS, gaps=GAPS, inputs=some_inputs())
@example(items=[Item((Event("A", "B", T0), Event("B", "A", T0, deliveries=3)))], gaps=[0], inputs=NOTHING_KNOWN)
@example(items=[Item((Event(None, "A", T0),) * 2 + (Event("A", None, T0),))], gaps=[1], inputs=NOTHING_KNOWN)
@example(items=[Item((Event("A", "A", T0),))], gaps=[1], inputs=NOTHING_KNOWN)
@example(items=[Item((Event("C", None, T0), Event("A", "B", T0)))], gaps=[2], inputs=NOTHING_KNOWN)
@example(items=[Item((Event("A", "B", T0), Event("C", None, T0)))], gaps=[2], inputs=NOTHING_KNOWN)
@example(
    items=[Item((Event("A", "A", T0), Event("B", "C", T0 + 1), Event("C", "B", T0 + 1)))],
    gaps=[0],
    inputs=NOTHING_KNOWN,
)
@example(
    items=[Item((Event("A", "A", T0 + 1), Event("B", "C", T0), Event("C", "B", T0)))], gaps=[0], inputs=NOTHING_KNOWN
)
@example(
    items=[Item((Event("A", "B", T0), Event(None, "A", T0 - 1), Event("A", "C", T0)))],
    gaps=[1, 1, 2],
    inputs=NOTHING_KNOWN,
)
def test_the_row_names_the_change_that_made_the_state(engine, items, gaps, inputs):
    for row in ask(engine, "latest_item_state", items, gaps, inputs):
        (number,) = (number for number, _ in enumerate(items) if item_key(number) == row["item_key"])
        item = items[number]
        state = state_by_the_rule(item, inputs)
        assert (row["image"], row["state_certain"]) == (image_text(state.image), state.certain)
        if state.event is None:
            assert (row["event_id"], row["changed_at_us"]) == (f"{number}-0", inputs.baseline.as_of_us)
        else:
            place = int(row["event_id"].split("-")[1])
            made = item.events[place]
            assert (made.new, made.at_us) == (state.image, item.events[state.event].at_us)
            assert row["changed_at_us"] == made.at_us


@FEW
@given(items=ITEMS, gaps=GAPS, inputs=some_inputs())
def test_counts_count_each_change_once(engine, items, gaps, inputs):
    changes: Counter[tuple[datetime, str, bool]] = Counter()
    touched = defaultdict(set)
    for number, item in enumerate(items):
        for event in item.events:
            if inputs.as_of_us is None or event.at_us <= inputs.as_of_us:
                hour = datetime.fromtimestamp(event.at_us // HOUR_US * 3600, UTC).replace(tzinfo=None)
                changes[hour, event.name, event.expired] += 1
                touched[hour, event.name, event.expired].add(number)
    found = ask(engine, "change_counts", items, gaps, inputs)

    assert {
        (row["changed_hour"], row["event_name"], row["expired_by_ttl"]): (row["changes"], row["distinct_items"])
        for row in found
    } == {hour: (count, len(touched[hour])) for hour, count in changes.items()}
    assert len(found) == len(changes)


@FEW
@given(items=ITEMS, gaps=GAPS, inputs=some_inputs())
def test_the_history_says_how_long_each_image_was_valid(engine, items, gaps, inputs):
    found = {}
    for row in ask(engine, "item_history", items, gaps, inputs):
        number, place = map(int, row["event_id"].split("-"))
        event = items[number].events[place]
        assert (row["before"], row["after"]) == (image_text(event.old), image_text(event.new))
        assert (row["item_key"], row["pk"], row["changed_at_us"]) == (item_key(number), str(number), event.at_us)
        found[number, place] = Interval(
            row["valid_from_us"], row["valid_to_us"], is_current=row["is_current"], tied=row["tied"]
        )
    assert found == {
        (number, place): interval
        for number, item in enumerate(items)
        for place, interval in history_by_the_rule(item, inputs).items()
    }


@FEW
@given(items=ITEMS, gaps=GAPS)
def test_what_is_current_in_the_history_is_the_state(engine, items, gaps):
    history = ask(engine, "item_history", items, gaps, NOTHING_KNOWN)
    states = ask(engine, "latest_item_state", items, gaps, NOTHING_KNOWN)
    current = {(row["item_key"], row["event_id"], row["after"]) for row in history if row["is_current"]}
    assert current == {(row["item_key"], row["event_id"], row["image"]) for row in states}


@FEW
@given(items=ITEMS, gaps=GAPS, inputs=some_inputs())
def test_deleted_items_are_those_that_are_known_and_gone(engine, items, gaps, inputs):
    found = {}
    for row in ask(engine, "deleted_items", items, gaps, inputs):
        delete = None if row["event_id"] is None else int(row["event_id"].split("-")[1])
        found[row["item_key"]] = (row["image"], row["item"], delete, row["deleted_at_us"], row["expired_by_ttl"])
    expected = {}
    for number, item in enumerate(items):
        end = end_by_the_rule(item, inputs)
        if end is not None:
            event = None if end.delete is None else item.events[end.delete]
            expected[item_key(number)] = (
                image_text(end.image),
                item_text(end.image),
                end.delete,
                event and event.at_us,
                event and event.expired,
            )
    assert found == expected


@FEW
@given(items=ITEMS, gaps=GAPS, inputs=some_inputs())
def test_no_item_is_both_there_and_deleted(engine, items, gaps, inputs):
    there, gone = (
        {row["item_key"] for row in ask(engine, view, items, gaps, inputs)}
        for view in ("latest_item_state", "deleted_items")
    )
    assert not there & gone
    if inputs.baseline is None and inputs.as_of_us is None:
        assert there | gone == {item_key(number) for number, item in enumerate(items) if item.events}


@FEW
@given(items=ITEMS, gaps=GAPS, inputs=some_inputs())
def test_problems_are_those_that_the_story_of_the_item_has(engine, items, gaps, inputs):
    found = {}
    for row in ask(engine, "change_problems", items, gaps, inputs):
        places = {int(one.split("-")[1]) for one in row["event_ids"]}
        assert row["changes"] == len(places)
        assert (row["item_key"], row["problem"]) not in found
        found[row["item_key"], row["problem"]] = places
    expected = {
        (item_key(number), problem): places
        for number, item in enumerate(items)
        for problem, places in problems_by_the_rule(item, inputs).items()
    }
    assert found == expected


@FEW
@given(items=ITEMS, gaps=GAPS, inputs=some_inputs())
def test_every_undecided_state_is_a_problem_and_no_other_is_undecided(engine, items, gaps, inputs):
    states = ask(engine, "latest_item_state", items, gaps, inputs)
    problems = ask(engine, "change_problems", items, gaps, inputs)
    assert {row["item_key"] for row in states if not row["state_certain"]} == {
        row["item_key"] for row in problems if row["problem"] == "undecided"
    }


@st.composite
def lives_of_stepping_clocks(draw):
    """True lives, each step from what the one before came to, whose times go forward and back."""
    items = []
    for _ in range(draw(st.integers(1, 25))):
        image, events = draw(IMAGES), []
        for following, at_us in draw(st.lists(st.tuples(IMAGES, st.sampled_from(INSTANTS)), min_size=1, max_size=6)):
            if following != image:
                events.append(Event(image, following, at_us))
                image = following
        items.append(Item(tuple(events)))
    return items


@FEW
@given(items=lives_of_stepping_clocks(), gaps=GAPS)
@example(items=[Item((Event("A", "B", T0 + 1), Event("B", "C", T0)))], gaps=[0])
def test_a_state_that_a_clock_has_made_wrong_is_a_problem_unless_the_item_ends_where_it_began(engine, items, gaps):
    found = told(engine, items, gaps, NOTHING_KNOWN)
    problems = {(row["item_key"], row["problem"]) for row in ask(engine, "change_problems", items, gaps, NOTHING_KNOWN)}
    for number, item in enumerate(items):
        if not item.events or item.events[0].old == item.events[-1].new:
            continue
        key = item_key(number)
        image, _, certain = found.get(key, (None, None, True))
        if image != image_text(item.events[-1].new):
            assert (key, "unbalanced" if certain else "undecided") in problems
