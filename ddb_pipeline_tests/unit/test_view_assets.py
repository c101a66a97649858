"""The view assets: when a view is re-created, when it is measured, what is shown."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from dagster import DagsterRun

from ddb_pipeline.assets.common import MEASURE_TAG
from ddb_pipeline.assets.views import (
    Recorded,
    _hash,
    _measure,
    is_current,
    measure_statement,
    measured_since,
    measures,
    preview_records,
    stored_hash,
)
from ddb_pipeline.baselines import Baseline
from ddb_pipeline.baselines.records import microseconds
from ddb_pipeline.change_row import Column
from ddb_pipeline.checks.problems import checked_since
from ddb_pipeline.declaration import Measure, Stage
from ddb_pipeline.resources.athena_queries import AthenaQueryError
from ddb_pipeline.view_sql import View, ViewInputs, views
from ddb_pipeline_tests import declared

STORED = {"ViewOriginalText": "/* Presto View: e30= */"}
RECORDED = Recorded(_hash("CREATE 1"), stored_hash(STORED))


def stage(measure: Measure) -> Stage:
    return Stage(
        "dev", 1, 1, 24, 5, "running", measure, keep_data=False, scan_cutoff_mebibytes=10, results_expire_days=1
    )


def test_a_view_is_current_as_long_as_nobody_changed_our_sql_or_the_view():
    assert is_current("CREATE 1", STORED, RECORDED)

    assert not is_current("CREATE 2", STORED, RECORDED)
    assert not is_current("CREATE 1", {"ViewOriginalText": "other"}, RECORDED)
    assert not is_current("CREATE 1", None, RECORDED)
    assert not is_current("CREATE 1", STORED, None)


@pytest.mark.parametrize(
    ("measure", "tags", "measured"),
    [
        ("each", {}, True),
        ("daily", {}, False),
        ("daily", {MEASURE_TAG: "daily"}, True),
        ("never", {MEASURE_TAG: "daily"}, False),
    ],
)
def test_views_are_measured_when_the_stage_asks_for_it(measure: Measure, tags: dict[str, str], measured: bool):
    assert measures(stage(measure), DagsterRun("job", tags=tags)) is measured


def test_one_query_counts_and_previews_the_newest_rows():
    view = View("v", "", (Column('a"b', "varchar", ""), Column("at", "timestamp(3)", "")))

    assert measure_statement(view, '"d"."v"') == (
        'SELECT "a""b", "at", count(*) OVER () AS "rows_in_view" FROM "d"."v" ORDER BY "at" DESC LIMIT 10'
    )


NOW = datetime(2026, 11, 27, 6, 30, 5, tzinfo=UTC)
HISTORY = ("change_counts", "item_history", "deleted_items", "attribute_changes", "change_problems")


def test_once_a_day_the_state_is_measured_whole_and_of_the_history_a_day_however_long_it_is():
    since = {view.name: measured_since(stage("daily"), view, NOW) for view in views(declared.pipeline())}

    a_day_ago = microseconds(datetime(2026, 11, 26, 6, tzinfo=UTC))
    assert since == {"latest_item_state": None, **dict.fromkeys(HISTORY, a_day_ago)}


def test_each_run_measures_all_of_every_view_where_that_is_asked_for():
    assert {measured_since(stage("each"), view, NOW) for view in views(declared.pipeline())} == {None}


class FakeAthena:
    """Answers with one row, or not at all."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self._error = error

    def execute(self, sql: str, context: Any) -> Any:
        assert context is not None
        self.asked.append(sql)
        if self._error:
            raise self._error
        return SimpleNamespace(
            rows=[("x", 7)], query_id="q", console_url="u", data_scanned_in_bytes=1, engine_milliseconds=2
        )


def measured(measure: Measure, view_name: str, athena: FakeAthena) -> dict[str, Any]:
    pipeline = declared.pipeline()
    (view,) = [one for one in views(pipeline) if one.name == view_name]
    deployment: Any = SimpleNamespace(stage=stage(measure), names=declared.NAMES, pipeline=pipeline, athena=athena)
    context: Any = SimpleNamespace(log=logging.getLogger("test"))
    inputs = ViewInputs(Baseline("b", "snapshot", as_of_us=1_000_000, margin_us=0))
    return _measure(context, deployment, view, inputs)


def test_a_day_of_history_is_not_told_as_the_number_of_rows():
    athena = FakeAthena()

    whole, of_the_day = (measured(measure, "item_history", athena) for measure in ("each", "daily"))

    assert whole["dagster/row_count"] == of_the_day["rows_of_the_last_day"] == 7
    assert "dagster/row_count" not in of_the_day
    assert "measured_since" in of_the_day
    # the query reads the hours of a day, not the view, which reads them all
    assert 'FROM "the_database"."item_history"' in athena.asked[0]
    assert "concat(year, month, day, hour) >=" in athena.asked[1]
    assert '"the_database"."item_history"' not in athena.asked[1]


def test_a_view_that_is_too_large_to_be_measured_fails_no_run():
    error = AthenaQueryError("scanned too much: make a baseline", "q", cut_off=True)

    assert measured("daily", "latest_item_state", FakeAthena(error)) == {
        "not_measured": "scanned too much: make a baseline"
    }


def test_any_other_failure_of_a_measurement_is_one():
    with pytest.raises(AthenaQueryError, match="broken"):
        measured("daily", "latest_item_state", FakeAthena(AthenaQueryError("broken", "q")))


@pytest.mark.parametrize(
    ("measure", "asked_for", "since"),
    [("daily", False, NOW - timedelta(days=7)), ("daily", True, None), ("never", True, None), ("each", False, None)],
)
def test_problems_are_looked_for_in_a_week_once_a_day_and_in_all_history_where_that_is_asked_for(
    measure: Measure, asked_for: bool, since: datetime | None
):
    expected = None if since is None else microseconds(since)
    assert checked_since(stage(measure), NOW, asked_for=asked_for) == expected


def test_previews_hold_what_dagster_can_show():
    rows = [(None, 1, True, "x" * 1000, b"\x00\xff", Decimal("1.50"), datetime(2026, 1, 1), date(2026, 1, 1))]  # noqa: DTZ001

    record = preview_records("abcdefgh", rows)[0].data

    assert record["a"] is None
    assert (record["b"], record["c"]) == (1, True)
    assert len(str(record["d"])) == 80
    assert (record["e"], record["f"]) == ("00ff", "1.50")
    assert (record["g"], record["h"]) == ("2026-01-01 00:00:00", "2026-01-01")
