"""What Athena scans for latest_item_state as the history of the same items grows, without a baseline and with one.

Three pipelines with 10, 100 and 365 days of history. All items are made on the first day, the same number of them
changes on each day after. Two small objects a day are put straight into the hours of the past, with rows that the
converter's code made; a crawl registers the hours, and the snapshot is made as the pipeline's job makes it. Both
answers must be the same. Athena bills 10 MB a query at least: at this size the ratios tell, not the bytes.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from ddb_pipeline.baseline_making.making import Making
from ddb_pipeline.baselines import Baseline
from ddb_pipeline.cli import local_stack
from ddb_pipeline.declaration import FILE_VARIABLE, load_declaration
from ddb_pipeline.resources.aws import PipelineAwsResource
from ddb_pipeline.view_sql import NOTHING_KNOWN, ViewInputs
from ddb_pipeline_tests.benchmarks.figures import Figure
from ddb_pipeline_tests.deployed import Deployed, local_stage
from ddb_pipeline_tests.past_days import modified_day_by_day, put_days, state_query

DAYS = (10, 100, 365)
ITEMS = 500
CHANGES_A_DAY = 50

_PIPELINE = """
[pipelines.days_{days}]
partition_key = {{ name = "pk", type = "S" }}
start_date = {start:%Y-%m-%d}
baseline = "snapshot"
"""
_STAGE = """
[stages.local]
buffer_seconds = 1
automation = "stopped"
measure = "never"
keep_data = false
confirm_data_loss = "local"
baseline_margin_seconds = 10
"""


def make_baseline(stage: Deployed, pipeline: str) -> Baseline:
    """Make a snapshot, as the pipeline's job does."""
    aws = PipelineAwsResource(declaration_file=str(stage.declaration.path))
    with aws.deployment(pipeline) as deployment:
        return Making(deployment, note=lambda _line: None).run().manifest.baseline


def bytes_scanned(stage: Deployed, days: int, last: datetime) -> tuple[int, int]:
    """For the state after so many days: without a baseline, and with one.

    Args:
        stage: Where the pipelines are.
        days: How many.
        last: When the changes of the last day arrive.
    """
    pipeline = f"days_{days}"
    history = modified_day_by_day(last, days, items=ITEMS, changes_a_day=CHANGES_A_DAY, chance=random.Random(days))
    put_days(stage, pipeline, history)
    query = "SELECT * FROM ({}) ORDER BY item_key"
    state, without = stage.ask_and_weigh(pipeline, query.format(state_query(stage, pipeline, NOTHING_KNOWN)))
    newest = ViewInputs(make_baseline(stage, pipeline))
    same, with_baseline = stage.ask_and_weigh(pipeline, query.format(state_query(stage, pipeline, newest)))
    assert len(state) == ITEMS
    # key, item and image
    assert [row[:3] for row in same] == [row[:3] for row in state], "a baseline changes no answer"
    return without, with_baseline


def run() -> Iterator[Figure]:
    """Yield the figures."""
    last = datetime.now(UTC) - timedelta(minutes=1)
    start = last - timedelta(days=max(DAYS))
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ):
        file = Path(folder) / "pipeline.toml"
        file.write_text("".join(_PIPELINE.format(days=days, start=start) for days in DAYS) + _STAGE, encoding="utf-8")
        os.environ[FILE_VARIABLE] = str(file)
        declaration = load_declaration(file)
        assembly = local_stack.synthesize(declaration, Path(folder) / "cdk.out")
        with local_stage(declaration, assembly, Path(folder)) as stage:
            os.environ |= local_stack.environment(stage.endpoint)
            scanned = {}
            for days in DAYS:
                without, with_baseline = scanned[days] = bytes_scanned(stage, days, last)
                yield Figure(
                    f"scanned for the state after {days} days, with the newest baseline",
                    with_baseline,
                    "without one",
                    without,
                    "bytes",
                )
    first = DAYS[0]
    for place, which in enumerate(("without a baseline", "with the newest baseline")):
        for days in DAYS[1:]:
            yield Figure(
                f"{which}, after {days} days", scanned[days][place], f"after {first}", scanned[first][place], "bytes"
            )
