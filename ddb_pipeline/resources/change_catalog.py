"""What the Glue catalog knows of a pipeline: the change tables, their hours, the stored views."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from ddb_pipeline import projection
from ddb_pipeline.arrivals import hour_of_values, hour_values
from ddb_pipeline.errors import REPAIR_ADVICE, AwsError, NotDeployedError, PipelineError
from ddb_pipeline.names import ChangeTable

# AWS Glue API: BatchGetPartition takes 1000. It answers each partition with all its columns, a few KB, and how much it
# answers at once is not documented: fewer are asked for, so that it rarely leaves some out.
_BATCH = 100


@dataclass(frozen=True)
class ChangeCatalog:
    """The database of a pipeline in the Glue catalog.

    Attributes:
        client: boto3's Glue client.
        database: Name of the database.
        change_tables: The change tables, first the one that Firehose fills now.
    """

    client: Any
    database: str
    change_tables: tuple[ChangeTable, ...]

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

    def require_change_tables(self) -> dict[str, Mapping[str, Any]]:
        """Return Glue's descriptions of the change tables by name, first the one that Firehose fills now.

        Raises:
            NotDeployedError: One is not there, though the stack is: somebody dropped it.
        """
        described: dict[str, Mapping[str, Any]] = {}
        for change_table in self.change_tables:
            table = self.table(change_table.name)
            if table is None:
                raise self._missing(change_table)
            described[change_table.name] = table
        return described

    def hours(self) -> set[datetime]:
        """Return all hours that a change table has a partition for."""
        return set().union(*map(self.hours_of, self.change_tables))

    @property
    def is_projected(self) -> bool:
        """Whether Athena computes the hours of the change tables: then the catalog does not tell which there are."""
        return any(table.is_projected for table in self.change_tables)

    def hours_of(self, table: ChangeTable) -> set[datetime]:
        """Return all hours that one change table has partitions for."""
        return set(self.partitions_of(table))

    def partitions_of(self, table: ChangeTable) -> dict[datetime, Mapping[str, Any]]:
        """Return the partitions of one change table by their hours, without their columns.

        Raises:
            NotDeployedError: The table is not there.
        """
        pages = self.client.get_paginator("get_partitions").paginate(
            DatabaseName=self.database, TableName=table.name, ExcludeColumnSchema=True
        )
        try:
            found = [(hour_of_values(one["Values"]), one) for page in pages for one in page["Partitions"]]
        except self.client.exceptions.EntityNotFoundException:
            raise self._missing(table) from None
        return {hour: partition for hour, partition in found if hour is not None}

    def has_hours(self) -> bool:
        """Whether a change table is there and has a partition at all, or projects some; asks for one only."""
        return any(map(self._has_hours, self.change_tables))

    def _has_hours(self, table: ChangeTable) -> bool:
        if table.is_projected:
            return self.table(table.name) is not None
        try:
            found = self.client.get_partitions(
                DatabaseName=self.database, TableName=table.name, ExcludeColumnSchema=True, MaxResults=1
            )
        except self.client.exceptions.EntityNotFoundException:
            return False
        return bool(found["Partitions"])

    def lacking(self, hours: Mapping[str, Iterable[datetime]]) -> dict[str, tuple[datetime, ...]]:
        """Return those of some hours that a query would not find in the change table of their prefix, oldest first.

        These have no partition; or, where partitions are projected, are not in the projection's range. Asks for just
        these, so the cost does not grow with the age of the tables.

        Args:
            hours: Hours by the prefix that their folder is below.

        Returns:
            The same for what is lacking; without the prefixes that lack nothing.
        """
        found = {table.prefix: self._lacking(table, hours.get(table.prefix, ())) for table in self.change_tables}
        return {prefix: lacking for prefix, lacking in found.items() if lacking}

    def absent(self, hours: Collection[datetime]) -> frozenset[datetime]:
        """Return those of some hours that a query would find in no change table; none are asked for at no cost."""
        lacking = [self._lacking(table, hours) for table in self.change_tables] if hours else []
        return frozenset(hours).intersection(*lacking) if lacking else frozenset()

    def all_lacking(self, hours: Mapping[str, Iterable[datetime]]) -> dict[str, tuple[datetime, ...]]:
        """Return the same, from a list of all partitions: fewer requests when the hours are all that there are."""
        found = {
            table.prefix: (
                self._lacking(table, hours[table.prefix])
                if table.is_projected
                else tuple(sorted(set(hours[table.prefix]) - self.hours_of(table)))
            )
            for table in self.change_tables
            if hours.get(table.prefix)
        }
        return {prefix: lacking for prefix, lacking in found.items() if lacking}

    def _lacking(self, table: ChangeTable, hours: Iterable[datetime]) -> tuple[datetime, ...]:
        if table.is_projected:
            return self._not_projected(table, hours)
        wanted = iter(sorted(set(hours)))
        lacking: list[datetime] = []
        while batch := list(islice(wanted, _BATCH)):
            lacking += self._not_registered(table, batch)
        return tuple(lacking)

    def _not_registered(self, table: ChangeTable, hours: Sequence[datetime]) -> list[datetime]:
        """Return those of some hours that a table has no partition for, in their order.

        Glue names what it has not looked up in UnprocessedKeys, and says nothing of what does not exist (AWS Glue API,
        BatchGetPartition; github.com/trinodb/trino/pull/10696): only what it looked up can be lacking.

        Raises:
            AwsError: Glue looks up nothing.
            NotDeployedError: The table is not there.
        """
        found: set[tuple[str, ...]] = set()
        left = [hour_values(hour) for hour in hours]
        while left:
            try:
                answer = self.client.batch_get_partition(
                    DatabaseName=self.database,
                    TableName=table.name,
                    PartitionsToGet=[{"Values": list(values)} for values in left],
                )
            except self.client.exceptions.EntityNotFoundException:
                raise self._missing(table) from None
            found |= {tuple(partition["Values"]) for partition in answer.get("Partitions", [])}
            unprocessed = {tuple(key["Values"]) for key in answer.get("UnprocessedKeys", [])}
            if unprocessed.issuperset(left):
                raise AwsError(
                    f"Glue looked up none of {len(left)} partitions of table {self.database}.{table.name} and names no "
                    "reason: try again later",
                    transient=True,
                )
            left = [values for values in left if values in unprocessed]
        return [hour for hour in hours if hour_values(hour) not in found]

    def _missing(self, table: ChangeTable) -> NotDeployedError:
        return NotDeployedError(
            f"table {self.database}.{table.name} is not in the Glue catalog though the stack made it; the data in S3 "
            f"is untouched: {REPAIR_ADVICE}, which makes the table again with every hour"
        )

    def _not_projected(self, table: ChangeTable, hours: Iterable[datetime]) -> tuple[datetime, ...]:
        wanted = sorted(set(hours))
        if not wanted:
            return ()
        parameters, now = (self.table(table.name) or {}).get("Parameters") or {}, datetime.now(UTC)
        try:
            return tuple(hour for hour in wanted if not projection.covers(parameters, hour, now))
        except ValueError as error:
            raise PipelineError(
                f"table {self.database}.{table.name}: {error}, which the stack did not declare: {REPAIR_ADVICE}"
            ) from None


def columns(described: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return name and type of Glue's columns, lower-cased as Athena reads them."""
    return [(str(column["Name"]).lower(), str(column.get("Type", "")).lower()) for column in described]
