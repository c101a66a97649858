"""How fast batch-written changes reach S3, from the first to the last of 300,000 in one stream, and in what memory.

The limit is that of the path as a whole: BatchWriteItem, change record, stream, converter, object. Other
processes write, as fast as they are answered.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psutil

from ddb_pipeline.local_aws import delivery
from ddb_pipeline.local_aws.change_stream.kinesis import streams_of
from ddb_pipeline_tests.benchmarks import plain_http
from ddb_pipeline_tests.benchmarks.benchmark_converter import change
from ddb_pipeline_tests.benchmarks.figures import Figure
from ddb_pipeline_tests.benchmarks.local_stage import local_stage
from ddb_pipeline_tests.deployed import Deployed

PIPELINE = "persons"
CHANGES = 300_000
ITEMS = 20_000
"""Changes of an item follow each other at this distance: the table stays small while the stream grows."""
BATCH = 25
WRITERS = 2
PARTS = 10
SHAPES = 1_000
LEAST_CHANGES_A_SECOND = 3_000
MOST_MEBIBYTES = 1_024
PATIENCE_SECONDS = 600


PERSON = change(0, "INSERT")["dynamodb"]["NewImage"]
PUT = json.dumps({"PutRequest": {"Item": {**PERSON, "round": {"N": "ROUND"}}}})


def put_request(number: int) -> str:
    """A put as JSON; made of text, for the writers are to take little of the machine's time."""
    return PUT.replace("person-0", f"person-{number % ITEMS}").replace("ROUND", str(number))


def write(endpoint: str, table: str, numbers: range) -> None:
    """Put persons, most of them again and again; runs in a process of its own."""
    address = urlsplit(endpoint)
    with (
        socket.create_connection((str(address.hostname), address.port)) as connection,
        connection.makefile("rb") as answers,
    ):
        for first in range(0, len(numbers), BATCH):
            puts = ",".join(map(put_request, numbers[first : first + BATCH]))
            body = f'{{"RequestItems":{{"{table}":[{puts}]}}}}'.encode()
            connection.sendall(plain_http.request(endpoint, "BatchWriteItem", body))
            assert plain_http.answer(answers) == (200, b'{"UnprocessedItems": {}}')


def arrivals(stage: Deployed, changes: int) -> tuple[list[float], float]:
    """Write, and look on.

    Returns:
        After how many seconds each part had arrived in S3, and the most MiB that local AWS took meanwhile.
    """
    names = stage.names[PIPELINE]
    [stream] = stage.client("firehose").list_delivery_streams()["DeliveryStreamNames"]
    account = stage.client("sts").get_caller_identity()["Account"]
    memory, seconds, most, looked = psutil.Process(), [], 0, 0.0
    shares = [range(changes)[writer::WRITERS] for writer in range(WRITERS)]
    processes = multiprocessing.get_context("spawn")
    writers = [processes.Process(target=write, args=(stage.endpoint, names.table, share)) for share in shares]
    before = delivery.counts(stream, account_id=account, region=names.region).delivered
    for writer in writers:
        writer.start()
    started = 0.0
    while len(seconds) < PARTS:
        counts = delivery.counts(stream, account_id=account, region=names.region)
        # the clock starts with the first change, not with the writers' processes
        started = started or (time.monotonic() if counts.read else 0.0)
        elapsed = time.monotonic() - started if started else 0.0
        delivered = counts.delivered - before
        seconds += [elapsed] * (delivered * PARTS // changes - len(seconds))
        if elapsed > looked + 1:
            most, looked = max(most, memory.memory_info().rss), elapsed
        assert elapsed < PATIENCE_SECONDS, f"{delivered:,} of {changes:,} changes after {elapsed:.0f} seconds"
        assert not any(writer.exitcode for writer in writers), "a writer failed"
        time.sleep(0.05)
    for writer in writers:
        writer.join()
    return seconds, most / 2**20


def records_per_second(stage: Deployed, records: int) -> float:
    """How fast records that are put on the stream reach S3: the second half of the path, alone."""
    names = stage.names[PIPELINE]
    [stream] = stage.client("firehose").list_delivery_streams()["DeliveryStreamNames"]
    described = stage.client("firehose").describe_delivery_stream(DeliveryStreamName=stream)
    source = described["DeliveryStreamDescription"]["Source"]["KinesisStreamSourceDescription"]["KinesisStreamARN"]
    streams = streams_of(source.split(":")[4], names.region)
    data = [json.dumps(change(number, "MODIFY")).encode() for number in range(SHAPES)]
    started = time.monotonic()
    for number in range(records):
        streams.append(source, f"{number:032X}", data[number % SHAPES])
    assert delivery.wait_until_delivered(PATIENCE_SECONDS)
    return records / (time.monotonic() - started)


def run(changes: int = CHANGES) -> Iterator[Figure]:
    """Yield the figures."""
    with local_stage() as stage:
        seconds, mebibytes = arrivals(stage, changes)
        from_stream = records_per_second(stage, changes // PARTS)
    part = changes / PARTS
    first, last = part / seconds[0], part / (seconds[-1] - seconds[-2])
    what = f"batch-written changes to S3, {changes:,} of them"
    yield Figure(what, changes / seconds[-1], "limit", LEAST_CHANGES_A_SECOND, "changes/s")
    yield Figure("the last tenth of them", last, "the first tenth", first, "changes/s")
    yield Figure("change records on the stream to S3", from_stream, "limit", LEAST_CHANGES_A_SECOND, "records/s")
    yield Figure("most memory of local AWS", mebibytes, "limit", MOST_MEBIBYTES, "MiB")
