"""Kinesis streams that many threads write and many read: moto's, with another storage and one writer at a time."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any, cast

from moto.kinesis import urls as kinesis_urls
from moto.kinesis.exceptions import InvalidArgumentError, ResourceNotFoundError
from moto.kinesis.models import KinesisBackend, Stream, kinesis_backends
from moto.kinesis.utils import compose_shard_iterator

from ddb_pipeline.local_aws.change_stream.shards import IndexedShard, IndexedStream
from ddb_pipeline.local_aws.metrics import MinuteMetrics

# streams/latest/dev/monitoring-with-cloudwatch.html, "Basic stream-level metrics": those of what comes in
_UNITS = {"IncomingBytes": "Bytes", "IncomingRecords": "Count"}


class IndexedKinesisBackend(KinesisBackend):
    """moto's Kinesis with indexed shards and one writer at a time.

    Attributes:
        arrival: The lock of all streams; whoever waits for it is told of new records.
        incoming: What came in, for CloudWatch, by name of the stream.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.arrival = threading.Condition(threading.RLock())
        self.incoming: dict[str, MinuteMetrics] = {}

    @property
    def _url_module(self) -> Any:
        return kinesis_urls

    def create_stream(self, *args: Any, **kwargs: Any) -> Stream:
        """Create a stream of indexed shards."""
        with self.arrival:
            stream = IndexedStream.of(super().create_stream(*args, **kwargs))
            self.streams[stream.stream_name] = stream
            return stream

    def describe_stream(self, stream_arn: str | None, stream_name: str | None) -> IndexedStream:
        """Return a stream.

        Raises:
            moto.kinesis.exceptions.StreamNotFoundError: There is no such stream.
        """
        return cast("IndexedStream", super().describe_stream(stream_arn, stream_name))

    def put_record(self, *args: Any, **kwargs: Any) -> tuple[str, str]:
        """Put a record sent through the API."""
        with self.arrival:
            try:
                return super().put_record(*args, **kwargs)
            finally:
                self.arrival.notify_all()

    def put_records(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Put records sent through the API."""
        with self.arrival:
            try:
                return super().put_records(*args, **kwargs)
            finally:
                self.arrival.notify_all()

    def append(self, stream_arn: str, partition_key: str, data: bytes) -> None:
        """Put a record from inside the process.

        Raises:
            moto.kinesis.exceptions.StreamNotFoundError: There is no such stream.
        """
        with self.arrival:
            stream = self.describe_stream(stream_arn=stream_arn, stream_name=stream_arn.rpartition("/")[2])
            stream.append(partition_key, None, data)
            self._send_stream_metrics(stream.stream_name, len(partition_key) + len(data), 1)
            self.arrival.notify_all()

    def _send_stream_metrics(self, stream_name: str, incoming_bytes: int, incoming_records: int) -> None:
        """Count by the minute: moto keeps two values for every call."""
        metrics = self.incoming.get(stream_name)
        if metrics is None:
            dimension = ("StreamName", stream_name)
            metrics = MinuteMetrics("AWS/Kinesis", dimension, _UNITS, self.account_id, self.region_name)
            self.incoming[stream_name] = metrics
        metrics.add("IncomingBytes", incoming_bytes)
        metrics.add("IncomingRecords", incoming_records)

    def get_shard_iterator(  # type: ignore[override]  # noqa: PLR0917 - moto's signature; its types are wrong
        self,
        stream_arn: str | None,
        stream_name: str | None,
        shard_id: str,
        shard_iterator_type: str,
        starting_sequence_number: str | None,
        at_timestamp: datetime | float | None,
    ) -> str:
        """Return an iterator, which stands for a position of a shard.

        Raises:
            ResourceNotFoundError: There is no such stream or shard.
            InvalidArgumentError: There is no such place in the shard.
        """
        with self.arrival:
            stream = self.describe_stream(stream_arn=stream_arn, stream_name=stream_name)
            try:
                shard = stream.shards[shard_id]
            except KeyError:
                raise ResourceNotFoundError(
                    f"Shard {shard_id} in stream {stream.stream_name} under account {self.account_id} does not exist"
                ) from None
            if shard_iterator_type in {"AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"}:
                position = _position(stream, shard, starting_sequence_number or "")
                position -= shard_iterator_type == "AT_SEQUENCE_NUMBER"
            elif shard_iterator_type == "AT_TIMESTAMP":
                if at_timestamp is None:
                    raise InvalidArgumentError("Must specify timestampToUse parameter for iterator type AT_TIMESTAMP")
                moment = at_timestamp.timestamp() if isinstance(at_timestamp, datetime) else at_timestamp
                position = shard.position_at(moment)
            else:
                position = shard.newest if shard_iterator_type == "LATEST" else 0
            return str(compose_shard_iterator(stream.stream_name, shard, position))

    def get_records(self, stream_arn: str | None, shard_iterator: str, limit: int | None) -> Any:
        """Return the next iterator, the records, and how many ms they are behind."""
        with self.arrival:
            return super().get_records(stream_arn, shard_iterator, limit)

    def split_shard(self, *args: Any, **kwargs: Any) -> None:
        """Split a shard."""
        with self.arrival:
            super().split_shard(*args, **kwargs)

    def merge_shards(self, *args: Any, **kwargs: Any) -> None:
        """Merge two shards."""
        with self.arrival:
            super().merge_shards(*args, **kwargs)

    def update_shard_count(self, *args: Any, **kwargs: Any) -> int:
        """Change the number of shards by splitting and merging."""
        with self.arrival:
            return super().update_shard_count(*args, **kwargs)


def _position(stream: Stream, shard: IndexedShard, sequence_number: str) -> int:
    try:
        return shard.position_of(sequence_number)
    except ValueError:
        raise InvalidArgumentError(
            f"StartingSequenceNumber {sequence_number} used in GetShardIterator on shard {shard.shard_id} in stream "
            f"{stream.stream_name} under account {stream.account_id} is invalid because it did not come from this "
            "stream."
        ) from None


def install() -> None:
    """Make moto use this Kinesis; before moto's first use of it."""
    kinesis_backends.backend = IndexedKinesisBackend


def streams_of(account_id: str, region: str) -> IndexedKinesisBackend:
    """Return the streams of an account and region."""
    backend = kinesis_backends[account_id][region]
    if not isinstance(backend, IndexedKinesisBackend):
        raise TypeError("moto's own Kinesis is in use: call install() before the server starts")
    return backend
