"""Kinesis streams: sequence numbers, iterators and shards as on AWS, whoever writes and however much there is."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from ddb_pipeline.local_aws.change_stream.shards import IndexedShard
from ddb_pipeline_tests.deployed import Deployed, wait_until
from ddb_pipeline_tests.streamed_table import connection, make_table, refused

LARGEST_HASH = 2**128 - 1


class Stream:
    """A stream of one shard, or more."""

    def __init__(self, deployed: Deployed, shards: int = 1) -> None:
        self.kinesis = deployed.client("kinesis")
        self.name = f"stream-{uuid.uuid4().hex[:8]}"
        self.kinesis.create_stream(StreamName=self.name, ShardCount=shards)

    def put(self, data: str, **more) -> str:
        return self.kinesis.put_record(StreamName=self.name, Data=data, PartitionKey="k", **more)["SequenceNumber"]

    def shards(self) -> list[dict]:
        return self.kinesis.list_shards(StreamName=self.name)["Shards"]

    def get(self, kind="TRIM_HORIZON", shard=0, limit=None, **more) -> list[dict]:
        shard_id = f"shardId-{shard:012d}"
        iterator = self.kinesis.get_shard_iterator(
            StreamName=self.name, ShardId=shard_id, ShardIteratorType=kind, **more
        )["ShardIterator"]
        limits = {} if limit is None else {"Limit": limit}
        return self.kinesis.get_records(ShardIterator=iterator, **limits)["Records"]

    def texts(self, *args, **kwargs) -> list[str]:
        return [record["Data"].decode() for record in self.get(*args, **kwargs)]


@pytest.fixture
def stream(deployed: Deployed) -> Stream:
    return Stream(deployed)


def test_sequence_numbers_rise_and_have_the_form_of_aws(stream):
    numbers = [stream.put(str(number)) for number in range(20)]

    assert [record["SequenceNumber"] for record in stream.get()] == numbers
    assert all(len(number) == 56 and number.startswith("49") for number in numbers)
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 20
    start = stream.shards()[0]["SequenceNumberRange"]["StartingSequenceNumber"]
    assert len(start) == 56
    assert start < numbers[0]


def test_shards_count_apart(deployed):
    stream = Stream(deployed, shards=2)
    low, high = (stream.put("x", ExplicitHashKey=str(key)) for key in (0, LARGEST_HASH))

    assert low != high
    assert [stream.texts(shard=number) for number in (0, 1)] == [["x"], ["x"]]


def test_iterators_begin_where_they_were_asked_to(stream):
    first = stream.put("1")
    time.sleep(0.05)
    between = datetime.now(UTC)
    time.sleep(0.05)
    second = stream.put("2")
    stream.put("3")

    assert stream.texts("AT_SEQUENCE_NUMBER", StartingSequenceNumber=second) == ["2", "3"]
    assert stream.texts("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=first) == ["2", "3"]
    assert stream.texts("LATEST") == []
    assert stream.texts(limit=2) == ["1", "2"]
    start = stream.shards()[0]["SequenceNumberRange"]["StartingSequenceNumber"]
    assert stream.texts("AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=start) == ["1", "2", "3"]
    # a timestamp travels in whole seconds
    assert stream.texts("AT_TIMESTAMP", Timestamp=between - timedelta(seconds=2)) == ["1", "2", "3"]
    assert stream.texts("AT_TIMESTAMP", Timestamp=between + timedelta(seconds=5)) == []


def test_an_iterator_goes_on_behind_what_it_has_returned(stream):
    iterator = stream.kinesis.get_shard_iterator(
        StreamName=stream.name, ShardId="shardId-000000000000", ShardIteratorType="LATEST"
    )["ShardIterator"]
    found = []
    for number in range(3):
        stream.put(str(number))
        answer = stream.kinesis.get_records(ShardIterator=iterator)
        iterator, found = answer["NextShardIterator"], [*found, *(record["Data"] for record in answer["Records"])]

    assert found == [b"0", b"1", b"2"]


def test_a_stream_is_read_by_its_arn_alone(stream):
    stream.put("1")
    arn = stream.kinesis.describe_stream_summary(StreamName=stream.name)["StreamDescriptionSummary"]["StreamARN"]
    iterator = stream.kinesis.get_shard_iterator(
        StreamARN=arn, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]

    assert [one["Data"] for one in stream.kinesis.get_records(ShardIterator=iterator)["Records"]] == [b"1"]


@pytest.mark.parametrize("number", ["1", "49" + "0" * 54])
def test_a_sequence_number_of_another_stream_is_refused(stream, number):
    stream.put("1")
    message = refused("InvalidArgumentException", stream.get, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=number)
    assert "invalid because it did not come from this stream" in message


def test_a_split_shard_keeps_its_records_and_its_children_take_the_new_ones(stream):
    stream.put("old")
    stream.kinesis.split_shard(
        StreamName=stream.name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127)
    )
    stream.put("low", ExplicitHashKey="0")
    stream.put("high", ExplicitHashKey=str(LARGEST_HASH))

    assert [stream.texts(shard=number) for number in (0, 1, 2)] == [["old"], ["low"], ["high"]]
    assert [shard.get("ParentShardId") for shard in stream.shards()] == [None, *["shardId-000000000000"] * 2]
    assert "EndingSequenceNumber" in stream.shards()[0]["SequenceNumberRange"]
    split = {"StreamName": stream.name, "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "7"}
    assert "already been merged or split" in refused("InvalidArgumentException", stream.kinesis.split_shard, **split)


def test_merged_shards_keep_their_records(deployed):
    stream = Stream(deployed, shards=2)
    stream.put("low", ExplicitHashKey="0")
    stream.kinesis.update_shard_count(StreamName=stream.name, TargetShardCount=1, ScalingType="UNIFORM_SCALING")
    stream.put("new", ExplicitHashKey="0")

    assert [stream.texts(shard=number) for number in (0, 1, 2)] == [["low"], [], ["new"]]


def test_records_put_by_many_writers_are_all_kept_in_their_shards(deployed):
    stream = Stream(deployed, shards=4)
    clients = [boto3.client("kinesis", **connection(deployed)) for _ in range(4)]

    def write(number):
        for batch in range(5):
            clients[number].put_records(
                StreamName=stream.name,
                Records=[{"Data": f"{number}-{batch}-{i}".encode(), "PartitionKey": str(i)} for i in range(50)],
            )

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({text for number in range(4) for text in stream.texts(shard=number)}) == 1000


def test_records_are_forgotten_after_the_retention_period():
    shard = IndexedShard(0, 0, LARGEST_HASH)
    for number in range(5):
        shard.append("k", str(number).encode(), None)
        shard.records_after(number, 1)[0].created_at = 1000.0 + number

    shard.trim(1002.0)
    assert [record.data for record in shard.records_after(0, 10)] == [b"2", b"3", b"4"]
    assert shard.newest == 5
    assert shard.position_at(1003.0) == 3
    shard.append("k", b"5", None)
    assert [record.position for record in shard.records_after(4, 10)] == [5, 6]
    shard.trim(2_000.0)
    assert [record.data for record in shard.records_after(0, 10)] == [b"5"]


def test_the_cost_of_a_record_does_not_grow_with_the_stream():
    """Counted in steps of the interpreter, not in seconds: the machine may be busy."""
    import sys

    def steps(shard):
        count = 0

        def tracer(*_):
            nonlocal count
            count += 1
            return tracer

        sys.settrace(tracer)
        try:
            shard.append("k", b"x", None)
            shard.records_after(shard.newest // 2, 10)
            shard.position_of(shard.sequence_number(shard.newest, 0))
        finally:
            sys.settrace(None)
        return count

    small, large = IndexedShard(0, 0, LARGEST_HASH), IndexedShard(0, 0, LARGEST_HASH)
    for shard, count in ((small, 100), (large, 20_000)):
        for _ in range(count):
            shard.append("k", b"x", None)
    assert steps(large) == steps(small)


def test_cloudwatch_counts_what_comes_in_from_a_table_and_through_the_api(deployed):
    table = make_table(deployed)
    table.put(pk={"S": "a"})
    table.kinesis.put_records(
        StreamName=table.name, Records=[{"Data": b"xy", "PartitionKey": "k"}, {"Data": b"z", "PartitionKey": "k"}]
    )
    arrived: list[dict] = []
    wait_until(lambda: bool(arrived.extend(table.new_records())) or len(arrived) == 3, "the records are in the stream")
    now = datetime.now(UTC)

    [point] = deployed.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Kinesis",
        MetricName="IncomingRecords",
        Dimensions=[{"Name": "StreamName", "Value": table.name}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=7200,
        Statistics=["Sum"],
    )["Datapoints"]

    assert point["Sum"] == 3
