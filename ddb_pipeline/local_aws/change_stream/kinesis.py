"""Kinesis streams that many threads write and one reader follows.

moto's shard is slower with every record it holds and loses records when two threads put at once. This keeps moto's
Kinesis and replaces only the storage of a shard, with constant cost per record.
"""

from __future__ import annotations

import base64
import threading
from typing import Any

from moto.kinesis import urls as kinesis_urls
from moto.kinesis.models import KinesisBackend, Record, Shard, Stream, kinesis_backends


class IndexedShard(Shard):
    """A shard whose records are found by sequence number: 1, 2, 3, without gaps."""

    def get_records(self, last_sequence_id: str, limit: int | None) -> tuple[list[Record], int, int]:
        """Return the records after a sequence number, the last one's number, and how many ms it is behind."""
        last = int(last_sequence_id)
        newest = self.get_max_sequence_number()
        end = newest if limit is None else min(newest, last + limit)
        found = [self.records[number] for number in range(max(last, 0) + 1, end + 1)]
        if not found:
            return [], last, 0
        behind = self.records[newest].created_at - found[-1].created_at
        return found, found[-1].sequence_number, max(0, int(behind * 1000))

    def put_record(self, partition_key: str, data: str, explicit_hash_key: str) -> str:
        """Append a record; the caller holds the backend's lock."""
        number = self.get_max_sequence_number() + 1
        self.records[number] = Record(partition_key, data, number, explicit_hash_key)
        return str(number)

    def get_max_sequence_number(self) -> int:
        """Return the newest record's sequence number, 0 while there is none."""
        # records are only ever added, one number after the other
        return len(self.records)


class IndexedKinesisBackend(KinesisBackend):
    """moto's Kinesis with indexed shards and one writer at a time."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.arrival = threading.Condition(threading.RLock())

    @property
    def _url_module(self) -> Any:
        return kinesis_urls

    def create_stream(self, *args: Any, **kwargs: Any) -> Stream:
        """Create a stream as moto does, with indexed shards."""
        with self.arrival:
            stream = super().create_stream(*args, **kwargs)
            stream.shards = {
                shard.shard_id: IndexedShard(number, shard.starting_hash, shard.ending_hash)
                for number, shard in enumerate(stream.shards.values())
            }
            return stream

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
        """Put a record from inside the process, without the metric that moto keeps for every API call.

        Raises:
            moto.kinesis.exceptions.StreamNotFoundError: There is no such stream.
        """
        with self.arrival:
            stream = self.describe_stream(stream_arn=stream_arn, stream_name=None)
            stream.put_record(partition_key, "", base64.b64encode(data).decode("ascii"))
            self.arrival.notify_all()

    def split_shard(self, *args: Any, **kwargs: Any) -> None:
        """Split a shard as moto does."""
        with self.arrival:
            super().split_shard(*args, **kwargs)

    def merge_shards(self, *args: Any, **kwargs: Any) -> None:
        """Merge two shards as moto does."""
        with self.arrival:
            super().merge_shards(*args, **kwargs)

    def update_shard_count(self, *args: Any, **kwargs: Any) -> int:
        """Change the number of shards as moto does."""
        with self.arrival:
            return super().update_shard_count(*args, **kwargs)


def install() -> None:
    """Make moto use this Kinesis; before moto's first use of it."""
    kinesis_backends.backend = IndexedKinesisBackend


def streams_of(account_id: str, region: str) -> IndexedKinesisBackend:
    """Return the streams of an account and region."""
    backend = kinesis_backends[account_id][region]
    if not isinstance(backend, IndexedKinesisBackend):
        raise TypeError("moto's own Kinesis is in use: call install() before the server starts")
    return backend
