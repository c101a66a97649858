"""Changes and rows of baselines of another table: each view says what it says without them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from ddb_pipeline.baselines import Baseline
from ddb_pipeline.local_aws.athena.engine import connect
from ddb_pipeline.view_sql import ViewInputs, views
from ddb_pipeline_tests.declared import pipeline
from ddb_pipeline_tests.unit.state_model import T0, Event, Item, Row, baseline_rows, change_rows
from ddb_pipeline_tests.unit.view_answers import answer

ITEMS = [
    Item((Event(None, "A", T0), Event("A", "B", T0 + 500)), "A"),
    Item((Event("A", None, T0 + 600),), "A"),
    Item((), "C"),
]
# the same keys, of which one is no item of ours, and changes at the same time and later
OTHERS = [
    Item((Event(None, "C", T0 + 500), Event("C", "D", T0 + 900)), "D"),
    Item((Event("C", "D", T0 + 600),), "C"),
    Item((Event("C", None, T0 + 700),), "D"),
    Item((Event(None, "D", T0 + 450),), "D"),
]
BASELINE = Baseline("b", "snapshot", as_of_us=T0 + 400, margin_us=100)
INPUTS = {
    "all changes": ViewInputs(),
    "a snapshot": ViewInputs(BASELINE),
    "an export": ViewInputs(replace(BASELINE, source="export")),
    "a past moment": ViewInputs(BASELINE, as_of_us=T0 + 600),
}


def of_another_table(rows: list[Row]) -> list[Row]:
    return [{**row, "table_name": "streamed-before"} for row in rows]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    directory: Path = tmp_path_factory.mktemp("athena")
    return connect(directory, directory / "objects")


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=list(INPUTS))
@pytest.mark.parametrize("view", [view.name for view in views(pipeline())])
def test_what_another_table_left_is_in_no_view_but_as_one_problem(
    engine: duckdb.DuckDBPyConnection, view: str, inputs: ViewInputs
):
    own, others = list(change_rows(ITEMS, [1])), of_another_table(list(change_rows(OTHERS, [1])))
    baseline, foreign = list(baseline_rows(ITEMS, BASELINE)), of_another_table(list(baseline_rows(OTHERS, BASELINE)))

    expected = answer(engine, view, own, inputs, baseline)
    found = answer(engine, view, [*others, *own], inputs, [*foreign, *baseline])

    problems = [row for row in found if row.get("problem") == "other_table"]
    assert [row["table_name"] for row in problems] == (["streamed-before"] if view == "change_problems" else [])
    assert sorted(map(str, (row for row in found if row not in problems))) == sorted(map(str, expected))
    assert expected or view == "change_problems"
