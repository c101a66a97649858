"""Runs whose process is killed with SIGKILL at each thing that they do, again and again, until one comes through.

What the end-to-end test shows once with Dagster's own daemon is tried here at every place, without it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import ExecuteInProcessResult

from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.local_aws import delivery
from ddb_pipeline.local_aws.crawler import model
from ddb_pipeline.names import ITEM_COLUMNS_KEY
from ddb_pipeline_tests.deployed import Deployed, wait_until
from ddb_pipeline_tests.failing_deliveries import defective_converter, failed_objects, tags, take_away
from ddb_pipeline_tests.faults.conftest import PIPELINE, Scene, busy_athena, reasons
from ddb_pipeline_tests.faults.killing import Killer, Place, again, instance_on_disk

CRAWL, ATTRIBUTES, STATE = ("change_table",), ("item_attributes",), ("latest_item_state",)

A_REFRESH_CRAWLS = (
    Place("it lists S3", "s3.ListObjectsV2", assets=CRAWL),
    Place("it has started a crawl", "glue.StartCrawler", done=True, assets=CRAWL),
    Place("it has joined the crawl, and waits", "glue.ListCrawls", skip=2, assets=CRAWL),
)
A_REFRESH_AFTER_THE_CRAWL = (
    Place("it fetches rows", "athena.GetQueryResults", assets=ATTRIBUTES),
    Place("it has written what it knows of attributes", "s3.PutObject", done=True, assets=ATTRIBUTES),
    Place("Athena makes a view", "athena.StartQueryExecution", done=True, assets=STATE),
    Place("the view stands, and Dagster does not know it", "glue.GetTable", skip=3, assets=STATE),
    Place("a check reads items of the table", "dynamodb.", assets=STATE),
)
A_QUERY_WAITS = Place("a query of its waits for a free place in Athena", "athena.StartQueryExecution", done=True)
A_REPAIR = (
    Place("it has made a table", "glue.CreateTable", done=True),
    Place("it has registered hours", "glue.BatchCreatePartition", done=True),
    Place("Athena looks for attributes", "athena.StartQueryExecution", done=True),
    Place("it has written what it knows of attributes", "s3.PutObject", done=True),
    Place("Athena makes a view", "athena.StartQueryExecution", done=True),
)
A_REPLAY = (
    Place("it looks at receipts", "s3.GetObjectTagging"),
    Place("it reads what failed", "s3.GetObject"),
    Place("records are on the stream, and no receipt says so", "kinesis.PutRecords", done=True),
    Place("the receipt is written, and Dagster does not know it", "s3.PutObjectTagging", done=True),
)


@pytest.fixture
def scene(stage: Deployed, impatient: None, tmp_path: Path) -> Iterator[Scene]:
    """As the `scene` of other tests, with an instance that other processes open too, and no view."""
    loaded = build_definitions(stage.declaration).get_repository_def()
    with instance_on_disk(tmp_path) as instance:
        made = Scene(stage, loaded, instance)
        made.write()
        made.forget_hours()
        made.forget_view()
        yield made


@pytest.fixture
def killer(scene: Scene, tmp_path: Path) -> Killer:
    return Killer(scene.stage, scene.instance, tmp_path)


def test_a_refresh_that_is_killed_wherever_it_is_is_made_up_for(
    scene: Scene, killer: Killer, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, killed, results = f"{PIPELINE}_refresh", None, list[ExecuteInProcessResult]()
    goes_on, crawls, crawl_table = threading.Event(), len(scene.crawls()), model.crawl_table

    def crawl_later(*arguments: Any) -> None:
        goes_on.wait(120)
        crawl_table(*arguments)

    with monkeypatch.context() as slow:
        slow.setattr(model, "crawl_table", crawl_later)
        for place in A_REFRESH_CRAWLS:
            killed = killer.kill(job, place, killed)
        goes_on.set()
    for place in A_REFRESH_AFTER_THE_CRAWL:
        killed = killer.kill(job, place, killed)
        assert len(scene.crawls()) == crawls + 1, f"the crawl was found, not started again: {place}"

    before = {query["QueryExecutionId"] for query in scene.queries()}
    with busy_athena(monkeypatch):
        killed = killer.kill(job, A_QUERY_WAITS, killed)
        (left,) = statements(scene, before)
        running = threading.Thread(target=lambda: results.append(scene.refresh(again(killed))))
        running.start()
        # a query that ends before the next run begins is asked again, so it waits until then
        wait_until(lambda: has_begun(scene, killed), "the next run has begun")
    running.join(120)

    assert len(killer.kept_places) > len(A_REFRESH_CRAWLS), "places in the pools were kept, and free again"
    assert results[0].success, reasons(results[0])
    assert statements(scene, before).count(left) == 1, "the query was found, not started again"
    assert len(scene.crawls()) == crawls + 1
    scene.assert_state_is_right()


def test_a_repair_that_is_killed_wherever_it_is_is_made_up_for(scene: Scene, killer: Killer) -> None:
    job, killed, names, crawls = f"{PIPELINE}_repair", None, scene.names, len(scene.crawls())
    scene.client("glue").delete_table(DatabaseName=names.database, Name=names.change_table)
    scene.client("s3").delete_object(Bucket=names.raw_bucket, Key=ITEM_COLUMNS_KEY)

    for place in A_REPAIR:
        killed = killer.kill(job, place, killed)
    repaired, again_repaired = (
        scene.loaded.get_job(job).execute_in_process(instance=scene.instance, raise_on_error=False) for _ in range(2)
    )

    assert repaired.success, reasons(repaired)
    assert found_wrong(repaired) > 0
    assert found_wrong(again_repaired) == 0
    assert len(scene.crawls()) == crawls, "a repair needs none"
    scene.assert_state_is_right()


def test_a_replay_that_is_killed_wherever_it_is_is_made_up_for(scene: Scene, killer: Killer) -> None:
    job, killed, stage = f"{PIPELINE}_replay_failed_deliveries", None, scene.stage
    table, name = scene.names.table, f"{scene.mark}#lost"
    assert delivery.wait_until_delivered(30)
    take_away(stage)
    with defective_converter(stage):
        scene.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": name}, "n": {"N": "1"}})

    for place in A_REPLAY:
        killed = killer.kill(job, place, killed)
    replayed = scene.loaded.get_job(job).execute_in_process(instance=scene.instance, raise_on_error=False)
    assert delivery.wait_until_delivered(30)
    refreshed = scene.refresh()

    assert replayed.success, reasons(replayed)
    (lost,) = failed_objects(stage)
    assert tags(stage, lost.key)["replay-left"] == "0"
    # on the stream by the run that died before its receipt, and by the next one; not again once there was a receipt
    arrived = stage.ask(
        PIPELINE, f"SELECT count(*), count(DISTINCT event_id) FROM changes WHERE item_key LIKE '%{name}%'"
    )
    assert arrived == [(2, 1)]
    scene.assert_state_is_right()
    evaluations = {check.check_name: check.passed for check in refreshed.get_asset_check_evaluations()}
    assert evaluations["no_failed_deliveries"]
    take_away(stage)


def statements(scene: Scene, before: set[str]) -> list[str]:
    """What was asked of Athena since then."""
    return [query["Query"] for query in scene.queries() if query["QueryExecutionId"] not in before]


def has_begun(scene: Scene, killed: str) -> bool:
    """Whether the run in the place of the killed one has begun."""
    newest = scene.instance.get_run_records(limit=1)[0]
    return newest.dagster_run.run_id != killed and newest.start_time is not None


def found_wrong(repaired: ExecuteInProcessResult) -> int:
    """How much a repair found to mend."""
    (output,) = (event.step_output_data for event in repaired.all_events if event.is_successful_output)
    return int(output.metadata["found"].value)
