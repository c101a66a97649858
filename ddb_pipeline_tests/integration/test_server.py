"""The server: loopback only, an AWS error for what it lacks, and nothing left behind when it stops."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.local_aws.server import LocalAws, LocalAwsError
from ddb_pipeline_tests.deployed import Deployed


def request(
    endpoint: str, method: str, path: str, headers: dict[str, str] | None = None, body: str | None = None
) -> tuple[int, str]:
    """A request as it stands, with headers that a client library would not send."""
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in (headers or {}))
    for name, value in (headers or {}).items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body or "")))
    connection.endheaders((body or "").encode())
    response = connection.getresponse()
    content = response.read().decode()
    connection.close()
    return response.status, content


def run(script: str, directory: Path, environment: dict[str, str] | None = None) -> dict[str, Any]:
    """What a script with a local AWS of its own prints as its one line, a JSON object."""
    done = subprocess.run(
        [sys.executable, "-c", script, str(directory)],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_health_tells_process_and_version(deployed: Deployed) -> None:
    status, content = request(deployed.endpoint, "GET", "/_local_aws/health")

    assert status == 200
    assert json.loads(content) == {"status": "ok", "pid": os.getpid(), "version": "0.1.0"}


def test_an_unknown_control_names_those_that_there_are(deployed: Deployed) -> None:
    status, content = request(deployed.endpoint, "GET", "/_local_aws/shutdown")

    assert status == 404
    assert "POST /_local_aws/shutdown" in content


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::1"])
def test_a_host_other_than_loopback_is_refused(deployed: Deployed, host: str) -> None:
    assert request(deployed.endpoint, "GET", "/_local_aws/health", {"Host": host})[0] == 403


@pytest.mark.parametrize("host", ["localhost:4577", "127.0.0.1", "[::1]:4577", "some-bucket.localhost:4577"])
def test_names_of_loopback_are_answered(deployed: Deployed, host: str) -> None:
    assert request(deployed.endpoint, "GET", "/_local_aws/health", {"Host": host})[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_what_a_foreign_page_makes_a_browser_send_is_refused(deployed: Deployed, headers: dict[str, str]) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", **headers}

    status, _ = request(deployed.endpoint, "POST", "/", form, "Action=DescribeStacks")

    assert status == 403


def test_motos_own_control_pages_are_closed(deployed: Deployed) -> None:
    status, content = request(deployed.endpoint, "POST", "/moto-api/reset")

    assert status == 501
    assert "NotImplementedByLocalAws" in content


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("sqs", "ListQueues", {}),
        ("glue", "ListUsageProfiles", {}),
        ("athena", "ListEngineVersions", {}),
        ("iam", "ListServiceSpecificCredentials", {}),
        ("cloudformation", "ListTypes", {}),
        ("cloudwatch", "ListMetricStreams", {}),
        ("lambda", "ListCodeSigningConfigs", {}),
    ],
)
def test_an_operation_that_is_not_there_is_refused_by_name_at_once(
    deployed: Deployed, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    client = deployed.client(service)
    method = client.meta.method_to_api_mapping
    name = next(name for name, api in method.items() if api == operation)
    started = time.monotonic()

    with pytest.raises(ClientError) as caught:
        getattr(client, name)(**arguments)

    error = caught.value.response
    assert error["Error"]["Code"] == "NotImplementedByLocalAws"
    assert "local AWS does not implement" in error["Error"]["Message"]
    assert error["ResponseMetadata"]["RetryAttempts"] == 0
    assert time.monotonic() - started < 2


def test_expired_items_are_deleted_when_asked_for(deployed: Deployed) -> None:
    dynamodb, table = deployed.client("dynamodb"), deployed.names["persons"].table
    past = str(int(time.time()) - 60)
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "test-server-expired"}, "expires_at": {"N": past}})

    status, content = request(deployed.endpoint, "POST", "/_local_aws/expire-items")

    assert status == 200
    assert json.loads(content)[table] >= 1
    assert "Item" not in dynamodb.get_item(TableName=table, Key={"pk": {"S": "test-server-expired"}})


def test_a_second_server_in_one_process_is_refused(deployed: Deployed) -> None:
    with pytest.raises(LocalAwsError, match="already"):
        LocalAws().start()


def test_an_endpoint_before_the_start_is_an_error() -> None:
    with pytest.raises(LocalAwsError, match="start"):
        _ = LocalAws().endpoint


LIFE = """
import json, os, sys, urllib.request
from pathlib import Path
from ddb_pipeline.local_aws.server import LocalAws
import boto3

before = dict(os.environ)
found = {}
with LocalAws(directory=Path(sys.argv[1])) as server:
    found["endpoint"] = server.endpoint
    found["profile"] = os.environ.get("AWS_PROFILE")
    boto3.client("s3", endpoint_url=server.endpoint, region_name="eu-central-1").create_bucket(
        Bucket="one", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
with LocalAws() as server:
    s3 = boto3.client("s3", endpoint_url=server.endpoint, region_name="eu-central-1")
    found["buckets"] = s3.list_buckets()["Buckets"]
    request = urllib.request.Request(server.endpoint + "/_local_aws/shutdown", method="POST")
    urllib.request.urlopen(request).read()
    found["stopped"] = server.wait(10)
    try:
        urllib.request.urlopen(request.full_url.replace("shutdown", "health"))
    except Exception as error:
        found["afterwards"] = type(error).__name__
found["environment_is_back"] = dict(os.environ) == before
found["imports_cdk"] = "aws_cdk" in sys.modules
print(json.dumps(found))
"""


def test_a_server_leaves_nothing_to_the_next_one_and_to_the_process(tmp_path: Path) -> None:
    found = run(LIFE, tmp_path, {"AWS_PROFILE": "a-profile-that-is-nowhere"})

    assert found["endpoint"].startswith("http://127.0.0.1:")
    assert found["profile"] is None
    assert found["buckets"] == []
    assert found["stopped"] is True
    assert found["afterwards"] == "URLError"
    assert found["environment_is_back"] is True
    assert found["imports_cdk"] is False
    assert not (tmp_path / "functions").exists()
    assert "PUT /one" in (tmp_path / "requests.log").read_text(encoding="utf-8")


TAKEN = """
import json, os, socket, sys
from ddb_pipeline.local_aws.server import LocalAws, PortTakenError

before = dict(os.environ)
with socket.create_server(("127.0.0.1", 0)) as other:
    port = other.getsockname()[1]
    try:
        LocalAws(port).start()
    except PortTakenError as error:
        found = {"message": str(error), "port": port, "environment_is_same": dict(os.environ) == before}
with LocalAws(port) as server:
    found["endpoint"] = server.endpoint
print(json.dumps(found))
"""


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    found = run(TAKEN, tmp_path)

    assert str(found["port"]) in found["message"]
    assert "ddb-pipeline local down" in found["message"]
    assert found["environment_is_same"] is True
    assert found["endpoint"] == f"http://127.0.0.1:{found['port']}"


def test_a_connection_serves_one_request_after_the_other(deployed: Deployed) -> None:
    """Also after answers of other kinds: without a body, refused, and to a body that was sent in pieces."""
    connection = http.client.HTTPConnection(urlsplit(deployed.endpoint).netloc, timeout=10)
    connection.connect()
    opened = connection.sock
    authorization = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/eu-central-1/dynamodb/aws4_request, x"}
    dynamodb = {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Content-Type": "application/x-amz-json-1.0"}
    statuses = []
    for method, path, body, headers in (
        ("GET", "/_local_aws/health", None, {}),
        ("HEAD", "/no-such-bucket", None, {}),
        ("POST", "/_local_aws/nothing", "x" * 100_000, {}),
        ("POST", "/", "{}", {**dynamodb, **authorization}),
        ("POST", "/", "no JSON", {**dynamodb, **authorization}),
        ("GET", "/_local_aws/health", None, {}),
    ):
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
        assert connection.sock is opened
    assert statuses == [200, 404, 404, 200, 400, 200]
    connection.request("POST", "/_local_aws/nothing", iter([b"a", b"b"]), encode_chunked=True)
    assert connection.getresponse().read()
    connection.close()


def test_a_process_that_ends_without_a_stop_while_a_query_runs_says_nothing() -> None:
    script = """
import time

import boto3
from ddb_pipeline.local_aws.server import LocalAws

server = LocalAws()
server.start()
keys = {"endpoint_url": server.endpoint, "region_name": "us-east-1"}
boto3.client("s3", **keys).create_bucket(Bucket="results-of-one")
athena = boto3.client("athena", **keys)
query = athena.start_query_execution(
    QueryString="SELECT count(*) FROM UNNEST(sequence(1, 10000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 10000)) AS b(y) "
    "CROSS JOIN UNNEST(sequence(1, 1000)) AS c(z)",
    ResultConfiguration={"OutputLocation": "s3://results-of-one/"},
)
while True:
    status = athena.get_query_execution(QueryExecutionId=query["QueryExecutionId"])["QueryExecution"]["Status"]
    if status["State"] != "QUEUED":
        break
    time.sleep(0.01)
print(status["State"])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    # DuckDB would tell of objects that outlive the interpreter
    assert (done.returncode, done.stdout, done.stderr) == (0, "RUNNING\n", "")
