"""A change row becomes the change record again that it was made of. Pure.

Where Firehose converts rows to Parquet, what does not fit the table's schema comes back as the row. Nothing is lost in
a row but the arrival, which a replay renews anyway. What stands after a row stood after its record: the marks of its
replays (infra_cdk/functions/change_converter/change_record.py).
"""

from __future__ import annotations

import json
from typing import Any

_ROW_FIELDS = {"row_version", "event_id", "event_name", "item_key", "changed_at_us", "time_precision"}


def change_record_of(data: bytes) -> bytes | None:
    """Return the change record that a change row was made of, with its marks; None if the bytes are no change row.

    Args:
        data: A line as the converter makes it.
    """
    line = data.rstrip(b"\r\n")
    blank = line[len(line.rstrip(b" \t")) :]
    try:
        row = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not row.keys() >= _ROW_FIELDS:
        return None
    try:
        return json.dumps(_record(row), ensure_ascii=False, separators=(",", ":")).encode() + blank
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _record(row: dict[str, Any]) -> dict[str, Any]:
    coarse = row["time_precision"] == "MILLISECOND"
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": row["changed_at_us"] // 1000 if coarse else row["changed_at_us"],
        "ApproximateCreationDateTimePrecision": row["time_precision"],
        "Keys": json.loads(row["item_key"]),
    }
    for field, column in (("NewImage", "new_image"), ("OldImage", "old_image")):
        if row.get(column) is not None:
            change[field] = json.loads(row[column])
    if row.get("size_bytes") is not None:
        change["SizeBytes"] = row["size_bytes"]
    identity = row.get("user_identity")
    return {
        "awsRegion": row["aws_region"],
        "eventID": row["event_id"],
        "eventName": row["event_name"],
        "userIdentity": None if identity is None else json.loads(identity),
        "recordFormat": "application/json",
        "tableName": row["table_name"],
        "dynamodb": change,
        "eventSource": "aws:dynamodb",
    }
