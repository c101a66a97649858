"""Random lives of items: what is written to the table through DynamoDB's API, and what it made of each item.

Each item has one writer, so the model knows the true order of its images without asking anybody. The table is asked
at the end whether the model is right.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

Image = dict[str, Any] | None
"""An item in DynamoDB JSON, binary values in base64; None is the absence of the item."""

BATCH = 25
EXPIRES_AT = "expires_at"
LONG_AGO = {"N": "1700000000"}

_NAMES = ("a", "A", "b", "a.b", 'q"uote', "x[0]$", "back\\slash", "ü 😀", "event_id", "select")
_TEXTS = ("", "A", "é", "e\u0301", '"\\\n\0\u2028', "😀", "7", "true", "null")
_NUMBERS = ("1", "-1", "0", "7", "1.5", "-0.001", "9" * 38, "0." + "9" * 38, "9" * 19)
_DEPTH = 3
_TYPED: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "whole": lambda chance: {"N": str(chance.randint(-(10**17), 10**17))},
    "price": lambda chance: {"N": chance.choice(["0.5", "-12.25", "3", "1000000.125"])},
    "wide": lambda chance: {"N": chance.choice(["9" * 20, "1", "-" + "9" * 20])},
    "flag": lambda chance: {"BOOL": chance.random() < 0.5},
    "raw": lambda chance: {"B": base64.b64encode(chance.randbytes(2)).decode()},
    "tags": lambda chance: {"SS": sorted(chance.sample(["x", "y, z", '"', "ü"], 2))},
    "address": lambda chance: {"M": {"city": {"S": chance.choice(["Köln", ""])}, "zip": {"N": "50667"}}},
}
_MEMBERS = ("a", "A", "a.b", "$", "city")


@dataclass(frozen=True)
class Step:
    """What one change did to an item."""

    before: Image
    after: Image
    by_time_to_live: bool = False

    @property
    def event_name(self) -> str:
        """What DynamoDB calls the change."""
        return "INSERT" if self.before is None else "REMOVE" if self.after is None else "MODIFY"


@dataclass
class Life:
    """One item: its key, the few images it wanders between, and its steps in their true order."""

    key: dict[str, Any]
    pool: list[dict[str, Any]]
    steps: list[Step] = field(default_factory=list)

    @property
    def now(self) -> Image:
        """The item as it is."""
        return self.steps[-1].after if self.steps else None

    @property
    def expires(self) -> bool:
        """Whether time to live will delete the item."""
        return self.now is not None and EXPIRES_AT in self.now

    def goes_to(self, image: Image, *, by_time_to_live: bool = False) -> None:
        """Note what a write did; a write that changes nothing makes no change record."""
        if image != self.now:
            self.steps.append(Step(self.now, image, by_time_to_live))


class World:
    """The lives of one proof.

    Args:
        client: boto3 client of DynamoDB.
        table: Name of the table; its partition key is `pk`, of type S.
        lives: How many items.
        seed: Same seed, same writes.
    """

    def __init__(self, client: Any, table: str, lives: int, seed: int) -> None:
        self._client = client
        self._table = table
        self._chance = random.Random(seed)
        self.lives = [self._born(number) for number in range(lives)]

    def write_round(self) -> None:
        """Give nearly every item a write: in batches, one by one, and in transactions; two ways back in each pool."""
        waiting = [life for life in self.lives if not life.expires and self._chance.random() < 0.9]
        self._chance.shuffle(waiting)
        while waiting:
            some, waiting = waiting[:BATCH], waiting[BATCH:]
            way: Callable[[list[Life]], None] = self._chance.choices(
                [self._batches, self._one_by_one, self._transaction], [10, 2, 1]
            )[0]
            way(some)

    def expired(self) -> None:
        """Note that time to live has deleted what was due."""
        for life in self.lives:
            if life.expires:
                life.goes_to(None, by_time_to_live=True)

    def _born(self, number: int) -> Life:
        # keys that are equal as text in one way or another must stay apart
        key = {"pk": {"S": self._chance.choice(["{}", " {}", '"{}"', "ключ{}", "{}\\"]).format(f"life#{number}")}}
        return Life(key, [self._image(key) for _ in range(self._chance.choice([1, 2, 2, 3]))])

    def _image(self, key: dict[str, Any]) -> dict[str, Any]:
        chance = self._chance
        values = {name: self._value() for name in chance.sample(_NAMES, chance.randint(0, 3))}
        # attributes of one type each: they become columns of that type
        typed = {name: make(chance) for name, make in _TYPED.items() if chance.random() < 0.3}
        return {**key, **values, **typed}

    def _value(self, depth: int = 0) -> dict[str, Any]:
        """A value of any type; DynamoDB gives it back as it is here: no number or set has two spellings."""
        chance = self._chance
        made: list[Callable[[], dict[str, Any]]] = [
            lambda: {"S": chance.choice(_TEXTS)},
            lambda: {"N": chance.choice(_NUMBERS)},
            lambda: {"BOOL": chance.random() < 0.5},
            lambda: {"NULL": True},
            lambda: {"B": base64.b64encode(chance.randbytes(chance.randrange(1, 4))).decode()},
            lambda: {"SS": sorted(chance.sample(["a", "b", "é", "B"], chance.randint(1, 3)))},
            lambda: {"NS": sorted(chance.sample(["10", "9", "1.5", "-1"], chance.randint(1, 3)))},
            lambda: {
                "BS": sorted(base64.b64encode(part).decode() for part in chance.sample([b"\xff", b"a", b"bc"], 2))
            },
            lambda: {"M": {name: self._value(depth + 1) for name in chance.sample(_MEMBERS, chance.randint(0, 3))}},
            lambda: {"L": [self._value(depth + 1) for _ in range(chance.randint(0, 2))]},
        ]
        # text and numbers are what people have most of; maps and lists end at some depth
        return chance.choice([*made[:2], *(made if depth < _DEPTH else made[:-2])])()

    def _wanted(self, life: Life) -> Image:
        """Where a write takes an item: mostly to an image that it had before, at times nowhere."""
        draw = self._chance.random()
        if draw < (0.02 if life.now is None else 0.25):
            return None
        if draw < 0.3:
            return {**life.pool[0], EXPIRES_AT: LONG_AGO}
        if draw < 0.35:
            return self._image(life.key)
        others = [image for image in life.pool if image != life.now]
        return self._chance.choice(others if others and draw < 0.95 else life.pool)

    def _batches(self, lives: list[Life]) -> None:
        """The same items a few times in a row: their changes are close together on the stream, too."""
        for _ in range(self._chance.choice([1, 2, 3])):
            self._batch([life for life in lives if not life.expires])

    def _batch(self, lives: list[Life]) -> None:
        if not lives:
            return
        wanted = [(life, self._wanted(life)) for life in lives]
        requests = [
            {"DeleteRequest": {"Key": as_client_takes(life.key)}}
            if image is None
            else {"PutRequest": {"Item": as_client_takes(image)}}
            for life, image in wanted
        ]
        left = self._client.batch_write_item(RequestItems={self._table: requests})["UnprocessedItems"]
        assert not left, "local DynamoDB does not throttle"
        for life, image in wanted:
            life.goes_to(image)

    def _one_by_one(self, lives: list[Life]) -> None:
        for life in lives:
            for _ in range(self._chance.choice([1, 1, 2, 4])):
                if not life.expires:
                    self._chance.choice([self._put_or_delete, self._set, self._remove, self._add])(life)

    def _put_or_delete(self, life: Life) -> None:
        image = self._wanted(life)
        if image is None:
            self._client.delete_item(TableName=self._table, Key=as_client_takes(life.key))
        else:
            self._client.put_item(TableName=self._table, Item=as_client_takes(image))
        life.goes_to(image)

    def _set(self, life: Life) -> None:
        name, value = self._chance.choice(_NAMES), self._value()
        self._update(life, "SET #a = :v", name, value)
        life.goes_to({**(life.now or life.key), name: value})

    def _remove(self, life: Life) -> None:
        if life.now is None:
            return
        name = self._chance.choice(_NAMES)
        self._update(life, "REMOVE #a", name, None)
        life.goes_to({other: value for other, value in life.now.items() if other != name})

    def _add(self, life: Life) -> None:
        number = ((life.now or {}).get("count") or {"N": "0"})["N"]
        self._update(life, "ADD #a :v", "count", {"N": "1"})
        life.goes_to({**(life.now or life.key), "count": {"N": str(int(number) + 1)}})

    def _update(self, life: Life, expression: str, name: str, value: dict[str, Any] | None) -> None:
        values = {} if value is None else {"ExpressionAttributeValues": {":v": as_client_takes({"v": value})["v"]}}
        self._client.update_item(
            TableName=self._table,
            Key=as_client_takes(life.key),
            UpdateExpression=expression,
            ExpressionAttributeNames={"#a": name},
            **values,
        )

    def _transaction(self, lives: list[Life]) -> None:
        for first in range(0, len(lives), 4):
            wanted = [(life, self._wanted(life)) for life in lives[first : first + 4]]
            operations = [
                {"Delete": {"TableName": self._table, "Key": as_client_takes(life.key)}}
                if image is None
                else {"Put": {"TableName": self._table, "Item": as_client_takes(image)}}
                for life, image in wanted
            ]
            self._client.transact_write_items(TransactItems=operations)
            for life, image in wanted:
                life.goes_to(image)


def as_client_takes(image: dict[str, Any]) -> dict[str, Any]:
    """An item as boto3's client takes it: binary values as bytes."""
    return {name: _client_value(value) for name, value in image.items()}


def _client_value(value: dict[str, Any]) -> dict[str, Any]:
    ((tag, content),) = value.items()
    if tag == "B":
        return {tag: base64.b64decode(content)}
    if tag == "BS":
        return {tag: [base64.b64decode(member) for member in content]}
    if tag == "M":
        return {tag: as_client_takes(content)}
    if tag == "L":
        return {tag: [_client_value(member) for member in content]}
    return {tag: content}


def living(lives: Iterable[Life]) -> dict[str, dict[str, Any]]:
    """The items that exist, by the text of their key."""
    from ddb_pipeline.cli.table_scan import key_text

    return {key_text(life.key): life.now for life in lives if life.now is not None}
