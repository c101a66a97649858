"""The state rule of `latest_item_state`, case by case, through Firehose, crawl and Athena.

Each case is one item. All of them share a delivery, in an order of arrival that is stated where it matters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from ddb_pipeline_tests.change_records import Change, Image, put_on_stream
from ddb_pipeline_tests.deployed import Deployed

A: Image = {"value": {"S": "A"}}
B: Image = {"value": {"S": "B"}}
C: Image = {"value": {"S": "C"}}
ABSENT: Image = None
T0 = 1_767_225_600_000_000  # 2026-01-01, in microseconds


@dataclass(frozen=True)
class Case:
    """Steps as (old, new, microseconds after T0), in their order of arrival; then what the view must say."""

    steps: list[tuple[Image, Image, int]]
    state: Image
    certain: bool = True


CASES = {
    "an insert": Case([(ABSENT, A, 10)], A),
    "a change after an insert": Case([(ABSENT, A, 10), (A, B, 20)], B),
    "a change that arrives before the insert": Case([(A, B, 20), (ABSENT, A, 10)], B),
    "a delete": Case([(ABSENT, A, 10), (A, ABSENT, 20)], ABSENT),
    "a delete that arrives before the insert": Case([(A, ABSENT, 20), (ABSENT, A, 10)], ABSENT),
    "an item that came back": Case([(ABSENT, A, 10), (A, ABSENT, 20), (ABSENT, B, 30)], B),
    "an item older than the stream, changed": Case([(A, B, 10)], B),
    "an item older than the stream, deleted": Case([(A, ABSENT, 10)], ABSENT),
    "two changes in one instant": Case([(ABSENT, A, 5), (A, B, 10), (B, C, 10)], C),
    "two changes in one instant, arriving the other way round": Case([(ABSENT, A, 5), (B, C, 10), (A, B, 10)], C),
    "insert and delete in one instant, after a delete": Case(
        [(A, ABSENT, 5), (ABSENT, B, 10), (B, ABSENT, 10)], ABSENT
    ),
    "delete and insert in one instant of an item that is there": Case(
        [(ABSENT, A, 5), (ABSENT, A, 10), (A, ABSENT, 10)], A
    ),
    "there and back again in one instant": Case([(ABSENT, A, 5), (B, A, 10), (A, B, 10)], A),
    "there and back again in one instant, twice": Case(
        [(ABSENT, A, 5), (A, B, 10), (B, A, 10), (A, C, 20), (C, A, 20)], A
    ),
    "there and back again in one instant with no earlier event": Case([(A, B, 10), (B, A, 10)], A, certain=False),
    "a change that changes nothing, at first sight": Case([(A, A, 10)], A),
    "delete then insert of one image in one instant, at first sight": Case(
        [(A, ABSENT, 10), (ABSENT, A, 10)], A, certain=False
    ),
    "insert then delete of one image in one instant, at first sight": Case(
        [(ABSENT, A, 10), (A, ABSENT, 10)], A, certain=False
    ),
    "one change under two event ids": Case([(ABSENT, A, 5), (A, B, 10), (A, B, 10)], B),
    "a clock that steps back": Case([(A, B, 10), (B, C, 9)], B),
    "two changes in one instant, one between them lost": Case([(A, B, 10), (C, ABSENT, 10)], B, certain=False),
    "two images for one instant: the one that arrived last": Case([(ABSENT, A, 10), (B, C, 10)], C, certain=False),
}


def key_of(case: str) -> dict[str, Any]:
    return {"pk": {"S": f"rule#{case}"}}


@pytest.fixture(scope="module")
def state(deployed: Deployed) -> dict[str, list[tuple[Image, bool]]]:
    """What `latest_item_state` says of every case: its rows as (image without the key, certain)."""
    names = deployed.names["persons"]
    changes = [
        Change(key_of(name), old, new, T0 + after)
        for name, case in CASES.items()
        for old, new, after in case.steps
    ]  # fmt: skip
    # on one shard the order of arrival is the order of the steps
    records = [change.record(names.table, names.region) for change in changes]
    put_on_stream(deployed.client("kinesis"), names.change_stream, records, one_shard=True)
    deployed.wait_for_rows("persons", "item_key LIKE '%rule#%'", len(records))
    deployed.make_views("persons")
    rows = deployed.ask(
        "persons", "SELECT pk, image, state_certain FROM latest_item_state WHERE item_key LIKE '%rule#%'"
    )
    found: dict[str, list[tuple[Image, bool]]] = {}
    for key, image, certain in rows:
        attributes = json.loads(image)
        assert attributes.pop("pk") == {"S": key}
        found.setdefault(key.removeprefix("rule#"), []).append((attributes, certain))
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_state_is(state, name):
    case = CASES[name]
    expected = [] if case.state is ABSENT else [(case.state, case.certain)]
    assert state.get(name, []) == expected
