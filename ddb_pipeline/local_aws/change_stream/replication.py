"""From the changes of a table to its Kinesis stream, with the faults that were asked for."""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from typing import Any, NamedTuple

from moto.kinesis.exceptions import StreamNotFoundError

from ddb_pipeline.local_aws.change_stream import kinesis
from ddb_pipeline.local_aws.change_stream.change_record import Change
from ddb_pipeline.local_aws.change_stream.destinations import Destination
from ddb_pipeline.local_aws.change_stream.faults import FaultCounts, FaultyOrder, StreamFaults

LOG = logging.getLogger(__name__)

RECORD_BYTES = 1024 * 1024
"""Largest record of a Kinesis stream; DynamoDB skips and counts what is larger (kds_using-shards-and-metrics.html)."""

QUIET_SECONDS = 1.0
"""After so long without another record, those that wait to be overtaken arrive all the same."""

_LONGEST_PAUSE_SECONDS = 1.0
"""How often a stream that holds late records is looked after, at least: clocks may be put forward."""


class FaultSettings:
    """Which stream does what wrong, by the stream's name; nothing unless it was asked for."""

    def __init__(self) -> None:
        self.everywhere = StreamFaults()
        self.by_stream: dict[str, StreamFaults] = {}

    def set(self, faults: StreamFaults, stream: str | None) -> None:
        """Let one stream, or every stream, have these faults and no others."""
        if stream is None:
            self.everywhere = faults
            self.by_stream.clear()
        else:
            self.by_stream[stream] = faults

    def of(self, stream: str) -> StreamFaults:
        """Return the faults of a stream."""
        return self.by_stream.get(stream, self.everywhere)

    def describe(self) -> dict[str, Any]:
        """The settings as a JSON object."""
        by_stream = {name: faults.settings() for name, faults in self.by_stream.items()}
        return {"everywhere": self.everywhere.settings(), "streams": by_stream}


SETTINGS = FaultSettings()
"""Those of this process."""

# not uuid4(): the system's random numbers give the interpreter to another thread, which costs milliseconds; and a
# generator of our own, since a program that seeds the common one would get event IDs that were there before
_RANDOM = random.Random()


class Sent(NamedTuple):
    """A change record on its way."""

    destination: Destination
    partition_key: str
    data: bytes


class Replication:
    """Puts change records on the Kinesis streams of one account and region.

    Args:
        account_id: The account.
        region: The region.
    """

    def __init__(self, account_id: str, region: str) -> None:
        self._account_id = account_id
        self._region = region
        # records are put in the order in which this lock is taken: a waiting one never overtakes the next by chance
        self._lock = threading.RLock()
        self._orders: dict[str, FaultyOrder[Sent]] = {}
        self._counts: dict[str, FaultCounts] = {}
        self._latest: dict[str, float] = {}
        self._timers: dict[str, threading.Timer] = {}

    @cached_property
    def _streams(self) -> kinesis.IndexedKinesisBackend:
        return kinesis.streams_of(self._account_id, self._region)

    def send(self, destination: Destination, change: Change) -> None:
        """Put the record of a change on a stream, unless it is too large."""
        faults = SETTINGS.of(_name(destination.stream_arn))
        with self._lock:
            if faults.any:
                self._send_with_faults(destination, change, faults)
            else:
                self._put(_record(destination, change))

    def counts(self) -> dict[str, dict[str, int]]:
        """Return what each stream did wrong so far, by its name."""
        with self._lock:
            return {_name(arn): asdict(counts) for arn, counts in self._counts.items()}

    def is_overtaking(self) -> bool:
        """Whether there are records that wait to be overtaken, or for their repeat."""
        with self._lock:
            return any(order.is_holding for order in self._orders.values())

    @contextmanager
    def settings_change(self) -> Iterator[None]:
        """Let what waits arrive, and begin anew with the settings as they are after the block."""
        with self._lock:
            self.flush()
            self._orders.clear()
            yield

    def flush(self) -> None:
        """Put all records that are held back."""
        with self._lock:
            for arn, order in self._orders.items():
                self._put_all(order.flush())
                self._stop_timer(arn)

    def _send_with_faults(self, destination: Destination, change: Change, faults: StreamFaults) -> None:
        arn = destination.stream_arn
        counts = self._counts.setdefault(arn, FaultCounts())
        order = self._orders.setdefault(arn, FaultyOrder(faults, _name(arn), counts))
        changed_at_us = faults.time_of(change.changed_at_us)
        counts.coarse += changed_at_us != change.changed_at_us
        record = _record(destination, change._replace(changed_at_us=changed_at_us))
        self._put_all(order.put(record, time.time()))
        self._latest[arn] = time.monotonic()
        self._start_timer(arn)

    def _start_timer(self, arn: str) -> None:
        """Have the stream looked after when something that it holds is due, unless that is to happen sooner."""
        order, seconds = self._orders[arn], []
        if order.is_holding:
            seconds.append(self._latest[arn] + QUIET_SECONDS - time.monotonic())
        if order.next_late is not None:
            seconds.append(order.next_late - time.time())
        if arn in self._timers or not seconds:
            return
        pause = min(_LONGEST_PAUSE_SECONDS, max(0.0, min(seconds)))
        timer = threading.Timer(pause, self._look_after, [arn])
        timer.daemon = True
        self._timers[arn] = timer
        timer.start()

    def _look_after(self, arn: str) -> None:
        """Put what is due: late records at their time, those that wait to be overtaken once the stream is quiet."""
        with self._lock:
            if self._timers.pop(arn, None) is None:
                # flushed in the meantime, and by that stopped
                return
            order = self._orders[arn]
            self._put_all(order.due(time.time()))
            if self._latest[arn] + QUIET_SECONDS <= time.monotonic():
                self._put_all(order.overtaken())
            self._start_timer(arn)

    def _stop_timer(self, arn: str) -> None:
        timer = self._timers.pop(arn, None)
        if timer is not None:
            timer.cancel()

    def _put_all(self, records: Iterable[Sent]) -> None:
        for record in records:
            self._put(record)

    def _put(self, sent: Sent) -> None:
        destination = sent.destination
        if len(sent.data) + len(sent.partition_key) > RECORD_BYTES:
            destination.failed_to_replicate += 1
            LOG.warning("a change is larger than a Kinesis record: skipped, and not on %s", destination.stream_arn)
            return
        try:
            self._streams.append(destination.stream_arn, sent.partition_key, sent.data)
        except StreamNotFoundError:
            destination.failed_to_replicate += 1
            LOG.warning("a change is lost: %s is gone", destination.stream_arn)
        else:
            destination.replicated += 1


def _record(destination: Destination, change: Change) -> Sent:
    event_id = str(uuid.UUID(int=_RANDOM.getrandbits(128), version=4))
    data = change.to_record(event_id, destination.effective_precision)
    return Sent(destination, change.partition_key, data)


def _name(stream_arn: str) -> str:
    return stream_arn.rpartition("/")[2]
