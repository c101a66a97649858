"""Change records as DynamoDB writes them to Kinesis, made by hand: for what a table can't be told to do."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from ddb_pipeline.change_row import COLUMNS

Image = dict[str, Any] | None
"""Attributes in DynamoDB JSON; None is the absence of the item."""


@dataclass(frozen=True)
class Change:
    """One step of an item's life, from one image to the next."""

    key: dict[str, Any]
    old: Image
    new: Image
    at_us: int
    event_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    precision: str | None = "MICROSECOND"
    by_time_to_live: bool = False

    def record(self, table: str, region: str) -> bytes:
        """The JSON of the record (facts: shape seen in logs of three independent users)."""
        time_of_change = self.at_us if self.precision == "MICROSECOND" else self.at_us // 1000
        dynamodb = {"ApproximateCreationDateTime": time_of_change, "Keys": self.key, "SizeBytes": 100}
        if self.precision is not None:
            dynamodb["ApproximateCreationDateTimePrecision"] = self.precision
        if self.new is not None:
            dynamodb["NewImage"] = {**self.key, **self.new}
        if self.old is not None:
            dynamodb["OldImage"] = {**self.key, **self.old}
        service = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
        name = "INSERT" if self.old is None else "REMOVE" if self.new is None else "MODIFY"
        return json.dumps(
            {
                "awsRegion": region,
                "eventID": self.event_id,
                "eventName": name,
                "userIdentity": service if self.by_time_to_live else None,
                "recordFormat": "application/json",
                "tableName": table,
                "dynamodb": dynamodb,
                "eventSource": "aws:dynamodb",
            }
        ).encode()


def put_on_stream(kinesis: Any, stream: str, records: list[bytes], *, one_shard: bool = False) -> None:
    """Put records on the stream, as many a call as Kinesis takes; only on one shard do they keep their order."""
    for first in range(0, len(records), 500):
        batch = [
            {"Data": record, "PartitionKey": "one" if one_shard else uuid.uuid4().hex}
            for record in records[first : first + 500]
        ]
        assert kinesis.put_records(StreamName=stream, Records=batch)["FailedRecordCount"] == 0


def inserted_row(table: str, key: dict[str, Any], event_id: str, number: int) -> dict[str, Any]:
    """The change row of an item that was inserted and is nothing but its key, without the converter.

    Args:
        table: Name of the table.
        key: The item's key in DynamoDB JSON.
        event_id: Id of its event.
        number: Its moment, its arrival and its image's hash are made of it.
    """
    image = json.dumps(key, separators=(",", ":"))
    return dict.fromkeys(column.name for column in COLUMNS) | {
        "row_version": 1,
        "event_id": event_id,
        "event_name": "INSERT",
        "table_name": table,
        "changed_at_us": 1_767_225_600_000_000 + number,
        "item_key": image,
        "new_image": image,
        "new_hash": f"{number:032x}",
        "new_item": "{}",
        "expired_by_ttl": False,
        "arrived_at_ms": number,
        "shard_id": "shard",
        "sequence_number": str(number),
    }
