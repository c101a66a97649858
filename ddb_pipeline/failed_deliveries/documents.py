"""What Firehose writes about records that it could not deliver: one JSON line a record. Pure.

Sources: firehose/latest/dev/data-transformation-failure-handling.html and record-format-conversion-error-handling.html
(names of the fields: the first writes `errorCode`, the second `ErrorCode`). Whether such objects are compressed like
the delivered ones is not documented: both are read.
"""

from __future__ import annotations

import binascii
import gzip
import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import Any

from ddb_pipeline.failed_deliveries.rows import change_record_of

PROCESSING_FAILED = "processing-failed"
CONVERSION_FAILED = "format-conversion-failed"
REPLAYED_TYPES = (PROCESSING_FAILED, CONVERSION_FAILED)

REPLAY_MARK = b" \t"
"""Put after a record's bytes with each replay. White space after a JSON document says nothing, so the converter makes
the same row of it, with the marks behind it. A record or a row that fails again comes back in `rawData` with its marks,
which are its replays. That Firehose keeps white space after a row is believed, not documented: if it does not, a row
counts as never replayed."""

_GZIP = b"\x1f\x8b"


class UnreadableDocumentError(Exception):
    """The object is not what Firehose writes; the message says why."""


@dataclass(frozen=True)
class FailedRecord:
    """A record that was not delivered.

    Attributes:
        data: The record as it was in the stream, with the marks of earlier replays.
        reason: Firehose's error code and message.
    """

    data: bytes
    reason: str

    @property
    def replays(self) -> int:
        """How many times it was put on the stream again already."""
        data, count = self.data, 0
        while data.endswith(REPLAY_MARK):
            data, count = data[: -len(REPLAY_MARK)], count + 1
        return count

    @property
    def marked(self) -> bytes:
        """What the next replay puts on the stream."""
        return self.data + REPLAY_MARK

    @property
    def partition_key(self) -> str:
        """A Kinesis partition key: the same for all records of an item, so that they stay in one shard.

        DynamoDB's own partition key is not in the document, and what it is made of is not documented.
        """
        try:
            keys = json.loads(self.data)["dynamodb"]["Keys"]
            what = json.dumps(keys, sort_keys=True).encode()
        except (ValueError, KeyError, TypeError, RecursionError):
            what = self.data
        return hashlib.sha256(what).hexdigest()[:32]


def read_document(body: bytes) -> list[FailedRecord]:
    """Read an object below `errors/`.

    Raises:
        UnreadableDocumentError: A line is not what Firehose writes.
    """
    if body.startswith(_GZIP):
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableDocumentError(f"cannot be decompressed ({error})") from None
    lines = [line for line in body.split(b"\n") if line.strip()]
    if not lines:
        raise UnreadableDocumentError("is empty")
    return [_record(number, line) for number, line in enumerate(lines, start=1)]


def _record(number: int, line: bytes) -> FailedRecord:
    try:
        content: dict[str, Any] = json.loads(line)
        data = binascii.a2b_base64(content["rawData"], strict_mode=True)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnreadableDocumentError(f"line {number} is not JSON with the record's bytes in rawData") from None
    code, message = (_either(content, name) for name in ("errorCode", "errorMessage"))
    # what did not fit the table is the converter's row, which the converter itself would refuse
    return FailedRecord(change_record_of(data) or data, f"{code or 'no error code'}: {message or 'no message'}")


def _either(content: dict[str, Any], name: str) -> str:
    return str(content.get(name) or content.get(name[0].upper() + name[1:]) or "")
