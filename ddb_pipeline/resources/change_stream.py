"""The Kinesis stream of a pipeline, as far as we write to it: records that come back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ddb_pipeline.errors import AwsError
from ddb_pipeline.resources.waiting import Waiting

# Kinesis API, PutRecords: 500 records a request, and 10 MiB with the partition keys; it was 5 MiB for years, which
# costs nothing to keep to. A record may have 1 MiB unless the stream was told otherwise (MaxRecordSizeInKiB).
RECORDS_AT_ONCE = 500
BYTES_AT_ONCE = 5 * 2**20
LONGEST_RECORD = 2**20


@dataclass(frozen=True)
class StreamRecord:
    """A record for the stream."""

    data: bytes
    partition_key: str

    @property
    def size(self) -> int:
        """What Kinesis counts, bytes."""
        return len(self.data) + len(self.partition_key.encode())


def batches(records: Iterable[StreamRecord]) -> Iterator[list[StreamRecord]]:
    """Cut records into requests, in order."""
    batch: list[StreamRecord] = []
    size = 0
    for record in records:
        if batch and (len(batch) == RECORDS_AT_ONCE or size + record.size > BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += record.size
    if batch:
        yield batch


@dataclass(frozen=True)
class ChangeStream:
    """The stream that carries the change records.

    Attributes:
        client: boto3's Kinesis client.
        name: Name of the stream.
    """

    client: Any
    name: str

    def put(self, records: Iterable[StreamRecord], waiting: Waiting) -> int:
        """Put records on the stream; those that it did not take are put again.

        Args:
            records: Records, none longer than the stream allows.
            waiting: How long, and how patiently, for all of them.

        Returns:
            How many.

        Raises:
            AwsError: The deadline passed; some records may be on the stream already.
        """
        count = 0
        for batch in batches(records):
            left: Sequence[StreamRecord] = batch
            while True:
                left, reason = self._put_once(left)
                if not left:
                    break
                if waiting.is_over:
                    raise AwsError(
                        f"stream {self.name} did not take {len(left)} records within "
                        f"{waiting.deadline_seconds:.0f} s ({reason}): run it again later, which repeats nothing that "
                        "the views count",
                        transient=True,
                    )
                waiting.pause()
            count += len(batch)
        return count

    def _put_once(self, records: Sequence[StreamRecord]) -> tuple[list[StreamRecord], str]:
        """Those that the stream did not take, and why."""
        answer = self.client.put_records(
            StreamName=self.name,
            Records=[{"Data": record.data, "PartitionKey": record.partition_key} for record in records],
        )
        # one answer for each record, in their order
        told = list(zip(records, answer["Records"], strict=True))
        reasons = {str(one["ErrorCode"]) for _record, one in told if one.get("ErrorCode")}
        return [record for record, one in told if one.get("ErrorCode")], ", ".join(sorted(reasons))
