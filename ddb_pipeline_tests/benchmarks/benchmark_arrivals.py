"""What a tick of the arrivals sensor asks of S3, beside dagster_aws.s3.sensor.get_objects on the same bucket.

1,000 to 1,000,000 objects, 120 to an hour, up to this hour; between two ticks one object arrives. Then the same with
100,000 of the million in the newest hour, beside what get_objects took for the million. Requests and seconds are those
of listing, per tick; what both do with the answer afterwards is left out. The bucket is a server that holds names alone
and lists them as S3 does (`ddb_pipeline_tests/list_server.py`): a million objects do not fit into moto. Both ask it
through boto3.

BENCHMARK_OBJECTS=10000 leaves out what is larger.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
from dagster_aws.s3.sensor import get_objects

from ddb_pipeline.arrivals import HOUR, hour_of, hour_prefix
from ddb_pipeline.resources.raw_bucket import RawBucket
from ddb_pipeline.rounds import Cursor, next_cursor
from ddb_pipeline.sensors.arrivals import read_rounds
from ddb_pipeline_tests.benchmarks.figures import Figure
from ddb_pipeline_tests.list_server import list_server

SIZES = (1_000, 10_000, 100_000, 1_000_000)
IN_AN_HOUR = 120
CROWD = 100_000
TICKS = 5
PREFIX, BUCKET = "changes/", "bucket"


@dataclass(frozen=True)
class Keys:
    """Keys of so many objects; `crowd` of them are in the newest hour."""

    objects: int
    newest: datetime
    crowd: int = 0

    def __iter__(self) -> Iterator[str]:
        for number in range(self.objects - self.crowd):
            yield key(self.newest - HOUR * (number // IN_AN_HOUR + bool(self.crowd)), number % IN_AN_HOUR)
        for number in range(self.crowd):
            yield key(self.newest, number)


def key(hour: datetime, number: int) -> str:
    """A key as Firehose gives it: name and version of the stream, time, and something unique."""
    unique = f"{number:08x}-4e8b-4f2a-9c51-6d0e7a3b2c1f"
    return f"{PREFIX}{hour_prefix(hour)}stream-1-{hour:%Y-%m-%d-%H}-{number // 60 % 60:02}-{number % 60:02}-{unique}"


class Counting:
    """An S3 client that counts its LIST requests."""

    def __init__(self, endpoint: str) -> None:
        self.requests = 0
        self.client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="eu-central-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        self.client.meta.events.register("before-send.s3.ListObjectsV2", self._count)

    def _count(self, **_: Any) -> None:
        self.requests += 1

    def measured(self, ticks: int, tick: Callable[[], None]) -> tuple[float, float]:
        """Requests and seconds per tick."""
        self.requests, begun = 0, time.perf_counter()
        for _ in range(ticks):
            tick()
        return self.requests / ticks, (time.perf_counter() - begun) / ticks


def run() -> Iterator[Figure]:
    """Yield the figures."""
    most = int(os.environ.get("BENCHMARK_OBJECTS", SIZES[-1]))
    newest = hour_of(datetime.now(UTC))
    for size in (size for size in SIZES if size <= most):
        keys = Keys(size, newest)
        with list_server(keys) as endpoint:
            counting = Counting(endpoint)
            mine, rival = ours(counting, keys), theirs(counting, keys)
        yield from figures(f"{size:,} objects", mine, rival)
        if size == SIZES[-1]:
            keys = Keys(size, newest, CROWD)
            with list_server(keys) as endpoint:
                mine = ours(Counting(endpoint), keys)
            yield from figures(f"{size:,} objects, {CROWD:,} of them in the newest hour", mine, rival)


def figures(what: str, mine: tuple[float, float], rival: tuple[float, float]) -> Iterator[Figure]:
    """Yield requests and seconds of a tick, beside the rival's."""
    yield Figure(f"{what}: LIST requests per tick", mine[0], "get_objects", rival[0], "requests")
    yield Figure(f"{what}: listing per tick", mine[1], "get_objects", rival[1], "s")


def ours(counting: Counting, keys: Keys) -> tuple[float, float]:
    """Ticks that have caught up, as a stack has it: with a prefix for another format, which is not used."""
    cursor, arrived = Cursor(keys.newest), 0

    def tick() -> None:
        nonlocal cursor, arrived
        arrived += 1
        counting.client.put_object(Bucket=BUCKET, Key=f"{key(keys.newest, 0)}-{arrived}", Body=b"")
        now = datetime.now(UTC)
        bucket = RawBucket(counting.client, BUCKET, (PREFIX, "changes_parquet/"))
        cursor = next_cursor(cursor, read_rounds(bucket, cursor, now).readings, now)

    return counting.measured(TICKS, tick)


def theirs(counting: Counting, keys: Keys) -> tuple[float, float]:
    """A tick of a sensor as Dagster's documentation has it: what came after the last key that it saw."""
    last = f"{key(keys.newest, 0)}-{TICKS}"

    def tick() -> None:
        counting.client.put_object(Bucket=BUCKET, Key=f"{key(keys.newest, 0)}-theirs", Body=b"")
        get_objects(BUCKET, PREFIX, since_key=last, client=counting.client)

    return counting.measured(1, tick)
