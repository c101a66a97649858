"""`latest_item_state` against a model: random lives of items, delivered with repeats and out of order.

Hundreds of items share a delivery, which takes the real path: Kinesis, Firehose with the converter, S3, crawl, Athena.
The same deliveries show that the suite tells the rule from the wrong rules that people write.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddb_pipeline_tests.change_records import Change, Image, put_on_stream
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.proof import wrong_rules

ITEMS = 300
T0 = 1_767_225_600_000_000
IMAGES: list[Image] = [None, {"value": {"S": "A"}}, {"value": {"S": "B"}}, {"tags": {"SS": ["b", "a"]}}]

Expected = dict[str, tuple[Image, bool]]
"""By key: the image, and whether the state is certain. A key that is certainly absent is not in it."""


@dataclass(frozen=True)
class Life:
    """One item's steps in their true order, and the image it had before the first."""

    key: dict[str, Any]
    before: Image
    changes: tuple[Change, ...]

    @property
    def now(self) -> Image:
        return self.changes[-1].new

    @property
    def decidable(self) -> bool:
        """Whether some instant leaves the item in another state than it found it."""
        image = self.before
        for instant in sorted({change.at_us for change in self.changes}):
            last = [change.new for change in self.changes if change.at_us == instant][-1]
            if last != image:
                return True
        return False


def life(key: dict[str, Any], chance: random.Random) -> Life:
    """Walk one item through up to eight changes, many of them in one instant."""
    before = image = chance.choice([None, None, *IMAGES])
    at, precision = T0, chance.choice(["MICROSECOND", "MILLISECOND", None])
    changes = []
    for _ in range(chance.randint(1, 8)):
        new = chance.choice([other for other in IMAGES if other != image])
        if chance.random() < 0.5:
            at += chance.randint(1, 3) * 1000
        expired = new is None and chance.random() < 0.3
        changes.append(Change(key, image, new, at, precision=precision, by_time_to_live=expired))
        image = new
    return Life(key, before, tuple(changes))


def deliver(deployed: Deployed, pipeline: str, lives: list[Life], mark: str, chance: random.Random) -> None:
    """Put every change on the stream, some twice or thrice, in any order, and wait until all have arrived."""
    names = deployed.names[pipeline]
    changes = [change for one in lives for change in one.changes]
    changes += [change for change in changes if chance.random() < 0.2]
    changes += [change for change in changes if chance.random() < 0.05]
    chance.shuffle(changes)
    records = [change.record(names.table, names.region) for change in changes]
    put_on_stream(deployed.client("kinesis"), names.change_stream, records)
    deployed.wait_for_rows(pipeline, f"item_key LIKE '%{mark}%'", len(records))
    deployed.make_views(pipeline)


def mismatches(rows: list[tuple[Any, ...]], lives: list[Life]) -> list[str]:
    """The keys whose rows (item_key, image, certain) are not what the item's life says."""
    # other tests write to the table too; every key of one delivery begins with its mark
    mark = next(iter(lives[0].key.values()))["S"].split("#")[0]
    rows = [row for row in rows if f'"{mark}#' in row[0]]
    found: dict[str, list[tuple[Image, bool]]] = {}
    for item_key, image, certain in rows:
        attributes = json.loads(image) if image is not None else None
        found.setdefault(text(json.loads(item_key)), []).append((attributes, certain))
    wrong = []
    for one in lives:
        states = found.pop(text(one.key), [])
        now = None if one.now is None else in_order({**one.key, **one.now})
        if one.decidable:
            right = states == ([] if now is None else [(now, True)])
        else:
            right = len(states) == 1 and not states[0][1]
        if not right:
            wrong.append(text(one.key))
    return wrong + list(found)


def in_order(image: dict[str, Any]) -> dict[str, Any]:
    """Sets have no order; the view shows them sorted."""
    return {name: {tag: sorted(v) if tag == "SS" else v for tag, v in value.items()} for name, value in image.items()}


def text(key: dict[str, Any]) -> str:
    return json.dumps(key, sort_keys=True)


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_view_says_what_each_life_came_to(deployed, seed):
    chance = random.Random(seed)
    mark = f"walk{seed}x{random.SystemRandom().randrange(10**9)}"
    lives = [life({"pk": {"S": f"{mark}#{number}"}}, chance) for number in range(ITEMS)]
    deliver(deployed, "persons", lives, mark, chance)
    sql = f"SELECT item_key, image, state_certain FROM latest_item_state WHERE item_key LIKE '%{mark}%'"
    assert mismatches(deployed.ask("persons", sql), lives) == []


@pytest.fixture(scope="module")
def composite(deployed: Deployed) -> tuple[list[Life], list[tuple[Any, ...]]]:
    """Lives under a composite key, and what the view says of them."""
    chance = random.Random(7)
    mark = "composite"
    keys = [
        {"Customer.Id": {"S": f"{mark}#{customer}"}, "item": {"N": number}}
        for customer in range(ITEMS // 6)
        for number in ("1", "10", "1.5", "-1", "12345678901234567890123456789012345678", "1E-7")
    ]
    lives = [life(key, chance) for key in keys]
    deliver(deployed, "orders", lives, mark, chance)
    return lives, deployed.ask("orders", "SELECT item_key, image, state_certain FROM latest_item_state")


def test_both_parts_of_a_composite_key_make_the_item(composite):
    lives, rows = composite
    assert mismatches(rows, lives) == []


def test_key_columns_hold_the_keys_own_digits(deployed, composite):
    lives, _ = composite
    rows = deployed.ask("orders", "SELECT customer_id, key_item, item_key FROM latest_item_state")
    by_key = {text(json.loads(item_key)): (customer, number) for customer, number, item_key in rows}
    for one in lives:
        if text(one.key) in by_key:
            assert by_key[text(one.key)] == (one.key["Customer.Id"]["S"], one.key["item"]["N"])
    assert by_key


@pytest.mark.parametrize("rule", wrong_rules.STATES)
def test_a_wrong_rule_is_caught(deployed, composite, rule):
    lives, _ = composite
    assert len(mismatches(deployed.ask("orders", wrong_rules.STATES[rule]), lives)) > 3
