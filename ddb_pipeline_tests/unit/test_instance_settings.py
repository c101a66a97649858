"""dagster.yaml: Dagster takes it, and its limits fit what runs wait for."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance

from ddb_pipeline.assets.common import CRAWL_POOL, QUERY_POOL
from ddb_pipeline.baseline_making.making import EXPORT_SECONDS, QUERY_SECONDS
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline_tests.conftest import PIPELINES, REPOSITORY


def test_dagster_takes_the_settings_and_a_run_may_wait_as_long_as_it_has_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "dagster.yaml").write_bytes((REPOSITORY / "dagster.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_runtime_seconds > EXPORT_SECONDS + 2 * QUERY_SECONDS
        # a killed run's slots are freed, or its pool would be blocked for good
        assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"]


def test_steps_that_crawl_or_ask_athena_are_in_the_pools_of_the_settings():
    repository = build_definitions(load_declaration(PIPELINES)).get_repository_def()
    pools = {
        node.name: node.definition.pool
        for job in repository.get_all_jobs()
        for node in job.graph.nodes
        if hasattr(node.definition, "pool")
    }

    assert pools["persons__change_table"] == CRAWL_POOL
    assert pools["persons__latest_item_state"] == pools["persons__item_attributes"] == QUERY_POOL
