"""One delivery stream at work: reads the Kinesis stream, has records converted, writes objects.

A thread for each delivery stream. Whatever it has read stays in its hands until it is written: a failing function
or a missing bucket delays delivery and is logged, but loses nothing.
"""

from __future__ import annotations

import base64
import itertools
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from ddb_pipeline.local_aws.change_stream.kinesis import streams_of
from ddb_pipeline.local_aws.change_stream.shards import IndexedStream
from ddb_pipeline.local_aws.delivery import transformation
from ddb_pipeline.local_aws.delivery.buffers import Buffer, PendingObject
from ddb_pipeline.local_aws.delivery.errors import ErrorLog
from ddb_pipeline.local_aws.delivery.objects import NoSuchBucketError, write_object
from ddb_pipeline.local_aws.delivery.settings import DeliverySettings, Processor
from ddb_pipeline.local_aws.delivery.transformation import Failure, Outcome, SourceRecord
from ddb_pipeline.local_aws.functions import FunctionNotFoundError, invoke_function

LOG = logging.getLogger(__name__)

# how many records are taken from the stream at a time, and how many may wait for the bucket before reading pauses
_RECORDS_PER_READ = 10_000
_UNWRITTEN_RECORDS = 200_000
# records that follow each other closely are read together
_GATHERING_SECONDS = 0.02
_IDLE_SECONDS = 1.0
_FIRST_RETRY_SECONDS = 0.1
_LONGEST_RETRY_SECONDS = 2.0

_NO_FUNCTION = Failure(
    "Lambda.ResourceNotFound",
    "The specified Lambda function does not exist. Use a different function that does exist.",
)
_INVOCATION_FAILED = "Lambda.InvocationFailed"


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
        stream: The Kinesis stream, as moto holds it. It is followed even when it is deleted or made anew.
        account_id: Account of everything involved.
        region: Region of everything involved.
    """

    def __init__(
        self, settings: DeliverySettings, *, arn: str, stream: IndexedStream, account_id: str, region: str
    ) -> None:
        self.settings = settings
        self.counts = DeliveryCounts()
        self._arn = arn
        self._stream = stream
        self._account_id = account_id
        self._region = region
        self._errors = ErrorLog(settings, arn=arn, account_id=account_id, region=region)
        self._arrival = streams_of(account_id, region).arrival
        self._positions = {name: shard.newest for name, shard in stream.shards.items()}
        self._lock = threading.Lock()
        self._outstanding: set[int] = set()
        self._unconverted: list[SourceRecord] = []
        self._unconverted_bytes = 0
        self._unconverted_since = 0.0
        self._outcomes: deque[tuple[Outcome, int]] = deque()
        self._converted, self._failed = Buffer(), Buffer()
        self._unwritten: list[tuple[PendingObject, bool]] = []
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
        with self._arrival:
            self._arrival.notify_all()
        self._thread.join(timeout_seconds)
        left = len(self._outstanding)
        if left:
            LOG.error("delivery stream %s ends with %d records that are not in S3", self.settings.name, left)
        return left == 0

    def newest(self) -> dict[str, int]:
        """Return the position of the newest record of each shard."""
        return {name: shard.newest for name, shard in list(self._stream.shards.items())}

    def has_read_up_to(self, newest: dict[str, int]) -> bool:
        """Say whether every record up to these sequence numbers has been read."""
        with self._lock:
            return all(self._positions.get(name, 0) >= number for name, number in newest.items())

    def has_settled_up_to(self, number: int) -> bool:
        """Say whether every record up to that one, counted as read, is in S3 or dropped."""
        with self._lock:
            return min(self._outstanding, default=number + 1) > number

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
            while self._read():
                self._convert_due(force=True)
            self._convert_due(force=True)
            self._cut_due(force=True)
            self._retry_at = 0.0
            self._write()
        except Exception as error:  # stop() says how much is lost
            LOG.exception("delivery stream %s", self.settings.name)
            self._errors.write("InternalError", f"{type(error).__name__}: {error}")

    def _round(self) -> None:
        self._read()
        self._convert_due()
        self._cut_due()
        self._write()

    def _read(self) -> bool:
        """Take new records from all shards; True if there were any."""
        if len(self._outstanding) >= _UNWRITTEN_RECORDS and not self._stopping.is_set():
            return False
        found: list[SourceRecord] = []
        with self._lock:
            for name, shard in list(self._stream.shards.items()):
                position = self._positions.get(name, 0)
                for record in shard.records_after(position, _RECORDS_PER_READ):
                    self._positions[name] = record.position
                    self.counts.read += 1
                    self._outstanding.add(self.counts.read)
                    found.append(
                        SourceRecord(
                            number=self.counts.read,
                            data=record.data,
                            shard_id=name,
                            sequence_number=record.sequence_number,
                            partition_key=record.partition_key,
                            arrived_at_ms=int(record.created_at * 1000),
                        )
                    )
        if found and not self._unconverted:
            self._unconverted_since = time.monotonic()
        self._unconverted += found
        self._unconverted_bytes += sum(record.size for record in found)
        return bool(found)

    def _convert_due(self, *, force: bool = False) -> None:
        # left over only if an error came between
        self._collect_outcomes()
        processor = self.settings.processor
        if not self._unconverted:
            return
        if processor is None:
            self._outcomes.extend(
                (Outcome(record, data=base64.b64decode(record.data)), 0) for record in self._unconverted
            )
            self._unconverted, self._unconverted_bytes = [], 0
            self._collect_outcomes()
            return
        force = force or time.monotonic() - self._unconverted_since >= processor.buffer_seconds
        if not force and self._unconverted_bytes < processor.buffer_bytes:
            return
        ready = list(transformation.batches(self._unconverted, processor.buffer_bytes))
        if not force and sum(record.size for record in ready[-1]) < processor.buffer_bytes:
            ready.pop()
        for batch in ready:
            outcomes, attempts = self._converted_by_function(batch, processor)
            self._outcomes.extend((outcome, attempts) for outcome in outcomes)
            self._unconverted = self._unconverted[len(batch) :]
            self._unconverted_bytes -= sum(record.size for record in batch)
            self._unconverted_since = time.monotonic()
            self._collect_outcomes()
            self._cut_due()
            self._write()

    def _converted_by_function(self, batch: Sequence[SourceRecord], processor: Processor) -> tuple[list[Outcome], int]:
        attempts = 0
        for attempts in itertools.count(1):
            answer = self._invoke(batch, processor)
            if isinstance(answer, bytes):
                outcomes = transformation.outcomes(batch, answer)
                break
            self._errors.write(answer.code, answer.message, processor=processor.function_arn)
            if attempts > processor.retries:
                outcomes = transformation.failed(batch, answer)
                break
            self._stopping.wait(min(_FIRST_RETRY_SECONDS * 2 ** (attempts - 1), _LONGEST_RETRY_SECONDS))
        for failure in {one.failure for one in outcomes if one.failure is not None}:
            self._errors.write(failure.code, failure.message, processor=processor.function_arn)
        return outcomes, attempts

    def _invoke(self, batch: Sequence[SourceRecord], processor: Processor) -> bytes | Failure:
        payload = transformation.event(
            batch,
            invocation_id=str(uuid.uuid4()),
            delivery_stream_arn=self._arn,
            source_arn=self.settings.source_arn,
            region=self._region,
        )
        try:
            invocation = invoke_function(
                processor.function_arn, payload, account_id=self._account_id, region=self._region
            )
        except FunctionNotFoundError:
            return _NO_FUNCTION
        except Exception as error:  # noqa: BLE001 - whatever it is, the invocation has failed
            return Failure(_INVOCATION_FAILED, f"{type(error).__name__}: {error}")
        return transformation.FUNCTION_ERROR if invocation.function_error else invocation.payload

    def _collect_outcomes(self) -> None:
        while self._outcomes:
            self._collect(*self._outcomes[0])
            self._outcomes.popleft()

    def _collect(self, outcome: Outcome, attempts: int) -> None:
        record, now = outcome.record, time.monotonic()
        if outcome.failure is not None:
            processor = self.settings.processor
            line = transformation.failure_line(
                outcome,
                attempts=attempts,
                ended_at_ms=time.time_ns() // 1_000_000,
                function_arn=processor.function_arn if processor else "",
            )
            self._failed.add(line, record.number, record.arrived_at_ms, now)
            buffer, failed = self._failed, True
        elif outcome.data:
            self._converted.add(outcome.data, record.number, record.arrived_at_ms, now)
            buffer, failed = self._converted, False
        else:
            with self._lock:
                self.counts.dropped += 1
                self._outstanding.discard(record.number)
            return
        if buffer.size >= self.settings.buffer_bytes:
            self._unwritten.append((buffer.cut(self.settings, failed=failed), failed))

    def _cut_due(self, *, force: bool = False) -> None:
        for buffer, failed in ((self._converted, False), (self._failed, True)):
            due = force or time.monotonic() - buffer.since >= self.settings.buffer_seconds
            if buffer.numbers and due:
                self._unwritten.append((buffer.cut(self.settings, failed=failed), failed))

    def _write(self) -> None:
        while self._unwritten and time.monotonic() >= self._retry_at:
            pending, failed = self._unwritten[0]
            try:
                write_object(self._account_id, self._region, self.settings.bucket, pending)
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
            self._unwritten.pop(0)
            with self._lock:
                self.counts.objects += 1
                if failed:
                    self.counts.failed += len(pending.numbers)
                else:
                    self.counts.delivered += len(pending.numbers)
                self._outstanding.difference_update(pending.numbers)

    def _wait(self) -> None:
        """Wait for a record, or for the time when something that waits here is due."""
        due = [time.monotonic() + _IDLE_SECONDS]
        if self._unconverted and self.settings.processor:
            due.append(self._unconverted_since + self.settings.processor.buffer_seconds)
        due += [
            buffer.since + self.settings.buffer_seconds for buffer in (self._converted, self._failed) if buffer.numbers
        ]
        if self._unwritten:
            due.append(self._retry_at)
        with self._arrival:
            if not self._stopping.is_set() and self.has_read_up_to(self.newest()):
                self._arrival.wait(max(0.0, min(due) - time.monotonic()))
        self._stopping.wait(_GATHERING_SECONDS)
