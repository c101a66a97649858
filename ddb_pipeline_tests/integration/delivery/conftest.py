"""A Kinesis stream and its delivery, for the tests of Firehose."""

from __future__ import annotations

import gzip
import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ddb_pipeline.local_aws import delivery
from ddb_pipeline_tests.deployed import Deployed

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/delivery"
HOUR = "year=!{timestamp:yyyy}/month=!{timestamp:MM}/day=!{timestamp:dd}/hour=!{timestamp:HH}/"
CONVERTER = Path(__file__).parents[3] / "infra_cdk" / "functions" / "change_converter"

# a function that does what each record's text says
FUNCTION = """
import base64, json, os
def handler(event, context):
    answers = []
    for record in event["records"]:
        text = base64.b64decode(record["data"]).decode()
        if text == "raise":
            raise RuntimeError("as asked")
        if text == "once":
            if not os.path.exists(os.environ["MARKER"]):
                open(os.environ["MARKER"], "w").close()
                raise RuntimeError("as asked, the first time")
        answer = {"recordId": record["recordId"], "result": "Ok", "data": record["data"]}
        if text == "drop":
            answer["result"] = "Dropped"
        if text == "fail":
            answer["result"] = "ProcessingFailed"
        if text == "event":
            answer["data"] = base64.b64encode(json.dumps(event).encode()).decode()
        if text == "long answer":
            answer["data"] = "A" * 6_400_000
        if text != "forget":
            answers.append(answer)
    return {"records": answers}
"""


def archive(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archived:
        for name, data in files.items():
            archived.writestr(name, data)
    return content.getvalue()


@pytest.fixture(scope="module")
def functions(deployed: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """ARNs of the function above and of the real converter."""
    deployed.client("iam").create_role(RoleName="delivery-test", AssumeRolePolicyDocument="{}")
    client, arns = deployed.client("lambda"), {}
    files = {
        "echo": ("index.handler", {"index.py": FUNCTION.encode()}),
        "change_converter": (
            "change_converter.handler",
            {file.name: file.read_bytes() for file in CONVERTER.glob("*.py")},
        ),
    }
    for name, (handler, code) in files.items():
        arns[name] = client.create_function(
            FunctionName=f"{name}-{uuid.uuid4().hex[:8]}",
            Runtime="python3.13",
            Handler=handler,
            Role=f"arn:aws:iam::{ACCOUNT}:role/delivery-test",
            Code={"ZipFile": archive(code)},
            Timeout=30,
            Environment={"Variables": {"MARKER": str(tmp_path_factory.mktemp("function") / "marker")}},
        )["FunctionArn"]
    yield arns
    for arn in arns.values():
        client.delete_function(FunctionName=arn)
    deployed.client("iam").delete_role(RoleName="delivery-test")


@dataclass
class DeliveryPath:
    """A Kinesis stream, the bucket and log stream of its delivery, and what they hold."""

    deployed: Deployed
    name: str
    stream_arn: str
    functions: dict[str, str]

    def create(self, function: str | None = "echo", parameters: dict[str, str] | None = None, **settings: Any) -> str:
        destination = {
            "RoleARN": ROLE,
            "BucketARN": f"arn:aws:s3:::{self.name}",
            "Prefix": f"changes/{HOUR}",
            "ErrorOutputPrefix": f"errors/!{{firehose:error-output-type}}/{HOUR}",
            "CompressionFormat": "GZIP",
            "FileExtension": ".json.gz",
            "BufferingHints": {"IntervalInSeconds": 0, "SizeInMBs": 5},
            "CloudWatchLoggingOptions": {"Enabled": True, "LogGroupName": self.name, "LogStreamName": "S3Delivery"},
            **settings,
        }
        if function is not None:
            values = {
                "LambdaArn": self.functions.get(function, function),
                "RoleArn": ROLE,
                "NumberOfRetries": "1",
                "BufferSizeInMBs": "1",
                "BufferIntervalInSeconds": "0",
                **(parameters or {}),
            }
            given = [{"ParameterName": name, "ParameterValue": value} for name, value in values.items()]
            destination["ProcessingConfiguration"] = {
                "Enabled": True,
                "Processors": [{"Type": "Lambda", "Parameters": given}],
            }
        arn = self.deployed.client("firehose").create_delivery_stream(
            DeliveryStreamName=self.name,
            DeliveryStreamType="KinesisStreamAsSource",
            KinesisStreamSourceConfiguration={"KinesisStreamARN": self.stream_arn, "RoleARN": ROLE},
            ExtendedS3DestinationConfiguration=destination,
        )["DeliveryStreamARN"]
        wait_until(lambda: self.describe()["DeliveryStreamStatus"] == "ACTIVE")
        return arn

    def describe(self) -> dict[str, Any]:
        firehose = self.deployed.client("firehose")
        return firehose.describe_delivery_stream(DeliveryStreamName=self.name)["DeliveryStreamDescription"]

    def update(self, version: str = "1", destination: str = "destinationId-000000000001", **settings: Any) -> None:
        self.deployed.client("firehose").update_destination(
            DeliveryStreamName=self.name,
            CurrentDeliveryStreamVersionId=version,
            DestinationId=destination,
            ExtendedS3DestinationUpdate=settings,
        )

    def make_bucket(self) -> None:
        region = self.deployed.client("s3").meta.region_name
        self.deployed.client("s3").create_bucket(
            Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": region}
        )

    def put(self, *texts: str) -> None:
        """Put records on the stream, all of them on one shard."""
        for start in range(0, len(texts), 500):
            self.deployed.client("kinesis").put_records(
                StreamARN=self.stream_arn,
                Records=[{"Data": text.encode(), "PartitionKey": "one"} for text in texts[start : start + 500]],
            )

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        s3 = self.deployed.client("s3")
        keys = [found["Key"] for found in s3.list_objects_v2(Bucket=self.name, Prefix=prefix).get("Contents", [])]
        return {key: s3.get_object(Bucket=self.name, Key=key)["Body"].read() for key in keys}

    def delivered(self) -> bytes:
        return b"".join(gzip.decompress(body) for body in self.objects("changes/").values())

    def failures(self, error_type: str = "processing-failed") -> list[dict[str, Any]]:
        bodies = self.objects(f"errors/{error_type}/").values()
        texts = [gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body for body in bodies]
        return [json.loads(line) for text in texts for line in text.splitlines()]

    def logged(self) -> list[str]:
        events = self.deployed.client("logs").get_log_events(logGroupName=self.name, logStreamName="S3Delivery")
        return [json.loads(event["message"])["errorCode"] for event in events["events"]]

    def names(self) -> list[str]:
        return self.deployed.client("firehose").list_delivery_streams(Limit=100)["DeliveryStreamNames"]

    def counts(self) -> delivery.DeliveryCounts:
        return delivery.counts(self.name, account_id=ACCOUNT, region=self.deployed.client("s3").meta.region_name)

    def delete(self) -> None:
        self.deployed.client("firehose").delete_delivery_stream(DeliveryStreamName=self.name)


@pytest.fixture
def path(deployed: Deployed, functions: dict[str, str]) -> Iterator[DeliveryPath]:
    name = f"path-{uuid.uuid4().hex[:8]}"
    kinesis, logs = deployed.client("kinesis"), deployed.client("logs")
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="S3Delivery")
    made = DeliveryPath(deployed, name, arn, functions)
    made.make_bucket()
    yield made
    if name in made.names():
        made.delete()


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
