"""The Lambda function between the change stream and S3: change records in, change rows out.

Firehose calls it with a batch (developer guide, "Transform source data", "Required parameters for data
transformation"). Every record is answered once, by its recordId, with `Ok` and the row, or with `ProcessingFailed`:
then Firehose writes the original below the error prefix, where it can be replayed. No record can fail another.
"""

from __future__ import annotations

import binascii
import logging
from typing import Any

from change_record import row_line
from strict_json import RefusedError

RESPONSE_LIMIT_BYTES = 5_500_000
"""Of the encoded response. Lambda's own limit is 6 MB; past it, Firehose would fail the whole batch."""

# as the encoder of Lambda's Python runtime writes it, with its spaces
_RESPONSE_BYTES = len('{"records": []}')
_ENVELOPE_BYTES = len('{"recordId": "", "result": "ProcessingFailed", "data": ""}, ')
# each character of a recordId at its longest: \u1234
_ESCAPED_BYTES = 6

_log = logging.getLogger(__name__)


def handler(event: dict[str, Any], context: object) -> dict[str, list[dict[str, str]]]:  # noqa: ARG001 (Lambda's form)
    """Convert a batch.

    Args:
        event: Firehose's event; only `records` is read.
        context: Lambda's context; not used.

    Returns:
        Firehose's answer, in the order of the records.
    """
    records = event["records"]
    rows: dict[int, str] = {}
    reasons: dict[int, str] = {}
    for position, record in enumerate(records):
        try:
            rows[position] = _encoded_row(record)
        except RefusedError as error:
            reasons[position] = str(error)
    budget = RESPONSE_LIMIT_BYTES - _RESPONSE_BYTES - sum(_envelope_bytes(record["recordId"]) for record in records)
    budget = _drop_what_does_not_fit(rows, reasons, budget)
    answers = []
    for position, record in enumerate(records):
        record_id = record["recordId"]
        if position in rows:
            answers.append({"recordId": record_id, "result": "Ok", "data": rows[position]})
            continue
        _log_failure(record, reasons[position])
        # The contract wants data from every record, though Firehose keeps the original by itself: hand it back
        # while there is room, else nothing.
        data = record.get("data")
        unchanged = data if isinstance(data, str) and data.isascii() and len(data) <= budget else ""
        budget -= len(unchanged)
        answers.append({"recordId": record_id, "result": "ProcessingFailed", "data": unchanged})
    return {"records": answers}


def _encoded_row(record: dict[str, Any]) -> str:
    try:
        data = binascii.a2b_base64(record.get("data", ""), strict_mode=True)
    except (ValueError, TypeError):
        raise RefusedError("data is not base64") from None
    return binascii.b2a_base64(row_line(data, record), newline=False).decode("ascii")


def _drop_what_does_not_fit(rows: dict[int, str], reasons: dict[int, str], budget: int) -> int:
    """Move rows from `rows` to `reasons` until the rest fits, the largest first: so the fewest fail.

    Returns:
        The bytes that are left.
    """
    budget -= sum(map(len, rows.values()))
    # of equal rows, the later ones go
    for position in sorted(rows, key=lambda position: (len(rows[position]), position), reverse=True):
        if budget >= 0:
            break
        budget += len(rows[position])
        del rows[position]
        reasons[position] = "the row does not fit into the response"
    return budget


def _envelope_bytes(record_id: str) -> int:
    return _ENVELOPE_BYTES + len(record_id) * (1 if record_id.isascii() and record_id.isprintable() else _ESCAPED_BYTES)


def _log_failure(record: dict[str, Any], reason: str) -> None:
    """One line, without the item's content: where the record is in the stream, and what is wrong with it."""
    metadata = record.get("kinesisRecordMetadata")
    place = metadata if isinstance(metadata, dict) else {}
    _log.warning(
        "record %r not converted: %s (shard %r, sequence number %r)",
        record["recordId"],
        reason,
        place.get("shardId"),
        place.get("sequenceNumber"),
    )
