"""A crawl that takes long: as long as a run may wait for it, and longer."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from dagster import DagsterInstance, ExecuteInProcessResult, materialize

from ddb_pipeline.assets import change_table
from ddb_pipeline.assets.common import LIMITED_RUN
from ddb_pipeline.resources.aws import LATE_CRAWL_ADVICE, PipelineAwsResource
from ddb_pipeline.resources.testing import FakeGlue
from ddb_pipeline.survey import Survey
from ddb_pipeline_tests.declared import NAMES, pipeline

HOUR = datetime(2026, 3, 5, 11, tzinfo=UTC)
MINUTE = 60.0


class Runs:
    """Runs of the asset `change_table` for an hour that S3 holds; the catalog has it once a crawl has completed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, instance: DagsterInstance, crawl_seconds: float) -> None:
        self.instance = instance
        self.glue = FakeGlue(NAMES.crawler, seconds=crawl_seconds)
        catalog = SimpleNamespace(
            require_change_tables=lambda: {NAMES.change_table: {}},
            lacking=lambda below: {} if self.glue.now >= crawl_seconds else below,
            is_projected=False,
        )
        deployment = SimpleNamespace(
            catalog=catalog,
            crawler=self.glue.resource(late_advice=LATE_CRAWL_ADVICE),
            names=NAMES,
            pipeline=pipeline(),
            raw_bucket=SimpleNamespace(uri="s3://raw/changes/"),
        )
        found = Survey((HOUR,), {}, {NAMES.changes_prefix: (HOUR,)}, ())
        monkeypatch.setattr(change_table, "survey", lambda *_: found)
        monkeypatch.setattr(PipelineAwsResource, "deployment", lambda *_, **__: nullcontext(deployment))

    def run(self, **tags: str) -> ExecuteInProcessResult:
        return materialize(
            [change_table.change_table_asset(pipeline(), None)],
            resources={"aws": PipelineAwsResource(declaration_file="pipeline.toml")},
            instance=self.instance,
            tags={**LIMITED_RUN, **tags},
            raise_on_error=False,
        )


def test_a_crawl_of_an_hour_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    with DagsterInstance.ephemeral() as instance:
        runs = Runs(monkeypatch, instance, 60 * MINUTE)

        assert runs.run().success

    assert (runs.glue.starts, runs.glue.stops) == (1, 0)


def test_a_crawl_that_takes_longer_than_a_run_may_is_left_to_the_next_run_and_started_once(
    monkeypatch: pytest.MonkeyPatch,
):
    with DagsterInstance.ephemeral() as instance:
        runs = Runs(monkeypatch, instance, 140 * MINUTE)

        failed = runs.run()
        waited = runs.glue.now
        second = runs.run()

    reason = failed.failure_data_for_node("persons__change_table").user_failure_data.description
    assert "it goes on: nothing is lost: the next refresh, which the arrivals sensor asks for, joins it" in reason
    # Dagster ends the run after two hours, as if a person had: that would stop the crawl
    assert 70 * MINUTE < waited < 80 * MINUTE
    assert second.success
    assert (runs.glue.starts, runs.glue.stops) == (1, 0)


@pytest.mark.parametrize(("limit", "minutes"), [(3600, 30), (1200, 10)])
def test_a_run_of_another_limit_gives_up_before_that(monkeypatch: pytest.MonkeyPatch, limit: int, minutes: float):
    with DagsterInstance.ephemeral() as instance:
        runs = Runs(monkeypatch, instance, 300 * MINUTE)
        tags: dict[str, Any] = {"dagster/max_runtime": str(limit)}

        assert not runs.run(**tags).success

    assert minutes * MINUTE - 30 < runs.glue.now < minutes * MINUTE + 1
