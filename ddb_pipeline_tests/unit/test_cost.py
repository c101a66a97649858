"""docs/cost.md says what tools/cost_estimate.py computes, of the stack that there is."""

import dataclasses
import importlib
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from ddb_pipeline.assets.views import MEASURED_PERIOD, measured_since
from ddb_pipeline.checks import scanning_check_keys
from ddb_pipeline.checks.gone_hours import GONE_CHECK
from ddb_pipeline.checks.problems import PERIOD
from ddb_pipeline.view_sql import views
from ddb_pipeline_tests.unit.infra_templates import ORDERS, REPOSITORY, declaration, resources

SCRIPT = REPOSITORY / "tools" / "cost_estimate.py"


@pytest.fixture(scope="module")
def estimates():
    # as when the script is run: its folder is where it imports from
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        yield importlib.import_module("cost_estimate")


@pytest.mark.parametrize("table", ["sizes_table", "estimates_table", "idle_table", "choices_table", "prices_table"])
def test_the_page_has_the_tables_that_are_computed(estimates, table):
    page = (REPOSITORY / "docs" / "cost.md").read_text(encoding="utf-8")
    assert getattr(estimates, table)() in page, "run python tools/cost_estimate.py, and put its tables in"


def test_the_estimate_is_of_prod_as_it_is_declared(estimates):
    stage = declaration().stages["prod"]
    settings = estimates.Settings()
    assert (settings.buffer_seconds, settings.buffer_mebibytes) == (stage.buffer_seconds, stage.buffer_mebibytes)
    assert (settings.retention_hours, settings.keep_data) == (stage.stream_retention_hours, stage.keep_data)
    assert stage.measure == "daily"
    assert len(resources("prod", "AWS::CloudWatch::Alarm")) == estimates.ALARMS
    limit = json.dumps(resources("prod", "AWS::Athena::WorkGroup"))
    assert '"BytesScannedCutoffPerQuery": 107374182400' in limit


def test_firehose_bills_5_kb_at_least_and_glue_10_minutes(estimates):
    tiny = dataclasses.replace(estimates.MEDIUM, item_kilobytes=0.1)
    five_kb = 10_000_000 * 5 / 1024**2
    assert estimates.estimate(tiny)["Firehose"] == pytest.approx(five_kb * 0.029)
    assert estimates.estimate(estimates.MEDIUM)["Firehose"] == pytest.approx(five_kb * 0.029)
    assert estimates.estimate(estimates.MEDIUM)["Glue"] == pytest.approx(730 * 2 / 6 * 0.44)


def test_projection_saves_crawls_and_lists_empty_folders(estimates):
    with_crawler = estimates.estimate(estimates.MEDIUM)
    projected = estimates.estimate(estimates.MEDIUM, estimates.Settings(crawler=False))
    # half a year's folders instead of half a week's, a day's and a week's; 20 queries of people a day
    lists = 730 / 24 * ((20 + 4 + 1 + 3 / 7) * (4464 - 84) + 6 * (4464 - 25) + (4464 - 169))
    assert projected["S3"] - with_crawler["S3"] == pytest.approx(lists * 0.005 / 1000)
    assert projected["Glue"] == 0
    others = with_crawler.keys() - {"S3", "Glue"}
    assert {name: projected[name] for name in others} == {name: with_crawler[name] for name in others}


def test_every_query_of_a_daily_run_is_counted(estimates):
    pipeline = declaration().pipelines["persons"]
    since = {
        view.name: measured_since(declaration().stages["prod"], view, datetime.now(UTC)) for view in views(pipeline)
    }
    # the check of hours that are gone lists S3, and asks Athena nothing
    checks = {key.name for key in scanning_check_keys(pipeline)} - {GONE_CHECK}
    # two checks read less than the state
    assert {"few_records_are_repeated", "no_unexplained_change_problems"} < checks

    assert [*since.values()].count(None) + len(checks) - 2 == estimates.DAILY_OF_STATE
    assert len([moment for moment in since.values() if moment]) + 1 == estimates.DAILY_OF_THE_DAY
    assert estimates.DAILY_OF_THE_WEEK == 1
    # and an hour more of each
    days = [round(read - 1 / 24, 9) for read in (estimates.DAY_READ, estimates.WEEK_READ)]
    assert [timedelta(days=read) for read in days] == [MEASURED_PERIOD, PERIOD]


def test_a_day_costs_the_same_to_measure_however_long_the_history_is(estimates, monkeypatch):
    def measured(months: int) -> float:
        monkeypatch.setattr(estimates, "MONTHS_KEPT", months)
        never = estimates.Settings(measures=False)
        return estimates.estimate(estimates.MEDIUM)["Athena"] - estimates.estimate(estimates.MEDIUM, never)["Athena"]

    assert measured(36) == pytest.approx(measured(12))


def test_without_baselines_a_query_of_the_state_reads_all_that_was_ever_delivered(estimates):
    whole = estimates._queries(estimates.MEDIUM, estimates.Settings(baselines=False))[0].bytes_each(estimates.MEDIUM)
    assert whole == pytest.approx(12 * 10_000_000 * 4 * 1024 / 6)


def test_a_stack_of_parquet_has_an_alarm_more(estimates):
    json, parquet = (estimates.estimate(estimates.SMALL, estimates.Settings(parquet=flag)) for flag in (False, True))
    assert parquet["CloudWatch"] - json["CloudWatch"] == pytest.approx(0.10)
    assert ORDERS.format == "parquet"
    assert len(resources("prod", "AWS::CloudWatch::Alarm", ORDERS.name)) == estimates.ALARMS + 1


def test_every_price_is_used_and_has_a_source(estimates):
    text = SCRIPT.read_text(encoding="utf-8")
    for name, price in estimates.PRICES.items():
        used = re.search(rf'_cost\(\s*"{re.escape(name)}"', text) is not None
        # the first three dashboards of an account are free
        assert used is (name != "CloudWatch dashboard"), name
        assert price.source


def test_numbers_of_ones_own():
    command = [sys.executable, str(SCRIPT), "--changes", "3e6", "--item-kilobytes", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("| USD a month | yours |\n")
    assert "| **all** |" in done.stdout


def test_a_table_that_does_not_change_costs_something_all_the_same():
    command = [sys.executable, str(SCRIPT), "--changes", "0", "--busy-hours", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "| a million changes | none |" in done.stdout
