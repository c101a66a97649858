"""The views over the changes since a moment: they say of these changes what the whole view says of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ddb_pipeline.baselines import Baseline
from ddb_pipeline.local_aws.athena.engine import connect
from ddb_pipeline.view_sql import ViewInputs, views
from ddb_pipeline_tests.declared import pipeline
from ddb_pipeline_tests.unit.state_model import T0, Event, Item, change_rows
from ddb_pipeline_tests.unit.view_answers import answer, hours_read

HOUR_US = 3_600_000_000
ITEMS = [
    # what happened before leaves no trace, what happened since is whole: repeats, ties, deletes, an item that returns
    Item((Event(None, "A", T0), Event("A", "B", T0 + HOUR_US, deliveries=2), Event("B", "C", T0 + HOUR_US + 5)), "A"),
    Item((Event("A", None, T0 + HOUR_US + 1, expired=True), Event(None, "B", T0 + HOUR_US + 2)), "A"),
    Item((Event(None, "A", T0), Event("A", None, T0 + HOUR_US)), "A"),
    Item((Event(None, "A", T0), Event("A", None, T0 + 1)), "A"),
    Item((Event(None, "A", T0),), "A"),
    Item((Event("A", "B", T0 + HOUR_US + 1), Event("C", "D", T0 + HOUR_US + 2))),
]
TIMES = {"change_counts": "changed_hour", "change_problems": "first_changed_at", "deleted_items": "deleted_at"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    directory = tmp_path_factory.mktemp("athena")
    return connect(directory, directory / "objects")


@pytest.mark.parametrize("view", [view.name for view in views(pipeline())])
def test_since_a_moment_a_view_says_of_the_changes_what_it_says_of_all(engine, view):
    rows = list(change_rows(ITEMS, [0, 1, 2]))
    moment = datetime.fromtimestamp((T0 + HOUR_US) / 1_000_000, UTC).replace(tzinfo=None)
    whole = answer(engine, view, rows)

    found = answer(engine, view, rows, ViewInputs(since_us=T0 + HOUR_US))

    expected = [row for row in whole if row[TIMES.get(view, "changed_at")] >= moment]
    assert sorted(map(str, found)) == sorted(map(str, expected))
    assert 0 < len(expected) < len(whole) or view == "change_problems"


def test_since_a_moment_no_item_is_undecided_that_the_changes_before_decide(engine):
    # which of the two images it came back to, the changes before tell
    came_back = Item((Event(None, "A", T0), Event("A", "B", T0 + HOUR_US), Event("B", "A", T0 + HOUR_US)), "A")
    rows = list(change_rows([came_back, ITEMS[-1]], [0, 1, 2]))

    found = answer(engine, "change_problems", rows, ViewInputs(since_us=T0 + HOUR_US))

    assert found == answer(engine, "change_problems", rows)
    assert [row["problem"] for row in found] == ["broken_chain", "unbalanced"]


@pytest.mark.parametrize("view", [view.name for view in views(pipeline())])
def test_since_a_moment_no_view_reads_the_hours_before(view):
    ((_, hours),) = hours_read(view, ViewInputs(since_us=T0 + HOUR_US)).items()
    first = datetime.fromtimestamp(T0 / 1_000_000, UTC)
    # an hour more than the moment's own: hours are those of the oldest record of an object
    assert any(f"{first:%Y%m%d%H}" in predicate for predicate in hours)
    assert not any(f"{first - timedelta(hours=1):%Y%m%d%H}" in predicate for predicate in hours)


def test_a_baseline_leaves_no_moment_open():
    with pytest.raises(ValueError, match="says what was before"):
        ViewInputs(Baseline("b", "snapshot", as_of_us=T0, margin_us=0), since_us=T0)
