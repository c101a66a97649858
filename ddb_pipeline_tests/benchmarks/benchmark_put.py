"""PutItem by 20 clients at once, with its change record on Kinesis: how many a second, together.

The clients are threads in a process of their own, and their requests are made beforehand. Server and clients share the
machine's cores, so the figure is one of both.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from ddb_pipeline.cli import local_stack
from ddb_pipeline.local_aws.server import LocalAws
from ddb_pipeline_tests.benchmarks import plain_http
from ddb_pipeline_tests.benchmarks.figures import Figure

CLIENTS = 20
REQUESTS = 6_000
LIMIT = 600
TABLE = "benchmark"


def make_table(endpoint: str) -> None:
    """A table that streams."""
    dynamodb, kinesis = (local_stack.client(service, endpoint) for service in ("dynamodb", "kinesis"))
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    kinesis.create_stream(StreamName=TABLE, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    arn = kinesis.describe_stream_summary(StreamName=TABLE)["StreamDescriptionSummary"]["StreamARN"]
    dynamodb.enable_kinesis_streaming_destination(TableName=TABLE, StreamArn=arn)


def body(client: int, number: int) -> bytes:
    """What to put: a person of some 300 bytes."""
    item = {
        "pk": {"S": f"{client}-{number}"},
        "name": {"S": "Ingrid Rossi"},
        "area": {"S": "Research"},
        "salary": {"N": "64000.5"},
        "address": {"M": {"street": {"S": "Lindenweg 7"}, "tags": {"L": [{"S": "home"}, {"BOOL": True}]}}},
        "skills": {"SS": ["sql", "python"]},
    }
    return json.dumps({"TableName": TABLE, "Item": item}).encode()


def put(endpoint: str, client: int, barrier: threading.Barrier, failures: list[str]) -> None:
    """One client: its requests over one connection."""
    address = urlsplit(endpoint)
    numbers = range(REQUESTS // CLIENTS)
    requests = [plain_http.request(endpoint, "PutItem", body(client, number)) for number in numbers]
    with (
        socket.create_connection((str(address.hostname), address.port)) as connection,
        connection.makefile("rb") as answers,
    ):
        barrier.wait()
        for one in requests:
            connection.sendall(one)
            status, content = plain_http.answer(answers)
            if status != 200:
                failures.append(content.decode())
                return


def clients(endpoint: str, seconds: multiprocessing.Queue[float | str]) -> None:
    """All clients; their time from the first request to the last answer, or what went wrong."""
    barrier, failures = threading.Barrier(CLIENTS + 1), []
    threads = [threading.Thread(target=put, args=(endpoint, number, barrier, failures)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    barrier.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds.put(failures[0] if failures else time.perf_counter() - started)


def run() -> Iterator[Figure]:
    """Yield the figures."""
    with LocalAws() as server:
        make_table(server.endpoint)
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        process = context.Process(target=clients, args=(server.endpoint, results))
        process.start()
        taken = results.get(timeout=300)
        process.join()
        assert isinstance(taken, float), taken
        kinesis = local_stack.client("kinesis", server.endpoint)
        assert (
            local_stack.client("dynamodb", server.endpoint).describe_table(TableName=TABLE)["Table"]["ItemCount"]
            == REQUESTS
        ), "every item is there"
        records = 0
        for shard in kinesis.list_shards(StreamName=TABLE)["Shards"]:
            iterator = kinesis.get_shard_iterator(
                StreamName=TABLE, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            records += len(kinesis.get_records(ShardIterator=iterator)["Records"])
        assert records == REQUESTS, f"every change is on the stream: {records}"
    yield Figure(f"PutItem, {CLIENTS} clients together", REQUESTS / taken, "limit", LIMIT, "a second")
