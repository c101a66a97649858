"""What the loader does to the table, as a plan: pure, and the same for the same seed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from persons import Person, changed_person, new_person

UPDATE_EVERY = 3
"""After every third insert one of the batch's items is changed ..."""
DELETE_EVERY = 10
"""... and after every tenth one is deleted."""


@dataclass(frozen=True)
class Operation:
    """One write to the table.

    Attributes:
        kind: Put a new item, update one or delete one.
        key: The item's key attributes.
        person: The person that the item holds afterwards; None for a delete.
    """

    kind: Literal["put", "update", "delete"]
    key: dict[str, Any]
    person: Person | None


@dataclass(frozen=True)
class KeyAttribute:
    """A key attribute of the table: its name and its DynamoDB type (S, N or B)."""

    name: str
    type: str


def plan(batch_size: int, chance: random.Random, key_attributes: Sequence[KeyAttribute]) -> Iterator[Operation]:
    """Inserts, with updates and deletes of the same batch's items between them.

    Args:
        batch_size: Number of inserts.
        chance: Source of everything random; one with the same seed gives the same plan.
        key_attributes: The table's key; its values are made from chance, too.
    """
    live: list[tuple[dict[str, Any], Person]] = []
    for number in range(1, batch_size + 1):
        key = {attribute.name: _key_value(attribute.type, chance) for attribute in key_attributes}
        person = new_person(chance)
        live.append((key, person))
        yield Operation("put", key, person)
        if number % UPDATE_EVERY == 0:
            place = chance.randrange(len(live))
            key, person = live[place]
            changed = changed_person(person, chance)
            live[place] = (key, changed)
            yield Operation("update", key, changed)
        if number % DELETE_EVERY == 0:
            key, _ = live.pop(chance.randrange(len(live)))
            yield Operation("delete", key, None)


def _key_value(key_type: str, chance: random.Random) -> str | int | bytes:
    bits = chance.getrandbits(128)
    if key_type == "N":
        # DynamoDB keeps 38 digits
        return bits % 10**30
    if key_type == "B":
        return bits.to_bytes(16, "big")
    return str(uuid.UUID(int=bits, version=4))
