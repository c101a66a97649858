"""What the local Athena adds to a query: a million changes in 100 objects, the first time, again, and after one more.

Limits: exact latest state within 4 seconds on two idle cores, and less than 1 GB of memory through all of it. Memory
is that of this process, which holds local AWS and its S3; another one makes the changes. The first time every object
is unpacked, held to the table's columns and kept: beside it stands DuckDB alone, that only unpacks and parses the
columns which the view reads.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from ddb_pipeline.change_row import COLUMNS
from ddb_pipeline_tests.benchmarks import duckdb_alone
from ddb_pipeline_tests.benchmarks.benchmark_state import READ
from ddb_pipeline_tests.benchmarks.figures import Figure
from ddb_pipeline_tests.benchmarks.local_stage import local_stage
from ddb_pipeline_tests.deployed import Deployed

PIPELINE = "persons"
CHANGES, ITEMS, OBJECTS = 1_000_000, 200_000, 100
LIMIT_SECONDS, LIMIT_MEGABYTES = 4.0, 1000.0
T0 = 1_767_225_600_000_000  # 2026-01-01, in microseconds
HOUR = "year=2026/month=01/day=01/hour=00/"
STATE = (
    "SELECT count(*), max(item_key), max(image), max(item), max(event_id), max(changed_at_us) FROM latest_item_state"
)


def write_objects(folder: Path, table: str) -> None:
    """Write objects of change rows; the changes of an item are spread over all of them."""
    chance = random.Random(1)
    row = {**dict.fromkeys(column.name for column in COLUMNS), "row_version": 1, "table_name": table}
    row |= {"expired_by_ttl": False, "shard_id": "shardId-000000000000", "arrived_at_ms": T0 // 1000}
    last: dict[int, tuple[str, str]] = {}
    with ExitStack() as stack:
        files = [
            stack.enter_context(gzip.open(folder / f"{number}.json.gz", "wt", compresslevel=1, encoding="utf-8"))
            for number in range(OBJECTS)
        ]
        for number in range(CHANGES):
            item = number % ITEMS
            image, plain = images(item, number)
            digest = hashlib.sha256(image.encode()).hexdigest()[:32]
            old, old_digest = last.get(item, (None, None))
            row |= {"event_id": f"event-{number}", "event_name": "MODIFY" if old else "INSERT"}
            row |= {"item_key": f'{{"pk":{{"S":"item-{item}"}}}}', "changed_at_us": T0 + number, "new_image": image}
            row |= {"old_image": old, "new_hash": digest, "old_hash": old_digest, "new_item": plain}
            last[item] = (image, digest)
            files[chance.randrange(OBJECTS)].write(json.dumps(row | {"sequence_number": str(number)}) + "\n")


def images(item: int, number: int) -> tuple[str, str]:
    """An item's image and its plain JSON."""
    filler = "x" * 80
    image = f'{{"filler":{{"S":"{filler}"}},"number":{{"N":"{number}"}},"pk":{{"S":"item-{item}"}}}}'
    return image, f'{{"filler":"{filler}","number":{number},"pk":"item-{item}"}}'


def put(stage: Deployed, name: str, body: bytes) -> None:
    names = stage.names[PIPELINE]
    stage.client("s3").put_object(Bucket=names.raw_bucket, Key=f"{names.changes_prefix}{HOUR}{name}", Body=body)


def asked(stage: Deployed) -> tuple[float, int]:
    """Seconds that the state takes, and how many items there are."""
    started = time.monotonic()
    ((items, *_),) = stage.ask(PIPELINE, STATE)
    return time.monotonic() - started, int(items)


def megabytes() -> float:
    """Most memory that this process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1_000_000


def run() -> Iterator[Figure]:
    """Yield the figures."""
    with local_stage() as stage, tempfile.TemporaryDirectory() as folder:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            pool.submit(write_objects, Path(folder), stage.names[PIPELINE].table).result()
            alone = pool.submit(duckdb_alone.seconds, Path(folder), READ).result()
        for path in sorted(Path(folder).iterdir()):
            put(stage, path.name, path.read_bytes())
        stage.crawl(PIPELINE)
        what = f"latest_item_state of {CHANGES:,} changes in {OBJECTS} objects"
        first, items = asked(stage)
        yield Figure(f"{what}, the first time", first, "limit", LIMIT_SECONDS, "s")
        yield Figure(f"{what}, the first time", first, duckdb_alone.RIVAL, alone, "s")
        again, _ = asked(stage)
        yield Figure(f"{what}, again", again, "limit", LIMIT_SECONDS, "s")
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        put(stage, "one-more.json.gz", gzip.compress(lines[0]))
        after, _ = asked(stage)
        yield Figure(f"{what}, after one more object", after, "the same again", again, "s")
        yield Figure("items found", items, "items there are", ITEMS, "items")
        yield Figure("most memory, local AWS and its S3 together", megabytes(), "limit", LIMIT_MEGABYTES, "MB")
