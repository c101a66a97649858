"""One delivery stream at work: reads the Kinesis stream, has records converted, writes objects.

A thread for each delivery stream. Whatever it has read stays in its hands until it is written: a failing function
or a missing bucket delays delivery and is logged, but loses nothing. What it holds is bounded: it stops reading
while too much waits.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass

from ddb_pipeline.local_aws.change_stream.kinesis import streams_of
from ddb_pipeline.local_aws.change_stream.shards import IndexedStream
from ddb_pipeline.local_aws.delivery import transformation
from ddb_pipeline.local_aws.delivery.buffers import Buffer, PendingObject
from ddb_pipeline.local_aws.delivery.errors import ErrorLog
from ddb_pipeline.local_aws.delivery.invocations import Converted, Invocations, Place
from ddb_pipeline.local_aws.delivery.objects import NoSuchBucketError, write_object
from ddb_pipeline.local_aws.delivery.prefixes import PROCESSING_FAILED
from ddb_pipeline.local_aws.delivery.settings import MEBIBYTE, DeliverySettings, Processor
from ddb_pipeline.local_aws.delivery.source import Source
from ddb_pipeline.local_aws.delivery.transformation import Outcome, SourceRecord

LOG = logging.getLogger(__name__)

# reading pauses while more than this waits for the function, or for the bucket
_UNCONVERTED_BYTES = 8 * MEBIBYTE
_UNWRITTEN_BYTES = 64 * MEBIBYTE
# records that follow each other closely are read together
_GATHERING_SECONDS = 0.02
_IDLE_SECONDS = 1.0
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


class DeliveryWorker:
    """The thread of one delivery stream; it starts after the newest record of the Kinesis stream.

    Args:
        settings: How to work.
        arn: ARN of the delivery stream.
        stream: The Kinesis stream, as moto holds it.
        account_id: Account of everything involved.
        region: Region of everything involved.
    """

    def __init__(
        self, settings: DeliverySettings, *, arn: str, stream: IndexedStream, account_id: str, region: str
    ) -> None:
        self.settings = settings
        self.counts = DeliveryCounts()
        self._place = Place(arn, settings.source_arn, account_id, region)
        self._errors = ErrorLog(settings, arn=arn, account_id=account_id, region=region)
        self._arrival = streams_of(account_id, region).arrival
        self._source = Source(stream, self._arrival)
        self._invocations = Invocations(self._place, self._errors, self._wake)
        self._unconverted: deque[SourceRecord] = deque()
        self._unconverted_bytes = 0
        self._unconverted_since = 0.0
        self._outcomes: deque[tuple[Outcome, Converted | None]] = deque()
        self._converted = Buffer()
        self._failed = Buffer(PROCESSING_FAILED)
        self._unwritten: deque[PendingObject] = deque()
        self._unwritten_bytes = 0
        self._settled = 0
        self._retry_at = 0.0
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"delivery {settings.name}", daemon=True)

    def start(self) -> None:
        """Start to work."""
        self._thread.start()

    def stop(self, timeout_seconds: float = 30.0) -> bool:
        """Deliver what is on the stream without waiting for buffers to fill, then end.

        Args:
            timeout_seconds: Longest wait for that.

        Returns:
            Whether everything has been delivered; if not, the reason is in the log.
        """
        self._stopping.set()
        self._invocations.hurry()
        self._wake()
        self._thread.join(timeout_seconds)
        left = self.counts.read - self._settled
        if left:
            LOG.error("delivery stream %s ends with up to %d records that are not in S3", self.settings.name, left)
        return left == 0

    def newest(self) -> dict[str, int]:
        """Return the position of the newest record of each shard."""
        return self._source.newest()

    def has_read_up_to(self, newest: dict[str, int]) -> bool:
        """Say whether every record up to these positions has been read."""
        return self._source.has_read_up_to(newest)

    def has_settled_up_to(self, number: int) -> bool:
        """Say whether every record up to that one, counted as read, is in S3 or dropped."""
        return self._settled >= number

    def _wake(self) -> None:
        with self._arrival:
            self._arrival.notify_all()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._round()
                self._wait()
            except Exception as error:  # one delivery stream must outlive any error
                LOG.exception("delivery stream %s", self.settings.name)
                self._errors.write("InternalError", f"{type(error).__name__}: {error}")
                self._stopping.wait(_IDLE_SECONDS)
        try:
            self._finish()
        except Exception as error:  # stop() says how much is lost
            LOG.exception("delivery stream %s", self.settings.name)
            self._errors.write("InternalError", f"{type(error).__name__}: {error}")
        finally:
            self._invocations.end()

    def _round(self) -> None:
        self._read()
        self._convert()
        self._cut_due()
        self._write()
        self._settle()

    def _finish(self) -> None:
        """Deliver everything that is on the stream, at once."""
        self._retry_at = 0.0
        while self._read() or self._unconverted or self._invocations.oldest_number is not None:
            self._convert(force=True)
            if self._invocations.oldest_number is not None:
                self._collect(self._invocations.take())
            self._write()
        self._convert(force=True)
        self._cut_due(force=True)
        self._write()
        self._settle()

    def _read(self) -> bool:
        """Take new records, unless too many wait already; True if there were any."""
        if self._unconverted_bytes >= _UNCONVERTED_BYTES or self._unwritten_bytes >= _UNWRITTEN_BYTES:
            return False
        found = self._source.read()
        if not found:
            return False
        if not self._unconverted:
            self._unconverted_since = time.monotonic()
        self._unconverted += found
        self._unconverted_bytes += sum(record.size for record in found)
        self.counts.read = self._source.read_records
        return True

    def _convert(self, *, force: bool = False) -> None:
        """Send what is due to the function, and take what comes back."""
        # left over only if an error came between
        self._collect_outcomes()
        while self._invocations.is_ready:
            self._collect(self._invocations.take())
        processor = self.settings.processor
        if processor is None:
            self._outcomes.extend((Outcome(one, base64.b64decode(one.data)), None) for one in self._unconverted)
            self._unconverted.clear()
            self._unconverted_bytes = 0
            self._collect_outcomes()
            return
        while not self._invocations.is_full and self._is_batch_due(processor, force=force):
            batch = next(transformation.batches(self._unconverted, processor.buffer_bytes))
            self._invocations.send(batch, processor)
            for record in batch:
                self._unconverted.popleft()
                self._unconverted_bytes -= record.size
            self._unconverted_since = time.monotonic()

    def _is_batch_due(self, processor: Processor, *, force: bool) -> bool:
        if not self._unconverted:
            return False
        overdue = time.monotonic() - self._unconverted_since >= processor.buffer_seconds
        return force or overdue or self._unconverted_bytes >= processor.buffer_bytes

    def _collect(self, converted: Converted) -> None:
        self._outcomes.extend((outcome, converted) for outcome in converted.outcomes)
        self._collect_outcomes()

    def _collect_outcomes(self) -> None:
        while self._outcomes:
            self._buffer(*self._outcomes[0])
            self._outcomes.popleft()

    def _buffer(self, outcome: Outcome, converted: Converted | None) -> None:
        record, now = outcome.record, time.monotonic()
        if outcome.failure is not None:
            line = transformation.failure_line(
                outcome,
                attempts=converted.attempts if converted else 0,
                ended_at_ms=time.time_ns() // 1_000_000,
                function_arn=converted.function_arn if converted else "",
            )
            self._failed.add(line, record.number, record.arrived_at_ms, now)
            buffer = self._failed
        elif outcome.data:
            self._converted.add(outcome.data, record.number, record.arrived_at_ms, now)
            buffer = self._converted
        else:
            self.counts.dropped += 1
            return
        if buffer.size >= self.settings.buffer_bytes:
            self._cut(buffer)

    def _cut_due(self, *, force: bool = False) -> None:
        for buffer in (self._converted, self._failed):
            due = force or time.monotonic() - buffer.since >= self.settings.buffer_seconds
            if buffer.records and due:
                self._cut(buffer)

    def _cut(self, buffer: Buffer) -> None:
        pending = buffer.cut(self.settings)
        self._unwritten.append(pending)
        self._unwritten_bytes += len(pending.body)

    def _write(self) -> None:
        while self._unwritten and time.monotonic() >= self._retry_at:
            pending = self._unwritten[0]
            try:
                write_object(self._place.account_id, self._place.region, self.settings.bucket, pending)
            except NoSuchBucketError:
                self._errors.write(
                    "S3.NoSuchBucket",
                    f"The specified bucket {self.settings.bucket} does not exist. Create the bucket or use a "
                    "different bucket that does exist.",
                )
                self._retry_at = time.monotonic() + self._retry_seconds
                self._retry_seconds = min(2 * self._retry_seconds, _LONGEST_RETRY_SECONDS)
                return
            self._retry_at, self._retry_seconds = 0.0, _FIRST_RETRY_SECONDS
            self._unwritten.popleft()
            self._unwritten_bytes -= len(pending.body)
            self.counts.objects += 1
            if pending.error_type is None:
                self.counts.delivered += pending.records
            else:
                self.counts.failed += pending.records

    def _settle(self) -> None:
        """Note up to which record all are in S3 or dropped."""
        numbers = (
            self._outcomes[0][0].record.number if self._outcomes else None,
            self._unconverted[0].number if self._unconverted else None,
            self._invocations.oldest_number,
            self._converted.oldest_number,
            self._failed.oldest_number,
            *(pending.oldest_number for pending in self._unwritten),
        )
        self._settled = min((number for number in numbers if number is not None), default=self.counts.read + 1) - 1

    def _wait(self) -> None:
        """Wait for a record or an answer, or for the time when something that waits here is due."""
        now = time.monotonic()
        due = [now + _IDLE_SECONDS]
        if self._unconverted and self.settings.processor and not self._invocations.is_full:
            due.append(self._unconverted_since + self.settings.processor.buffer_seconds)
        due += [
            buffer.since + self.settings.buffer_seconds for buffer in (self._converted, self._failed) if buffer.records
        ]
        if self._unwritten:
            due.append(self._retry_at)
        is_full = self._unconverted_bytes >= _UNCONVERTED_BYTES or self._unwritten_bytes >= _UNWRITTEN_BYTES
        with self._arrival:
            has_news = self._invocations.is_ready or not (is_full or self.has_read_up_to(self.newest()))
            if not self._stopping.is_set() and not has_news:
                self._arrival.wait(max(0.0, min(due) - now))
        if not self._invocations.is_ready:
            self._stopping.wait(_GATHERING_SECONDS)
