"""PutItem by 20 clients at once, with its change record on Kinesis: how many a second, together.

The clients are this process's threads in a process of their own. They send requests that are made beforehand and do not
sign them, since signing alone would take more of the machine's time than the server does; local AWS checks no
signatures. Server and clients share the machine's cores, so the figure is one of both.
"""

from __future__ import annotations

import json
import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator

from ddb_pipeline.cli import local_stack
from ddb_pipeline.local_aws.server import LocalAws
from ddb_pipeline_tests.benchmarks.figures import Figure

CLIENTS = 20
REQUESTS = 6_000
LIMIT = 600
TABLE = "benchmark"
HEADERS = (
    "Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=local/20260101/eu-central-1/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0\r\n"
)


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


def request(host: str, client: int, number: int) -> bytes:
    """A PutItem of a person of some 300 bytes."""
    item = {
        "pk": {"S": f"{client}-{number}"},
        "name": {"S": "Ingrid Rossi"},
        "area": {"S": "Research"},
        "salary": {"N": "64000.5"},
        "address": {"M": {"street": {"S": "Lindenweg 7"}, "tags": {"L": [{"S": "home"}, {"BOOL": True}]}}},
        "skills": {"SS": ["sql", "python"]},
    }
    body = json.dumps({"TableName": TABLE, "Item": item}).encode()
    return f"POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n{HEADERS}\r\n".encode() + body


def put(host: str, port: int, client: int, barrier: threading.Barrier, failures: list[str]) -> None:
    """One client: its requests over one connection."""
    requests = [request(f"{host}:{port}", client, number) for number in range(REQUESTS // CLIENTS)]
    with socket.create_connection((host, port)) as connection, connection.makefile("rb") as answers:
        barrier.wait()
        for one in requests:
            connection.sendall(one)
            status, length = answers.readline(), 0
            while (line := answers.readline()) not in {b"\r\n", b""}:
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            answers.read(length)
            if b" 200 " not in status:
                failures.append(status.decode())
                return


def clients(host: str, port: int, seconds: multiprocessing.Queue[float | str]) -> None:
    """All clients; their time from the first request to the last answer, or what went wrong."""
    barrier, failures = threading.Barrier(CLIENTS + 1), []
    threads = [threading.Thread(target=put, args=(host, port, number, barrier, failures)) for number in range(CLIENTS)]
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
        host, _, port = server.endpoint.removeprefix("http://").partition(":")
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        process = context.Process(target=clients, args=(host, int(port), results))
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
