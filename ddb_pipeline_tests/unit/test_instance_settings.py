"""dagster.yaml: Dagster takes it, and its limits fit what runs wait for."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from logging import getLogger
from pathlib import Path
from types import SimpleNamespace

import pytest
from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._daemon.monitoring import concurrency, run_monitoring

from ddb_pipeline.assets.common import CRAWL_POOL, LIMITED_RUN, QUERY_POOL
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


def test_runs_that_a_crash_of_the_machine_left_give_their_places_back_after_two_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nobody fails a run whose code server died with it: else its places were taken for as long as a baseline takes."""
    (tmp_path / "dagster.yaml").write_bytes((REPOSITORY / "dagster.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    refresh = build_definitions(load_declaration(PIPELINES)).resolve_job_def("persons_refresh")
    places, begun = 4, time.time()
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default(QUERY_POOL)  # as the first step of a pool does
        for _ in range(places):
            left = instance.add_run(DagsterRun(refresh.name, tags=refresh.tags))
            instance.handle_run_event(left.run_id, DagsterEvent(DagsterEventType.PIPELINE_START.value, refresh.name))
            assert storage.claim_concurrency_slot(QUERY_POOL, left.run_id, "step").is_claimed
        assert not storage.claim_concurrency_slot(QUERY_POOL, "next", "step").is_claimed

        for seconds, status in ((7100, DagsterRunStatus.STARTED), (7300, DagsterRunStatus.FAILURE)):
            monkeypatch.setattr(run_monitoring, "get_current_timestamp", lambda late=seconds: begun + late)
            for record in instance.get_run_records():
                longest = float(instance.run_monitoring_max_runtime_seconds)
                run_monitoring.check_run_timeout(instance, record, getLogger("monitoring"), longest)
            assert {run.status for run in instance.get_runs()} == {status}
        ended = max(record.end_time for record in instance.get_run_records())
        now = datetime.fromtimestamp(ended + 61, UTC)
        monkeypatch.setattr(concurrency, "get_current_datetime", lambda: now)
        list(concurrency.execute_concurrency_slots_iteration(SimpleNamespace(instance=instance), getLogger("slots")))

        assert storage.claim_concurrency_slot(QUERY_POOL, "next", "step").is_claimed


def test_every_job_but_the_one_of_baselines_is_limited():
    repository = build_definitions(load_declaration(PIPELINES)).get_repository_def()
    ours = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]

    assert {job.name for job in ours if not LIMITED_RUN.items() <= job.tags.items()} == {
        job.name for job in ours if job.name.endswith("_baseline")
    }


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
