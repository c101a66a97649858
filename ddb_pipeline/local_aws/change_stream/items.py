"""The items that moto holds in a table: found, replaced and copied so that nothing is shared or half written.

moto alters an item in place and lets attributes share their values; here an item that was stored is never altered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

Attributes = dict[str, Any]
"""Attribute values by name, as on the wire."""


class TableItems(defaultdict[DynamoType, Any]):
    """The items of a table. Writes replace items and never alter them, so a deep copy can share them."""

    def __deepcopy__(self, _memo: dict[int, Any]) -> TableItems:
        """Return a copy as moto needs it to undo a transaction, instead of copying every item for each of them."""
        copied = TableItems(self.default_factory, self)
        for key, found in copied.items():
            if isinstance(found, dict):
                copied[key] = dict(found)
        return copied


def checked_key(table: Table, key: Attributes) -> Attributes:
    """Return the key if it has the names and types of the table's.

    Raises:
        MockValidationException: It has not.
    """
    types = {table.hash_key_attr: table.hash_key_type}
    if table.range_key_attr is not None:
        types[table.range_key_attr] = str(table.range_key_type)
    if {name: next(iter(value)) for name, value in key.items()} != types:
        raise MockValidationException("The provided key element does not match the schema")
    return key


def stored_item(table: Table, attributes: Attributes) -> Item | None:
    """Return the item that a table holds under the key in some attributes; None also if there is no such key."""
    key = {name: attributes[name] for name in table.table_key_attrs if name in attributes}
    try:
        checked_key(table, key)
    except MockValidationException:
        return None
    return table.get_item(*_key_parts(table, key))


def store_item(table: Table, item: Item) -> None:
    """Put an item in its place, whatever was there."""
    if item.range_key is None:
        table.items[item.hash_key] = item  # type: ignore[assignment]  # moto: an item, or items by sort key
    else:
        table.items[item.hash_key][item.range_key] = item


def restore_item(table: Table, key: Attributes, before: Item | None) -> None:
    """Make the place of a key hold what it held before."""
    if before is None:
        table.delete_item(*_key_parts(table, key))
    else:
        store_item(table, before)


def rebuilt_item(item: Item, attributes: Attributes) -> Item:
    """Return an item with the key of another, and with attributes that it shares with nothing."""
    return Item(item.hash_key, item.range_key, attributes)


def wire_values(item: Item) -> Attributes:
    """Return the attributes of an item as on the wire, in containers of their own."""
    return {name: _wire_value(value) for name, value in item.attrs.items()}


def has_expired(item: Item, attribute: str, now: float, oldest: float) -> bool:
    """Say whether an attribute of an item is a number of seconds from `oldest` on and before `now`."""
    value = item.attrs.get(attribute)
    return value is not None and value.type == "N" and oldest <= Decimal(value.value) < now


def _key_parts(table: Table, key: Attributes) -> tuple[DynamoType, DynamoType | None]:
    sort_key = None if table.range_key_attr is None else DynamoType(key[table.range_key_attr])
    return DynamoType(key[table.hash_key_attr]), sort_key


def _wire_value(value: DynamoType) -> Mapping[str, Any]:
    if value.is_map():
        return {"M": {name: _wire_value(member) for name, member in value.value.items()}}
    if value.is_list():
        return {"L": [_wire_value(member) for member in value.value]}
    return {value.type: list(value.value) if value.is_set() else value.value}
