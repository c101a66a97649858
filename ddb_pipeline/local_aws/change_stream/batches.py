"""What BatchWriteItem asks for, read as a whole before anything is written.

moto lets one item be written twice, and writes half of what it then refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import validate_put_has_empty_keys, validate_put_has_gsi_keys_set_to_none

from ddb_pipeline.local_aws.change_stream.attribute_values import normalised_attributes
from ddb_pipeline.local_aws.change_stream.images import Image
from ddb_pipeline.local_aws.change_stream.items import Attributes, StoredItem, checked_key, new_item

MOST_REQUESTS = 25
"""Of one batch, all tables together (API_BatchWriteItem.html)."""


class Batch(NamedTuple):
    """What to write: items, and keys of items to delete, each with its table."""

    puts: list[tuple[Table, StoredItem]]
    deletes: list[tuple[Table, Attributes]]


def read_batch(requests_of: dict[str, list[dict[str, Any]]], table_of: Callable[[str], Table]) -> Batch:
    """Read and check a batch.

    Args:
        requests_of: PutRequests and DeleteRequests, by the table's name.
        table_of: Finds a table by its name.

    Raises:
        InvalidValueError: DynamoDB would refuse a value.
        MockValidationException: DynamoDB would refuse an item or a key, two requests are for one item, or there are
            too many of them.
    """
    if sum(map(len, requests_of.values())) > MOST_REQUESTS:
        raise MockValidationException("Too many items requested for the BatchWriteItem call")
    batch = Batch([], [])
    for table_name, requests in requests_of.items():
        table, keys = table_of(table_name), set()
        for request in requests:
            kind, attributes = _kind_and_attributes(request)
            if kind == "PutRequest":
                item = new_item(table, attributes)
                check_index_keys(table, attributes)
                batch.puts.append((table, item))
                keys.add(item.keys.text)
            else:
                key = checked_key(table, normalised_attributes(attributes))
                batch.deletes.append((table, key))
                keys.add(Image.of({name: key[name] for name in table.table_key_attrs}).text)
        if len(keys) < len(requests):
            raise MockValidationException("Provided list of item keys contains duplicates")
    return batch


def is_plain(table: Table) -> bool:
    """Say whether a put concerns the table's items alone; indexes and DynamoDB's own streams are moto's."""
    return not table.indexes and not table.global_indexes and table.stream_shard is None


def check_index_keys(table: Table, attributes: Attributes) -> None:
    """Check what moto checks of the keys of indexes, in its handlers.

    Raises:
        MockValidationException: DynamoDB would refuse one of them.
    """
    if table.indexes or table.global_indexes:
        validate_put_has_empty_keys(attributes, table)
        validate_put_has_gsi_keys_set_to_none(attributes, table)


def _kind_and_attributes(request: dict[str, Any]) -> tuple[str, Attributes]:
    for kind, part in (("PutRequest", "Item"), ("DeleteRequest", "Key")):
        content = request.get(kind)
        if content is not None and len(request) == 1:
            return kind, content[part]
    raise MockValidationException(
        "Supplied WriteRequest is empty or has more than one type, must contain exactly one of PutRequest and "
        "DeleteRequest"
    )
