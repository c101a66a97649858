"""The items that moto holds in a table: found, replaced and copied so that nothing is shared or half written.

moto alters an item in place and lets attributes share their values; here an item that was stored is never altered.
moto makes an object of each value in an item, measures all of them anew for each that it adds, and keeps them; here an
item is text until somebody asks for its values, so writing one costs a fraction, and so does holding one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

from moto.dynamodb.exceptions import (
    HashKeyTooLong,
    InvalidAttributeTypeError,
    ItemSizeTooLarge,
    MockValidationException,
    RangeKeyTooLong,
)
from moto.dynamodb.limits import HASH_KEY_MAX_LENGTH, RANGE_KEY_MAX_LENGTH
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table

from ddb_pipeline.local_aws.change_stream.attribute_values import AttributeValue, held_attributes
from ddb_pipeline.local_aws.change_stream.images import Image

Attributes = dict[str, Any]
"""Attribute values by name, as on the wire."""

ITEM_BYTES = 400 * 1024
"""Largest item (developerguide/ServiceQuotas.html, "Item size")."""


class StoredItem(Item):
    """An item in its table.

    Attributes:
        hash_key: Value of the partition key.
        range_key: Value of the sort key, None in a table without one.
        keys: The key as it stands in change records.
        image: The item as it stands there.
    """

    def __init__(self, hash_key: DynamoType, range_key: DynamoType | None, keys: Image, image: Image) -> None:
        self.hash_key = hash_key
        self.range_key = range_key
        self.keys = keys
        self.image = image

    @cached_property
    def attrs(self) -> LimitedSizeDict:  # type: ignore[override]
        """The values as moto has them."""
        return _moto_values(self.attributes())

    def attributes(self) -> Attributes:
        """The attributes as on the wire, in containers of their own."""
        return held_attributes(self.image.attributes())

    def size(self) -> int:
        """Bytes, as DynamoDB counts them."""
        return self.image.size

    def __deepcopy__(self, _memo: dict[int, Any]) -> Item:
        """Return an item that moto may alter."""
        copied = Item(self.hash_key, self.range_key, {})
        copied.attrs = _moto_values(self.attributes())
        return copied

    def __getstate__(self) -> dict[str, Any]:
        """What is kept on disk."""
        return {name: value for name, value in vars(self).items() if name != "attrs"}


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


def stored_item(table: Table, attributes: Attributes) -> StoredItem | None:
    """Return the item that a table holds under the key in some attributes; None also if there is no such key."""
    key = {name: attributes[name] for name in table.table_key_attrs if name in attributes}
    try:
        checked_key(table, key)
    except MockValidationException:
        return None
    return found_item(table, *key_parts(table, key))


def found_item(table: Table, hash_key: DynamoType, range_key: DynamoType | None) -> StoredItem | None:
    """Return the item that a table holds under a key."""
    # moto looks twice, and leaves an empty partition where it found none
    found: Any = table.items.get(hash_key)
    if found is not None and range_key is not None:
        found = found.get(range_key)
    return None if found is None else as_stored(table, found)


def as_stored(table: Table, item: Item) -> StoredItem:
    """Return an item of a table as an item of ours: what moto imports from S3 is none."""
    return item if isinstance(item, StoredItem) else new_item(table, wire_values(item))


def new_item(table: Table, attributes: Mapping[str, AttributeValue]) -> StoredItem:
    """Return an item for a table.

    Raises:
        InvalidValueError: DynamoDB would refuse a value.
        MockValidationException: The key is missing, of another type, empty or too long, or the item is too large.
    """
    image = Image.of(attributes)
    for name in table.table_key_attrs:
        if name not in attributes:
            raise MockValidationException(
                f"One or more parameter values were invalid: Missing the key {name} in the item"
            )
    keys = Image.of({name: attributes[name] for name in table.table_key_attrs})
    hash_key, range_key = key_parts(table, held_attributes(keys.attributes()))
    _check_key(table.hash_key_attr, table.hash_key_type, hash_key)
    if hash_key.size() > HASH_KEY_MAX_LENGTH:
        raise HashKeyTooLong
    if range_key is not None:
        _check_key(str(table.range_key_attr), str(table.range_key_type), range_key)
        if range_key.size() > RANGE_KEY_MAX_LENGTH:
            raise RangeKeyTooLong
    if image.size > ITEM_BYTES:
        raise ItemSizeTooLarge
    return StoredItem(hash_key, range_key, keys, image)


def _check_key(name: str, kind: str, value: DynamoType) -> None:
    if value.type != kind:
        raise InvalidAttributeTypeError(name, kind, value.type)
    if not value.value:
        raise MockValidationException(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            f"empty {'string' if kind == 'S' else 'binary'} value. Key: {name}"
        )


def store_item(table: Table, item: Item) -> None:
    """Put an item in its place, whatever was there."""
    if item.range_key is None:
        table.items[item.hash_key] = item  # type: ignore[assignment]  # moto: an item, or items by sort key
    else:
        table.items[item.hash_key][item.range_key] = item


def restore_item(table: Table, key: Attributes, before: Item | None) -> None:
    """Make the place of a key hold what it held before."""
    if before is None:
        table.delete_item(*key_parts(table, key))
    else:
        store_item(table, before)


def wire_values(item: Item) -> Attributes:
    """Return the attributes of an item as on the wire, in containers of their own."""
    if isinstance(item, StoredItem):
        return item.attributes()
    return {name: _wire_value(value) for name, value in item.attrs.items()}


def has_expired(item: Item, attribute: str, now: float, oldest: float) -> bool:
    """Say whether an attribute of an item is a number of seconds from `oldest` on and before `now`."""
    value = item.attrs.get(attribute)
    return value is not None and value.type == "N" and oldest <= Decimal(value.value) < now


def key_parts(table: Table, key: Attributes) -> tuple[DynamoType, DynamoType | None]:
    """Return partition key and sort key; None for the latter in a table without one."""
    sort_key = None if table.range_key_attr is None else DynamoType(key[table.range_key_attr])
    return DynamoType(key[table.hash_key_attr]), sort_key


def _moto_values(attributes: Attributes) -> LimitedSizeDict:
    values = LimitedSizeDict()
    # moto's own way in measures everything again for each value
    dict.update(values, {name: DynamoType(value) for name, value in attributes.items()})
    return values


def _wire_value(value: DynamoType) -> Mapping[str, Any]:
    if value.is_map():
        return {"M": {name: _wire_value(member) for name, member in value.value.items()}}
    if value.is_list():
        return {"L": [_wire_value(member) for member in value.value]}
    return {value.type: list(value.value) if value.is_set() else value.value}
