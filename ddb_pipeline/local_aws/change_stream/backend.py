"""moto's DynamoDB, made to send every change of a table to its Kinesis stream.

moto has no Kinesis streaming destinations, lets writers of one item overtake each other, keeps half of a failed
update, and stores numbers as they were sent. Images feed everything downstream, so all of that is put right here:
writes happen one at a time, whole or not at all, on values as DynamoDB keeps them, and each one that changes its item
becomes one change record, in the order of the writes.
"""

from __future__ import annotations

import copy
import decimal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any

from moto.dynamodb.exceptions import (
    ItemSizeTooLarge,
    ItemSizeToUpdateTooLarge,
    MockValidationException,
    ResourceNotFoundException,
    TransactWriteSingleOpException,
)
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from ddb_pipeline.local_aws.change_stream import kinesis
from ddb_pipeline.local_aws.change_stream.attribute_values import normalised_attributes
from ddb_pipeline.local_aws.change_stream.batches import check_index_keys, is_plain, read_batch
from ddb_pipeline.local_aws.change_stream.destinations import TableDestinations
from ddb_pipeline.local_aws.change_stream.items import (
    Attributes,
    StoredItem,
    TableItems,
    as_stored,
    checked_key,
    found_item,
    has_expired,
    new_item,
    restore_item,
    store_item,
    stored_item,
    wire_values,
)
from ddb_pipeline.local_aws.change_stream.legacy_updates import as_update_expression
from ddb_pipeline.local_aws.change_stream.point_in_time import PointInTimeRecovery, table_id
from ddb_pipeline.local_aws.change_stream.refused_values import NUMBER_ARITHMETIC, dynamodb_errors
from ddb_pipeline.local_aws.change_stream.replication import Replication
from ddb_pipeline.local_aws.change_stream.statements import StatementRunner
from ddb_pipeline.local_aws.change_stream.write import Write

OLDEST_EXPIRY_SECONDS = 5 * 365 * 24 * 60 * 60
"""Items that expired longer ago are left alone (developerguide/howitworks-ttl.html: five years)."""


class ChangeStreamBackend(DynamoDBBackend):
    """moto's DynamoDB with Kinesis streaming destinations.

    Attributes:
        touched: Table and key of each item written since somebody last looked; None while nobody wants to know.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.lock = RLock()
        self.destinations: dict[str, TableDestinations] = {}
        self.recovery = PointInTimeRecovery(self)
        self.replication = Replication(account_id, region_name)
        self._statements = StatementRunner(self)
        self.touched: set[tuple[str, DynamoType, DynamoType | None]] | None = None
        self._held: list[Write] | None = None
        self._latest_us = 0

    @property
    def _url_module(self) -> Any:
        from ddb_pipeline.local_aws.change_stream import api

        return api

    def destinations_of(self, table_name: str) -> tuple[str, TableDestinations]:
        """Return a table's name and its destinations.

        Raises:
            ResourceNotFoundException: There is no such table.
        """
        try:
            name = str(self.get_table(table_name).name)
        except ResourceNotFoundException:
            raise ResourceNotFoundException(f"Requested resource not found: Table: {table_name} not found") from None
        return name, self.destinations.setdefault(name, TableDestinations())

    def describe_table(self, name: str) -> dict[str, Any]:
        """Describe a table with its id, by which it differs from another one of its name before or after it."""
        described = super().describe_table(name)
        described["Table"]["TableId"] = table_id(self.get_table(name))
        return described

    def stream_exists(self, stream_arn: str) -> bool:
        """Say whether a Kinesis stream of this account and region has that ARN."""
        streams = kinesis.streams_of(self.account_id, self.region_name).list_streams()
        return any(stream.arn == stream_arn for stream in streams)

    def create_table(self, *args: Any, **kwargs: Any) -> Table:
        """Create a table whose items a transaction can set aside at little cost."""
        with self.lock:
            table = super().create_table(*args, **kwargs)
            table.items = TableItems(dict)
            return table

    def delete_table(self, name: str) -> Table:
        """Delete a table and its destinations."""
        with self.lock:
            table = super().delete_table(name)
            self.destinations.pop(table.name, None)
            self.recovery.forget(table.name)
            return table

    # reads wait for a write to end: moto would show half of it, or fail because the table grew while it looked
    def get_item(self, table_name: str, keys: Attributes, *args: Any, **kwargs: Any) -> Item | None:
        """Read an item; moto gives whole items as keys, too."""
        with self.lock:
            table = self.get_table(table_name)
            checked_key(table, {name: keys[name] for name in table.table_key_attrs if name in keys})
            return super().get_item(table_name, keys, *args, **kwargs)

    def query(self, *args: Any, **kwargs: Any) -> Any:
        """Query a table."""
        with self.lock:
            return super().query(*args, **kwargs)

    def scan(self, *args: Any, **kwargs: Any) -> Any:
        """Scan a table."""
        with self.lock:
            return super().scan(*args, **kwargs)

    def put_item(self, table_name: str, item_attrs: Attributes, *args: Any, **kwargs: Any) -> Item:
        """Put an item; a change if it differs from the one that was there."""
        with self.lock, dynamodb_errors():
            table = self.get_table(table_name)
            item = new_item(table, item_attrs)
            before = found_item(table, item.hash_key, item.range_key)
            check_index_keys(table, item_attrs)
            if args or kwargs or not is_plain(table):
                super().put_item(table_name, item.attributes(), *args, **kwargs)
            return self._replace(table, before, item)

    def _replace(self, table: Table, before: StoredItem | None, item: StoredItem) -> StoredItem:
        store_item(table, item)
        self._changed(table, before, item)
        return item

    def update_item(  # noqa: PLR0917 - moto's signature
        self,
        table_name: str,
        key: Attributes,
        update_expression: str,
        expression_attribute_names: dict[str, Any],
        expression_attribute_values: dict[str, Any],
        attribute_updates: dict[str, Any] | None = None,
        expected: dict[str, Any] | None = None,
        condition_expression: str | None = None,
        return_values_on_condition_check_failure: str | None = None,
    ) -> Item:
        """Update an item, or make one; a change if it differs afterwards."""
        with self.lock, dynamodb_errors():
            table = self.get_table(table_name)
            key = checked_key(table, normalised_attributes(key))
            before = stored_item(table, key)
            names, values = expression_attribute_names, normalised_attributes(expression_attribute_values or {})
            if attribute_updates:
                if condition_expression:
                    raise MockValidationException(
                        "Can not use both expression and non-expression parameters in the same request: "
                        "Non-expression parameters: {AttributeUpdates} Expression parameters: {ConditionExpression}"
                    )
                update_expression, names, values = as_update_expression(attribute_updates)
            if before is not None:
                # moto updates in place: let it have a copy, and keep the item as it was
                store_item(table, copy.deepcopy(before))
            try:
                with decimal.localcontext(NUMBER_ARITHMETIC):
                    item = super().update_item(
                        table_name,
                        key,
                        update_expression,
                        names,
                        values,
                        {},
                        expected,
                        condition_expression,
                        return_values_on_condition_check_failure,
                    )
                    updated = new_item(table, wire_values(item))
            except ItemSizeTooLarge:
                restore_item(table, key, before)
                raise ItemSizeToUpdateTooLarge from None
            except BaseException:
                restore_item(table, key, before)
                raise
            return self._replace(table, before, updated)

    def delete_item(
        self,
        table_name: str,
        key: Attributes,
        expression_attribute_names: dict[str, str] | None = None,
        expression_attribute_values: Attributes | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Item | None:
        """Delete an item; a change if there was one."""
        with self.lock, dynamodb_errors():
            table = self.get_table(table_name)
            key = checked_key(table, normalised_attributes(key))
            values = normalised_attributes(expression_attribute_values or {})
            item = super().delete_item(table_name, key, expression_attribute_names, values, *args, **kwargs)
            if item is not None:
                self._changed(table, as_stored(table, item), None)
            return item

    def write_batch(self, requests_of: dict[str, list[dict[str, Any]]]) -> None:
        """Do what BatchWriteItem asks for; moto lets one item be written twice, and writes half of what it refuses.

        Args:
            requests_of: PutRequests and DeleteRequests by the table's name.

        Raises:
            MockValidationException: A value is refused, or two requests are for one item. Nothing was written.
        """
        with self.lock, dynamodb_errors():
            batch = read_batch(requests_of, self.get_table)
            for table, item in batch.puts:
                if is_plain(table):
                    self._replace(table, found_item(table, item.hash_key, item.range_key), item)
                else:
                    self.put_item(str(table.name), item.attributes())
            for table, key in batch.deletes:
                self.delete_item(str(table.name), key)

    def transact_write_items(self, transact_items: list[dict[str, Any]]) -> None:
        """Write all items or none; changes are sent once the transaction has succeeded."""
        if any(len(operation) != 1 for operation in transact_items):
            raise TransactWriteSingleOpException
        with self.lock, dynamodb_errors(), self._hold_changes():
            super().transact_write_items([self._normalised_operation(found) for found in transact_items])

    def _normalised_operation(self, operation: dict[str, Any]) -> dict[str, Any]:
        # moto compares keys as text and rolls back only tables called by their names
        [(kind, request)] = operation.items()
        changed = {**request, "TableName": self.get_table(request["TableName"]).name}
        for part in ("Key", "Item", "ExpressionAttributeValues"):
            if part in request:
                changed[part] = normalised_attributes(request[part])
        return {kind: changed}

    def execute_statement(self, statement: str, parameters: list[dict[str, Any]]) -> Any:
        """Run a PartiQL statement."""
        with self.lock, dynamodb_errors():
            return self._statements.one(statement, parameters)

    def batch_execute_statement(self, statements: list[dict[str, Any]]) -> Any:
        """Run PartiQL statements, each by itself."""
        with self.lock, dynamodb_errors():
            return self._statements.batch(statements)

    def execute_transaction(self, statements: list[dict[str, Any]]) -> Any:
        """Run PartiQL statements, all or none."""
        with self.lock, dynamodb_errors():
            return self._statements.transaction(statements)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Undo the writes made inside the block if it fails; the caller holds the lock."""
        with self._hold_changes():
            held = self._held
            try:
                yield
            except BaseException:
                for write in reversed(held or ()):
                    item = write.after if write.before is None else write.before
                    if item is not None:
                        restore_item(write.table, item.attributes(), write.before)
                raise

    def expire_items(self, now: float) -> dict[str, int]:
        """Delete the items whose time to live has passed; see the module's `expire_items`."""
        deleted = {}
        with self.lock:
            for table in list(self.tables.values()):
                if table.ttl["TimeToLiveStatus"] != "ENABLED":
                    continue
                expired = [
                    item
                    for item in table.all_items()
                    if has_expired(item, table.ttl["AttributeName"], now, now - OLDEST_EXPIRY_SECONDS)
                ]
                for item in expired:
                    table.delete_item(item.hash_key, item.range_key)
                    self._changed(table, as_stored(table, item), None, expired=True)
                deleted[str(table.name)] = len(expired)
        return deleted

    def now_us(self) -> int:
        """Return the clock, epoch microseconds, but never backwards: records of an item carry the order of writes."""
        with self.lock:
            self._latest_us = max(self._latest_us, time.time_ns() // 1000)
            return self._latest_us

    @contextmanager
    def _hold_changes(self) -> Iterator[None]:
        """Commit the writes made inside the block at its end; forget them if it fails."""
        self._held = []
        try:
            yield
            held = self._held
        finally:
            self._held = None
        for write in held:
            self._commit(write)

    def _changed(
        self, table: Table, before: StoredItem | None, after: StoredItem | None, *, expired: bool = False
    ) -> None:
        write = Write(table, before, after, self.now_us(), expired=expired)
        item = before if after is None else after
        if self.touched is not None and item is not None:
            self.touched.add((table.name, item.hash_key, item.range_key))
        if self._held is None:
            self._commit(write)
        else:
            self._held.append(write)

    def _commit(self, write: Write) -> None:
        self.recovery.record(write.table.name, write.written_at_us, write.before, write.after)
        found = self.destinations.get(write.table.name)
        destination = found.active if found else None
        change = None if destination is None else write.change(self.region_name)
        if destination is not None and change is not None:
            self.replication.send(destination, change)
