"""Firehose's contract with the Lambda function that converts records: the event, the answer, and what failed.

Sources: firehose/latest/dev/data-transformation-status-model.html, data-transformation-failure-handling.html and
monitoring-with-cloudwatch-logs.html (the error codes). Pure.
"""

from __future__ import annotations

import binascii
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ddb_pipeline.local_aws.delivery.json_rows import MisfitError

INVOCATION_BYTES = 6 * 1024 * 1024
"""Longest event of a synchronous invocation (lambda/latest/dg/gettingstarted-limits.html)."""

# what an event holds beside its records
_ENVELOPE_BYTES = 4096
# names, ids and times around a record's data; the partition key is extra, and JSON may escape each of its characters
_METADATA_BYTES = 512
_LONGEST_ESCAPE = 12


class SourceRecord(NamedTuple):
    """A record as read from the Kinesis stream.

    Attributes:
        number: Its place among all records that the delivery stream has read, from 1.
        data: Its data.
        shard_id: Shard that it came from.
        sequence_number: Its number in that shard.
        partition_key: Partition key that it was put with.
        arrived_at_ms: Approximate arrival in the stream, epoch milliseconds.
    """

    number: int
    data: bytes
    shard_id: str
    sequence_number: str
    partition_key: str
    arrived_at_ms: int

    @property
    def record_id(self) -> str:
        """Id for the function; unique, and the same in every attempt."""
        return f"{self.shard_id}{self.sequence_number:0>56}000000"

    @property
    def size(self) -> int:
        """Bytes of the data."""
        return len(self.data)

    @property
    def most_bytes_in_event(self) -> int:
        """Upper bound of the bytes that the record takes in the event."""
        return (len(self.data) + 2) // 3 * 4 + _LONGEST_ESCAPE * len(self.partition_key) + _METADATA_BYTES

    def in_event(self) -> str:
        """The record as it stands in the event, JSON; put together by hand, being half the cost of an event."""
        return (
            f'{{"recordId":"{self.record_id}","approximateArrivalTimestamp":{self.arrived_at_ms},'
            f'"data":"{_base64_text(self.data)}","kinesisRecordMetadata":{{"sequenceNumber":"{self.sequence_number}",'
            f'"subsequenceNumber":0,"partitionKey":{json.dumps(self.partition_key)},"shardId":"{self.shard_id}",'
            f'"approximateArrivalTimestamp":{self.arrived_at_ms}}}}}'
        )


def _base64_text(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


@dataclass(frozen=True)
class Failure:
    """Why a record, or a whole invocation, failed: code and message as Firehose gives them."""

    code: str
    message: str


FUNCTION_ERROR = Failure(
    "Lambda.FunctionError", "The Lambda function was successfully invoked but it returned an error result."
)
_UNREADABLE = Failure(
    "Lambda.JsonProcessingException",
    "There was an error parsing returned records from the Lambda function. Ensure that the returned records follow "
    "the status model required by Amazon Data Firehose.",
)
_MISSING = Failure(
    "Lambda.MissingRecordId",
    "One or more record Ids were not returned. Ensure that the Lambda function returns all received record Ids.",
)
_DUPLICATED = Failure(
    "Lambda.DuplicatedRecordId",
    "Multiple records were returned with the same record Id. Ensure that the Lambda function returns unique record "
    "Ids for each record.",
)


class Outcome(NamedTuple):
    """What became of one record: data to deliver, nothing to deliver (dropped), or a failure."""

    record: SourceRecord
    data: bytes | None = None
    failure: Failure | None = None


def batches(records: Iterable[SourceRecord], buffer_bytes: int) -> Iterator[list[SourceRecord]]:
    """Cut records into batches of at most the hinted size, each of them fit for one invocation.

    Args:
        records: Records, in order.
        buffer_bytes: The processor's size hint, in bytes of data.
    """
    batch: list[SourceRecord] = []
    size, event_bytes = 0, _ENVELOPE_BYTES
    for record in records:
        in_event = record.most_bytes_in_event
        full = size + record.size > buffer_bytes or event_bytes + in_event > INVOCATION_BYTES
        if batch and full:
            yield batch
            batch, size, event_bytes = [], 0, _ENVELOPE_BYTES
        batch.append(record)
        size += record.size
        event_bytes += in_event
    if batch:
        yield batch


def event(
    records: Sequence[SourceRecord], *, invocation_id: str, delivery_stream_arn: str, source_arn: str, region: str
) -> bytes:
    """Return the event of an invocation, JSON."""
    content = {
        "invocationId": invocation_id,
        "deliveryStreamArn": delivery_stream_arn,
        "sourceKinesisStreamArn": source_arn,
        "region": region,
    }
    return f'{json.dumps(content)[:-1]}, "records": [{",".join(record.in_event() for record in records)}]}}'.encode()


def outcomes(records: Sequence[SourceRecord], answer: bytes) -> list[Outcome]:
    """Read the function's answer: what became of each record, in the order of the records.

    An answer that does not follow the contract fails all records; an id that is missing or twice there fails the
    record that it belongs to; ids that were never sent are passed over.
    """
    try:
        returned = json.loads(answer)["records"]
        by_id = {str(one["recordId"]): one for one in returned}
        repeated = _repeated(returned) if len(by_id) < len(returned) else frozenset()
        sane = all(one["result"] in ("Ok", "Dropped", "ProcessingFailed") for one in returned)
    except (ValueError, TypeError, KeyError):
        sane = False
    if not sane:
        return failed(records, _UNREADABLE)
    return [_outcome(record, by_id, repeated) for record in records]


def failed(records: Sequence[SourceRecord], failure: Failure) -> list[Outcome]:
    """Return that all records failed for one reason."""
    return [Outcome(record, failure=failure) for record in records]


def _repeated(returned: list[dict[str, Any]]) -> frozenset[str]:
    counts = Counter(str(one["recordId"]) for one in returned)
    return frozenset(record_id for record_id, count in counts.items() if count > 1)


def _outcome(record: SourceRecord, by_id: dict[str, dict[str, Any]], repeated: frozenset[str]) -> Outcome:
    record_id = record.record_id
    returned = by_id.get(record_id)
    if returned is None:
        return Outcome(record, failure=_MISSING)
    if record_id in repeated:
        return Outcome(record, failure=_DUPLICATED)
    if returned["result"] == "Dropped":
        return Outcome(record)
    if returned["result"] == "ProcessingFailed":
        return Outcome(record, failure=FUNCTION_ERROR)
    try:
        return Outcome(record, data=binascii.a2b_base64(returned["data"], strict_mode=True))
    except (KeyError, TypeError, ValueError):
        return Outcome(record, failure=FUNCTION_ERROR)


def failure_line(outcome: Outcome, *, attempts: int, ended_at_ms: int, function_arn: str) -> bytes:
    """Return the line that Firehose writes for a failed record, under the error prefix.

    Args:
        outcome: The failed record.
        attempts: How many invocations were made.
        ended_at_ms: When Firehose gave up, epoch milliseconds.
        function_arn: The function. Named `lambdaArn` in the documentation, `lambdaARN` in some published objects.
    """
    failure = outcome.failure or FUNCTION_ERROR
    line = {
        "attemptsMade": attempts,
        "arrivalTimestamp": outcome.record.arrived_at_ms,
        "errorCode": failure.code,
        "errorMessage": failure.message,
        "attemptEndingTimestamp": ended_at_ms,
        "rawData": _base64_text(outcome.record.data),
        "lambdaArn": function_arn,
    }
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def misfit_line(
    record: SourceRecord, data: bytes, misfit: MisfitError, *, ended_at_ms: int, table: Mapping[str, str]
) -> bytes:
    """Return the line for a record that does not fit the schema, under the error prefix.

    Source: firehose/latest/dev/record-format-conversion-error-handling.html.

    Args:
        record: The record.
        data: What was to be converted: the record's data, or what the function made of it.
        misfit: Why it does not fit.
        ended_at_ms: When Firehose gave up, epoch milliseconds.
        table: The table that is the schema: catalogId, databaseName, tableName, region, versionId and catalogArn.
    """
    line = {
        "attemptsMade": 1,
        "arrivalTimestamp": record.arrived_at_ms,
        "ErrorCode": misfit.code,
        "ErrorMessage": str(misfit),
        "attemptEndingTimestamp": ended_at_ms,
        "rawData": _base64_text(data),
        "sequenceNumber": record.sequence_number,
        "subSequenceNumber": 0,
        "dataCatalogTable": dict(table),
    }
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"
