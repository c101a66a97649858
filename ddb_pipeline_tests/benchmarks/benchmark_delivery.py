"""How fast batch-written changes reach S3, from the first to the last of 300,000 in one stream, and in what memory.

The limit is that of the path as a whole: BatchWriteItem, change record, stream, converter, object. Another process
writes, as fast as it is answered.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil

from ddb_pipeline.cli import local_stack
from ddb_pipeline.local_aws import delivery
from ddb_pipeline_tests.benchmarks.benchmark_converter import change
from ddb_pipeline_tests.benchmarks.figures import Figure
from ddb_pipeline_tests.benchmarks.local_stage import local_stage
from ddb_pipeline_tests.deployed import Deployed

PIPELINE = "persons"
CHANGES = 300_000
ITEMS = 20_000
"""Changes of an item follow each other at this distance: the table stays small while the stream grows."""
BATCH = 25
WRITERS = 4
PARTS = 10
LEAST_CHANGES_A_SECOND = 3_000
MOST_MEBIBYTES = 1_024
PATIENCE_SECONDS = 900


def write(endpoint: str, table: str, changes: int) -> None:
    """Put persons, most of them again and again; runs in a process of its own."""
    dynamodb = local_stack.client("dynamodb", endpoint)

    def put(first: int) -> None:
        numbers = range(first, min(first + BATCH, changes))
        images = [change(number % ITEMS, "INSERT")["dynamodb"]["NewImage"] for number in numbers]
        puts = [
            {"PutRequest": {"Item": {**image, "round": {"N": str(number)}}}}
            for number, image in zip(numbers, images, strict=True)
        ]
        while puts:
            puts = dynamodb.batch_write_item(RequestItems={table: puts})["UnprocessedItems"].get(table, [])

    with ThreadPoolExecutor(WRITERS) as threads:
        for _ in threads.map(put, range(0, changes, BATCH)):
            pass


def arrivals(stage: Deployed, changes: int) -> tuple[list[float], float]:
    """Write, and look on.

    Returns:
        After how many seconds each part had arrived in S3, and the most MiB that local AWS took meanwhile.
    """
    names = stage.names[PIPELINE]
    [stream] = stage.client("firehose").list_delivery_streams()["DeliveryStreamNames"]
    account = stage.client("sts").get_caller_identity()["Account"]
    memory, seconds, most = psutil.Process(), [], 0
    writer = multiprocessing.get_context("spawn").Process(target=write, args=(stage.endpoint, names.table, changes))
    before = delivery.counts(stream, account_id=account, region=names.region).delivered
    writer.start()
    while not (delivered := delivery.counts(stream, account_id=account, region=names.region).read):
        time.sleep(0.01)
    started = time.monotonic()
    while len(seconds) < PARTS:
        delivered = delivery.counts(stream, account_id=account, region=names.region).delivered - before
        elapsed = time.monotonic() - started
        seconds += [elapsed] * (delivered * PARTS // changes - len(seconds))
        most = max(most, memory.memory_info().rss)
        assert elapsed < PATIENCE_SECONDS, f"{delivered:,} of {changes:,} changes after {elapsed:.0f} seconds"
        assert writer.is_alive() or writer.exitcode == 0, "the writer failed"
        time.sleep(0.02)
    writer.join()
    return seconds, most / 2**20


def run(changes: int = CHANGES) -> Iterator[Figure]:
    """Yield the figures."""
    with local_stage() as stage:
        seconds, mebibytes = arrivals(stage, changes)
    part = changes / PARTS
    first, last = part / seconds[0], part / (seconds[-1] - seconds[-2])
    what = f"batch-written changes to S3, {changes:,} of them"
    yield Figure(what, changes / seconds[-1], "limit", LEAST_CHANGES_A_SECOND, "changes/s")
    yield Figure("the last tenth of them", last, "the first tenth", first, "changes/s")
    yield Figure("most memory of local AWS", mebibytes, "limit", MOST_MEBIBYTES, "MiB")
