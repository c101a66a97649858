"""The items that are written, and the questions that they ask.

Keys are made for any key schema; which item is which is known by its name.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.verification.comparison import Bounds
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.names import PublishedNames

LARGE_BYTES = 399_000
"""Of an attribute: an item may have 400 KB, and a change record of two such images, in base64, is above 1 MiB."""

_EXPIRED_BEFORE = timedelta(minutes=5)
_LOADED_AT_ONCE = 250
"""Persons a call of the item loader: well below its time-out."""

Item = dict[str, Any]


class Writer:
    """Writes the items of a verification.

    Args:
        dynamodb: boto3's DynamoDB client.
        lambda_: boto3's Lambda client.
        names: What is deployed.
        pipeline: Key schema and time to live of the table.
    """

    def __init__(self, dynamodb: Any, lambda_: Any, names: PublishedNames, pipeline: Pipeline) -> None:
        self._dynamodb = dynamodb
        self._lambda = lambda_
        self._names = names
        self._pipeline = pipeline
        self.counts = {"inserted": 0, "updated": 0, "deleted": 0}
        self._sure = 0
        self._unsure = 0

    def first_part(self, persons: int) -> None:
        """What is written in the first hour."""
        self._load(persons, seed=1)
        self._put("same", {"said": {"S": "once"}})
        self._put("same", {"said": {"S": "once"}}, sure=False)
        self._put("large", {"filling": {"B": b"a" * LARGE_BYTES}})
        self._put("large", {"filling": {"B": b"b" * LARGE_BYTES}}, sure=False)
        self._put("odd", odd_values(1))
        self._put("returns", {"life": {"N": "1"}})
        self._delete("returns")
        expires = self._pipeline.time_to_live_attribute
        if expires is not None:
            past = datetime.now(UTC) - _EXPIRED_BEFORE
            self._put("expired", {expires: {"N": str(int(past.timestamp()))}})
            # its delete by time to live
            self._unsure += 1

    def second_part(self, persons: int) -> None:
        """What is written in the next hour."""
        self._load(persons, seed=2)
        self._put("odd", odd_values(2))
        self._put("returns", {"life": {"N": "2"}})
        # the table and the views can agree again, whether or not its large change was streamed
        self._delete("large")

    def bounds(self, canary_writes: int) -> Bounds:
        """Return how many changes the table has had.

        Args:
            canary_writes: How often the canary of the deployment was written. One of these arrived, and its delete
                must; those before it may have been written before Firehose began to read.
        """
        loaded = sum(self.counts.values())
        least = loaded + self._sure + 2
        unsure = self._unsure + canary_writes - 1
        return Bounds(
            least,
            least + unsure,
            f"{loaded} by the item loader, {self._sure} beside it, 2 of the canary; AWS decides on {unsure} more (a "
            "put that changes nothing, a record above 1 MiB, an expiry, the canary again)",
        )

    def key(self, name: str) -> Item:
        """Return the key of a named item, as boto3 takes it."""
        digest = hashlib.sha256(name.encode()).digest()
        values: dict[str, Any] = {
            "S": f"verify#{name}",
            # no person of the item loader has a number below zero
            "N": str(-int.from_bytes(digest[:8], "big") - 1),
            "B": f"verify#{name}".encode(),
        }
        return {attribute.name: {attribute.type: values[attribute.type]} for attribute in self._pipeline.key_attributes}

    def key_text(self, name: str) -> str:
        """Return the key of a named item as column `item_key` has it."""
        return canonical(self.key(name))

    def _put(self, name: str, attributes: Item, *, sure: bool = True) -> None:
        """Write an item; `sure` says whether a change must come of it."""
        self._dynamodb.put_item(TableName=self._names.table, Item={**attributes, **self.key(name)})
        self._sure += sure
        self._unsure += not sure

    def _delete(self, name: str) -> None:
        self._dynamodb.delete_item(TableName=self._names.table, Key=self.key(name))
        self._sure += 1

    def _load(self, persons: int, *, seed: int) -> None:
        """Let the item loader insert persons, change some and delete a few.

        Raises:
            UserError: The function failed; the message is its own.
        """
        for first in range(0, persons, _LOADED_AT_ONCE):
            size = min(_LOADED_AT_ONCE, persons - first)
            answer = self._lambda.invoke(
                FunctionName=self._names.item_loader,
                Payload=json.dumps({"batchSize": size, "seed": seed * 1_000_003 + first}),
            )
            payload = json.loads(answer["Payload"].read())
            if "FunctionError" in answer:
                raise UserError(f"the item loader failed: {payload.get('errorMessage', payload)}")
            for name in self.counts:
                self.counts[name] += int(payload[name])


def odd_values(version: int) -> Item:
    """Return attributes that have broken such paths elsewhere: case, marks, long numbers, empty and deep values."""
    return {
        "Name": {"S": "upper"},
        "name": {"S": "lower"},
        "with-dash": {"S": "-"},
        "with.dot": {"N": str(version)},
        'quote"and\\': {"S": 'quote " backslash \\ line\nend\ttab'},
        "größe ✓": {"S": "ß 😀 \u2028"},
        "long": {"N": "12345678901234567890123456789012345678"},
        "tiny": {"N": "1E-130"},
        "empty": {"S": ""},
        "nothing": {"NULL": True},
        "sets": {"NS": ["3", "1", "2"]},
        "bytes": {"B": bytes(range(256))},
        "deep": {"M": {"a": {"L": [{"M": {"b": {"BOOL": version == 1}}}, {"SS": ["y", "x"]}]}}},
    }


def canonical(key: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a key as canonical DynamoDB JSON: names in the order of their bytes, no spaces, bytes as base64."""
    plain = {
        name: {tag: base64.b64encode(content).decode() if tag == "B" else content for tag, content in value.items()}
        for name, value in sorted(key.items(), key=lambda pair: pair[0].encode())
    }
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
