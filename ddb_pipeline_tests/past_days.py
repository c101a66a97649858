"""Days of the past: raw objects put straight into the hours that they would have arrived in.

The rows are made by the converter's own code; Kinesis and Firehose, which know no past, are left out.
"""

from __future__ import annotations

import gzip
import importlib
import random
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from ddb_pipeline.arrivals import hour_of, hour_prefix
from ddb_pipeline.baselines.records import microseconds
from ddb_pipeline.resources.raw_bucket import STORED_AT
from ddb_pipeline.view_sql import ViewInputs, select_statement, views
from ddb_pipeline_tests.change_records import Change, Image
from ddb_pipeline_tests.deployed import Deployed

OBJECTS_A_DAY = 2
_CONVERTER = Path(__file__).parents[1] / "infra_cdk" / "functions" / "change_converter"


def put_days(stage: Deployed, pipeline: str, days: Iterable[tuple[datetime, list[Change]]]) -> None:
    """Write each day's changes as a few raw objects of one hour, and register the hours by a crawl.

    Args:
        stage: Where.
        pipeline: The pipeline.
        days: When the changes of a day arrived, with a time zone, and the changes.
    """
    names, s3 = stage.names[pipeline], stage.client("s3")
    for arrived, changes in days:
        lines = [
            _row_line()(
                change.record(names.table, names.region),
                {
                    "kinesisRecordMetadata": {
                        "shardId": "shardId-000000000000",
                        "approximateArrivalTimestamp": microseconds(arrived) // 1000,
                        "sequenceNumber": str(microseconds(arrived) * 1000 + number),
                    }
                },
            )
            for number, change in enumerate(changes)
        ]
        for number in range(OBJECTS_A_DAY):
            s3.put_object(
                Bucket=names.raw_bucket,
                Key=f"{names.changes_prefix}{hour_prefix(hour_of(arrived))}{uuid.uuid4()}.json.gz",
                Body=gzip.compress(b"".join(lines[number::OBJECTS_A_DAY])),
                # else they would look like what Firehose stores when it catches up
                Metadata={STORED_AT: arrived.isoformat()},
            )
    stage.crawl(pipeline)


def modified_day_by_day(
    last: datetime, days: int, *, items: int, changes_a_day: int, chance: random.Random
) -> Iterator[tuple[datetime, list[Change]]]:
    """A history of the same items: all are made on the first day, some of them change on each day after.

    Args:
        last: When the changes of the last day arrive; those of the others at this time of their day.
        days: How many days there are.
        items: How many items there are.
        changes_a_day: How many of them change in a day.
        chance: Makes images and chooses items.
    """
    keys = [{"pk": {"S": f"item-{number:06}"}} for number in range(items)]
    images: list[Image] = [None] * items
    for day in range(days):
        arrived = last - timedelta(days=days - 1 - day)
        changes = []
        for number in range(items) if day == 0 else chance.sample(range(items), changes_a_day):
            # of one size, and not to be compressed: the bytes of a day are the same each day
            new = {"day": {"S": f"{day:04}"}, "text": {"S": chance.randbytes(60).hex()}}
            changes.append(Change(keys[number], images[number], new, microseconds(arrived) - number))
            images[number] = new
        yield arrived, changes


def state_query(stage: Deployed, pipeline: str, inputs: ViewInputs) -> str:
    """The query of the pipeline's latest_item_state, without a view in the catalog."""
    declared = stage.declaration.pipelines[pipeline]
    (view,) = [view for view in views(declared, inputs) if view.name == "latest_item_state"]
    return select_statement(view, declared, stage.names[pipeline], inputs)


@cache
def _row_line() -> Callable[[bytes, dict[str, Any]], bytes]:
    """The converter's function of that name; Lambda makes its folder the import path."""
    sys.path.append(str(_CONVERTER))
    try:
        found: Callable[[bytes, dict[str, Any]], bytes] = importlib.import_module("change_record").row_line
    finally:
        sys.path.remove(str(_CONVERTER))
    return found
