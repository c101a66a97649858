"""Some items of the table: a page of a scan, and items by their keys. What is read is bounded, and paid for."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ddb_pipeline.errors import AwsError
from ddb_pipeline.resources.waiting import Waiting

# DynamoDB API: BatchGetItem takes 100 keys; Scan up to 1,000,000 segments
_KEYS_AT_ONCE = 100
_MOST_SEGMENTS = 1_000_000
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class TableItems:
    """The DynamoDB table of a pipeline.

    Attributes:
        client: boto3's DynamoDB client.
        table: Name of the table.
    """

    client: Any
    table: str

    def count(self) -> int:
        """Return how many items DynamoDB counted last, about every six hours (API TableDescription, ItemCount)."""
        return int(self.client.describe_table(TableName=self.table)["Table"].get("ItemCount", 0))

    def page(self, most: int, counted: int) -> list[dict[str, Any]]:
        """Read one page of a scan: somewhere in the table, so that each check sees other items.

        At most 1 MB is read, 128 read units; twice that where the place had no items.

        Args:
            most: Items at most.
            counted: How many items there are, about.
        """
        segments = min(counted // most, _MOST_SEGMENTS)
        if segments > 1:
            arguments = {"Segment": random.randrange(segments), "TotalSegments": segments}
            if found := self._scan(most, **arguments):
                return found
        return self._scan(most)

    def get(self, keys: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Read items by their keys; those that do not exist are left out.

        Raises:
            AwsError: DynamoDB did not read them all in time: the table is short of read capacity.
        """
        waiting = Waiting(_PATIENCE_SECONDS, first_seconds=0.1, longest_seconds=5)
        found: list[dict[str, Any]] = []
        for first in range(0, len(keys), _KEYS_AT_ONCE):
            found += self._get_batch(keys[first : first + _KEYS_AT_ONCE], waiting)
        return found

    def _get_batch(self, keys: Iterable[dict[str, Any]], waiting: Waiting) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        left = {self.table: {"Keys": list(keys)}}
        while left:
            answer = self.client.batch_get_item(RequestItems=left)
            found += answer["Responses"].get(self.table, [])
            # an answer has 16 MB at most, and less where capacity is short
            left = answer.get("UnprocessedKeys") or {}
            if left and waiting.is_over:
                raise AwsError(
                    f"table {self.table} did not give {len(left[self.table]['Keys'])} items within "
                    f"{_PATIENCE_SECONDS:.0f} s: it is short of read capacity: run the check again later",
                    transient=True,
                )
            if left:
                waiting.pause()
        return found

    def _scan(self, most: int, **arguments: int) -> list[dict[str, Any]]:
        return list(self.client.scan(TableName=self.table, Limit=most, **arguments)["Items"])
