"""One pipeline for each source of baselines, and what tests do with it.

The pipeline `shots` takes snapshots, `exports` exports its table; both have a margin of four seconds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, ExecuteInProcessResult

from ddb_pipeline.baseline_making.making import Made, Making
from ddb_pipeline.baselines.records import Manifest
from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.table_scan import key_text, scan_items
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.local_aws import delivery
from ddb_pipeline.local_aws.deployment import deploy
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.jobs import with_the_state_alone

PIPELINES = Path(__file__).parents[1] / "baselines.toml"
MARGIN_SECONDS = 4


_places: dict[str, Deployed] = {}


@pytest.fixture(scope="module")
def place(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Deployed:
    """The stacks of both pipelines, on the local AWS of this worker process, where they stay."""
    if deployed.endpoint not in _places:
        _places[deployed.endpoint] = deploy_pipelines(deployed.endpoint, tmp_path_factory.mktemp("baselines"))
    return _places[deployed.endpoint]


def deploy_pipelines(endpoint: str, directory: Path) -> Deployed:
    declaration = load_declaration(PIPELINES)
    deploy(local_stack.synthesize(declaration, directory / "assembly"), endpoint, local_stack.REGION)
    stage = Deployed(endpoint, declaration, local_stack.published_names(declaration, endpoint))
    older_than_the_stream(stage)
    return stage


OLD_ITEM = {"Customer.Id": {"S": "older"}, "item": {"N": "1"}, "said": {"S": "before the stream"}}


def older_than_the_stream(stage: Deployed) -> None:
    """Write an item of `exports` while its table does not stream."""
    dynamodb, names = stage.client("dynamodb"), stage.names["exports"]
    streams = dynamodb.describe_kinesis_streaming_destination(TableName=names.table)["KinesisDataStreamDestinations"]
    arn = streams[0]["StreamArn"]
    switch(stage, "exports", arn, on=False)
    dynamodb.put_item(TableName=names.table, Item=OLD_ITEM)
    switch(stage, "exports", arn, on=True)


def switch(stage: Deployed, pipeline: str, arn: str, *, on: bool) -> None:
    dynamodb, table = stage.client("dynamodb"), stage.names[pipeline].table
    call = dynamodb.enable_kinesis_streaming_destination if on else dynamodb.disable_kinesis_streaming_destination
    call(TableName=table, StreamArn=arn)
    wanted, deadline = ("ACTIVE" if on else "DISABLED"), time.monotonic() + 30
    while True:
        found = dynamodb.describe_kinesis_streaming_destination(TableName=table)["KinesisDataStreamDestinations"]
        if {entry["StreamArn"]: entry["DestinationStatus"] for entry in found}.get(arn) == wanted:
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def stage(place: Deployed, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    for name, value in local_stack.environment(place.endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DDB_PIPELINE_FILE", str(PIPELINES))
    return place


@contextmanager
def deployment(pipeline: str) -> Iterator[Deployment]:
    with PipelineAwsResource(declaration_file=str(PIPELINES)).deployment(pipeline) as found:
        yield found


def make(stage: Deployed, pipeline: str) -> Made:
    """Make a baseline, without Dagster; waits until an export is allowed."""
    deliver(stage, pipeline)
    with deployment(pipeline) as found:
        making = Making(found, note=lambda _line: None)
        try:
            return making.run()
        except PipelineError as error:
            if "is safe from" not in str(error):
                raise
        time.sleep(MARGIN_SECONDS + 1)
        return making.run()


def run(stage: Deployed, name: str, *, whole: bool = False) -> ExecuteInProcessResult:
    """Run a job in this process: whole, or without the views that are not the state's."""
    loaded = stage.loaded()
    pipeline = stage.declaration.pipelines[name.partition("_")[0]]
    job = loaded.get_job(name) if whole else with_the_state_alone(loaded, name, pipeline)
    with DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(instance=instance, raise_on_error=False)


def checks(result: ExecuteInProcessResult) -> dict[str, Any]:
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def key(pipeline: str, number: int, mark: str) -> dict[str, Any]:
    if pipeline == "shots":
        return {"pk": {"S": f"{mark}-{number}"}}
    return {"Customer.Id": {"S": mark}, "item": {"N": str(number)}}


def write(stage: Deployed, pipeline: str, mark: str, numbers: range, text: str) -> None:
    dynamodb, table = stage.client("dynamodb"), stage.names[pipeline].table
    for number in numbers:
        dynamodb.put_item(TableName=table, Item={**key(pipeline, number, mark), "said": {"S": text}})


def remove(stage: Deployed, pipeline: str, mark: str, numbers: range) -> None:
    for number in numbers:
        stage.client("dynamodb").delete_item(TableName=stage.names[pipeline].table, Key=key(pipeline, number, mark))


def deliver(stage: Deployed, pipeline: str) -> None:
    assert delivery.wait_until_delivered(60)
    stage.crawl(pipeline)


def state(stage: Deployed, pipeline: str) -> dict[str, Any]:
    """What the view holds; every row is certain and stands for one item."""
    rows = stage.ask(pipeline, "SELECT item_key, image, state_certain FROM latest_item_state")
    assert all(certain for *_, certain in rows)
    assert len({found for found, *_ in rows}) == len(rows)
    return {key_text(json.loads(found)): json.loads(image) for found, image, _ in rows}


def table(stage: Deployed, pipeline: str) -> dict[str, Any]:
    return scan_items(stage.client("dynamodb"), stage.names[pipeline].table)


def manifests(pipeline: str) -> list[Manifest]:
    with deployment(pipeline) as found:
        return found.baselines.manifests()


def seen(stage: Deployed, pipeline: str) -> set[str]:
    """Ids of the partitions of the table `baselines`: what a query can find."""
    glue, database = stage.client("glue"), stage.names[pipeline].database
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName="baselines")
    return {partition["Values"][0] for page in pages for partition in page["Partitions"]}


def saved_query(stage: Deployed, pipeline: str, moment: datetime) -> dict[str, Any]:
    """The saved query, run as AWS documents it: its text, and the moment as execution parameter."""
    athena, names = stage.client("athena"), stage.names[pipeline]
    ids = athena.list_named_queries(WorkGroup=names.workgroup)["NamedQueryIds"]
    queries = [athena.get_named_query(NamedQueryId=found)["NamedQuery"] for found in ids]
    (query,) = [found for found in queries if found["Name"] == "items_at_a_moment"]
    started = athena.start_query_execution(
        QueryString=query["QueryString"],
        ExecutionParameters=[f"'{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z'"] * 2,
        QueryExecutionContext={"Database": query["Database"]},
        WorkGroup=names.workgroup,
    )["QueryExecutionId"]
    while True:
        status = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
        if status["State"] in {"SUCCEEDED", "FAILED"}:
            break
        time.sleep(0.05)
    assert status["State"] == "SUCCEEDED", status
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=started)
    rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]][1:]
    return images([(row[0]["VarCharValue"], row[2]["VarCharValue"]) for row in rows])


def images(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    found = {key_text(json.loads(key)): json.loads(image) for key, image in rows}
    assert len(found) == len(rows)
    return found


def let_it_settle() -> None:
    """Wait until a snapshot holds what was written before."""
    time.sleep(MARGIN_SECONDS + 0.5)
