"""What stands in the way of a beginner is said in a sentence with what to do next, and no change is lost by it.

One local AWS that starts empty; the tests build on each other, from "nothing was ever written" on.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, SkipReason, build_sensor_context

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.query import ask_local
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.names import PublishedNames
from ddb_pipeline_tests.deployed import wait_until
from ddb_pipeline_tests.end_to_end.processes import command, free_port, project_copy


class Project:
    """A clone in which `ddb-pipeline local up` runs."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder = folder
        self.endpoint = endpoint
        self.declaration = load_declaration(folder / "pipeline.toml")
        self.names: PublishedNames = local_stack.published_names(self.declaration, endpoint)["persons"]

    def client(self, service: str) -> Any:
        return local_stack.client(service, self.endpoint)

    def query(self, sql: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
        """Exit code and output of `ddb-pipeline query`."""
        with command(["ddb_pipeline.cli", "query", sql], self.folder, environment) as run:
            return run.wait(), run.output

    def refresh(self) -> bool:
        """Run the job of the pipeline, as the sensor does; whether it succeeded."""
        job = build_definitions(self.declaration).get_repository_def().get_job("persons_refresh")
        with DagsterInstance.ephemeral() as instance:
            return job.execute_in_process(instance=instance, raise_on_error=False).success

    def failed_records(self) -> list[bytes]:
        """What lies under the error prefix, as it was on the stream."""
        found = self.client("s3").list_objects_v2(Bucket=self.names.raw_bucket, Prefix=self.names.errors_prefix)
        bodies = [
            gzip.decompress(self.client("s3").get_object(Bucket=self.names.raw_bucket, Key=one["Key"])["Body"].read())
            for one in found.get("Contents", [])
        ]
        return [base64.b64decode(json.loads(line)["rawData"]) for body in bodies for line in body.splitlines()]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    folder, port = project_copy(tmp_path_factory.mktemp("bad_input")), free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with command(["ddb_pipeline.cli", "local", "up", "--port", str(port)], folder) as local_aws:
        local_aws.wait_for("until Ctrl-C")
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ:
                if name.startswith("AWS_"):
                    patch.delenv(name)
            yield Project(folder, endpoint)
        assert local_aws.interrupt() == 0


def test_a_query_before_the_first_crawl_says_who_makes_the_views(project: Project):
    code, output = project.query("SELECT * FROM latest_item_state")

    assert code == 1
    assert "latest_item_state' does not exist: a view is made by Dagster: run `dagster dev`" in output
    assert "Traceback" not in output


def test_an_empty_answer_of_a_table_without_hours_is_explained(project: Project):
    code, output = project.query("SELECT * FROM changes")

    assert code == 0
    assert "0 rows" in output
    assert "No hour of changes is in the catalog yet" in output


def test_a_tick_on_an_empty_stream_says_what_it_waits_for(project: Project):
    loaded = build_definitions(project.declaration).get_repository_def()
    with DagsterInstance.ephemeral() as instance:
        context = build_sensor_context(instance, repository_def=loaded, resources=loaded.get_top_level_resources())
        tick = loaded.get_sensor_def("persons_arrivals")(context)

    said = str(tick if isinstance(tick, SkipReason) else tick.skip_reason)
    assert "nothing has arrived in s3://" in said
    assert "write to the table" in said


def test_with_no_hours_yet_everything_is_made_and_empty(project: Project):
    assert project.refresh()

    code, output = project.query("SELECT count(*) AS items FROM latest_item_state")

    assert code == 0
    assert "No hour of changes is in the catalog yet" in output


def test_a_stage_that_is_not_deployed_is_named_with_how_to_deploy_it(project: Project):
    settings = {**local_stack.environment(project.endpoint), "DDB_PIPELINE_STAGE": "dev"}

    code, output = project.query("SELECT 1", settings)

    assert code == 1
    assert "stage dev of pipeline persons is not deployed" in output
    assert "`make deploy STAGE=...` for a stage on AWS" in output


def test_what_is_no_change_record_is_kept_aside_and_the_changes_beside_it_arrive(project: Project):
    wrong = [b"no JSON", b"\xff\xfe\x00", b"{}", b"[1]", b'{"eventName": "INSERT"}', json.dumps({"a": 1}).encode()]
    kinesis, names = project.client("kinesis"), project.names
    stream = names.change_stream.rpartition("/")[2]
    for number, data in enumerate(wrong):
        kinesis.put_record(StreamName=stream, Data=data, PartitionKey=str(number))
        project.client("dynamodb").put_item(TableName=names.table, Item={"pk": {"S": f"beside-{number}"}})

    wait_until(lambda: sorted(project.failed_records()) == sorted(wrong), "the wrong records lie under errors/")

    def arrived() -> bool:
        assert project.refresh()
        counted = ask_local(project.endpoint, names, "SELECT count(*) FROM latest_item_state")
        return counted.rows == ((len(wrong),),)

    wait_until(arrived, "the changes beside them arrive")


def test_a_table_dropped_by_hand_is_named_and_the_data_stays(project: Project):
    glue, names = project.client("glue"), project.names
    before = project.client("s3").list_objects_v2(Bucket=names.raw_bucket, Prefix=names.changes_prefix)["KeyCount"]
    glue.delete_table(DatabaseName=names.database, Name=names.change_table)
    project.client("dynamodb").put_item(TableName=names.table, Item={"pk": {"S": "meanwhile"}})

    code, output = project.query("SELECT * FROM change_counts")

    def objects() -> int:
        return project.client("s3").list_objects_v2(Bucket=names.raw_bucket, Prefix=names.changes_prefix)["KeyCount"]

    assert code == 1
    assert "TABLE_NOT_FOUND" in output or "INVALID_VIEW" in output
    assert not project.refresh()
    wait_until(lambda: objects() > before, "changes go on to arrive")
