"""Faults of requests on demand: what real clients see of them is what they would see of AWS."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError, ResponseStreamingError

from ddb_pipeline.local_aws.testing import Fault, faulty
from ddb_pipeline_tests.deployed import Deployed, wait_until


class Sample(NamedTuple):
    """A call, and how its service throttles it."""

    service: str
    method: str
    arguments: dict[str, Any]
    code: str
    status: int


SAMPLES = [
    Sample(
        "dynamodb",
        "put_item",
        {"TableName": "none", "Item": {"pk": {"S": "x"}}},
        "ProvisionedThroughputExceededException",
        400,
    ),
    Sample("dynamodb", "list_tables", {}, "ThrottlingException", 400),
    Sample(
        "kinesis",
        "put_record",
        {"StreamName": "none", "Data": b"x", "PartitionKey": "x"},
        "ProvisionedThroughputExceededException",
        400,
    ),
    Sample("athena", "start_query_execution", {"QueryString": "SELECT 1"}, "TooManyRequestsException", 400),
    Sample("athena", "get_query_execution", {"QueryExecutionId": "none"}, "ThrottlingException", 400),
    Sample("glue", "start_crawler", {"Name": "none"}, "ThrottlingException", 400),
    Sample("ssm", "get_parameter", {"Name": "none"}, "ThrottlingException", 400),
    Sample("firehose", "list_delivery_streams", {}, "ThrottlingException", 400),
    Sample("logs", "describe_log_groups", {}, "ThrottlingException", 400),
    Sample("lambda", "invoke", {"FunctionName": "none"}, "TooManyRequestsException", 429),
    Sample("cloudformation", "describe_stacks", {}, "Throttling", 400),
    Sample("sts", "get_caller_identity", {}, "Throttling", 400),
    Sample("cloudwatch", "list_metrics", {}, "ThrottlingException", 400),
    Sample("s3", "list_objects_v2", {"Bucket": "none"}, "SlowDown", 503),
    Sample("s3", "get_object", {"Bucket": "none", "Key": "a key/ü"}, "SlowDown", 503),
]
EACH = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.service} {sample.method}")


def client(deployed: Deployed, service: str, attempts: int = 1, **settings: Any) -> Any:
    session: Any = boto3.session.Session("test", "test", region_name="eu-central-1")
    config = Config(retries={"mode": "standard", "total_max_attempts": attempts}, **settings)
    return session.client(service, endpoint_url=deployed.endpoint, config=config)


def refused(deployed: Deployed, sample: Sample, fault: Fault, attempts: int = 1) -> dict[str, Any]:
    """The error that a call gets; the fault has struck each of its attempts."""
    with faulty(deployed.endpoint, fault) as struck:
        with pytest.raises(ClientError) as caught:
            getattr(client(deployed, sample.service, attempts), sample.method)(**sample.arguments)
        assert struck() == [attempts]
    return dict(caught.value.response)


@EACH
def test_a_service_throttles_in_its_own_words_and_botocore_tries_again(deployed: Deployed, sample: Sample) -> None:
    """It tries again what it knows as throttling, and what has a status from 500 on: the shape is AWS's."""
    found = refused(deployed, sample, Fault("throttle", service=sample.service), attempts=2)

    assert (found["Error"]["Code"], found["ResponseMetadata"]["HTTPStatusCode"]) == (sample.code, sample.status)
    assert found["Error"]["Message"]
    assert found["ResponseMetadata"]["RequestId"]
    assert found["ResponseMetadata"]["RetryAttempts"] == 1


@EACH
def test_a_fault_of_a_service_has_status_500(deployed: Deployed, sample: Sample) -> None:
    found = refused(deployed, sample, Fault("fail", service=sample.service))

    assert found["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert found["Error"]["Code"].startswith(("Internal", "ServiceException"))


@EACH
def test_expired_credentials_are_refused_in_the_words_of_the_protocol(deployed: Deployed, sample: Sample) -> None:
    found = refused(deployed, sample, Fault("expire"))

    code = "ExpiredTokenException" if sample.code.endswith("Exception") else "ExpiredToken"
    assert found["Error"]["Code"] == code
    assert "expired" in found["Error"]["Message"]


def test_an_error_that_an_operation_declares_is_raised_as_its_exception(deployed: Deployed) -> None:
    glue = client(deployed, "glue")
    running = Fault(
        "fail", service="glue", operation="StartCrawler", code="CrawlerRunningException", message="it runs, they say"
    )

    with (
        faulty(deployed.endpoint, running),
        pytest.raises(glue.exceptions.CrawlerRunningException, match="it runs, they say"),
    ):
        glue.start_crawler(Name="none")


@pytest.mark.parametrize(
    ("method", "arguments", "operation"),
    [
        ("list_objects", {}, "ListObjects"),
        ("list_objects_v2", {}, "ListObjectsV2"),
        ("get_bucket_location", {}, "GetBucketLocation"),
        ("head_bucket", {}, "HeadBucket"),
        ("head_object", {"Key": "a"}, "HeadObject"),
        ("put_object", {"Key": "a/b", "Body": b"x"}, "PutObject"),
        ("copy_object", {"Key": "a", "CopySource": "b/c"}, "CopyObject"),
        ("upload_part", {"Key": "a", "PartNumber": 1, "UploadId": "x", "Body": b"x"}, "UploadPart"),
        ("get_object_tagging", {"Key": "a"}, "GetObjectTagging"),
        ("delete_objects", {"Delete": {"Objects": [{"Key": "a"}]}}, "DeleteObjects"),
    ],
)
def test_an_operation_of_s3_is_known_by_method_path_query_and_headers(
    deployed: Deployed, method: str, arguments: dict[str, Any], operation: str
) -> None:
    refused(
        deployed,
        Sample("s3", method, {"Bucket": "none", **arguments}, "", 0),
        Fault("throttle", service="s3", operation=operation),
    )


def test_only_what_is_named_is_struck_so_often_and_after_so_many(deployed: Deployed) -> None:
    glue, ssm = client(deployed, "glue"), client(deployed, "ssm")
    outcomes = []
    with faulty(deployed.endpoint, Fault("throttle", "glue", "GetDatabases", count=2, skip=1)) as struck:
        ssm.describe_parameters()
        glue.get_crawlers()
        for _ in range(5):
            try:
                glue.get_databases()
                outcomes.append("answered")
            except ClientError:
                outcomes.append("struck")
        assert struck() == [2]

    assert outcomes == ["answered", "struck", "struck", "answered", "answered"]


def test_an_answer_is_lost_though_the_work_is_done(deployed: Deployed) -> None:
    """What a client must reckon with that starts something: its second attempt finds the first one's work."""
    glue, name = client(deployed, "glue", attempts=2), f"lost-{uuid.uuid4().hex[:8]}"
    lost = Fault("fail", "glue", "CreateDatabase", count=1, carried_out=True)

    with faulty(deployed.endpoint, lost), pytest.raises(glue.exceptions.AlreadyExistsException):
        glue.create_database(DatabaseInput={"Name": name})

    glue.delete_database(Name=name)


def test_a_connection_is_cut_in_the_middle_of_an_answer(deployed: Deployed) -> None:
    s3, bucket = client(deployed, "s3"), f"cut-{uuid.uuid4()}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_object(Bucket=bucket, Key="0", Body=b"0123456789")
    url = f"{deployed.endpoint}/{bucket}"

    with (
        faulty(deployed.endpoint, Fault("cut")),
        urllib.request.urlopen(url) as answer,
        pytest.raises(http.client.IncompleteRead) as caught,
    ):
        answer.read()
    assert len(caught.value.partial) in {caught.value.expected, (caught.value.expected or 0) - 1}, "half of it"
    with faulty(deployed.endpoint, Fault("cut", "s3", "GetObject")), pytest.raises(ResponseStreamingError):
        s3.get_object(Bucket=bucket, Key="0")["Body"].read()
    with faulty(deployed.endpoint, Fault("cut", "s3", "HeadObject")), pytest.raises(ConnectionClosedError):
        s3.head_object(Bucket=bucket, Key="0")
    with faulty(deployed.endpoint, Fault("cut", "s3", "ListObjectsV2", count=1)) as struck:
        # botocore sees by the XML that half of it is missing, and asks again
        assert client(deployed, "s3", attempts=2).list_objects_v2(Bucket=bucket)["KeyCount"] == 1
        assert struck() == [1]


def test_a_request_is_stalled_until_the_client_gives_up_or_the_fault_does(deployed: Deployed) -> None:
    stall = Fault("stall", "ssm", "DescribeParameters", seconds=60)
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(client(deployed, "ssm").describe_parameters()))
    started = time.monotonic()

    with faulty(deployed.endpoint, stall) as struck:
        with pytest.raises(ReadTimeoutError):
            client(deployed, "ssm", read_timeout=0.3).describe_parameters()
        waiting.start()
        wait_until(lambda: struck() == [2], "the second request is stalled")
        assert answers == []
    waiting.join()

    assert len(answers) == 1
    assert time.monotonic() - started < 30


def test_the_same_seed_strikes_the_same_requests(deployed: Deployed) -> None:
    def outcomes(seed: int) -> str:
        found = ""
        with faulty(deployed.endpoint, Fault("fail", "ssm", rate=0.5, seed=seed)):
            for _ in range(20):
                try:
                    client_.describe_parameters(MaxResults=1)
                    found += "."
                except ClientError:
                    found += "x"
        return found

    client_ = client(deployed, "ssm")
    first = outcomes(1)
    assert outcomes(1) == first
    assert outcomes(2) != first
    assert 3 <= first.count("x") <= 17


KILLED = """
import boto3, sys
from botocore.config import Config
from ddb_pipeline.local_aws.faults import Fault
from ddb_pipeline.local_aws.server import LocalAws

with LocalAws(may_be_killed=True) as server:
    server.request_faults.set([Fault("kill", "s3", "ListBuckets")])
    config = Config(retries={"total_max_attempts": 1})
    boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1", config=config).list_buckets()
"""


def test_a_process_of_its_own_is_killed_and_no_other(deployed: Deployed) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], timeout=60, check=False)
    assert done.returncode == -9

    answer = set_faults(deployed, {"faults": [{"kind": "kill"}]})
    assert answer.startswith("local AWS runs in a process of others, which it does not kill")


def set_faults(deployed: Deployed, document: Any) -> str:
    """Why the control refuses them."""
    request = urllib.request.Request(f"{deployed.endpoint}/_local_aws/faults", json.dumps(document).encode())
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    assert caught.value.code == 400
    return str(json.load(caught.value)["error"])


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "fail", "service": "s4"}, "boto3 knows no service 's4'"),
        ({"kind": "fail", "service": "s3", "operation": "ListObject"}, "s3 has no operation 'ListObject'"),
        ("throttle", "faults is a list of objects"),
    ],
)
def test_a_fault_that_could_never_strike_is_refused(deployed: Deployed, fault: Any, reason: str) -> None:
    assert set_faults(deployed, {"faults": [fault]}) == reason
