"""The process of a run is killed with SIGKILL at each thing it does; Dagster starts the run again.

What the end-to-end test shows once with Dagster's own daemon is tried here at every place, without it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from ddb_pipeline.cli import local_stack
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.local_aws.testing import Fault, faulty
from ddb_pipeline_tests.conftest import PIPELINES
from ddb_pipeline_tests.deployed import Deployed, wait_until
from ddb_pipeline_tests.faults.conftest import PIPELINE, Scene, busy_athena, reasons
from ddb_pipeline_tests.faults.worker import start_worker

# the kill comes while this request has no answer; `carried_out`: AWS has done what it asks
PLACES = {
    "while it lists S3": Fault("stall", "s3", "ListObjectsV2", count=1, seconds=60),
    "when it has started a crawl": Fault("stall", "glue", "StartCrawler", count=1, seconds=60, carried_out=True),
    "while it waits for a crawl": Fault("stall", "glue", "ListCrawls", count=1, skip=2, seconds=60),
    "while it fetches rows": Fault("stall", "athena", "GetQueryResults", count=1, skip=1, seconds=60),
    "while it writes what it knows of attributes": Fault("stall", "s3", "PutObject", count=1, seconds=60),
    "while a check reads items of the table": Fault("stall", "dynamodb", count=1, seconds=60),
}


@pytest.fixture
def disk_scene(stage: Deployed, impatient: None, tmp_path: Path) -> Iterator[Scene]:
    """As `scene`, with an instance that other processes open too."""
    loaded = build_definitions(stage.declaration).get_repository_def()
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        made = Scene(stage, loaded, instance)
        made.write()
        made.forget_hours()
        made.forget_view()
        yield made


def kill_at(scene: Scene, home: Path, place: Fault) -> str:
    """Start a run in a process of its own and kill that there; the run's id."""
    with faulty(scene.stage.endpoint, place) as struck:
        worker = start_worker(PIPELINE, PIPELINES, home, local_stack.environment(scene.stage.endpoint))
        wait_until(lambda: struck() != [0] or not worker.is_alive(), f"the run is there: {place}")
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
    assert worker.exitcode == -signal.SIGKILL, "it was killed in the midst of it"
    killed = scene.instance.get_runs(limit=1)[0]
    assert killed.status == DagsterRunStatus.STARTED, "nobody was left to say that it ended"
    # what the server of the code location does when a run's process is gone
    scene.instance.report_run_failed(killed)
    return str(killed.run_id)


def again(run_id: str) -> dict[str, str]:
    """Tags of the run that Dagster starts in the place of one that lost its process."""
    return {"dagster/parent_run_id": run_id, "dagster/root_run_id": run_id}


def has_begun(scene: Scene, killed: str) -> bool:
    """Whether the run in the place of the killed one has begun."""
    newest = scene.instance.get_run_records(limit=1)[0]
    return newest.dagster_run.run_id != killed and newest.start_time is not None


@pytest.mark.parametrize("place", PLACES)
def test_a_killed_run_is_made_up_for_by_the_next_one(disk_scene: Scene, tmp_path: Path, place: str) -> None:
    scene = disk_scene
    crawls = len(scene.crawls())

    killed = kill_at(scene, tmp_path, PLACES[place])
    result = scene.refresh(again(killed))

    assert result.success, reasons(result)
    assert len(scene.crawls()) == crawls + 1
    scene.assert_state_is_right()


def test_a_query_that_a_killed_run_left_behind_is_waited_for(
    disk_scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, results = disk_scene, []
    assert scene.refresh().success
    scene.forget_view()
    before = {query["QueryExecutionId"] for query in scene.queries()}
    started = Fault("stall", "athena", "StartQueryExecution", count=1, seconds=60, carried_out=True)

    def left() -> list[str]:
        return [query["Query"] for query in scene.queries() if query["QueryExecutionId"] not in before]

    with busy_athena(monkeypatch):
        killed = kill_at(scene, tmp_path, started)
        wait_until(lambda: len(left()) == 1, "the query waits")
        (query,) = left()
        running = threading.Thread(target=lambda: results.append(scene.refresh(again(killed))))
        running.start()
        # a query that ends before the next run begins is asked again, so it waits until then
        wait_until(lambda: has_begun(scene, killed), "the next run has begun")
    running.join(120)

    assert results[0].success, reasons(results[0])
    assert left().count(query) == 1, "it was found, not started again"
    scene.assert_state_is_right()
