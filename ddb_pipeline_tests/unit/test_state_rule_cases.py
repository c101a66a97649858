"""The state rule case by case, where a baseline or a past moment is part of the case (docs/correctness.md).

`integration/test_state_rule.py` has the cases of changes alone, through Firehose, crawl and Athena.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ddb_pipeline.baselines import Baseline
from ddb_pipeline.local_aws.athena.engine import connect
from ddb_pipeline.view_sql import ViewInputs
from ddb_pipeline_tests.unit.state_model import (
    T0,
    Event,
    Image,
    Item,
    baseline_rows,
    change_rows,
    image_text,
    item_key,
    state_by_the_rule,
)
from ddb_pipeline_tests.unit.view_answers import answer

MARGIN = 100
T = T0 + 1000
CUT = T - MARGIN
WITH_BASELINE = ViewInputs(Baseline("b", "snapshot", as_of_us=T, margin_us=MARGIN))


@dataclass(frozen=True)
class Case:
    """Events as (old, new, when), what the baseline has, and what the views must say."""

    events: list[tuple[Image, Image, int]]
    state: Image
    baseline: Image = None
    baseline_certain: bool = True
    certain: bool = True
    deleted: bool = False
    problems: set[str] = field(default_factory=set)
    inputs: ViewInputs = WITH_BASELINE


def moment(at_us: int) -> ViewInputs:
    return ViewInputs(as_of_us=at_us)


CASES = {
    "no change since the baseline": Case([], "A", baseline="A"),
    "no change since the baseline, and not in it": Case([], None),
    "a change since the baseline": Case([("A", "B", T + 1)], "B", baseline="A"),
    "a change exactly at the cut": Case([("A", "B", CUT)], "B", baseline="A"),
    "a change between the cut and the baseline, which has it too": Case([("A", "B", CUT + 1)], "B", baseline="B"),
    "a late change older than the cut": Case([("A", "B", CUT - 1)], "A", baseline="A"),
    "there and back again after the cut, with a row": Case([("A", "B", T), ("B", "A", T)], "A", baseline="A"),
    "there and back again after the cut, with no row": Case(
        [(None, "A", T), ("A", None, T)], None, deleted=True
    ),
    "there and back again after the cut, then nothing known of the first": Case(
        [("A", "B", T + 1), ("B", "A", T + 1), ("A", "C", T + 2), ("C", "A", T + 2)], "A", baseline="A"
    ),
    "a change of nothing after the cut": Case([("A", "A", T + 1)], "A", baseline="A"),
    "deleted before the baseline": Case([("A", None, CUT - 5)], None, deleted=True),
    "deleted after the baseline": Case([("A", None, T + 5)], None, baseline="A", deleted=True),
    "deleted between the cut and the baseline": Case([("A", None, CUT + 5)], None, deleted=True),
    "deleted and come back": Case(
        [("A", None, T + 5), (None, "B", T + 6)], "B", baseline="A"
    ),
    "its delete was never seen, the baseline knows": Case([(None, "A", CUT - 5)], None, deleted=True),
    "undecided in the baseline": Case(
        [], "A", baseline="A", baseline_certain=False, certain=False, problems={"undecided"}
    ),
    "undecided in the baseline, changed since": Case([("B", "C", T + 1)], "C", baseline="A", baseline_certain=False),
    "undecided at first sight, the baseline knows": Case(
        [("A", "B", CUT - 5), ("B", "A", CUT - 5)], "A", baseline="A"
    ),
    "two ends since the baseline": Case(
        [("A", "B", T + 1), ("C", "D", T + 1)], "D", baseline="A", certain=False, problems={"undecided", "unbalanced"}
    ),
    "as of before its first change": Case([(None, "A", T0 + 10)], None, inputs=moment(T0 + 9)),
    "as of the moment of a change": Case([(None, "A", T0 + 10), ("A", "B", T0 + 20)], "B", inputs=moment(T0 + 20)),
    "as of between two changes": Case([(None, "A", T0 + 10), ("A", "B", T0 + 20)], "A", inputs=moment(T0 + 19)),
    "as of before its delete": Case([(None, "A", T0 + 10), ("A", None, T0 + 20)], "A", inputs=moment(T0 + 19)),
    "as of after its delete": Case(
        [(None, "A", T0 + 10), ("A", None, T0 + 20)], None, deleted=True, inputs=moment(T0 + 20)
    ),
    "a clock that steps back": Case(
        [("A", "B", T0 + 10), ("B", "C", T0 + 9)], "B", problems={"broken_chain", "unbalanced"}, inputs=ViewInputs()
    ),
    "times of two precisions": Case(
        [(None, "A", T0 + 10_500), ("A", "B", T0 + 11_000)], "B", inputs=ViewInputs()
    ),
    "a time cut to its millisecond, of a change after one with microseconds": Case(
        [(None, "A", T0 + 10_500), ("A", "B", T0 + 10_000)],
        "A",
        problems={"broken_chain", "unbalanced"},
        inputs=ViewInputs(),
    ),
    "a change between two is missing": Case(
        [("A", "B", T0 + 10), ("C", "D", T0 + 20)], "D", problems={"broken_chain", "unbalanced"}, inputs=ViewInputs()
    ),
    "one change under two event ids": Case(
        [(None, "A", T0 + 5), ("A", "B", T0 + 10), ("A", "B", T0 + 10)], "B", inputs=ViewInputs()
    ),
}  # fmt: skip
ITEMS = {
    name: Item(
        tuple(Event(*event) for event in case.events),
        baseline_image=case.baseline,
        baseline_certain=case.baseline_certain,
    )
    for name, case in CASES.items()
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    directory = tmp_path_factory.mktemp("athena")
    return connect(directory, directory / "objects")


def ask(engine, view, item, inputs):
    baseline = list(baseline_rows([item], inputs.baseline)) if inputs.baseline else []
    return answer(engine, view, list(change_rows([item], [0])), inputs, baseline)


@pytest.mark.parametrize("name", CASES)
def test_the_state_is(engine, name):
    case = CASES[name]
    rows = ask(engine, "latest_item_state", ITEMS[name], case.inputs)
    expected = [] if case.state is None else [(item_key(0), image_text(case.state), case.certain)]
    assert [(row["item_key"], row["image"], row["state_certain"]) for row in rows] == expected
    # the rule in Python, which judges the other tests, says the same
    state = state_by_the_rule(ITEMS[name], case.inputs)
    assert (state.image, state.certain) == (case.state, case.certain)


@pytest.mark.parametrize("name", CASES)
def test_the_item_is_deleted_or_not(engine, name):
    case = CASES[name]
    assert bool(ask(engine, "deleted_items", ITEMS[name], case.inputs)) == case.deleted


@pytest.mark.parametrize("name", CASES)
def test_its_problems_are(engine, name):
    case = CASES[name]
    assert {row["problem"] for row in ask(engine, "change_problems", ITEMS[name], case.inputs)} == case.problems


def history(engine, *events):
    item = Item(tuple(Event(*event) for event in events))
    rows = ask(engine, "item_history", item, ViewInputs())
    spans = {
        row["event_id"]: (
            *(None if row[name] is None else row[name] - T0 for name in ("valid_from_us", "valid_to_us")),
            row["is_current"],
            row["tied"],
        )
        for row in rows
    }
    return [spans[f"0-{place}"] for place, _ in enumerate(events)]


def test_an_item_that_came_back_has_a_gap_in_its_history(engine):
    found = history(engine, (None, "A", T0 + 10), ("A", None, T0 + 20), (None, "B", T0 + 30))
    assert found == [(10, 20, False, False), (None, None, False, False), (30, None, True, False)]


def test_an_instant_that_leads_back_ends_no_state(engine):
    found = history(engine, (None, "A", T0 + 10), ("A", "B", T0 + 20), ("B", "A", T0 + 20))
    assert found == [(10, None, True, False), (20, 20, False, True), (20, 20, False, True)]


def test_only_the_last_image_of_an_instant_was_valid_for_a_while(engine):
    found = history(engine, (None, "A", T0 + 10), ("B", "C", T0 + 20), ("A", "B", T0 + 20), ("C", "D", T0 + 40))
    assert found == [(10, 20, False, False), (20, 40, False, True), (20, 20, False, True), (40, None, True, False)]


def test_a_delete_says_when_and_by_whom_and_what_was_there(engine):
    item = Item((Event(None, "A", T0 + 10), Event("A", None, T0 + 20, expired=True)))
    (row,) = ask(engine, "deleted_items", item, ViewInputs())
    assert (row["image"], row["item"]) == (image_text("A"), '{"value":"A"}')
    assert (row["deleted_at_us"], row["expired_by_ttl"], row["event_id"]) == (T0 + 20, True, "0-1")


@pytest.mark.parametrize("inputs", [ViewInputs(), WITH_BASELINE])
@pytest.mark.parametrize(
    ("late", "state"),
    [(0, "C"), (1, "C"), (2, "C"), (3, None)],
    ids=["an insert", "a change before others", "the newest change", "a delete"],
)
def test_a_change_that_arrives_in_a_later_hour_counts_by_its_time(engine, late, state, inputs):
    events = [(None, "A", T + 10), ("A", "B", T + 20), ("B", "C", T + 30), ("C", None, T + 40)][: max(3, late + 1)]
    rows = list(change_rows([Item(tuple(Event(*event) for event in events))], [0]))
    for row in rows:
        if row["event_id"] == f"0-{late}":
            row |= {"day": "03", "hour": "05", "arrived_at_ms": row["arrived_at_ms"] + 29 * 3_600_000}
    found = [row["image"] for row in answer(engine, "latest_item_state", rows, inputs)]
    assert found == ([] if state is None else [image_text(state)])
    assert len(answer(engine, "item_history", rows, inputs)) == len(events)
    assert answer(engine, "change_problems", rows, inputs) == []


def test_records_of_other_tables_are_a_problem_and_nothing_else(engine):
    item = Item((Event(None, "A", T0 + 10), Event("A", "B", T0 + 20)))
    rows = [{**row, "table_name": "another"} for row in change_rows([item], [0])]
    (problem,) = answer(engine, "change_problems", rows)
    assert (problem["problem"], problem["table_name"], problem["item_key"]) == ("other_table", "another", None)
    assert (problem["changes"], problem["event_ids"]) == (2, ["0-0", "0-1"])
    for view in ("latest_item_state", "item_history", "deleted_items", "change_counts"):
        assert answer(engine, view, rows) == []


def test_keys_that_differ_by_type_alone_are_two_items(engine):
    rows = list(change_rows([Item((Event(None, "A", T0),)), Item((Event(None, "B", T0),))], [0]))
    for row, key in zip(rows, ('{"pk":{"N":"1"}}', '{"pk":{"S":"1"}}'), strict=True):
        row["item_key"] = key
    found = {row["item_key"]: row["image"] for row in answer(engine, "latest_item_state", rows)}
    assert found == {'{"pk":{"N":"1"}}': image_text("A"), '{"pk":{"S":"1"}}': image_text("B")}
