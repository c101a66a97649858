"""How long it takes from PutItem to a row in latest_item_state, at the local stage's buffering.

The bound from below is `buffer_seconds`, twice: Firehose holds a record for the converter, and the row for its object.
The target is 5 seconds. The first item of an hour also waits for a crawl, which Dagster starts; here it starts at once.
"""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Iterator

from ddb_pipeline_tests.benchmarks.figures import Figure
from ddb_pipeline_tests.benchmarks.local_stage import local_stage
from ddb_pipeline_tests.deployed import Deployed

PIPELINE = "persons"
ITEMS = 10
TARGET_SECONDS = 5
PATIENCE_SECONDS = 60


def seconds_to_row(stage: Deployed, *, crawl: bool) -> float:
    """Put an item, and ask the view until it is there."""
    key = f"benchmark-{uuid.uuid4()}"
    sql = f"SELECT count(*) FROM latest_item_state WHERE pk = '{key}'"
    started = time.monotonic()
    stage.client("dynamodb").put_item(TableName=stage.names[PIPELINE].table, Item={"pk": {"S": key}})
    while not stage.ask(PIPELINE, sql)[0][0]:
        waited = time.monotonic() - started
        assert waited < PATIENCE_SECONDS, f"no row after {PATIENCE_SECONDS} seconds"
        # where the hour ends during the run, the next one wants a crawl too
        if crawl or waited > TARGET_SECONDS:
            stage.crawl(PIPELINE)
        time.sleep(0.05)
    return time.monotonic() - started


def run() -> Iterator[Figure]:
    """Yield the figures."""
    with local_stage() as stage:
        buffering = 2 * stage.declaration.stage("local").buffer_seconds
        first = seconds_to_row(stage, crawl=True)
        times = [seconds_to_row(stage, crawl=False) for _ in range(ITEMS)]
    yield Figure(f"PutItem to row, median of {ITEMS}", statistics.median(times), "buffering", buffering, "s")
    yield Figure(f"PutItem to row, worst of {ITEMS}", max(times), "target", TARGET_SECONDS, "s")
    yield Figure("first item of an hour, with its crawl", first, "target", TARGET_SECONDS, "s")
