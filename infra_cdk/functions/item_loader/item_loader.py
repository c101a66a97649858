"""Lambda function that writes, changes and deletes fake persons, so that the table has changes to stream.

Event: `{"batchSize": n}`, and `"seed": s` for the same persons each time. Answer: how many items the table gained,
changed and lost: `{"inserted": ..., "updated": ..., "deleted": ...}`. Environment: TABLE_NAME, and KEY_ATTRIBUTES as
JSON `[{"name": ..., "type": "S" | "N" | "B"}, ...]`.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Protocol, TypeGuard, get_args

import boto3
from operations import KeyAttribute, Operation, plan

MOST_ITEMS = 10_000
"""Largest batchSize: it is done well before the function's timeout of five minutes."""

Effect = Literal["inserted", "updated", "deleted"]
EFFECTS: tuple[Effect, ...] = get_args(Effect)


class EventError(ValueError):
    """The event is not what the function takes. The message says what is."""


class Table(Protocol):
    """What the loader uses of a boto3 `Table`."""

    def put_item(self, **request: Any) -> Mapping[str, Any]:
        """Write an item."""

    def update_item(self, **request: Any) -> Mapping[str, Any]:
        """Change an item."""

    def delete_item(self, **request: Any) -> Mapping[str, Any]:
        """Delete an item."""


@dataclass(frozen=True)
class Request:
    """A checked event.

    Attributes:
        batch_size: Number of persons to insert.
        seed: Makes the plan repeatable; None for other persons each time.
    """

    batch_size: int
    seed: int | None


def handler(event: object, context: object) -> dict[str, int]:  # noqa: ARG001 - Lambda passes the context
    """Entry point of the function.

    Raises:
        EventError: The event is wrong.
    """
    request = read_event(event)
    chance: random.Random = random.SystemRandom() if request.seed is None else random.Random(request.seed)
    keys = [KeyAttribute(**attribute) for attribute in json.loads(os.environ["KEY_ATTRIBUTES"])]
    operations = plan(request.batch_size, chance, keys)
    return load(_table(os.environ["TABLE_NAME"]), operations, person_attribute(keys))


def read_event(event: object) -> Request:
    """Check the event.

    Raises:
        EventError: It is not an object, lacks batchSize, or holds something else.
    """
    if not isinstance(event, dict):
        raise EventError(f'the event must be an object such as {{"batchSize": 100}}, found {_shown(event)}')
    unknown = sorted(str(name) for name in event if name not in {"batchSize", "seed"})
    if unknown:
        raise EventError(f"unknown in the event: {', '.join(unknown)[:80]}; known are batchSize and seed")
    batch_size = event.get("batchSize")
    if not _is_whole(batch_size) or not 1 <= batch_size <= MOST_ITEMS:
        raise EventError(f"batchSize must be a whole number from 1 to {MOST_ITEMS}, found {_shown(batch_size)}")
    seed = event.get("seed")
    if seed is not None and not _is_whole(seed):
        raise EventError(f"seed must be a whole number, found {_shown(seed)}")
    return Request(batch_size=batch_size, seed=seed)


def person_attribute(keys: Iterable[KeyAttribute]) -> str:
    """Name of the attribute that holds the person: `person`, or with underscores where a key has that name."""
    taken = {key.name for key in keys}
    name = "person"
    while name in taken:
        name += "_"
    return name


def load(table: Table, operations: Iterable[Operation], attribute: str) -> dict[str, int]:
    """Apply the operations in their order and count what really happened.

    A put over an item that is there (a seed used before) is an update, or nothing if the item was the same:
    DynamoDB streams no change then.

    Args:
        table: The table.
        operations: What to do.
        attribute: Attribute that holds the person.
    """
    counts: Counter[Effect] = Counter()
    for operation in operations:
        before = _apply(table, operation, attribute).get("Attributes", {})
        effect = _effect(operation, before, attribute)
        if effect is not None:
            counts[effect] += 1
    return {effect: counts[effect] for effect in EFFECTS}


def _apply(table: Table, operation: Operation, attribute: str) -> Mapping[str, Any]:
    if operation.kind == "put":
        return table.put_item(Item={**operation.key, attribute: operation.person}, ReturnValues="ALL_OLD")
    if operation.kind == "update":
        return table.update_item(
            Key=operation.key,
            UpdateExpression="SET #person = :person",
            ExpressionAttributeNames={"#person": attribute},
            ExpressionAttributeValues={":person": operation.person},
            ReturnValues="ALL_OLD",
        )
    return table.delete_item(Key=operation.key, ReturnValues="ALL_OLD")


def _effect(operation: Operation, before: Mapping[str, Any], attribute: str) -> Effect | None:
    """What the operation did to an item that was like `before`, an empty one if there was none."""
    if operation.person is None:
        return "deleted" if before else None
    if not before:
        return "inserted"
    # a put replaces the whole item, an update this attribute
    rest = before if operation.kind == "update" else operation.key
    return None if before == {**rest, attribute: operation.person} else "updated"


@cache
def _table(name: str) -> Any:
    # kept between invocations: making a client takes longer than a hundred writes
    return boto3.resource("dynamodb").Table(name)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _shown(value: object) -> str:
    return repr(value)[:80]
