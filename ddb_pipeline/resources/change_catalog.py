"""What the Glue catalog knows of a pipeline: the change table, its hours, the stored views."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from ddb_pipeline.arrivals import hour_of_values, hour_values
from ddb_pipeline.errors import RESTORE_ADVICE, NotDeployedError

# AWS Glue API, BatchGetPartition asks for at most 1000 partitions
_BATCH = 1000


@dataclass(frozen=True)
class ChangeCatalog:
    """The database of a pipeline in the Glue catalog.

    Attributes:
        client: boto3's Glue client.
        database: Name of the database.
        change_table: Name of the change table.
    """

    client: Any
    database: str
    change_table: str

    def table(self, name: str) -> Mapping[str, Any] | None:
        """Return Glue's description of a table or view; None when there is none of that name."""
        try:
            found = self.client.get_table(DatabaseName=self.database, Name=name)["Table"]
        except self.client.exceptions.EntityNotFoundException:
            return None
        return dict(found)

    def view_text(self, name: str) -> str:
        """Return what a view says, as far as it can be read; empty where there is no view of that name.

        Athena keeps a view as base64 between comment marks, which AWS does not document: what cannot be decoded is
        returned as it stands.
        """
        stored = str((self.table(name) or {}).get("ViewOriginalText") or "")
        encoded = stored.removeprefix("/* Presto View:").removesuffix("*/").strip()
        try:
            return base64.b64decode(encoded, validate=True).decode("utf-8")
        except ValueError:
            return stored

    def require_change_table(self) -> Mapping[str, Any]:
        """Return Glue's description of the change table.

        Raises:
            NotDeployedError: The table is not there, though the stack is: somebody dropped it.
        """
        table = self.table(self.change_table)
        if table is None:
            raise NotDeployedError(
                f"table {self.database}.{self.change_table} is not in the Glue catalog though the stack made it; the "
                f"data in S3 is untouched: bring the table back ({RESTORE_ADVICE}) and materialize change_table, which "
                "finds every hour again"
            )
        return table

    def hours(self) -> set[datetime]:
        """Return all hours that the change table has partitions for."""
        pages = self.client.get_paginator("get_partitions").paginate(
            DatabaseName=self.database, TableName=self.change_table, ExcludeColumnSchema=True
        )
        values = (partition["Values"] for page in pages for partition in page["Partitions"])
        return {hour for hour in map(hour_of_values, values) if hour is not None}

    def has_hours(self) -> bool:
        """Whether the change table is there and has a partition at all; asks for one only."""
        try:
            found = self.client.get_partitions(
                DatabaseName=self.database, TableName=self.change_table, ExcludeColumnSchema=True, MaxResults=1
            )
        except self.client.exceptions.EntityNotFoundException:
            return False
        return bool(found["Partitions"])

    def lacking(self, hours: Iterable[datetime]) -> tuple[datetime, ...]:
        """Return those of some hours that the change table has no partition for, oldest first.

        Asks for just these, so the cost does not grow with the age of the table.
        """
        wanted = iter(sorted(set(hours)))
        lacking: list[datetime] = []
        while batch := list(islice(wanted, _BATCH)):
            answer = self.client.batch_get_partition(
                DatabaseName=self.database,
                TableName=self.change_table,
                PartitionsToGet=[{"Values": list(hour_values(hour))} for hour in batch],
            )
            found = {tuple(partition["Values"]) for partition in answer["Partitions"]}
            lacking.extend(hour for hour in batch if hour_values(hour) not in found)
        return tuple(lacking)


def columns(described: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return name and type of Glue's columns, lower-cased as Athena reads them."""
    return [(str(column["Name"]).lower(), str(column.get("Type", "")).lower()) for column in described]
