"""A longer history of the same items: with a baseline, the state reads no more for it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from ddb_pipeline.baselines.records import microseconds
from ddb_pipeline.view_sql import NOTHING_KNOWN, ViewInputs
from ddb_pipeline_tests.change_records import Change, Image
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.integration.baseline_stage import (
    key,
    let_it_settle,
    make,
    place,
    stage,
    table,
    write,
)
from ddb_pipeline_tests.past_days import put_days, state_query

__all__ = ["place", "stage"]

ITEMS = range(20)


def lives_in_the_past(mark: str, days: range) -> Iterator[tuple[datetime, list[Change]]]:
    """The whole life of the same items, again on each of these days before today: none of them is left."""
    for day in days:
        arrived = datetime.now(UTC) - timedelta(days=day)
        images: list[Image] = [None, {"said": {"S": uuid.uuid4().hex}}, {"said": {"S": uuid.uuid4().hex}}, None]
        begun_us = microseconds(arrived) - 1_000_000
        yield (
            arrived,
            [
                Change(key("shots", number, mark), old, new, begun_us + step)
                for number in ITEMS
                for step, (old, new) in enumerate(pairwise(images))
            ],
        )


def test_a_longer_history_of_the_same_items_costs_nothing_with_a_baseline(stage: Deployed):
    mark = uuid.uuid4().hex
    write(stage, "shots", mark, ITEMS, "now")
    let_it_settle()
    expected = {json.dumps(image, sort_keys=True) for image in table(stage, "shots").values()}
    without, with_baseline = [], []
    for days in (range(2, 5), range(5, 20)):
        put_days(stage, "shots", lives_in_the_past(mark, days))
        baseline = make(stage, "shots").manifest.baseline
        for inputs, scanned in ((NOTHING_KNOWN, without), (ViewInputs(baseline), with_baseline)):
            rows, size = stage.ask_and_weigh("shots", f"SELECT image FROM ({state_query(stage, 'shots', inputs)})")
            assert {json.dumps(json.loads(image), sort_keys=True) for (image,) in rows} == expected
            scanned.append(size)
    assert without[1] > 2 * without[0], "15 more days are read"
    assert with_baseline[1] < 1.05 * with_baseline[0]
    assert with_baseline[0] < without[0]
