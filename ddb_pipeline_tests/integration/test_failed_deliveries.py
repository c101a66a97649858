"""A record that could not be delivered is reported, replayed once its cause is mended, and in the view then."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result
from dagster import (
    AssetKey,
    DagsterInstance,
    ExecuteInProcessResult,
    RepositoryDefinition,
    SensorResult,
)

from ddb_pipeline.arrivals import partition_key
from ddb_pipeline.cli import main
from ddb_pipeline.local_aws import delivery
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.failing_deliveries import PIPELINE, defective_converter, failed_objects, tags, take_away
from ddb_pipeline_tests.jobs import sensor_tick, with_the_state_alone

FAILED = AssetKey([PIPELINE, "failed_deliveries"])


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def loaded(stage: Deployed) -> RepositoryDefinition:
    return stage.loaded()


@pytest.fixture(autouse=True)
def _nothing_failed_before_or_after(stage: Deployed) -> Iterator[None]:
    take_away(stage)
    yield
    take_away(stage)


def put_item(stage: Deployed) -> str:
    name = f"failed-{uuid.uuid4().hex[:8]}"
    item = {"pk": {"S": name}, "said": {"S": "through errors/"}}
    stage.client("dynamodb").put_item(TableName=stage.names[PIPELINE].table, Item=item)
    return name


def tick(loaded: RepositoryDefinition, instance: DagsterInstance, cursor: str | None = None) -> SensorResult:
    return sensor_tick(loaded, instance, f"{PIPELINE}_deliveries", cursor)


def replay(loaded: RepositoryDefinition, instance: DagsterInstance, **config: int) -> ExecuteInProcessResult:
    ops = {"persons_put_records_again": {"config": config}}
    result = loaded.get_job("persons_replay_failed_deliveries").execute_in_process({"ops": ops}, instance=instance)
    assert result.success
    assert delivery.wait_until_delivered(30)
    return result


def state_of(stage: Deployed, name: str) -> list[tuple[Any, ...]]:
    return stage.ask(PIPELINE, "SELECT said FROM latest_item_state WHERE pk = ?", f"'{name}'")


def told(result: SensorResult) -> dict[str, Any]:
    """By name of the check: what the tick said of it."""
    return {event.check_name: event for event in result.asset_events if hasattr(event, "check_name")}


def test_a_record_comes_back_when_the_converter_is_mended(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance
):
    with defective_converter(stage):
        name = put_item(stage)
    [lost] = failed_objects(stage)

    first = tick(loaded, instance)
    [event] = [event for event in first.asset_events if event.asset_key == FAILED and not hasattr(event, "check_name")]
    assert event.partition == partition_key(lost.hour)
    assert event.metadata["open_objects"].value == 1
    check = told(first)["no_failed_deliveries"]
    assert not check.passed
    assert lost.key in check.description
    assert "Lambda.FunctionError" in check.description
    assert "persons_replay_failed_deliveries" in check.description
    assert not tick(loaded, instance, first.cursor).asset_events, "nothing is told twice"

    run = replay(loaded, instance)

    assert tags(stage, lost.key)["replay-records"] == "1"
    assert tags(stage, lost.key)["replay-run"] == run.run_id
    pipeline = stage.declaration.pipelines[PIPELINE]
    refresh = with_the_state_alone(loaded, "persons_refresh", pipeline)
    refreshed = refresh.execute_in_process(instance=instance, raise_on_error=False)
    assert refreshed.success
    passed = {check.check_name: check.passed for check in refreshed.get_asset_check_evaluations()}
    assert passed["no_failed_deliveries"]
    assert passed["changes_are_delivered"]
    assert state_of(stage, name) == [("through errors/",)]
    assert not tick(loaded, instance).asset_events, "the job told it all"

    replay(loaded, instance)
    assert delivery.wait_until_delivered(30)
    assert failed_objects(stage) == [lost]
    assert stage.ask(PIPELINE, f"SELECT count(*) FROM changes WHERE item_key LIKE '%{name}%'") == [(1,)]


def test_what_no_converter_can_read_stays_with_its_reason(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance
):
    stream = stage.names[PIPELINE].change_stream
    stage.client("kinesis").put_record(StreamName=stream, Data=b"no change record", PartitionKey="k")
    assert delivery.wait_until_delivered(30)

    for attempt in (1, 2):
        replay(loaded, instance, most_replays=2)
        assert len(failed_objects(stage)) == attempt + 1
    replay(loaded, instance, most_replays=2)

    objects = failed_objects(stage)
    assert len(objects) == 3, "a third replay is not allowed"
    assert [tags(stage, one.key)["replay-left"] for one in objects] == ["0", "0", "1"]
    assert "no_failed_deliveries" not in told(tick(loaded, instance)), "the job told it"
    latest = instance.get_latest_asset_check_evaluation_record(
        next(key for key in loaded.asset_graph.asset_check_keys if key.asset_key == FAILED)
    )
    assert latest
    assert latest.event
    assert latest.event.dagster_event
    said = str(latest.event.dagster_event.asset_check_evaluation_data.description)
    assert objects[-1].key in said
    assert "with records that failed again, or cannot be replayed: 1" in said

    stage.client("s3").delete_object(Bucket=stage.names[PIPELINE].raw_bucket, Key=objects[-1].key)
    assert told(tick(loaded, instance))["no_failed_deliveries"].passed


def test_the_command_replays_without_dagster_and_says_what_stays(stage: Deployed):
    stream = stage.names[PIPELINE].change_stream
    stage.client("kinesis").put_record(StreamName=stream, Data=b"no change record", PartitionKey="k")
    assert delivery.wait_until_delivered(30)

    def run(*options: str) -> Result:
        result = CliRunner().invoke(main, ["replay", "--pipeline", PIPELINE, *options])
        assert delivery.wait_until_delivered(30)
        return result

    first, second, again = run("--most-replays", "1"), run("--most-replays", "1"), run("--most-replays", "1")
    third = run("--most-replays", "2")
    assert [one.exit_code for one in (first, second, again, third)] == [0, 1, 1, 0]
    assert "On the stream again: 1 record of 1 object." in first.output
    for stayed in (second, again):
        assert "Nothing was put on the stream." in stayed.output
        assert "stays: 1 x failed after 1 replay (Lambda.FunctionError" in stayed.output
        assert "then replay with --most-replays above the number" in " ".join(stayed.output.split())
    [oldest, *_rest] = failed_objects(stage)
    assert tags(stage, oldest.key)["replay-run"].startswith("ddb-pipeline replay by ")

    take_away(stage)
    assert "Nothing below s3://" in run().output
