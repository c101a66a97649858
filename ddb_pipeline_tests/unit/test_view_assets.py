"""The view assets: when a view is re-created, when it is measured, what is shown."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from dagster import DagsterRun

from ddb_pipeline.assets.common import MEASURE_TAG
from ddb_pipeline.assets.views import (
    Recorded,
    _hash,
    is_current,
    measure_statement,
    measures,
    preview_records,
    stored_hash,
)
from ddb_pipeline.change_row import Column
from ddb_pipeline.declaration import Measure, Stage
from ddb_pipeline.view_sql import View

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

    assert measure_statement(view, "d") == (
        'SELECT "a""b", "at", count(*) OVER () AS "rows_in_view" FROM "d"."v" ORDER BY "at" DESC LIMIT 10'
    )


def test_previews_hold_what_dagster_can_show():
    rows = [(None, 1, True, "x" * 1000, b"\x00\xff", Decimal("1.50"), datetime(2026, 1, 1), date(2026, 1, 1))]  # noqa: DTZ001

    record = preview_records("abcdefgh", rows)[0].data

    assert record["a"] is None
    assert (record["b"], record["c"]) == (1, True)
    assert len(str(record["d"])) == 80
    assert (record["e"], record["f"]) == ("00ff", "1.50")
    assert (record["g"], record["h"]) == ("2026-01-01 00:00:00", "2026-01-01")
