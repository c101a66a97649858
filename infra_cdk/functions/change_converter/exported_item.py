"""An item, as a DynamoDB export has it, becomes a row of a baseline.

The row has the columns of a change row and `state_certain` (`ddb_pipeline/baselines`); this file cannot import that,
since it runs alone in a Lambda function, so a test holds the two together. Pure: no clients.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from canonical_json import KEY_TYPES, image_hash, item_texts
from strict_json import RefusedError, parse

ROW_VERSION = 1

_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def row_line(line: bytes, *, key_attributes: Sequence[str], table_name: str, aws_region: str, as_of_us: int) -> bytes:
    """The row as one line of JSON in UTF-8, with its newline.

    Args:
        line: A line of the export: `{"Item": {...}}` in DynamoDB JSON
            (developer guide, "DynamoDB table export output format").
        key_attributes: Names of the table's key attributes.
        table_name: Name of the table.
        aws_region: Its region.
        as_of_us: The moment of the export, epoch microseconds: no change of the item is known, so it stands for it.

    Raises:
        RefusedError: The line is not an item with these key attributes.
    """
    document = parse(line)
    if type(document) is not dict or type(document.get("Item")) is not dict:
        raise RefusedError("not an exported item")
    item = document["Item"]
    key = {name: item.get(name) for name in key_attributes}
    if any(type(value) is not dict or not KEY_TYPES.issuperset(value) for value in key.values()):
        raise RefusedError("a key attribute is missing, or not of type S, N or B")
    try:
        image, plain = item_texts(item)
        row: dict[str, Any] = {
            "row_version": ROW_VERSION,
            "event_id": None,
            "event_name": "BASELINE",
            "table_name": table_name,
            "aws_region": aws_region,
            "changed_at_us": as_of_us,
            "time_precision": None,
            "item_key": item_texts(key)[0],
            "new_image": image,
            "old_image": None,
            "new_hash": image_hash(image.encode("utf-8")),
            "old_hash": None,
            "new_item": plain,
            "expired_by_ttl": False,
            "user_identity": None,
            "size_bytes": None,
            "arrived_at_ms": None,
            "shard_id": None,
            "sequence_number": None,
            "state_certain": True,
        }
        return _write_json(row).encode("utf-8") + b"\n"
    except UnicodeEncodeError:
        raise RefusedError("text that UTF-8 cannot hold (half a surrogate pair)") from None
    except RecursionError:
        raise RefusedError("nested too deeply") from None
