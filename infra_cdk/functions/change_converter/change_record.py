"""A change record, as DynamoDB writes it to Kinesis, becomes a change row.

The row's columns are the contract with everything that reads the data (`ddb_pipeline/change_row.py`); this file
cannot import it, since it runs alone in a Lambda function, so a test holds the two together. Pure: no clients.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from canonical_json import KEY_TYPES, image_hash, item_texts
from strict_json import RefusedError, parse

ROW_VERSION = 1

# images that a change of this name has (API shape OperationType; the Kinesis destination writes whole images)
_IMAGES = {"INSERT": (True, False), "MODIFY": (True, True), "REMOVE": (False, True)}

_MICROSECONDS_PER_UNIT = {"MILLISECOND": 1000, "MICROSECOND": 1}
# 10^14 ms is the year 5138 and 10^14 us is 1973: between them the unit is beyond doubt
_SMALLEST_MICROSECONDS = 10**14
# 10^11 ms is 1973: below it, the number counts seconds, which DynamoDB never writes to Kinesis
_SMALLEST_MILLISECONDS = 10**11
_BIGINT_END = 2**63
_MOST_KEY_ATTRIBUTES = 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BLANK = b" \t"
_DIGITS = re.compile(r"[0-9]{1,18}")

_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_write_sorted_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True).encode


def row_line(data: bytes, firehose_record: dict[str, Any]) -> bytes:
    """The change row as Firehose delivers it: one line of JSON in UTF-8, with its newline.

    Spaces and tabs after the record stand after the row, too. A replay marks a record by them, and a row that does not
    fit the table comes back as it is here: so it tells how often its record was replayed, as the record itself would.

    Args:
        data: The change record as it was in the Kinesis stream.
        firehose_record: What Firehose says about it: `kinesisRecordMetadata`, `approximateArrivalTimestamp`.

    Raises:
        RefusedError: The data is not a change record of DynamoDB.
    """
    try:
        row = _write_json(change_row(parse(data), firehose_record)).encode("utf-8")
        return row + data[len(data.rstrip(_BLANK)) :] + b"\n"
    except UnicodeEncodeError:
        # "\ud800" alone is JSON, but no text that DynamoDB can hold
        raise RefusedError("text that UTF-8 cannot hold (half a surrogate pair)") from None
    except RecursionError:
        # reading and writing go differently deep, from one version of Python to the next
        raise RefusedError("nested too deeply") from None
    except RefusedError:
        raise
    except ValueError:
        # 1e999 is JSON, but Python reads it as infinity
        raise RefusedError("userIdentity holds a number that is out of range") from None


def change_row(record: Any, firehose_record: dict[str, Any]) -> dict[str, Any]:
    """The change row of a parsed change record: every column, in the contract's order.

    Fields that the row has no column for are passed over, so that a field which AWS adds one day stops nothing.

    Args:
        record: Parsed JSON.
        firehose_record: What Firehose says about the record.

    Raises:
        RefusedError: It is not a change record.
        UnicodeEncodeError: An image holds half a surrogate pair.
    """
    if type(record) is not dict:
        raise RefusedError("not a JSON object")
    change = record.get("dynamodb")
    if type(change) is not dict or record.get("eventSource", "aws:dynamodb") != "aws:dynamodb":
        raise RefusedError("not a record of a DynamoDB change")
    event_name = record.get("eventName")
    if type(event_name) is not str or event_name not in _IMAGES:
        raise RefusedError("eventName is not INSERT, MODIFY or REMOVE")
    has_new, has_old = _IMAGES[event_name]
    new_image, new_hash, new_item = _image(change, "NewImage", expected=has_new)
    old_image, old_hash, _ = _image(change, "OldImage", expected=has_old)
    changed_at_us, time_precision = _time_of_change(change)
    identity = record.get("userIdentity")
    metadata = firehose_record.get("kinesisRecordMetadata")
    if type(metadata) is not dict:
        metadata = {}
    return {
        "row_version": ROW_VERSION,
        "event_id": _text(record, "eventID"),
        "event_name": event_name,
        "table_name": _text(record, "tableName"),
        "aws_region": _text(record, "awsRegion"),
        "changed_at_us": changed_at_us,
        "time_precision": time_precision,
        "item_key": _item_key(change.get("Keys")),
        "new_image": new_image,
        "old_image": old_image,
        "new_hash": new_hash,
        "old_hash": old_hash,
        "new_item": new_item,
        "expired_by_ttl": event_name == "REMOVE" and _is_time_to_live(identity),
        "user_identity": None if identity is None else _write_sorted_json(identity),
        "size_bytes": _size(change.get("SizeBytes")),
        "arrived_at_ms": _arrival(metadata, firehose_record),
        "shard_id": _optional_text(metadata.get("shardId")),
        "sequence_number": _optional_text(metadata.get("sequenceNumber")),
    }


def _text(record: dict[str, Any], name: str) -> str:
    value = record.get(name)
    if type(value) is not str or not value:
        raise RefusedError(f"{name} is missing or not text")
    return value


def _image(change: dict[str, Any], name: str, *, expected: bool) -> tuple[str | None, str | None, str | None]:
    """Canonical image, its hash, and the item as plain JSON; None three times for absence."""
    image = change.get(name)
    if (image is not None) != expected:
        raise RefusedError(f"{name} {'is missing in' if expected else 'does not belong in'} this kind of change")
    if image is None:
        return None, None, None
    canonical, plain = item_texts(image)
    return canonical, image_hash(canonical.encode("utf-8")), plain


def _item_key(keys: Any) -> str:
    if type(keys) is not dict or not 1 <= len(keys) <= _MOST_KEY_ATTRIBUTES:
        raise RefusedError("Keys is not an object of one or two attributes")
    canonical, _ = item_texts(keys)
    if any(not KEY_TYPES.issuperset(value) for value in keys.values()):
        raise RefusedError("a key attribute is not of type S, N or B")
    return canonical


def _time_of_change(change: dict[str, Any]) -> tuple[int, str]:
    """Epoch microseconds, and the precision that the record was written with.

    The precision is written into the record since 2024; records without it may have either unit, for the stream's
    setting can be changed at any time. Then the magnitude tells.
    """
    time = change.get("ApproximateCreationDateTime")
    if type(time) is not int or time < 0:
        raise RefusedError("ApproximateCreationDateTime is missing or not a whole number")
    precision = change.get("ApproximateCreationDateTimePrecision")
    if precision is None:
        if time < _SMALLEST_MILLISECONDS:
            raise RefusedError("ApproximateCreationDateTime is neither in milliseconds nor in microseconds")
        precision = "MICROSECOND" if time >= _SMALLEST_MICROSECONDS else "MILLISECOND"
    if type(precision) is not str or precision not in _MICROSECONDS_PER_UNIT:
        raise RefusedError("ApproximateCreationDateTimePrecision is not MILLISECOND or MICROSECOND")
    microseconds = time * _MICROSECONDS_PER_UNIT[precision]
    if microseconds >= _BIGINT_END:
        raise RefusedError("ApproximateCreationDateTime is out of range")
    return microseconds, precision


def _is_time_to_live(identity: Any) -> bool:
    """Whether DynamoDB itself deleted the item (developer guide, "Time to Live").

    The guide writes `type` and `principalId`, the API shape `Identity` has `Type` and `PrincipalId`; no TTL record
    from Kinesis has been seen, so both are read.
    """
    if type(identity) is not dict:
        return False
    service = identity.get("type", identity.get("Type"))
    principal = identity.get("principalId", identity.get("PrincipalId"))
    return service == "Service" and principal == "dynamodb.amazonaws.com"


def _size(size: Any) -> int | None:
    # of use for costs only: a change without it is a change all the same
    if size is None:
        return None
    if type(size) is not int or not 0 <= size < _BIGINT_END:
        raise RefusedError("SizeBytes is not a whole number")
    return size


def _arrival(metadata: dict[str, Any], firehose_record: dict[str, Any]) -> int | None:
    """Arrival in epoch milliseconds: in the Kinesis stream, else at Firehose, else unknown.

    Never a reason to refuse a change: the time only orders what DynamoDB's own time leaves open.
    """
    arrival = _milliseconds(metadata.get("approximateArrivalTimestamp"))
    return _milliseconds(firehose_record.get("approximateArrivalTimestamp")) if arrival is None else arrival


def _milliseconds(time: Any) -> int | None:
    """AWS' own samples show epoch milliseconds and ISO 8601 text."""
    if type(time) is str:
        # first, because Python reads some runs of digits as a compact ISO date
        if _DIGITS.fullmatch(time):
            return int(time)
        try:
            moment = datetime.fromisoformat(time)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    if type(time) in {int, float} and 0 <= time < _BIGINT_END:
        return int(time)
    return None


def _optional_text(value: Any) -> str | None:
    return value if type(value) is str and value else None
