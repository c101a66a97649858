"""State on disk: what was answered is there again after SIGKILL, and nothing delivered is lost."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ddb_pipeline.local_aws.deployment import deploy
from ddb_pipeline.local_aws.server import LocalAws, LocalAwsError
from ddb_pipeline.local_aws.state import StateError
from ddb_pipeline.local_aws.state.store import Store
from ddb_pipeline.names import PublishedNames
from ddb_pipeline_tests.deployed import wait_until

REGION = "eu-central-1"
SERVE = """
import sys
from pathlib import Path
from ddb_pipeline.local_aws.server import LocalAws

server = LocalAws(state=Path(sys.argv[1]))
server.start()
print(server.endpoint, flush=True)
server.wait()
"""


class Process:
    """A local AWS in a process of its own, with its state in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(self.directory)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.endpoint = self._process.stdout.readline().strip()
        self._clients: dict[str, Any] = {}
        assert self.endpoint, "local AWS did not start"

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def again(self) -> None:
        """Kill and start anew."""
        self.kill()
        self.start()

    def client(self, service: str) -> Any:
        """A client of this life of the process."""
        if service not in self._clients:
            session: Any = boto3.session.Session("test", "test", region_name=REGION)
            config = Config(retries={"total_max_attempts": 1}, read_timeout=60)
            self._clients[service] = session.client(service, endpoint_url=self.endpoint, config=config)
        return self._clients[service]

    def rows(self, names: PublishedNames) -> list[dict[str, Any]]:
        """Every change row that was delivered."""
        s3 = self.client("s3")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=names.raw_bucket, Prefix=names.changes_prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        bodies = [s3.get_object(Bucket=names.raw_bucket, Key=key)["Body"].read() for key in keys]
        return [json.loads(line) for body in bodies for line in gzip.decompress(body).splitlines()]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One for all tests, which each kill it: a start costs seconds, and what the tests before left must live on too."""
    made = Process(tmp_path_factory.mktemp("state"))
    yield made
    made.kill()


def published(process: Process) -> PublishedNames:
    parameter = process.client("ssm").get_parameter(Name="/ddb-change-analytics/local/persons")
    return PublishedNames.from_json(parameter["Parameter"]["Value"])


def test_what_is_killed_in_the_middle_of_writes_has_every_answered_write_and_delivers_each_change(
    process: Process, assembly: Path
) -> None:
    deploy(assembly, process.endpoint, REGION)
    names = published(process)
    answered: dict[str, str] = {}
    lock = threading.Lock()
    enough = threading.Event()

    def write(worker: int) -> None:
        dynamodb = process.client("dynamodb")
        with contextlib.suppress(BotoCoreError, ClientError):
            for number in range(100_000):
                key = f"{worker}-{number % 20}"
                dynamodb.put_item(TableName=names.table, Item={"pk": {"S": key}, "number": {"N": str(number)}})
                with lock:
                    answered[key] = str(number)
                    if len(answered) >= 40 and number > 30:
                        enough.set()

    for _ in range(2):
        enough.clear()
        threads = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
        for thread in threads:
            thread.start()
        assert enough.wait(60)
        process.kill()
        for thread in threads:
            thread.join()
        process.start()

        scanned = process.client("dynamodb").scan(TableName=names.table, ConsistentRead=True)["Items"]
        found = {item["pk"]["S"]: item["number"]["N"] for item in scanned}
        # a write that was not answered may have happened, and no other
        assert found.keys() >= answered.keys()
        assert [key for key, number in answered.items() if int(found[key]) not in {int(number), int(number) + 20}] == []
        answered = dict(found)

    def latest() -> dict[str, str]:
        newest: dict[str, tuple[int, str]] = {}
        for row in process.rows(names):
            item = json.loads(row["new_item"])
            newest[item["pk"]] = max(newest.get(item["pk"], (0, "")), (row["changed_at_us"], str(item["number"])))
        return {key: number for key, (_, number) in newest.items()}

    wait_until(lambda: latest() == found, "every change is delivered", pause=0.5)
    by_event: dict[str, set[str]] = {}
    for row in process.rows(names):
        content = {name: row[name] for name in ("item_key", "new_image", "old_image", "changed_at_us")}
        by_event.setdefault(row["event_id"], set()).add(json.dumps(content))
    # what is delivered twice is the same twice, so the event id tells
    assert all(len(contents) == 1 for contents in by_event.values())
    assert len(by_event) >= len(found)


def test_stacks_catalog_objects_functions_and_uploads_go_on(process: Process, assembly: Path) -> None:
    deploy(assembly, process.endpoint, REGION)
    names = published(process)
    s3 = process.client("s3")
    s3.put_object(Bucket=names.raw_bucket, Key="own/one", Body=b"one", Metadata={"word": "kept"}, Tagging="a=b")
    s3.put_object(Bucket=names.raw_bucket, Key="own/gone", Body=b"gone")
    s3.delete_object(Bucket=names.raw_bucket, Key="own/gone")
    upload = {"Bucket": names.raw_bucket, "Key": "own/large"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    part = s3.upload_part(**upload, PartNumber=1, Body=b"x" * 1000)
    partition = {"Values": ["2026", "01", "01", "00"], "StorageDescriptor": {"Columns": []}}
    process.client("glue").create_partition(
        DatabaseName=names.database, TableName=names.change_table, PartitionInput=partition
    )

    process.again()

    s3 = process.client("s3")
    assert s3.get_object(Bucket=names.raw_bucket, Key="own/one")["Body"].read() == b"one"
    assert s3.head_object(Bucket=names.raw_bucket, Key="own/one")["Metadata"] == {"word": "kept"}
    assert s3.get_object_tagging(Bucket=names.raw_bucket, Key="own/one")["TagSet"] == [{"Key": "a", "Value": "b"}]
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=names.raw_bucket, Key="own/gone")
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]})
    assert s3.get_object(Bucket=names.raw_bucket, Key="own/large")["Body"].read() == b"x" * 1000
    found = process.client("glue").get_partitions(DatabaseName=names.database, TableName=names.change_table)
    assert [item["Values"] for item in found["Partitions"]] == [partition["Values"]]
    said: list[str] = []
    deploy(assembly, process.endpoint, REGION, progress=said.append)
    assert [line for line in said if line.endswith("is unchanged")] != []
    assert not [line for line in said if line.startswith(("AWS::", "publishing"))]
    before = len(process.rows(names))
    answer = process.client("lambda").invoke(FunctionName=names.item_loader, Payload=b'{"batchSize": 2}')
    assert json.loads(answer["Payload"].read())["inserted"] == 2
    wait_until(lambda: len(process.rows(names)) >= before + 2, "the changes are delivered", pause=0.5)


def test_workgroups_named_queries_and_prepared_statements_go_on(process: Process) -> None:
    process.client("s3").create_bucket(
        Bucket="results-of-one", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    athena = process.client("athena")
    athena.create_work_group(
        Name="one",
        Configuration={
            "ResultConfiguration": {"OutputLocation": "s3://results-of-one/"},
            "EnforceWorkGroupConfiguration": True,
            "BytesScannedCutoffPerQuery": 20_000_000,
        },
        Tags=[{"Key": "a", "Value": "b"}],
    )
    athena.update_work_group(WorkGroup="one", Description="changed")
    saved = {
        "Name": "saved",
        "Database": "d",
        "QueryString": "SELECT 1",
        "WorkGroup": "one",
        "ClientRequestToken": "t" * 32,
    }
    query = athena.create_named_query(**saved)["NamedQueryId"]
    athena.create_prepared_statement(
        StatementName="by_api", WorkGroup="one", QueryStatement="SELECT 'found' WHERE 7 = ?"
    )

    def run(sql: str) -> list[Any]:
        identity = athena.start_query_execution(QueryString=sql, WorkGroup="one")["QueryExecutionId"]

        def status() -> dict[str, Any]:
            found: dict[str, Any] = athena.get_query_execution(QueryExecutionId=identity)["QueryExecution"]["Status"]
            return found

        wait_until(lambda: status()["State"] not in {"QUEUED", "RUNNING"}, "the query has ended")
        assert status()["State"] == "SUCCEEDED", status()
        return [row["Data"] for row in athena.get_query_results(QueryExecutionId=identity)["ResultSet"]["Rows"][1:]]

    run("PREPARE by_sql FROM SELECT 8 WHERE 7 = ?")
    group = athena.get_work_group(WorkGroup="one")["WorkGroup"]

    process.again()

    athena = process.client("athena")
    found = athena.get_work_group(WorkGroup="one")["WorkGroup"]
    assert (found, found["Description"]) == (group, "changed")
    assert athena.list_tags_for_resource(ResourceARN=f"arn:aws:athena:{REGION}:123456789012:workgroup/one")["Tags"] == [
        {"Key": "a", "Value": "b"}
    ]
    assert athena.list_named_queries(WorkGroup="one")["NamedQueryIds"] == [query]
    assert athena.create_named_query(**saved)["NamedQueryId"] == query, "its token is known"
    assert athena.get_named_query(NamedQueryId=query)["NamedQuery"]["WorkGroup"] == "one"
    assert run("EXECUTE by_api USING 7") == [[{"VarCharValue": "found"}]]
    assert run("EXECUTE by_sql USING 7") == [[{"VarCharValue": "8"}]]


def test_tables_that_were_deleted_stay_so_and_one_of_the_same_name_is_empty(process: Process) -> None:
    table = {
        "TableName": "one",
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    dynamodb = process.client("dynamodb")
    dynamodb.create_table(**table)
    dynamodb.put_item(TableName="one", Item={"pk": {"S": "old"}})
    dynamodb.delete_table(TableName="one")
    dynamodb.create_table(**table)
    dynamodb.put_item(TableName="one", Item={"pk": {"S": "a"}})
    dynamodb.put_item(TableName="one", Item={"pk": {"S": "b"}, "n": {"N": "1"}})
    dynamodb.update_item(
        TableName="one",
        Key={"pk": {"S": "b"}},
        UpdateExpression="ADD n :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    with pytest.raises(ClientError):
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "one", "Item": {"pk": {"S": "a"}, "n": {"N": "9"}}}},
                {
                    "ConditionCheck": {
                        "TableName": "one",
                        "Key": {"pk": {"S": "nobody"}},
                        "ConditionExpression": "attribute_exists(pk)",
                    }
                },
            ]
        )

    process.again()

    items = process.client("dynamodb").scan(TableName="one")["Items"]
    assert sorted(items, key=str) == sorted([{"pk": {"S": "a"}}, {"pk": {"S": "b"}, "n": {"N": "2"}}], key=str)


def test_records_of_a_stream_keep_their_sequence_numbers(process: Process) -> None:
    kinesis = process.client("kinesis")
    kinesis.create_stream(StreamName="one", ShardCount=1)
    first = kinesis.put_record(StreamName="one", Data=b"first", PartitionKey="k")["SequenceNumber"]

    process.again()

    kinesis = process.client("kinesis")
    second = kinesis.put_record(StreamName="one", Data=b"second", PartitionKey="k")["SequenceNumber"]
    iterator = kinesis.get_shard_iterator(
        StreamName="one", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert [(record["Data"], record["SequenceNumber"]) for record in records] == [
        (b"first", first),
        (b"second", second),
    ]
    assert int(first) < int(second)


def test_one_directory_is_used_by_one_local_aws(process: Process) -> None:
    with pytest.raises(StateError, match="used by another local AWS: stop that first"):
        Store(process.directory)


def test_what_is_kept_on_disk_is_not_reset(process: Process) -> None:
    request = urllib.request.Request(f"{process.endpoint}/_local_aws/reset", data=b"", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)

    assert refused.value.code == 400
    assert b"keeps its state on disk" in refused.value.read()


@pytest.mark.parametrize("what", ["moto", "Python", "ddb-change-analytics"])
def test_a_directory_of_another_version_is_refused_in_one_sentence(tmp_path: Path, what: str) -> None:
    store = Store(tmp_path)
    store.write([("UPDATE written_by SET version = '0.0' WHERE what = ?", (what,))])
    store.close()

    with pytest.raises(StateError, match=rf"written with {what} 0\.0 \(this is .+\): delete that directory"):
        Store(tmp_path)


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"something else, and long enough to be looked at" * 100)

    with pytest.raises(StateError, match="is not the state of a local AWS"):
        Store(tmp_path)


def test_faults_and_state_exclude_each_other(tmp_path: Path) -> None:
    from ddb_pipeline.local_aws.change_stream import StreamFaults

    with pytest.raises(LocalAwsError, match="without a state"):
        LocalAws(state=tmp_path, faults=StreamFaults(repeats=0.5))
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - nothing was begun
