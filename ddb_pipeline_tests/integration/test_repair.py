"""`ddb-pipeline repair` and the job of the same: whatever somebody drops or changes in the catalog comes back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from dagster import DagsterInstance, ExecuteInProcessResult, RepositoryDefinition

from ddb_pipeline.arrivals import hour_prefix, hour_values
from ddb_pipeline.catalog_tables import all_tables, change_tables
from ddb_pipeline.cli import main
from ddb_pipeline.names import PublishedNames
from ddb_pipeline_tests.change_records import inserted_row
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.jobs import with_the_state_alone

PIPELINE = "orders"
FIRST = datetime(2026, 11, 5, tzinfo=UTC)
HOURS = [FIRST + timedelta(hours=step) for step in range(3)]
SQL = "SELECT event_id FROM latest_item_state WHERE event_id LIKE 'repair-%' ORDER BY 1"
TABLES = all_tables("gzip")
CHANGES = change_tables("gzip")["json"]


@pytest.fixture
def whole(stage: Deployed) -> Iterator[Deployed]:
    """A stage with three items of three hours, of which nothing is wrong; other tests find none of them."""
    names, client = stage.names[PIPELINE], stage.client("s3")
    forget_emptied_hours(stage)
    keys = [f"{names.changes_prefix}{hour_prefix(hour)}repair.json.gz" for hour in HOURS]
    for number, key in enumerate(keys):
        client.put_object(Bucket=names.raw_bucket, Key=key, Body=gzip.compress(row(names, number).encode()))
    repair()
    assert items(stage) == ["repair-0", "repair-1", "repair-2"]
    yield stage
    for key in keys:
        client.delete_object(Bucket=names.raw_bucket, Key=key)
    stage.client("glue").batch_delete_partition(
        DatabaseName=names.database,
        TableName=CHANGES.name,
        PartitionsToDelete=[{"Values": list(hour_values(hour))} for hour in HOURS],
    )


def forget_emptied_hours(stage: Deployed) -> None:
    """Take hours out of the catalog whose objects another test took away: a repair names these, and can't mend them."""
    names, glue = stage.names[PIPELINE], stage.client("glue")
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=names.database, TableName=CHANGES.name)
    for values in [found["Values"] for page in pages for found in page["Partitions"]]:
        folder = "year={}/month={}/day={}/hour={}/".format(*values)
        listed = stage.client("s3").list_objects_v2(
            Bucket=names.raw_bucket, Prefix=f"{names.changes_prefix}{folder}", MaxKeys=1
        )
        if not listed["KeyCount"]:
            glue.delete_partition(DatabaseName=names.database, TableName=CHANGES.name, PartitionValues=values)


def row(names: PublishedNames, number: int) -> str:
    key = {"Customer.Id": {"S": "repair"}, "item": {"N": str(number)}}
    return json.dumps(inserted_row(names.table, key, f"repair-{number}", number)) + "\n"


def repair(*options: str) -> Result:
    answer = CliRunner().invoke(main, ["repair", "--pipeline", PIPELINE, *options])
    assert answer.exit_code in {0, 1}, answer.output
    return answer


def items(stage: Deployed) -> list[str]:
    return [found for (found,) in stage.ask(PIPELINE, SQL)]


def table(stage: Deployed, name: str = CHANGES.name) -> dict[str, Any]:
    found = stage.client("glue").get_table(DatabaseName=stage.names[PIPELINE].database, Name=name)["Table"]
    return {key: found[key] for key in CHANGES.table_input("") if key in found}


def partition(stage: Deployed, hour: datetime) -> dict[str, Any]:
    found = stage.client("glue").get_partition(
        DatabaseName=stage.names[PIPELINE].database, TableName=CHANGES.name, PartitionValues=list(hour_values(hour))
    )["Partition"]
    return {key: found[key] for key in CHANGES.partition_input("", hour_values(hour))}


def test_where_nothing_is_wrong_nothing_is_done(whole: Deployed):
    answer = repair()

    assert (answer.exit_code, answer.output) == (0, "✓ Nothing is wrong.\n")


def test_a_dropped_table_is_made_as_the_stack_made_it_with_every_hour(whole: Deployed):
    glue, names = whole.client("glue"), whole.names[PIPELINE]
    before = {one.name: table(whole, one.name) for one in TABLES}
    for one in TABLES:
        glue.delete_table(DatabaseName=names.database, Name=one.name)

    looked = repair("--dry-run")

    assert looked.exit_code == 1
    missing = f"✗ table {names.database}.changes is not in the Glue catalog: would be made as the stack declares it"
    assert missing in looked.output
    assert "hours that S3 holds are not in table" in looked.output
    assert looked.output.endswith("Nothing was changed (--dry-run).\n")
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        table(whole)

    mended = repair()

    assert mended.exit_code == 0
    assert f"✓ table {names.database}.changes is not in the Glue catalog: made as" in mended.output
    assert "Next: launch orders_refresh in Dagster" in mended.output
    assert {one.name: table(whole, one.name) for one in TABLES} == before
    assert before[CHANGES.name] == CHANGES.table_input(names.raw_bucket)
    assert items(whole) == ["repair-0", "repair-1", "repair-2"]
    assert repair().output == "✓ Nothing is wrong.\n"


def test_a_changed_table_is_brought_back(whole: Deployed):
    glue, names, before = whole.client("glue"), whole.names[PIPELINE], table(whole)
    storage = {**before["StorageDescriptor"], "Columns": before["StorageDescriptor"]["Columns"][:-1]}
    storage["SerdeInfo"] = {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"}
    glue.update_table(DatabaseName=names.database, TableInput={**before, "StorageDescriptor": storage})

    answer = repair()

    assert "changes was changed: columns; SerDe: brought back" in answer.output
    assert table(whole) == before


def test_hours_deleted_in_the_catalog_are_registered_and_those_that_lead_elsewhere_are_led_back(whole: Deployed):
    glue, names = whole.client("glue"), whole.names[PIPELINE]
    place: dict[str, Any] = {"DatabaseName": names.database, "TableName": CHANGES.name}
    whole.crawl(PIPELINE)
    registered = [partition(whole, hour) for hour in HOURS]
    glue.delete_partition(**place, PartitionValues=list(hour_values(HOURS[0])))
    astray = registered[1]["StorageDescriptor"] | {"Location": f"s3://{names.raw_bucket}/elsewhere/"}
    values = list(hour_values(HOURS[1]))
    glue.update_partition(
        **place, PartitionValueList=values, PartitionInput=registered[1] | {"StorageDescriptor": astray}
    )
    assert items(whole) == ["repair-2"]

    answer = repair()

    assert (
        f"✓ hours that S3 holds are not in table {names.database}.changes: 1 (2026-11-05-00:00): registered"
        in answer.output
    )
    assert "✓ partitions of table" in answer.output
    assert [partition(whole, hour) for hour in HOURS] == registered
    assert items(whole) == ["repair-0", "repair-1", "repair-2"]
    # a crawl finds nothing to do on them
    whole.crawl(PIPELINE)
    assert [partition(whole, hour) for hour in HOURS] == registered


def test_views_and_the_memory_of_their_columns_come_back(whole: Deployed):
    glue, names = whole.client("glue"), whole.names[PIPELINE]
    glue.delete_table(DatabaseName=names.database, Name="latest_item_state")
    whole.ask(PIPELINE, "CREATE OR REPLACE VIEW change_counts AS SELECT 1 AS a")
    whole.client("s3").delete_object(Bucket=names.raw_bucket, Key="catalog/item_columns.json")

    looked = repair("--dry-run")
    answer = repair()

    assert "item_columns.json, which holds the columns of the views, is not there" in looked.output
    assert "latest_item_state is not in the Glue catalog: would be made from its SQL" in looked.output
    assert (answer.exit_code, items(whole)) == (0, ["repair-0", "repair-1", "repair-2"])
    assert "change_counts has other columns than its SQL: made" in answer.output
    assert whole.ask(PIPELINE, "SELECT count(*) > 0 FROM change_counts WHERE distinct_items > 0") == [(True,)]
    assert repair().output == "✓ Nothing is wrong.\n"
    assert repair("--every-view").output.count("is asked for: made from its SQL") == 6


def test_raw_objects_that_are_gone_are_told_with_what_still_holds_them(whole: Deployed):
    names = whole.names[PIPELINE]
    key = f"{names.changes_prefix}{hour_prefix(HOURS[2])}repair.json.gz"
    whole.client("s3").delete_object(Bucket=names.raw_bucket, Key=key)

    answer = repair()

    assert answer.exit_code == 1
    assert (
        "✗ hours whose raw objects are gone from S3 though the views read them: 1 (2026-11-05-02:00)" in answer.output
    )
    assert 'set baseline = "export", deploy, and run orders_baseline' in answer.output
    # the partition is the evidence
    assert partition(whole, HOURS[2])


def loaded(stage: Deployed) -> RepositoryDefinition:
    return stage.loaded()


def test_in_the_dagster_ui_a_job_does_the_same(whole: Deployed):
    glue, names = whole.client("glue"), whole.names[PIPELINE]
    glue.delete_table(DatabaseName=names.database, Name="deleted_items")
    whole.client("s3").delete_object(Bucket=names.raw_bucket, Key="catalog/item_columns.json")
    with DagsterInstance.ephemeral() as instance:
        dry = {"ops": {"orders_find_and_mend": {"config": {"dry_run": True}}}}
        job = loaded(whole).get_job("orders_repair")
        looked, mended = (job.execute_in_process(instance=instance, run_config=config) for config in (dry, None))

    def shown(result: ExecuteInProcessResult) -> dict[str, Any]:
        (event,) = [event for event in result.all_events if event.is_successful_output]
        return {name: value.value for name, value in event.step_output_data.metadata.items()}

    assert {name: shown(looked)[name] for name in ("found", "mended", "left")} == {"found": 2, "mended": 0, "left": 2}
    assert {name: shown(mended)[name] for name in ("found", "mended", "left")} == {"found": 2, "mended": 2, "left": 0}
    assert "deleted_items is not in the Glue catalog: made from its SQL" in shown(mended)["report"]


def test_an_instance_whose_history_is_lost_goes_on_without_a_crawl(whole: Deployed):
    """All that counts is in S3 and in the catalog: a new instance reports the hours again and makes the views."""
    with DagsterInstance.ephemeral() as new:
        job = with_the_state_alone(loaded(whole), "orders_refresh", whole.declaration.pipelines[PIPELINE])
        result = job.execute_in_process(instance=new)

    def metadata(name: str) -> dict[str, Any]:
        events = [
            event
            for event in result.asset_materializations_for_node(f"{PIPELINE}__{name}")
            if event.asset_key.path[-1] == name
        ]
        return {key: value.value for key, value in events[-1].metadata.items()}

    assert metadata("change_table")["crawl"] == "none needed: every hour is in the catalog"
    assert metadata("latest_item_state")["view"] == "created"
    assert items(whole) == ["repair-0", "repair-1", "repair-2"]
