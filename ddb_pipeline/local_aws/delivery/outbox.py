"""What a delivery stream has converted and not yet written: buffers, objects that wait for the bucket, and writing."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from ddb_pipeline.local_aws.delivery import transformation
from ddb_pipeline.local_aws.delivery.buffers import Buffer, PendingObject
from ddb_pipeline.local_aws.delivery.errors import ErrorLog
from ddb_pipeline.local_aws.delivery.invocations import Converted, Place
from ddb_pipeline.local_aws.delivery.json_rows import MisfitError
from ddb_pipeline.local_aws.delivery.metrics import Metrics
from ddb_pipeline.local_aws.delivery.objects import NoSuchBucketError, write_object
from ddb_pipeline.local_aws.delivery.parquet import ParquetWriter
from ddb_pipeline.local_aws.delivery.prefixes import CONVERSION_FAILED, PROCESSING_FAILED
from ddb_pipeline.local_aws.delivery.settings import MEBIBYTE, DeliverySettings
from ddb_pipeline.local_aws.delivery.transformation import Outcome

_UNWRITTEN_BYTES = 64 * MEBIBYTE
_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 2.0


@dataclass
class DeliveryCounts:
    """What a delivery stream has done so far, in records of the Kinesis stream.

    Attributes:
        read: Read from the stream.
        delivered: Written to the bucket as converted.
        failed: Written to the bucket under the error prefix.
        dropped: Dropped by the function, or converted to nothing.
        objects: S3 objects written.
    """

    read: int = 0
    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    objects: int = 0


class Outbox:
    """Buffers and unwritten objects of one delivery stream.

    Args:
        settings: Sizes, times, names and the bucket.
        place: Account and region of the bucket.
        errors: Where errors are told.
        metrics: Where deliveries are counted for CloudWatch.
        counts: Where they are counted for this process.
    """

    def __init__(
        self, settings: DeliverySettings, place: Place, errors: ErrorLog, metrics: Metrics, counts: DeliveryCounts
    ) -> None:
        self._settings = settings
        self._place = place
        self._errors = errors
        self._metrics = metrics
        self._counts = counts
        self._outcomes: deque[tuple[Outcome, Converted | None]] = deque()
        self._rows = Buffer()
        self._failed = Buffer(PROCESSING_FAILED)
        self._misfits = Buffer(CONVERSION_FAILED)
        self._unwritten: deque[PendingObject] = deque()
        self._unwritten_bytes = 0
        self._retry_at = 0.0
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._parquet = self._parquet_writer()

    @property
    def is_full(self) -> bool:
        """Whether so much waits for the bucket that nothing more should be read."""
        return self._unwritten_bytes >= _UNWRITTEN_BYTES

    @property
    def oldest_number(self) -> int | None:
        """Number of the first record that is not settled; None if all are."""
        numbers = [pending.oldest_number for pending in self._unwritten]
        numbers += [one.oldest_number for one in self._buffers() if one.oldest_number is not None]
        numbers += [self._outcomes[0][0].record.number] if self._outcomes else []
        return min(numbers, default=None)

    @property
    def due_at(self) -> float:
        """When there is something to do next, on the monotonic clock."""
        times = [one.since + self._settings.buffer_seconds for one in self._buffers() if one.records]
        times += [self._retry_at] if self._unwritten else []
        return min(times, default=float("inf"))

    def take(self, outcomes: list[Outcome], converted: Converted | None = None) -> None:
        """Take what became of records, in their order.

        Args:
            outcomes: One for each record.
            converted: The invocation; None if no function is used.
        """
        self._outcomes.extend((outcome, converted) for outcome in outcomes)
        self.buffer()

    def buffer(self) -> None:
        """Put what was taken into its buffers; left over is something only if an error came between."""
        if self._outcomes and self._parquet is not None and self._parquet.has_changed():
            # rows of one object have one schema
            self._cut(self._rows)
            self._parquet.follow_table()
        while self._outcomes:
            chosen = self._buffer(*self._outcomes[0])
            self._outcomes.popleft()
            # not before: an object that can't be made now must not get its last record twice
            if chosen is not None and chosen.size >= self._settings.buffer_bytes:
                self._cut(chosen)

    def update(self, settings: DeliverySettings) -> None:
        """Go on with other settings; what is buffered already goes where the old ones say."""
        self.cut_due(force=True)
        self._settings = settings
        self._parquet = self._parquet_writer()

    def cut_due(self, *, force: bool = False) -> None:
        """Make objects of the buffers whose time has come, or of all."""
        for one in self._buffers():
            if force or time.monotonic() - one.since >= self._settings.buffer_seconds:
                self._cut(one)

    def write(self, *, at_once: bool = False) -> None:
        """Write the objects that wait, unless the bucket was missing a moment ago.

        Args:
            at_once: Try it whenever that was.
        """
        if at_once:
            self._retry_at = 0.0
        while self._unwritten and time.monotonic() >= self._retry_at:
            pending = self._unwritten[0]
            try:
                write_object(self._place.account_id, self._place.region, self._settings.bucket, pending)
            except NoSuchBucketError:
                self._metrics.add("DeliveryToS3.Success", 0)
                self._errors.write(
                    "S3.NoSuchBucket",
                    f"The specified bucket {self._settings.bucket} does not exist. Create the bucket or use a "
                    "different bucket that does exist.",
                )
                self._retry_at = time.monotonic() + self._retry_seconds
                self._retry_seconds = min(2 * self._retry_seconds, _LONGEST_RETRY_SECONDS)
                return
            self._retry_at, self._retry_seconds = 0.0, _FIRST_RETRY_SECONDS
            self._unwritten.popleft()
            self._unwritten_bytes -= len(pending.body)
            self._count(pending)

    def _count(self, pending: PendingObject) -> None:
        self._counts.objects += 1
        if pending.error_type is not None:
            self._counts.failed += pending.records
            return
        self._counts.delivered += pending.records
        values = {
            "Bytes": pending.size,
            "DataFreshness": max(0.0, time.time() - pending.oldest_ms / 1000),
            "ObjectCount": 1,
            "Records": pending.records,
            "Success": 1,
        }
        for name, value in values.items():
            self._metrics.add(f"DeliveryToS3.{name}", value)

    def _buffers(self) -> tuple[Buffer, Buffer, Buffer]:
        return self._rows, self._failed, self._misfits

    def _parquet_writer(self) -> ParquetWriter | None:
        conversion = self._settings.conversion
        return ParquetWriter(conversion, self._place.account_id, self._place.region) if conversion else None

    def _buffer(self, outcome: Outcome, converted: Converted | None) -> Buffer | None:
        """Put a record into its buffer, and return that; None if it was dropped."""
        record = outcome.record
        if outcome.failure is not None:
            line = transformation.failure_line(
                outcome,
                attempts=converted.attempts if converted else 0,
                ended_at_ms=time.time_ns() // 1_000_000,
                function_arn=converted.function_arn if converted else "",
            )
            chosen = self._failed
        elif outcome.data:
            chosen, line = self._in_format(outcome, outcome.data)
        else:
            self._counts.dropped += 1
            return None
        chosen.add(line, record.number, record.arrived_at_ms, time.monotonic())
        return chosen

    def _in_format(self, outcome: Outcome, data: bytes) -> tuple[Buffer, bytes]:
        """The buffer for a record, and its piece there."""
        if self._parquet is None:
            return self._rows, data
        try:
            lines = self._parquet.lines(data)
        except MisfitError as misfit:
            self._errors.write(misfit.code, str(misfit))
            self._metrics.add("FailedConversion.Records", 1)
            self._metrics.add("FailedConversion.Bytes", len(data))
            ended_at_ms = time.time_ns() // 1_000_000
            table = self._parquet.table
            line = transformation.misfit_line(outcome.record, data, misfit, ended_at_ms=ended_at_ms, table=table)
            return self._misfits, line
        self._metrics.add("SucceedConversion.Records", 1)
        self._metrics.add("SucceedConversion.Bytes", len(data))
        return self._rows, lines

    def _cut(self, buffer: Buffer) -> None:
        if not buffer.records:
            return
        encode = self._parquet.encode if self._parquet is not None and buffer is self._rows else None
        pending = buffer.cut(self._settings, encode)
        self._unwritten.append(pending)
        self._unwritten_bytes += len(pending.body)
