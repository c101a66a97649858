"""The changes that the demo writes: persons inserted, changed, deleted, re-created and expired."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.local import expire_items, invoke_item_loader
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.names import PublishedNames

_BATCH = 100

Image = dict[str, Any]
"""Attributes in DynamoDB JSON, as boto3's client takes them."""


@dataclass
class Written:
    """How many changes the demo made, by what happened."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        """All changes."""
        return self.inserted + self.updated + self.deleted + self.expired


def write_changes(pipeline: Pipeline, names: PublishedNames, endpoint: str, *, items: int, seed: int) -> Written:
    """Write to the table through the DynamoDB API, and count what changed.

    Args:
        pipeline: Gives the key attribute and the time to live attribute.
        names: Names of the deployed stack.
        endpoint: Endpoint of local AWS.
        items: Persons to insert through the item loader.
        seed: Same seed, same persons.
    """
    written = Written()
    for first in range(0, items, _BATCH):
        counts = invoke_item_loader(names, endpoint, min(_BATCH, items - first), seed * 1_000_003 + first)
        written.inserted += counts["inserted"]
        written.updated += counts["updated"]
        written.deleted += counts["deleted"]
    table = _Table(local_stack.client("dynamodb", endpoint), names.table, pipeline, written)
    table.delete_and_create_again(table.key("demo#returned", 1))
    table.expire([table.key("demo#expired-1", 2), table.key("demo#expired-2", 3)], endpoint)
    table.write_what_loses_digits_elsewhere(table.key("demo#exact", 4))
    return written


class _Table:
    """The table under its key attributes; each method makes changes that differ from what was there."""

    def __init__(self, client: Any, name: str, pipeline: Pipeline, written: Written) -> None:
        self._client = client
        self._name = name
        self._key_attributes = pipeline.key_attributes
        self._time_to_live = pipeline.time_to_live_attribute
        self._written = written

    def key(self, label: str, number: int) -> Image:
        """A key of the demo's own, of whatever types the table's key attributes are."""
        values: dict[str, Image] = {"S": {"S": label}, "N": {"N": f"-{number}"}, "B": {"B": label.encode()}}
        return {attribute.name: values[attribute.type] for attribute in self._key_attributes}

    def delete_and_create_again(self, key: Image) -> None:
        """An item that came back: its state is the last one, and all four changes count."""
        note = self._attribute("note")
        self._put(key, {note: {"S": "first life"}})
        self._client.update_item(
            TableName=self._name,
            Key=key,
            UpdateExpression="SET #note = :note",
            ExpressionAttributeNames={"#note": note},
            ExpressionAttributeValues={":note": {"S": "changed in its first life"}},
        )
        self._written.updated += 1
        self._client.delete_item(TableName=self._name, Key=key)
        self._written.deleted += 1
        self._put(key, {note: {"S": "second life"}})

    def expire(self, keys: list[Image], endpoint: str) -> None:
        """Items that DynamoDB itself deletes when their time has passed."""
        if self._time_to_live is None:
            return
        for key in keys:
            self._put(key, {self._time_to_live: {"N": str(int(time.time()) - 60)}})
        expire_items(endpoint)
        self._written.expired += len(keys)

    def write_what_loses_digits_elsewhere(self, key: Image) -> None:
        """38 digits, empty values, a set and names that break crawled schemas."""
        attributes = {
            "digits": {"N": "12345678901234567890.123456789012345678"},
            "Name": {"S": "upper"},
            "name": {"S": "lower"},
            "a.b-c d": {"M": {"x y": {"S": ""}}},
            "tags": {"SS": ["b", "a"]},
        }
        self._put(key, {self._attribute(name): value for name, value in attributes.items()})

    def _attribute(self, name: str) -> str:
        """The name, or one like it where a key attribute has that name already."""
        taken = {attribute.name for attribute in self._key_attributes}
        while name in taken:
            name += "_"
        return name

    def _put(self, key: Image, attributes: Image) -> None:
        self._client.put_item(TableName=self._name, Item={**attributes, **key})
        self._written.inserted += 1
