"""Formats and catalogs from an item to the views: Parquet, projected partitions, and each switched with data there.

One pipeline of its own, deployed again and again; each step adds to what is there.
"""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dagster import DagsterInstance, ExecuteInProcessResult, SensorResult, build_sensor_context

from ddb_pipeline.arrivals import HOUR, hour_of, hour_prefix, partition_key
from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.as_of import statement_at
from ddb_pipeline.cli.table_scan import key_text, scan_items
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.local_aws import delivery
from ddb_pipeline.local_aws.deployment import deploy
from ddb_pipeline.repair.repairing import repair
from ddb_pipeline.resources.aws import PipelineAwsResource
from ddb_pipeline.resources.remembered import Remembered
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.jobs import with_the_state_alone

PIPELINE = "formats"
TOML = Path(__file__).parents[1] / "formats.toml"


class Formats:
    """The pipeline on the shared local AWS, whose declaration changes from test to test."""

    def __init__(self, endpoint: str, directory: Path) -> None:
        self.endpoint, self.directory = endpoint, directory
        self.file = directory / "pipeline.toml"
        self.place = self.declared()

    def declared(self, *lines: str) -> Deployed:
        """Deploy the pipeline with these lines in its declaration."""
        marker = 'baseline = "snapshot"\n'
        text = TOML.read_text(encoding="utf-8").replace(marker, "\n".join([marker, *lines, ""]))
        self.file.write_text(text, encoding="utf-8")
        declaration = load_declaration(self.file)
        assembly = self.directory / "-".join(["assembly", *(line.split('"')[1] for line in lines)])
        if not assembly.exists():
            local_stack.synthesize(declaration, assembly)
        deploy(assembly, self.endpoint, local_stack.REGION)
        self.place = Deployed(self.endpoint, declaration, local_stack.published_names(declaration, self.endpoint))
        return self.place

    def put(self, *keys: str, said: str) -> None:
        for key in keys:
            self.place.client("dynamodb").put_item(
                TableName=self.place.names[PIPELINE].table, Item={"pk": {"S": key}, "said": {"S": said}}
            )

    def delete(self, key: str) -> None:
        self.place.client("dynamodb").delete_item(TableName=self.place.names[PIPELINE].table, Key={"pk": {"S": key}})

    def refreshed(self, job: str = "refresh", instance: DagsterInstance | None = None) -> dict[str, Any]:
        """Let everything arrive, run a job of Dagster, and return the metadata of what it made and checked."""
        assert delivery.wait_until_delivered(60)
        loaded = self.place.loaded()
        own = with_the_state_alone(loaded, f"{PIPELINE}_{job}", self.place.declaration.pipelines[PIPELINE])
        with DagsterInstance.ephemeral() as ephemeral:
            result = own.execute_in_process(instance=instance or ephemeral, raise_on_error=False)
        assert result.success
        # a misfit is told by the checks of deliveries, from its test on
        failed = {check.check_name for check in result.get_asset_check_evaluations() if not check.passed}
        assert not {name for name in failed if "deliver" not in name}
        return made(result)

    def state(self) -> dict[str, Any]:
        rows = self.place.ask(PIPELINE, "SELECT item_key, image FROM latest_item_state")
        assert len({key for key, _ in rows}) == len(rows)
        return {key_text(json.loads(key)): json.loads(image) for key, image in rows}

    def state_at(self, moment: datetime) -> dict[str, Any]:
        with PipelineAwsResource(declaration_file=str(self.file)).deployment(PIPELINE) as found:
            sql = statement_at(found, "SELECT item_key, image FROM latest_item_state", moment)
        return {key_text(json.loads(key)): json.loads(image) for key, image in self.place.ask(PIPELINE, sql)}

    def table(self) -> dict[str, Any]:
        return scan_items(self.place.client("dynamodb"), self.place.names[PIPELINE].table)

    def objects(self, prefix: str) -> dict[str, bytes]:
        s3, bucket = self.place.client("s3"), self.place.names[PIPELINE].raw_bucket
        found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return {entry["Key"]: s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read() for entry in found}

    def tables_of_the_view(self) -> set[str]:
        rows = self.place.ask(PIPELINE, "SHOW CREATE VIEW latest_item_state")
        text = " ".join(str(cell) for row in rows for cell in row)
        return {name for name in ("changes", "changes_parquet", "baselines") if f'"{name}"' in text}


def made(result: ExecuteInProcessResult) -> dict[str, Any]:
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {event.asset_key.path[-1]: {key: value.value for key, value in event.metadata.items()} for event in events}


@pytest.fixture(scope="module")
def formats(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Formats:
    return Formats(deployed.endpoint, tmp_path_factory.mktemp("formats"))


@pytest.fixture(autouse=True)
def _settings(formats: Formats, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in local_stack.environment(formats.endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DDB_PIPELINE_FILE", str(formats.file))
    # what a stack publishes is remembered for seconds: here each deployment counts at once
    monkeypatch.setattr("ddb_pipeline.resources.aws._names", Remembered(0))


def test_a_pipeline_in_parquet_goes_from_the_table_to_the_views(formats: Formats, tmp_path: Path):
    formats.declared('format = "parquet"')
    formats.put("a", "b", "c", said="in parquet")
    formats.delete("c")

    result = formats.refreshed()

    assert formats.state() == formats.table()
    assert sorted(formats.table()) == sorted(key_text({"pk": {"S": key}}) for key in "ab")
    assert formats.tables_of_the_view() == {"changes_parquet"}
    assert result["change_table"]["hours_added"] >= 1
    assert result["change_table"]["crawler"].endswith("-parquet")
    assert result["item_attributes"]["new"] == "said varchar"
    assert not formats.objects("changes/")
    assert not formats.objects("errors/")
    for name, body in formats.objects("changes_parquet/").items():
        (tmp_path / "object.parquet").write_bytes(body)
        found = duckdb.sql(f"SELECT DISTINCT compression FROM parquet_metadata('{tmp_path}/object.parquet')").fetchall()
        assert (name.rpartition(".")[2], found) == ("parquet", [("SNAPPY",)])


def test_a_row_that_does_not_fit_the_table_goes_to_errors_and_holds_nothing_up(formats: Formats):
    """The converter writes what the contract says, so that only a table that somebody changed makes a misfit."""
    glue, names = formats.place.client("glue"), formats.place.names[PIPELINE]
    right = formats.place.table_input(PIPELINE, "changes_parquet")
    wrong = json.loads(json.dumps(right))
    (column,) = [found for found in wrong["StorageDescriptor"]["Columns"] if found["Name"] == "event_id"]
    column["Type"] = "bigint"
    glue.update_table(DatabaseName=names.database, TableInput=wrong)
    formats.put("misfit", said="lost to the views")
    assert delivery.wait_until_delivered(60)
    glue.update_table(DatabaseName=names.database, TableInput=right)

    formats.put("after", said="it goes on")
    formats.refreshed()

    documents = [json.loads(line) for body in formats.objects("errors/").values() for line in body.splitlines()]
    assert all(name.startswith("errors/format-conversion-failed/year=") for name in formats.objects("errors/"))
    (document,) = documents
    assert json.loads(base64.b64decode(document["rawData"]))["item_key"] == '{"pk":{"S":"misfit"}}'
    assert document["ErrorCode"] == "DataFormatConversion.MalformedData"
    state, table = formats.state(), formats.table()
    assert table.keys() - state.keys() == {key_text({"pk": {"S": "misfit"}})}
    formats.put("misfit", said="written again")


def test_another_format_leaves_the_data_of_the_first_in_the_views(formats: Formats):
    formats.refreshed()
    before, at, then = formats.objects("changes_parquet/"), datetime.now(UTC), formats.table()
    formats.declared()
    formats.refreshed()
    assert formats.state() == formats.table(), "nothing has been written as JSON yet"

    formats.put("a", said="changed in json")
    formats.put("d", said="new in json")
    formats.delete("b")
    result = formats.refreshed()

    assert formats.state() == formats.table()
    assert formats.tables_of_the_view() == {"changes", "changes_parquet"}
    assert not result["change_table"]["crawler"].endswith("-parquet"), "only the table that lacks an hour is crawled"
    assert formats.objects("changes_parquet/") == before
    assert all(name.endswith(".json.gz") for name in formats.objects("changes/"))
    assert formats.state_at(at) == then


def test_and_back_with_a_baseline_of_both(formats: Formats):
    """An hour has objects of both formats, as the tests do not last one."""
    time.sleep(4.5)  # the margin: a snapshot is of what has settled
    snapshot = formats.refreshed("baseline")["baseline"]
    assert snapshot["dagster/row_count"] == len(formats.table())
    formats.declared('format = "parquet"')
    formats.put("a", said="in parquet again")
    formats.delete("d")

    result = formats.refreshed()

    assert formats.state() == formats.table()
    assert formats.tables_of_the_view() == {"changes", "changes_parquet", "baselines"}
    assert result["change_table"]["crawl"] == "none needed: every hour is in the catalog"


def crawlers(formats: Formats) -> list[str]:
    pages = formats.place.client("glue").get_paginator("get_crawlers").paginate()
    return [crawler["Name"] for page in pages for crawler in page["Crawlers"] if PIPELINE in crawler["Name"]]


def hour_before(formats: Formats) -> datetime:
    """Copy what arrived in Parquet into an hour that nobody has seen: repeated records change no state."""
    s3, bucket = formats.place.client("s3"), formats.place.names[PIPELINE].raw_bucket
    name = min(formats.objects("changes_parquet/"))
    hour = hour_of(datetime.now(UTC)) - 2 * HOUR
    key = f"changes_parquet/{hour_prefix(hour)}{name.rpartition('/')[2]}"
    s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": name})
    return hour


def asked_for(formats: Formats, instance: DagsterInstance) -> SensorResult:
    """One tick of the sensor."""
    loaded = formats.place.loaded()
    context = build_sensor_context(instance, repository_def=loaded, resources=loaded.get_top_level_resources())
    result = loaded.get_sensor_def(f"{PIPELINE}_arrivals")(context)
    assert isinstance(result, SensorResult)
    return result


def test_without_a_crawler_athena_finds_the_hours_by_itself(formats: Formats):
    assert len(crawlers(formats)) == 2
    formats.declared('format = "parquet"', 'catalog = "projection"')
    assert crawlers(formats) == []
    assert formats.place.names[PIPELINE].crawler == ""

    formats.put("e", said="projected")
    assert delivery.wait_until_delivered(60)
    assert formats.state() == formats.table(), "no refresh was needed"
    at, then = datetime.now(UTC), formats.table()
    with DagsterInstance.ephemeral() as instance:
        assert asked_for(formats, instance).run_requests, "attributes of a new hour are to become columns"
        result = formats.refreshed(instance=instance)
        again = asked_for(formats, instance)

    assert not again.run_requests
    assert "every hour is seen by a refresh" in str(again.skip_reason)
    assert result["change_table"]["crawl"].startswith("none: Athena computes the hours")
    assert "crawler" not in result["change_table"]
    formats.put("e", said="changed since")
    assert delivery.wait_until_delivered(60)
    assert formats.state_at(at) == then
    time.sleep(4.5)  # the margin
    assert formats.refreshed("baseline")["baseline"]["dagster/row_count"] == len(formats.table())
    formats.refreshed()
    assert formats.state() == formats.table()
    aws = PipelineAwsResource(declaration_file=str(formats.file))
    found = repair(aws, PIPELINE, dry_run=True, note=lambda _outcome: None, progress=lambda _line: None)
    # the other views were never made
    assert not [one.sentence for one in found if not one.finding.what.startswith("view ")], "nothing is registered"


def test_a_crawler_brings_in_what_came_while_there_was_none(formats: Formats):
    missed = hour_before(formats)
    formats.declared('format = "parquet"')
    assert len(crawlers(formats)) == 2
    with DagsterInstance.ephemeral() as instance:
        assert asked_for(formats, instance).run_requests
        result = formats.refreshed(instance=instance)

    assert partition_key(missed) in result["change_table"]["hours_added_list"]
    assert formats.state() == formats.table()
