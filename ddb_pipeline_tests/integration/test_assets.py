"""What Dagster loads, run in process against local AWS: sensor, crawl, views, checks.

The stack is shared with other tests, which write too: these put raw objects of their own into hours of the past.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    DagsterRunStatus,
    ExecuteInProcessResult,
    MetadataValue,
    RepositoryDefinition,
    SensorResult,
    SkipReason,
    build_schedule_context,
    build_sensor_context,
)

from ddb_pipeline.arrivals import hour_of, hour_prefix, hour_values, partition_key
from ddb_pipeline.assets.change_table import LISTED_AT
from ddb_pipeline.assets.common import MEASURE_TAG
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.rounds import Cursor
from ddb_pipeline_tests.change_records import inserted_row
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.jobs import sensor_tick

PIPELINE = "orders"
RAW = AssetKey([PIPELINE, "raw_changes"])
TABLE = AssetKey([PIPELINE, "change_table"])
STATE = AssetKey([PIPELINE, "latest_item_state"])

# each test takes hours that no other has used
_fresh_hours = (datetime(2026, 11, 2, tzinfo=UTC) + timedelta(hours=step) for step in itertools.count())


@pytest.fixture
def hour() -> datetime:
    return next(_fresh_hours)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def loaded(stage: Deployed) -> RepositoryDefinition:
    return stage.loaded()


_numbers = itertools.count(1)


def deliver(stage: Deployed, hour: datetime) -> int:
    """Put one raw object with one inserted item into an hour; returns the item's number."""
    number = next(_numbers)
    names = stage.names[PIPELINE]
    key = f"{names.changes_prefix}{hour_prefix(hour)}test-{number}.json.gz"
    row = inserted_row(names.table, {"Customer.Id": {"S": "c"}, "item": {"N": str(number)}}, f"event-{number}", number)
    body = gzip.compress((json.dumps(row) + "\n").encode())
    stage.client("s3").put_object(Bucket=names.raw_bucket, Key=key, Body=body)
    return number


def tick(loaded: RepositoryDefinition, instance: DagsterInstance, cursor: str | None = None) -> SensorResult:
    return sensor_tick(loaded, instance, f"{PIPELINE}_arrivals", cursor)


def refresh(
    loaded: RepositoryDefinition, instance: DagsterInstance, tags: dict[str, str] | None = None
) -> ExecuteInProcessResult:
    return loaded.get_job(f"{PIPELINE}_refresh").execute_in_process(instance=instance, raise_on_error=False, tags=tags)


def metadata(result: ExecuteInProcessResult, name: str) -> dict[str, Any]:
    events = result.asset_materializations_for_node(f"{PIPELINE}__{name}")
    own = [event for event in events if event.asset_key == AssetKey([PIPELINE, name])]
    return {key: value.value for key, value in own[-1].metadata.items()}


def reported(instance: DagsterInstance) -> set[str]:
    return set(instance.get_materialized_partitions(RAW))


def test_the_sensor_reports_an_hour_and_asks_for_a_refresh(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance, hour: datetime
):
    deliver(stage, hour)

    result = tick(loaded, instance)

    assert partition_key(hour) in reported(instance)
    assert len(result.run_requests or []) == 1
    event = next(event for event in result.asset_events if event.partition == partition_key(hour))
    assert event.tags is not None
    assert event.tags["dagster/data_version"].startswith("1-")
    assert event.metadata["objects"].value == 1
    assert str(event.metadata["uri"].value).endswith(f"/changes/{hour_prefix(hour)}")


def test_nothing_is_reported_twice_whatever_the_cursor_says(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance, hour: datetime
):
    deliver(stage, hour)
    first = tick(loaded, instance)
    again, lost = tick(loaded, instance, first.cursor), tick(loaded, instance, "not a cursor")

    for result in (again, lost):
        assert partition_key(hour) not in {event.partition for event in result.asset_events}

    deliver(stage, hour)
    assert partition_key(hour) in {event.partition for event in tick(loaded, instance).asset_events}


def test_materialize_all_fills_the_graph_without_a_sensor(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance, hour: datetime
):
    number = deliver(stage, hour)

    result = refresh(loaded, instance)

    assert result.success
    assert partition_key(hour) in reported(instance)
    table = metadata(result, "change_table")
    assert table["hours_added"] >= 1
    assert table["crawl_id"]
    assert str(table["uri"]).startswith("s3://")
    state = metadata(result, "latest_item_state")
    assert state["dagster/row_count"] >= 1
    assert state["query"]
    assert state["query_in_console"].endswith(state["query"])
    assert "CREATE OR REPLACE VIEW" in state["sql"]
    assert [column.name for column in state["dagster/column_schema"].columns][-1] == "item_key"
    assert len(state["preview"]) <= 10
    rows = stage.ask(PIPELINE, f"SELECT event_id FROM latest_item_state WHERE event_id = 'event-{number}'")
    assert rows == [(f"event-{number}",)]
    assert {(check.check_name, check.passed) for check in result.get_asset_check_evaluations()} == {
        ("no_failed_deliveries", True),
        ("changes_are_delivered", True),
        ("crawls_keep_up", True),
        ("few_records_are_repeated", True),
        ("no_hour_is_gone_that_is_read", True),
        ("state_agrees_with_the_table", True),
        ("no_unexplained_change_problems", True),
        ("every_s3_hour_is_in_the_catalog", True),
        ("schema_is_the_contract", True),
        ("one_row_per_item", True),
        ("values_fit_their_columns", True),
    }


def test_after_a_refresh_the_sensor_rests(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance, hour: datetime
):
    deliver(stage, hour)
    assert refresh(loaded, instance).success

    result = tick(loaded, instance)

    assert not result.run_requests
    assert "every hour is in the catalog" in str(result.skip_reason.skip_message if result.skip_reason else "")


def test_objects_in_an_hour_of_the_catalog_need_no_crawl(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance, hour: datetime
):
    deliver(stage, hour)
    assert refresh(loaded, instance).success
    number = deliver(stage, hour)

    again = refresh(loaded, instance)

    assert "crawl_id" not in metadata(again, "change_table")
    assert metadata(again, "change_table")["crawl"] == "none needed: every hour is in the catalog"
    rows = stage.ask(PIPELINE, f"SELECT event_id FROM latest_item_state WHERE event_id = 'event-{number}'")
    assert rows == [(f"event-{number}",)]


def test_a_view_is_created_anew_only_when_somebody_touched_it(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance
):
    refresh(loaded, instance)
    assert metadata(refresh(loaded, instance), "latest_item_state")["view"] == "unchanged"

    stage.ask(PIPELINE, "CREATE OR REPLACE VIEW latest_item_state AS SELECT 'x' AS item_key")
    assert metadata(refresh(loaded, instance), "latest_item_state")["view"] == "created"

    stage.client("glue").delete_table(DatabaseName=stage.names[PIPELINE].database, Name="latest_item_state")
    assert metadata(refresh(loaded, instance), "latest_item_state")["view"] == "created"


def test_with_measure_daily_only_the_daily_run_scans(
    stage: Deployed,
    instance: DagsterInstance,
    tmp_path_factory: pytest.TempPathFactory,
):
    from ddb_pipeline.declaration import load_declaration

    path = tmp_path_factory.mktemp("daily") / "pipeline.toml"
    text = stage.declaration.path.read_text(encoding="utf-8").replace('measure = "each"', 'measure = "daily"')
    path.write_text(text, encoding="utf-8")
    daily = build_definitions(load_declaration(path)).get_repository_def()

    hourly = refresh(daily, instance)
    assert hourly.success
    assert "dagster/row_count" not in metadata(hourly, "latest_item_state")
    assert "one_row_per_item" not in {check.check_name for check in hourly.get_asset_check_evaluations()}

    assert _only_check(daily, instance, "one_row_per_item").passed

    measured = refresh(daily, instance, tags={MEASURE_TAG: "daily"})
    assert "dagster/row_count" in metadata(measured, "latest_item_state")
    assert "rows_of_the_last_day" in metadata(measured, "change_counts")
    assert "one_row_per_item" in {check.check_name for check in measured.get_asset_check_evaluations()}


def test_the_schedules_ask_for_what_is_needed_and_skip_otherwise(
    stage: Deployed, loaded: RepositoryDefinition, tmp_path: Path
):
    # a schedule's context takes only an instance that another process could open
    instance = DagsterInstance.local_temp(str(tmp_path))
    now = datetime.now(UTC)
    resources = loaded.get_top_level_resources()

    def evaluate(name: str) -> Any:
        context = build_schedule_context(instance, scheduled_execution_time=now, resources=resources)
        return loaded.get_schedule_def(name)(context)

    deliver(stage, hour_of(now) - timedelta(hours=5))
    assert evaluate(f"{PIPELINE}_crawl").run_key

    assert refresh(loaded, instance).success
    skipped = evaluate(f"{PIPELINE}_crawl")
    assert isinstance(skipped, SkipReason)
    assert skipped.skip_message == "every hour is in the catalog"
    views = evaluate(f"{PIPELINE}_views")
    assert STATE in views.asset_selection
    assert views.tags == {MEASURE_TAG: "daily"}


def test_a_dropped_partition_is_found_by_the_check_and_brought_back(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance, hour: datetime
):
    deliver(stage, hour)
    assert refresh(loaded, instance).success
    names = stage.names[PIPELINE]
    stage.client("glue").delete_partition(
        DatabaseName=names.database, TableName=names.change_table, PartitionValues=list(hour_values(hour))
    )

    # objects of the last minute may have come after the crawl: let the crawl have listed S3 later
    later = MetadataValue.timestamp(datetime.now(UTC) + timedelta(minutes=2))
    instance.report_runless_asset_event(AssetMaterialization(TABLE, metadata={LISTED_AT: later}))
    check = _only_check(loaded, instance)

    assert not check.passed
    assert f"in S3 but not in the catalog: {partition_key(hour)}: materialize orders/change_table" in check.description
    assert metadata(refresh(loaded, instance), "change_table")["hours_added"] == 1


def test_an_hour_that_arrived_after_the_crawl_is_no_fault_of_it(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance, hour: datetime
):
    assert refresh(loaded, instance).success
    deliver(stage, hour)

    check = _only_check(loaded, instance)

    assert check.passed
    assert partition_key(hour) in check.metadata["arrived_after_the_crawl"].value


def _only_check(
    loaded: RepositoryDefinition, instance: DagsterInstance, name: str = "every_s3_hour_is_in_the_catalog"
) -> Any:
    """Run one check of the pipeline by itself, as the UI does."""
    keys = {
        key for key in loaded.asset_graph.asset_check_keys if key.name == name and key.asset_key.path[0] == PIPELINE
    }
    job = loaded.get_implicit_global_asset_job_def().get_subset(asset_selection=set(), asset_check_selection=keys)
    return job.execute_in_process(instance=instance, raise_on_error=False).get_asset_check_evaluations()[0]


def test_a_table_dropped_by_hand_is_told_and_comes_back_whole(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance, hour: datetime
):
    deliver(stage, hour)
    glue, names = stage.client("glue"), stage.names[PIPELINE]
    original = stage.table_input(PIPELINE, names.change_table)
    glue.delete_table(DatabaseName=names.database, Name=names.change_table)
    try:
        result = refresh(loaded, instance)
        context = build_sensor_context(instance, resources=loaded.get_top_level_resources())
        tick_meanwhile = loaded.get_sensor_def(f"{PIPELINE}_arrivals")(context)
    finally:
        glue.create_table(DatabaseName=names.database, TableInput=original)

    failure = result.failure_data_for_node(f"{PIPELINE}__change_table")
    assert failure is not None
    assert failure.user_failure_data is not None
    assert "changes is not in the Glue catalog" in str(failure.user_failure_data.description)
    assert isinstance(tick_meanwhile, SkipReason)
    assert "ddb-pipeline repair" in str(tick_meanwhile.skip_message)
    again = refresh(loaded, instance)
    assert again.success
    assert metadata(again, "change_table")["hours_added"] == metadata(again, "change_table")["hours_in_s3"]


def test_a_table_changed_by_hand_stops_the_views(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance
):
    glue, names = stage.client("glue"), stage.names[PIPELINE]
    original = stage.table_input(PIPELINE, names.change_table)
    storage = original["StorageDescriptor"]
    changed = {**original, "StorageDescriptor": {**storage, "Columns": storage["Columns"][:-1]}}
    glue.update_table(DatabaseName=names.database, TableInput=changed)
    try:
        result = refresh(loaded, instance)
    finally:
        glue.update_table(DatabaseName=names.database, TableInput=original)

    assert not result.success
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert [check.check_name for check in failed] == ["schema_is_the_contract"]
    assert "column sequence_number is missing" in str(failed[0].description)
    assert not result.asset_materializations_for_node(f"{PIPELINE}__latest_item_state")


def test_odd_folders_are_told_and_harm_nothing(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance
):
    names, client = stage.names[PIPELINE], stage.client("s3")
    early = datetime(2020, 1, 1, tzinfo=UTC)
    number = deliver(stage, early)
    keys = [f"{names.changes_prefix}tmp/x", f"{names.changes_prefix}{hour_prefix(early)}test-{number}.json.gz"]
    client.put_object(Bucket=names.raw_bucket, Key=keys[0], Body=b"")
    try:
        result = tick(loaded, instance)
        assert partition_key(early) not in reported(instance)
        refreshed = refresh(loaded, instance)
        said = str(tick(loaded, instance).skip_reason)
    finally:
        for key in keys:
            client.delete_object(Bucket=names.raw_bucket, Key=key)

    assert result.cursor
    assert Cursor.from_json(result.cursor).watermark
    assert refreshed.success
    assert "changes/tmp/" in said
    assert f"before start_date {stage.declaration.pipelines[PIPELINE].start_date}" in said


def test_no_refresh_is_requested_while_one_is_queued(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance, hour: datetime
):
    deliver(stage, hour)
    instance.create_run_for_job(loaded.get_job(f"{PIPELINE}_refresh"), status=DagsterRunStatus.STARTED)

    result = tick(loaded, instance)

    assert not result.run_requests
    assert "is running since" in str(result.skip_reason)
