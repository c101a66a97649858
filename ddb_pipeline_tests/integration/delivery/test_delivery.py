"""Firehose delivers what is on the stream: converted, in objects of the right place and size, and never lost."""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
import time
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.change_row import COLUMNS
from ddb_pipeline.local_aws import delivery
from ddb_pipeline.local_aws.delivery import worker
from ddb_pipeline_tests.integration.delivery.conftest import wait_until


def test_records_arrive_converted_in_one_object_of_the_hour(path):
    path.create(BufferingHints={"IntervalInSeconds": 1, "SizeInMBs": 5})
    path.put("a", "b", "c")
    arrived = datetime.now(UTC)
    assert delivery.wait_until_delivered(10)

    [(key, body)] = path.objects().items()
    assert gzip.decompress(body) == b"abc"
    pattern = (
        rf"changes/year={arrived:%Y}/month={arrived:%m}/day={arrived:%d}/hour={arrived:%H}/"
        rf"{path.name}-1-{arrived:%Y-%m-%d-%H}-\d\d-\d\d-[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}\.json\.gz"
    )
    assert re.fullmatch(pattern, key)
    assert path.counts() == delivery.DeliveryCounts(read=3, delivered=3, objects=1)


def test_the_function_gets_the_documented_event(path):
    arn = path.create()
    before = int(time.time() * 1000)
    path.put("event")
    assert delivery.wait_until_delivered(10)

    event = json.loads(path.delivered())
    [record] = event.pop("records")
    metadata = record.pop("kinesisRecordMetadata")
    assert set(event) == {"invocationId", "deliveryStreamArn", "sourceKinesisStreamArn", "region"}
    assert (event["deliveryStreamArn"], event["sourceKinesisStreamArn"]) == (arn, path.stream_arn)
    assert record["data"] == base64.b64encode(b"event").decode()
    assert before - 1 <= record["approximateArrivalTimestamp"] <= int(time.time() * 1000)
    assert metadata["approximateArrivalTimestamp"] == record["approximateArrivalTimestamp"]
    assert (metadata["partitionKey"], metadata["subsequenceNumber"]) == ("one", 0)
    assert re.fullmatch(r"49\d{54}", metadata["sequenceNumber"])
    assert metadata["shardId"].startswith("shardId-")


def test_delivery_starts_with_the_first_record_after_creation(path):
    path.put("before")
    path.create()
    path.put("after")
    assert delivery.wait_until_delivered(10)

    assert path.delivered() == b"after"


def test_what_comes_while_it_is_created_is_not_delivered(path, monkeypatch):
    monkeypatch.setattr(worker, "CREATING_SECONDS", 1.0)
    creating = threading.Thread(target=path.create)
    creating.start()
    wait_until(lambda: path.name in path.names())
    assert path.describe()["DeliveryStreamStatus"] == "CREATING"
    with pytest.raises(ClientError, match="ResourceInUseException"):
        path.delete()
    path.put("in the gap")
    creating.join()
    path.put("after")
    assert delivery.wait_until_delivered(10)

    assert path.delivered() == b"after"


def test_an_event_is_no_longer_than_lambda_takes(path):
    path.create(parameters={"BufferSizeInMBs": "3"})
    for _ in range(7):
        path.put("x" * 1_000_000)
    assert delivery.wait_until_delivered(30)

    assert path.counts().delivered == 7
    assert path.logged() == []


def test_an_answer_longer_than_lambda_takes_fails_the_whole_batch(path):
    path.create(parameters={"BufferIntervalInSeconds": "1"})
    path.put("small", "long answer")
    assert delivery.wait_until_delivered(20)

    failures = path.failures()
    assert [base64.b64decode(one["rawData"]) for one in failures] == [b"small", b"long answer"]
    assert {(one["attemptsMade"], one["errorCode"]) for one in failures} == {(2, "Lambda.FunctionError")}
    assert path.delivered() == b""


def test_without_a_processor_records_are_delivered_as_they_are(path):
    path.create(function=None, CompressionFormat="UNCOMPRESSED", FileExtension="")
    path.put("a", "b")
    assert delivery.wait_until_delivered(10)

    assert b"".join(path.objects().values()) == b"ab"


def test_dropped_failed_and_forgotten_records_are_told_apart(path):
    path.create(parameters={"BufferIntervalInSeconds": "1"})
    path.put("kept", "drop", "fail", "forget")
    assert delivery.wait_until_delivered(10)

    assert path.delivered() == b"kept"
    failures = {base64.b64decode(one["rawData"]): one for one in path.failures()}
    assert set(failures[b"fail"]) == {
        "attemptsMade",
        "arrivalTimestamp",
        "errorCode",
        "errorMessage",
        "attemptEndingTimestamp",
        "rawData",
        "lambdaArn",
    }
    assert {text: one["errorCode"] for text, one in failures.items()} == {
        b"fail": "Lambda.FunctionError",
        b"forget": "Lambda.MissingRecordId",
    }
    assert all(one["attemptsMade"] == 1 for one in failures.values())
    assert all(one["lambdaArn"] == path.functions["echo"] for one in failures.values())
    counts = path.counts()
    assert (counts.read, counts.delivered, counts.dropped, counts.failed) == (4, 1, 1, 2)


def test_an_invocation_that_fails_once_is_repeated(path):
    path.create()
    path.put("once")
    assert delivery.wait_until_delivered(10)

    assert path.delivered() == b"once"
    assert path.logged() == ["Lambda.FunctionError"]


def test_a_batch_that_keeps_failing_goes_to_the_error_prefix_whole(path):
    path.create(parameters={"NumberOfRetries": "2", "BufferIntervalInSeconds": "1"})
    path.put("innocent", "raise")
    assert delivery.wait_until_delivered(20)
    path.put("next")
    assert delivery.wait_until_delivered(10)

    assert [base64.b64decode(one["rawData"]) for one in path.failures()] == [b"innocent", b"raise"]
    assert {one["attemptsMade"] for one in path.failures()} == {3}
    assert path.delivered() == b"next"


def test_a_missing_function_loses_nothing(path):
    missing = path.functions["echo"] + "-missing"
    path.create(function=missing, parameters={"NumberOfRetries": "0"})
    path.put("a")
    assert delivery.wait_until_delivered(10)

    assert [one["errorCode"] for one in path.failures()] == ["Lambda.ResourceNotFound"]
    assert "Lambda.ResourceNotFound" in path.logged()


def test_a_missing_bucket_delays_delivery_and_is_logged(path):
    path.deployed.client("s3").delete_bucket(Bucket=path.name)
    path.create()
    path.put("a")
    wait_until(lambda: path.logged() == ["S3.NoSuchBucket"])
    assert not delivery.wait_until_delivered(0.2)
    path.make_bucket()
    assert delivery.wait_until_delivered(10)

    assert path.delivered() == b"a"


def test_an_object_is_cut_when_it_is_full(path):
    path.create(BufferingHints={"IntervalInSeconds": 900, "SizeInMBs": 1})
    path.put(*["x" * 100_000] * 12)
    wait_until(lambda: path.counts().objects == 1)

    assert path.counts().delivered == 11
    assert len(path.delivered()) == 1_100_000


def test_a_deleted_delivery_stream_delivers_what_it_has_before_it_goes(path):
    path.create(
        BufferingHints={"IntervalInSeconds": 900, "SizeInMBs": 128}, parameters={"BufferIntervalInSeconds": "900"}
    )
    path.put("a", "fail")
    path.delete()

    assert path.delivered() == b"a"
    assert [base64.b64decode(one["rawData"]) for one in path.failures()] == [b"fail"]


def test_a_burst_of_thousands_arrives_in_seconds_complete_and_in_order(path):
    path.create(BufferingHints={"IntervalInSeconds": 1, "SizeInMBs": 5})
    texts = [f"{number:0200}\n" for number in range(10_000)]
    started = time.monotonic()
    path.put(*texts)
    assert delivery.wait_until_delivered(60)

    assert sorted(path.delivered().decode().splitlines(keepends=True)) == texts
    assert time.monotonic() - started < 30


def test_objects_are_encrypted_as_the_bucket_says(path):
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:::key/k"}}
    s3 = path.deployed.client("s3")
    s3.put_bucket_encryption(
        Bucket=path.name, ServerSideEncryptionConfiguration={"Rules": [{**rule, "BucketKeyEnabled": True}]}
    )
    path.create()
    path.put("a")
    assert delivery.wait_until_delivered(10)

    [key] = path.objects()
    found = s3.head_object(Bucket=path.name, Key=key)
    assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", "arn:aws:kms:::key/k")


def test_a_delivery_stream_is_described_as_it_was_asked_for(path):
    arn = path.create()
    firehose = path.deployed.client("firehose")
    described = firehose.describe_delivery_stream(DeliveryStreamName=path.name)["DeliveryStreamDescription"]

    assert (described["DeliveryStreamARN"], described["DeliveryStreamStatus"]) == (arn, "ACTIVE")
    assert described["DeliveryStreamType"] == "KinesisStreamAsSource"
    source = described["Source"]["KinesisStreamSourceDescription"]
    assert source["KinesisStreamARN"] == path.stream_arn
    assert abs((datetime.now(UTC) - source["DeliveryStartTimestamp"]).total_seconds()) < 10
    [destination] = described["Destinations"]
    assert destination["ExtendedS3DestinationDescription"]["BufferingHints"]["IntervalInSeconds"] == 0
    assert destination["ExtendedS3DestinationDescription"]["ProcessingConfiguration"]["Enabled"]
    assert path.name in firehose.list_delivery_streams(Limit=100)["DeliveryStreamNames"]
    path.delete()
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        firehose.describe_delivery_stream(DeliveryStreamName=path.name)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"CompressionFormat": "Snappy"}, "CompressionFormat"),
        ({"DynamicPartitioningConfiguration": {"Enabled": True}}, "DynamicPartitioningConfiguration"),
        ({"Prefix": "!{timestamp:YYYY}/"}, "YYYY"),
        ({"ErrorOutputPrefix": None}, "ErrorOutputPrefix"),
    ],
)
def test_what_local_aws_does_not_do_is_refused_by_name(path, settings, named):
    given = {name: value for name, value in settings.items() if value is not None}
    if None in settings.values():
        given = {"ErrorOutputPrefix": ""}

    with pytest.raises(ClientError, match=named) as error:
        path.create(**given)

    assert error.value.response["Error"]["Code"] == "InvalidArgumentException"


def test_records_cannot_be_put_past_the_stream(path):
    path.create()

    with pytest.raises(ClientError, match="not permitted on KinesisStreamAsSource"):
        path.deployed.client("firehose").put_record(DeliveryStreamName=path.name, Record={"Data": b"x"})


def test_a_kinesis_stream_that_does_not_exist_is_told(path):
    path.stream_arn += "-missing"

    with pytest.raises(ClientError, match=r"InvalidArgumentException.*does not exist"):
        path.create()


def test_a_change_of_a_table_becomes_a_change_row(path):
    path.create("change_converter", BufferingHints={"IntervalInSeconds": 1, "SizeInMBs": 5})
    dynamodb = path.deployed.client("dynamodb")
    dynamodb.create_table(
        TableName=path.name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.enable_kinesis_streaming_destination(
        TableName=path.name,
        StreamArn=path.stream_arn,
        EnableKinesisStreamingConfiguration={"ApproximateCreationDateTimePrecision": "MICROSECOND"},
    )
    dynamodb.put_item(TableName=path.name, Item={"pk": {"S": "a"}, "n": {"N": "1.50"}})
    dynamodb.delete_item(TableName=path.name, Key={"pk": {"S": "a"}})
    path.put("this is no change record")
    assert delivery.wait_until_delivered(10)

    rows = sorted((json.loads(line) for line in path.delivered().splitlines()), key=lambda row: row["changed_at_us"])
    assert [list(row) for row in rows] == [[column.name for column in COLUMNS]] * 2
    assert [row["event_name"] for row in rows] == ["INSERT", "REMOVE"]
    assert rows[0]["new_item"] == '{"n":1.5,"pk":"a"}'
    assert rows[0]["new_hash"] == rows[1]["old_hash"]
    assert [base64.b64decode(one["rawData"]) for one in path.failures()] == [b"this is no change record"]
