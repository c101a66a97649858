"""What the exact latest_item_state costs and gets right, beside a bare scan and the queries that people write.

1,000,000 changes of 200,000 items, delivered out of order, through the local Athena: as gzip JSON, as Firehose writes
them, each time from objects that were not read before, as Athena reads them every time; as JSON that local Athena has
kept as columns; and as Parquet, made of that by CREATE TABLE AS. The rivals read the same rows: a scan that only looks
at the columns, `row_number()` by time, which takes any of the changes of one instant, and the newest time of each item
by a subquery, which keeps what was deleted and all changes of one instant.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import random
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ddb_pipeline.change_row import COLUMNS
from ddb_pipeline.view_sql import select_statement, views
from ddb_pipeline_tests.benchmarks import duckdb_alone
from ddb_pipeline_tests.benchmarks.figures import Figure
from ddb_pipeline_tests.benchmarks.local_stage import local_stage
from ddb_pipeline_tests.deployed import Deployed

PIPELINE = "persons"
ITEMS = 200_000
CHANGES = 1_000_000
REPEATS, TIES, DELETES = 0.01, 0.01, 0.05
OBJECTS = 32
ROUNDS = 3
GZIP = "gzip JSON"
LIMIT_OF_SCAN = 2.0  # from gzip JSON
LIMIT_OF_ROW_NUMBER = 1.5  # from Parquet
T0 = 1_767_225_600_000_000  # 2026-01-01, in microseconds
HOUR = "year=2026/month=01/day=01/hour=00/"

READ = (
    "item_key, event_id, changed_at_us, new_hash, old_hash, "
    "new_image, new_item, arrived_at_ms, shard_id, sequence_number"
)
OUTPUT = "item_key, image, item, event_id, changed_at_us"
NEWEST = """
    SELECT item_key, new_image AS image, new_item AS item, event_id, changed_at_us FROM (
        SELECT *, row_number() OVER (PARTITION BY item_key ORDER BY changed_at_us DESC) AS place FROM {table}
    ) WHERE place = 1 AND event_name <> 'REMOVE'"""
CORRELATED = """
    SELECT item_key, new_image AS image, new_item AS item, event_id, changed_at_us FROM {table} AS own
    WHERE event_name IN ('INSERT', 'MODIFY') AND changed_at_us = (
        SELECT max(changed_at_us) FROM {table} AS other
        WHERE other.item_key = own.item_key AND event_name IN ('INSERT', 'MODIFY')
    )"""
PARQUET = "changes_as_parquet"

State = dict[str, str | None]
"""The image by item key; None for an item that does not exist."""


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest(image: str | None) -> str | None:
    return None if image is None else hashlib.sha256(image.encode()).hexdigest()[:32]


def make_changes(table: str, chance: random.Random) -> tuple[list[dict[str, Any]], State]:
    """Change rows in their order of arrival, and the state that they come to."""
    rows: list[dict[str, Any]] = []
    state: State = {}
    steps: dict[str, int] = {}
    now: dict[str, int] = {}
    for number in range(CHANGES):
        item = number if number < ITEMS else chance.randrange(ITEMS)
        key = canonical({"pk": {"S": f"item-{item}"}})
        old, step = state.get(key), steps.get(key, 0)
        new = None
        if old is None or chance.random() >= DELETES:
            filler = {"S": "x" * 80}
            new = canonical({"filler": filler, "number": {"N": str(number)}, "pk": {"S": f"item-{item}"}})
        # not the first two: an instant that leads from nothing to nothing says nothing of what was before
        tied = step > 1 and chance.random() < TIES
        now[key] = now.get(key, T0) + (0 if tied else chance.randrange(1000, 1_000_000))
        plain = None if new is None else canonical({"filler": filler["S"], "number": number, "pk": f"item-{item}"})
        rows.append(
            {
                **dict.fromkeys(column.name for column in COLUMNS),
                "row_version": 1,
                "event_id": str(uuid.UUID(int=chance.getrandbits(128))),
                "event_name": "INSERT" if old is None else "REMOVE" if new is None else "MODIFY",
                "table_name": table,
                "changed_at_us": now[key],
                "item_key": key,
                "new_image": new,
                "old_image": old,
                "new_hash": digest(new),
                "old_hash": digest(old),
                "new_item": plain,
                "expired_by_ttl": False,
            }
        )
        state[key], steps[key] = new, step + 1
    # in place but for the repeats: a copy of each row would be gigabytes
    rows += [dict(row) for row in chance.choices(rows, k=int(CHANGES * REPEATS))]
    chance.shuffle(rows)
    for number, row in enumerate(rows):
        row["shard_id"] = "shardId-000000000000"
        row["arrived_at_ms"], row["sequence_number"] = T0 // 1000 + number, str(number)
    return rows, state


def deliver(stage: Deployed, rows: list[dict[str, Any]]) -> None:
    """Write the rows as raw objects of one hour, and register the hour."""
    names = stage.names[PIPELINE]
    for number in range(OBJECTS):
        body = gzip.compress("".join(json.dumps(row) + "\n" for row in rows[number::OBJECTS]).encode(), 1)
        key = f"{names.changes_prefix}{HOUR}benchmark-{number}.json.gz"
        stage.client("s3").put_object(Bucket=names.raw_bucket, Key=key, Body=body)
    stage.crawl(PIPELINE)


def objects(stage: Deployed) -> Iterator[tuple[str, bytes]]:
    """Name and content of each raw object."""
    names, s3 = stage.names[PIPELINE], stage.client("s3")
    for number in range(OBJECTS):
        key = f"{names.changes_prefix}{HOUR}benchmark-{number}.json.gz"
        yield key, s3.get_object(Bucket=names.raw_bucket, Key=key)["Body"].read()


def renew(stage: Deployed) -> None:
    """Write each raw object again, with another time in its gzip header: no query has read such objects yet."""
    for key, body in objects(stage):
        time_after = int.from_bytes(body[4:8], "little") + 1
        content = body[:4] + time_after.to_bytes(4, "little") + body[8:]
        stage.client("s3").put_object(Bucket=stage.names[PIPELINE].raw_bucket, Key=key, Body=content)


def seconds_alone(stage: Deployed) -> float:
    """Of DuckDB, the best of several rounds."""
    with tempfile.TemporaryDirectory() as folder:
        for key, body in objects(stage):
            (Path(folder) / key.rpartition("/")[2]).write_bytes(body)
        return min(duckdb_alone.seconds(Path(folder), READ) for _ in range(ROUNDS))


def seconds(stage: Deployed, query: str, columns: str, *, look_at_all: bool = False, renewed: bool = False) -> float:
    """Of the best of several rounds; the answer is one row, so that no time goes into fetching it.

    `look_at_all`: look at every value, where the statistics of a Parquet file would do for its greatest.
    `renewed`: have the raw objects renewed before each round.
    """
    aggregates = ", ".join(
        f"max(length(CAST({column} AS varchar)))" if look_at_all else f"max({column})" for column in columns.split(", ")
    )
    best = float("inf")
    for _ in range(ROUNDS):
        if renewed:
            renew(stage)
        started = time.monotonic()
        stage.ask(PIPELINE, f"SELECT count(*), {aggregates} FROM ({query})")
        best = min(best, time.monotonic() - started)
    return best


def wrong_rows(stage: Deployed, query: str, state: State) -> int:
    """Items that the query has another image of or lacks, and rows that it has too much."""
    rows = stage.ask(PIPELINE, f"SELECT item_key, image FROM ({query})")
    found = dict(rows)
    return sum(found.get(key) != image for key, image in state.items() if image is not None or key in found) + (
        len(rows) - len(found)
    )


def as_parquet(stage: Deployed) -> None:
    """Copy the change table into one of Parquet files, compressed as Firehose does; Athena's own choice is GZIP."""
    options = "format = 'PARQUET', write_compression = 'SNAPPY'"
    stage.ask(PIPELINE, f"CREATE TABLE {PARQUET} WITH ({options}) AS SELECT * FROM changes")


def exact(stage: Deployed, table: str) -> str:
    """The query of latest_item_state over a table."""
    pipeline = stage.declaration.pipelines[PIPELINE]
    (view,) = [view for view in views(pipeline) if view.name == "latest_item_state"]
    names = dataclasses.replace(stage.names[PIPELINE], change_table=table)
    return f"SELECT {OUTPUT} FROM ({select_statement(view, pipeline, names)})"


def run() -> Iterator[Figure]:
    """Yield the figures."""
    chance = random.Random(1)
    with local_stage() as stage:
        rows, state = make_changes(stage.names[PIPELINE].table, chance)
        deliver(stage, rows)
        what = f"latest_item_state on {len(rows):,} rows of {ITEMS:,} items"
        del rows
        as_parquet(stage)
        for form, table in ((GZIP, "changes"), ("JSON, kept", "changes"), ("Parquet", PARQUET)):
            new = form == GZIP
            scan = seconds(stage, f"SELECT {READ} FROM {table}", READ, look_at_all=True, renewed=new)
            ours = seconds(stage, exact(stage, table), OUTPUT, renewed=new)
            newest, correlated = (
                seconds(stage, query.format(table=table), OUTPUT, renewed=new) for query in (NEWEST, CORRELATED)
            )
            yield Figure(f"{form}: {what}", ours, "bare scan of its columns", scan, "s")
            if new:
                yield Figure(f"{form}: {what}", ours, duckdb_alone.RIVAL, seconds_alone(stage), "s")
            yield Figure(f"{form}: {what}", ours, "row_number() by time", newest, "s")
            yield Figure(f"{form}: {what}", ours, "max(changed_at_us) of a subquery", correlated, "s")
            limits = {
                GZIP: (f"limit, {LIMIT_OF_SCAN} times the bare scan", LIMIT_OF_SCAN * scan),
                "Parquet": (f"limit, {LIMIT_OF_ROW_NUMBER} times row_number()", LIMIT_OF_ROW_NUMBER * newest),
            }
            if form in limits:
                yield Figure(f"{form}: {what}", ours, *limits[form], "s")
        wrong = [
            wrong_rows(stage, query, state)
            for query in (exact(stage, PARQUET), *(rival.format(table=PARQUET) for rival in (NEWEST, CORRELATED)))
        ]
        yield Figure("rows that latest_item_state gets wrong", wrong[0], "row_number() by time", wrong[1], "rows")
        yield Figure("rows that latest_item_state gets wrong", wrong[0], "max() of a subquery", wrong[2], "rows")
