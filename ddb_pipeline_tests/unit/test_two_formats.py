"""Changes in two tables, as after a switch of the format: every view says what it says of one table with them all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ddb_pipeline.baselines import Baseline
from ddb_pipeline.local_aws.athena.engine import connect
from ddb_pipeline.view_sql import ViewInputs, views
from ddb_pipeline_tests.declared import NAMES, pipeline
from ddb_pipeline_tests.unit.state_model import T0, Event, Item, baseline_rows, change_rows
from ddb_pipeline_tests.unit.view_answers import answer

# repeats, ties and deletes, so that what belongs together lies in different tables
ITEMS = [
    Item((Event(None, "A", T0), Event("A", "B", T0 + 500, deliveries=2), Event("B", "C", T0 + 500)), "A"),
    Item((Event(None, "A", T0, deliveries=2), Event("A", None, T0 + 600, expired=True)), "A"),
    Item((Event("A", "B", T0 + 700), Event("C", "D", T0 + 700)), "A"),
    Item((Event("A", "B", T0 + 1), Event("C", "D", T0 + 2, deliveries=3))),
]
BASELINE = Baseline("b", "snapshot", as_of_us=T0 + 400, margin_us=100)
INPUTS = {
    "all changes": ViewInputs(),
    "a baseline": ViewInputs(BASELINE),
    "a past moment": ViewInputs(BASELINE, as_of_us=T0 + 600),
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    directory = tmp_path_factory.mktemp("athena")
    return connect(directory, directory / "objects")


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=list(INPUTS))
@pytest.mark.parametrize("view", [view.name for view in views(pipeline())])
def test_it_does_not_matter_in_which_table_a_change_is(engine, view, inputs):
    baseline = list(baseline_rows(ITEMS, BASELINE)) if inputs.baseline else []
    rows = list(change_rows(ITEMS, [0, 1, 2]))
    expected = answer(engine, view, rows, inputs, baseline)
    assert expected
    both = replace(inputs, other_change_table=NAMES.other_change_table)
    for now, other in ((rows[::2], rows[1::2]), (rows[:5], rows[5:]), (rows, []), ([], rows)):
        found = answer(engine, view, now, both, baseline, other=other)
        assert sorted(map(str, found)) == sorted(map(str, expected))
