"""Firehose's contract with the converting function: nothing is lost, whatever the function answers."""

import base64
import gzip
import json
from datetime import UTC, datetime

import pytest

from ddb_pipeline.local_aws.delivery import transformation
from ddb_pipeline.local_aws.delivery.buffers import Buffer
from ddb_pipeline.local_aws.delivery.settings import delivery_settings
from ddb_pipeline.local_aws.delivery.transformation import SourceRecord
from ddb_pipeline_tests.unit.test_delivery_settings import REQUEST


def record(number=1, data=b"abc", partition_key="key"):
    return SourceRecord(
        number=number,
        data=data,
        shard_id="shardId-000000000000",
        sequence_number=str(number),
        partition_key=partition_key,
        arrived_at_ms=1_700_000_000_000 + number,
    )


def answer(*records):
    return json.dumps({"records": list(records)}).encode()


def ok(source, data=b"row\n"):
    return {"recordId": source.record_id, "result": "Ok", "data": base64.b64encode(data).decode()}


def test_the_event_is_as_documented():
    source = record()
    content = json.loads(
        transformation.event(
            [source], invocation_id="id", delivery_stream_arn="delivery", source_arn="source", region="eu-west-1"
        )
    )

    assert content == {
        "invocationId": "id",
        "deliveryStreamArn": "delivery",
        "sourceKinesisStreamArn": "source",
        "region": "eu-west-1",
        "records": [
            {
                "recordId": source.record_id,
                "approximateArrivalTimestamp": 1_700_000_000_001,
                "data": "YWJj",
                "kinesisRecordMetadata": {
                    "shardId": "shardId-000000000000",
                    "partitionKey": "key",
                    "approximateArrivalTimestamp": 1_700_000_000_001,
                    "sequenceNumber": "1",
                    "subsequenceNumber": 0,
                },
            }
        ],
    }


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc"])
def test_a_record_knows_its_size(data):
    assert record(data=data).size == len(data)


def test_batches_keep_to_the_hint_and_to_the_order():
    records = [record(number, b"x" * 400) for number in range(1, 11)]

    cut = list(transformation.batches(records, 1000))

    assert [len(batch) for batch in cut] == [2, 2, 2, 2, 2]
    assert [one for batch in cut for one in batch] == records


def test_a_record_larger_than_the_hint_goes_alone():
    records = [record(1, b"x" * 10), record(2, b"x" * 5000), record(3, b"x" * 10)]

    assert [len(batch) for batch in transformation.batches(records, 1000)] == [1, 1, 1]


@pytest.mark.parametrize("partition_key", ["k", "\u20ac" * 256, "😀" * 256, '"' * 256])
def test_no_event_is_longer_than_lambda_takes_even_with_many_small_records(partition_key):
    records = [record(number, b"x" * 60, partition_key) for number in range(1, 30_001)]

    cut = list(transformation.batches(records, 3 * 1024 * 1024))
    longest = max(
        len(
            transformation.event(
                batch, invocation_id="i" * 36, delivery_stream_arn="d" * 200, source_arn="s" * 200, region="eu-west-1"
            )
        )
        for batch in cut
    )

    assert sum(len(batch) for batch in cut) == 30_000
    assert longest <= transformation.INVOCATION_BYTES


def test_results_are_told_apart():
    kept, dropped, failed = record(1), record(2), record(3)

    outcomes = transformation.outcomes(
        [kept, dropped, failed],
        answer(
            {"recordId": failed.record_id, "result": "ProcessingFailed", "data": ""},
            {"recordId": dropped.record_id, "result": "Dropped"},
            ok(kept),
        ),
    )

    assert [(one.data, one.failure.code if one.failure else None) for one in outcomes] == [
        (b"row\n", None),
        (None, None),
        (None, "Lambda.FunctionError"),
    ]


def test_a_missing_id_fails_that_record_alone_and_an_unknown_one_is_passed_over():
    first, second = record(1), record(2)

    outcomes = transformation.outcomes([first, second], answer(ok(first), {**ok(second), "recordId": "other"}))

    assert outcomes[0].data == b"row\n"
    assert outcomes[1].failure is not None
    assert outcomes[1].failure.code == "Lambda.MissingRecordId"


def test_an_id_returned_twice_fails_that_record():
    first, second = record(1), record(2)

    outcomes = transformation.outcomes([first, second], answer(ok(first), ok(second), ok(second)))

    assert outcomes[0].data == b"row\n"
    assert outcomes[1].failure is not None
    assert outcomes[1].failure.code == "Lambda.DuplicatedRecordId"


def test_data_that_is_not_base64_fails_that_record():
    first = record(1)

    [outcome] = transformation.outcomes([first], answer({**ok(first), "data": "***"}))

    assert outcome.failure is not None
    assert outcome.failure.code == "Lambda.FunctionError"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'{"records":null}',
        b'{"records":[1]}',
        b'{"records":[{"result":"Ok"}]}',
        b'{"records":[{"recordId":"x","result":"ok"}]}',
        b"\xff",
    ],
)
def test_an_answer_of_another_shape_fails_all_records(content):
    outcomes = transformation.outcomes([record(1), record(2)], content)

    assert [one.failure.code for one in outcomes if one.failure] == ["Lambda.JsonProcessingException"] * 2


def test_a_failed_record_is_kept_whole_with_the_documented_fields():
    [outcome] = transformation.failed([record(1, b"not json")], transformation.FUNCTION_ERROR)

    line = transformation.failure_line(outcome, attempts=4, ended_at_ms=5, function_arn="arn")

    assert line.endswith(b"}\n")
    assert json.loads(line) == {
        "attemptsMade": 4,
        "arrivalTimestamp": 1_700_000_000_001,
        "errorCode": "Lambda.FunctionError",
        "errorMessage": "The Lambda function was successfully invoked but it returned an error result.",
        "attemptEndingTimestamp": 5,
        "rawData": base64.b64encode(b"not json").decode(),
        "lambdaArn": "arn",
    }


def test_an_object_is_placed_and_named_by_its_oldest_record():
    settings = delivery_settings(REQUEST)
    oldest = datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC)
    buffer = Buffer()
    buffer.add(b"second\n", 1, int(oldest.timestamp() * 1000) + 5000, 0)
    buffer.add(b"first\n", 2, int(oldest.timestamp() * 1000), 0)

    pending = buffer.cut(settings)

    assert pending.key.startswith("changes/2023/changes-1-2023-12-31-23-59-59-")
    assert pending.key.endswith(".json.gz")
    assert gzip.decompress(pending.body) == b"second\nfirst\n"
    assert (pending.records, pending.oldest_number, pending.size) == (2, 1, len("second\nfirst\n"))
    assert (buffer.size, buffer.records, buffer.oldest_number) == (0, 0, None)
