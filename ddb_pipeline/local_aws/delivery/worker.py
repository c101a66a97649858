"""One delivery stream at work: reads the Kinesis stream, has records converted, writes objects.

A thread for each delivery stream. Whatever it has read stays in its hands until it is written: a failing function
or a missing bucket delays delivery and is logged, but loses nothing. What it holds is bounded: it stops reading
while too much waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from ddb_pipeline.local_aws.change_stream.kinesis import streams_of
from ddb_pipeline.local_aws.change_stream.shards import IndexedStream
from ddb_pipeline.local_aws.delivery import transformation
from ddb_pipeline.local_aws.delivery.errors import ErrorLog
from ddb_pipeline.local_aws.delivery.invocations import Converted, Invocations, Place
from ddb_pipeline.local_aws.delivery.metrics import Metrics
from ddb_pipeline.local_aws.delivery.outbox import DeliveryCounts, Outbox
from ddb_pipeline.local_aws.delivery.settings import MEBIBYTE, DeliverySettings, Processor
from ddb_pipeline.local_aws.delivery.source import Source
from ddb_pipeline.local_aws.delivery.transformation import Outcome, SourceRecord

LOG = logging.getLogger(__name__)

CREATING_SECONDS = 0.1
"""How long a delivery stream is in the state CREATING. AWS takes about a minute."""

# reading pauses while more than this waits for the function
_UNCONVERTED_BYTES = 8 * MEBIBYTE
# records that follow each other closely are read together
_GATHERING_SECONDS = 0.02
_IDLE_SECONDS = 1.0


class DeliveryWorker:
    """The thread of one delivery stream. It delivers what comes to the Kinesis stream once it is active.

    Args:
        settings: How to work.
        place: Where everything involved is.
        stream: The Kinesis stream, as moto holds it.
        activate: Called when the delivery stream is active.
        positions: Where on the stream to go on, by shard; None for a delivery stream that is new.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        place: Place,
        stream: IndexedStream,
        activate: Callable[[], None],
        positions: Mapping[str, int] | None,
    ) -> None:
        self.settings = settings
        self.place = place
        self._is_active = positions is not None
        self.counts = DeliveryCounts()
        self._next_settings: deque[DeliverySettings] = deque()
        self._activate = activate
        account_id, region = place.account_id, place.region
        self._errors = ErrorLog(settings, arn=place.delivery_stream_arn, account_id=account_id, region=region)
        self._arrival = streams_of(account_id, region).arrival
        self._source = Source(stream, self._arrival, positions)
        self._metrics = Metrics(settings.name, account_id, region)
        self._invocations = Invocations(place, self._errors, self._wake)
        self._outbox = Outbox(settings, place, self._errors, self._metrics, self.counts)
        self._unconverted: deque[SourceRecord] = deque()
        self._unconverted_bytes = 0
        self._unconverted_since = 0.0
        self._settled = 0
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

    def update(self, settings: DeliverySettings) -> None:
        """Go on with other settings, from the next record on that is buffered."""
        self._next_settings.append(settings)
        self._wake()

    def newest(self) -> dict[str, int]:
        """Return the position of the newest record of each shard."""
        return self._source.newest()

    def has_read_up_to(self, newest: dict[str, int]) -> bool:
        """Say whether every record up to these positions has been read."""
        return self._source.has_read_up_to(newest)

    @property
    def read_records(self) -> int:
        """How many records have been read; not behind what `has_read_up_to` says."""
        return self._source.read_records

    def has_settled_up_to(self, number: int) -> bool:
        """Say whether every record up to that one, counted as read, is in S3 or dropped."""
        return self._settled >= number

    def settled_positions(self) -> dict[str, int] | None:
        """Return up to where on each shard every record is in S3 or dropped; None before it is active."""
        return self._source.settled(self._settled) if self._is_active else None

    def _wake(self) -> None:
        with self._arrival:
            self._arrival.notify_all()

    def _run(self) -> None:
        if not self._is_active:
            # what comes in this time is not delivered: on AWS, creating takes about a minute
            self._stopping.wait(CREATING_SECONDS)
            self._source.skip_to_newest()
            self._is_active = True
        self._activate()
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
        while self._next_settings:
            self._outbox.update(self._next_settings[0])
            self.settings = self._errors.settings = self._next_settings.popleft()
        self._read()
        self._convert()
        self._outbox.cut_due()
        self._outbox.write()
        self._settle()

    def _finish(self) -> None:
        """Deliver everything that is on the stream, at once."""
        while self._read() or self._unconverted or self._invocations.oldest_number is not None:
            self._convert(force=True)
            if self._invocations.oldest_number is not None:
                self._collect(self._invocations.take())
            self._outbox.write(at_once=True)
        self._outbox.cut_due(force=True)
        self._outbox.write(at_once=True)
        self._settle()

    def _read(self) -> bool:
        """Take new records, unless too many wait already; True if there were any."""
        if self._is_full() and not self._stopping.is_set():
            return False
        found = self._source.read()
        if not found:
            return False
        if not self._unconverted:
            self._unconverted_since = time.monotonic()
        size = sum(record.size for record in found)
        self._unconverted += found
        self._unconverted_bytes += size
        self.counts.read = self._source.read_records
        self._metrics.add("DataReadFromKinesisStream.Records", len(found))
        self._metrics.add("DataReadFromKinesisStream.Bytes", size)
        self._metrics.add("KinesisMillisBehindLatest", self._source.seconds_behind * 1000)
        return True

    def _is_full(self) -> bool:
        return self._unconverted_bytes >= _UNCONVERTED_BYTES or self._outbox.is_full

    def _convert(self, *, force: bool = False) -> None:
        """Send what is due to the function, and take what comes back."""
        self._outbox.buffer()
        while self._invocations.is_ready:
            self._collect(self._invocations.take())
        processor = self.settings.processor
        if processor is None and self._invocations.oldest_number is None:
            outcomes = [Outcome(one, one.data) for one in self._unconverted]
            self._unconverted.clear()
            self._unconverted_bytes = 0
            self._outbox.take(outcomes)
        if processor is None:
            # what an earlier configuration sent to its function comes first
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
        self._outbox.take(list(converted.outcomes), converted)
        self._metrics.add("ExecuteProcessing.Duration", converted.seconds * 1000)
        for _ in range(converted.failed_attempts):
            self._metrics.add("ExecuteProcessing.Success", 0)
        if converted.failed_attempts < converted.attempts:
            self._metrics.add("ExecuteProcessing.Success", 1)
        succeeded = [outcome for outcome in converted.outcomes if outcome.failure is None]
        self._metrics.add("SucceedProcessing.Records", len(succeeded))
        self._metrics.add("SucceedProcessing.Bytes", sum(outcome.record.size for outcome in succeeded))

    def _settle(self) -> None:
        """Note up to which record all are in S3 or dropped."""
        numbers = (
            self._outbox.oldest_number,
            self._unconverted[0].number if self._unconverted else None,
            self._invocations.oldest_number,
        )
        self._settled = min((number for number in numbers if number is not None), default=self.counts.read + 1) - 1
        # forgets the positions of reads that are settled
        self._source.settled(self._settled)

    def _wait(self) -> None:
        """Wait for a record or an answer, or for the time when something that waits here is due."""
        now = time.monotonic()
        due_at = min(now + _IDLE_SECONDS, self._outbox.due_at)
        if self._unconverted and self.settings.processor and not self._invocations.is_full:
            due_at = min(due_at, self._unconverted_since + self.settings.processor.buffer_seconds)
        with self._arrival:
            has_records = not self._is_full() and not self.has_read_up_to(self.newest())
            has_news = has_records or self._invocations.is_ready or bool(self._next_settings)
            if not self._stopping.is_set() and not has_news:
                self._arrival.wait(max(0.0, due_at - now))
        if not self._invocations.is_ready:
            self._stopping.wait(_GATHERING_SECONDS)
