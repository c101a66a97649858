"""The records of a Kinesis stream, kept so that neither putting nor getting one costs more the more there are.

moto's shard is slower with every record it holds, counts 1, 2, 3, and when it is split or merged, its records move to
another one, where readers see them twice or not at all.
"""

from __future__ import annotations

import base64
import bisect
import hashlib
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from moto.kinesis.exceptions import InvalidArgumentError
from moto.kinesis.models import Shard, Stream

_MOST_RECORDS = 10_000
_MOST_BYTES = 10 * 2**20
"""GetRecords returns no more than that (kinesis/latest/APIReference/API_GetRecords.html)."""

_SECONDS_PER_HOUR = 3600

# Sequence numbers as they are seen on AWS: 47 hexadecimal digits, written as 56 decimal ones that begin with 49. What
# the digits stand for is github mhart/kinalite's finding, db/index.js; AWS says only that they rise within a shard.
_SEQUENCE = "2{created:09x}{low:x}{position:016x}00{arrived:09x}{shard:08x}2"
_POSITION = slice(11, 27)


class StreamRecord:
    """A record of a shard.

    Attributes:
        shard: Its shard.
        position: Its place in the shard: 1, 2, 3, without gaps.
        partition_key: As it was put.
        explicit_hash_key: As it was put, None if it was not.
        data: Its bytes.
        created_at: When it arrived, epoch seconds.
    """

    __slots__ = ("created_at", "data", "explicit_hash_key", "partition_key", "position", "shard")

    def __init__(
        self, shard: IndexedShard, position: int, partition_key: str, data: bytes, hash_key: str | None
    ) -> None:
        self.shard = shard
        self.position = position
        self.partition_key = partition_key
        self.explicit_hash_key = hash_key
        self.data = data
        self.created_at = time.time()

    @property
    def sequence_number(self) -> str:
        """Its sequence number, in AWS's form."""
        return self.shard.sequence_number(self.position, self.created_at)

    def to_json(self) -> dict[str, Any]:
        """The record as GetRecords shows it."""
        return {
            "Data": self.data,
            "PartitionKey": self.partition_key,
            "SequenceNumber": self.sequence_number,
            "ApproximateArrivalTimestamp": datetime.fromtimestamp(self.created_at, UTC),
        }


class IndexedShard(Shard):
    """A shard whose records are found by their position; the caller of every method holds the backend's lock."""

    def __init__(self, number: int, starting_hash: int, ending_hash: int, *parents: str) -> None:
        super().__init__(number, starting_hash, ending_hash, *parents)
        self.created_at = time.time()
        self._kept: dict[int, StreamRecord] = {}
        self._oldest = 1

    def restore(self, records: Iterable[StreamRecord]) -> None:
        """Hold these records again, oldest first and without gaps, and no others."""
        self._kept = {record.position: record for record in records}
        self._oldest = min(self._kept, default=1)

    @property
    def oldest(self) -> int:
        """Position of the oldest record that is kept."""
        return self._oldest

    @property
    def newest(self) -> int:
        """Position of the newest record, 0 while there never was one."""
        return self._oldest + len(self._kept) - 1

    def sequence_number(self, position: int, arrived_at: float) -> str:
        """Return the sequence number of a record at a position."""
        digits = _SEQUENCE.format(
            created=int(self.created_at),
            low=self._shard_id % 16,
            position=position,
            arrived=int(arrived_at),
            shard=self._shard_id,
        )
        return str(int(digits, 16))

    def position_of(self, sequence_number: str) -> int:
        """Return the position that a sequence number of this shard stands for.

        Raises:
            ValueError: It is none of this shard.
        """
        digits = f"{int(sequence_number):x}"
        own = f"{int(self.sequence_number(0, self.created_at)):x}"
        if len(digits) != len(own) or digits[: _POSITION.start] != own[: _POSITION.start]:
            raise ValueError(sequence_number)
        return int(digits[_POSITION], 16)

    def position_at(self, moment: float) -> int:
        """Return the position before the first record that arrived at a moment, epoch seconds, or later."""
        kept = range(self._oldest, self.newest + 1)
        return self._oldest - 1 + bisect.bisect_left(kept, moment, key=lambda number: self._kept[number].created_at)

    def append(self, partition_key: str, data: bytes, explicit_hash_key: str | None) -> StreamRecord:
        """Append a record."""
        record = StreamRecord(self, self.newest + 1, partition_key, data, explicit_hash_key)
        self._kept[record.position] = record
        return record

    def trim(self, oldest: float) -> None:
        """Forget the records that arrived before a moment, epoch seconds."""
        while self._kept and self._kept[self._oldest].created_at < oldest:
            del self._kept[self._oldest]
            self._oldest += 1

    def records_after(self, position: int, limit: int) -> list[StreamRecord]:
        """Return the records behind a position, oldest first, as far as they are kept."""
        first = max(position + 1, self._oldest)
        found = (self._kept.get(number) for number in range(first, min(first + limit, self.newest + 1)))
        # a reader that holds no lock may be overtaken by `trim`
        return [record for record in found if record is not None]

    def get_records(  # type: ignore[override]
        self, last_sequence_id: str, limit: int | None
    ) -> tuple[list[StreamRecord], int, int]:
        """Return the records behind a position, the last one's position, and how many ms it is behind."""
        position = int(last_sequence_id)
        found: list[StreamRecord] = []
        size = 0
        for record in self.records_after(position, min(limit or _MOST_RECORDS, _MOST_RECORDS)):
            size += len(record.data)
            if found and size > _MOST_BYTES:
                break
            found.append(record)
        if not found:
            return [], position, 0
        behind = self._kept[self.newest].created_at - found[-1].created_at
        return found, found[-1].position, max(0, int(behind * 1000))

    def to_json(self) -> dict[str, Any]:
        """The shard as ListShards and DescribeStream show it."""
        described: dict[str, Any] = super().to_json()
        numbers = described["SequenceNumberRange"]
        numbers["StartingSequenceNumber"] = self.sequence_number(0, self.created_at)
        if not self.is_open:
            newest = self._kept.get(self.newest)
            arrived_at = self.created_at if newest is None else newest.created_at
            numbers["EndingSequenceNumber"] = self.sequence_number(self.newest, arrived_at)
        return described

    def get_min_sequence_number(self) -> int:
        """Return the position of the oldest record, which is all that moto asks for."""
        return self._oldest

    def get_max_sequence_number(self) -> int:
        """Return the position of the newest record, which is all that moto asks for."""
        return self.newest


class IndexedStream(Stream):
    """A stream of indexed shards."""

    shards: dict[str, IndexedShard]  # type: ignore[assignment]

    @classmethod
    def of(cls, stream: Stream) -> IndexedStream:
        """Take the place of a new stream of moto's."""
        indexed = object.__new__(cls)
        indexed.__dict__.update(stream.__dict__)
        indexed.shards = {
            shard.shard_id: IndexedShard(number, shard.starting_hash, shard.ending_hash)
            for number, shard in enumerate(stream.shards.values())
        }
        return indexed

    def split_shard(self, shard_to_split: str, new_starting_hash_key: str) -> None:
        """Close a shard, and open two in its place. Its records stay where they are, as on AWS."""
        shard, start = self._open_shard(shard_to_split), int(new_starting_hash_key)
        if not shard.starting_hash < start < shard.ending_hash:
            raise InvalidArgumentError(
                f"NewStartingHashKey {start} used in SplitShard() on shard {shard_to_split} in stream "
                f"{self.stream_name} under account {self.account_id} is not both greater than one plus the shard's "
                f"StartingHashKey {shard.starting_hash} and less than the shard's EndingHashKey "
                f"{shard.ending_hash - 1}."
            )
        shard.is_open = False
        self._open(shard.starting_hash, start - 1, shard.shard_id)
        self._open(start, shard.ending_hash, shard.shard_id)

    def merge_shards(self, shard_to_merge: str, adjacent_shard_to_merge: str) -> None:
        """Close two shards, and open one in their place. Their records stay where they are, as on AWS."""
        one, other = self._open_shard(shard_to_merge), self._open_shard(adjacent_shard_to_merge)
        low, high = sorted((one, other), key=lambda shard: shard.starting_hash)
        if low.ending_hash + 1 != high.starting_hash:
            raise InvalidArgumentError(
                f"Shards {shard_to_merge} and {adjacent_shard_to_merge} in stream {self.stream_name} under account "
                f"{self.account_id} are not an adjacent pair of shards eligible for merging"
            )
        one.is_open = other.is_open = False
        self._open(low.starting_hash, high.ending_hash, one.shard_id, other.shard_id)

    def _open(self, starting_hash: int, ending_hash: int, *parents: str) -> None:
        shard = IndexedShard(len(self.shards), starting_hash, ending_hash, *parents)
        self.shards[shard.shard_id] = shard

    def _open_shard(self, shard_id: str) -> IndexedShard:
        shard = self.shards[shard_id]
        if not shard.is_open:
            raise InvalidArgumentError(
                f"Shard {shard_id} in stream {self.stream_name} under account {self.account_id} has already been "
                "merged or split, and thus is not eligible for merging or splitting."
            )
        return shard

    def get_shard_for_key(self, partition_key: str, explicit_hash_key: str | None) -> IndexedShard:
        """Return the open shard that a record belongs to; moto's may be closed, or none at all."""
        _check_length("PartitionKey", partition_key, 256)
        if explicit_hash_key is None:
            place = int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")
        else:
            _check_length("ExplicitHashKey", explicit_hash_key, 39)
            place = int(explicit_hash_key) if explicit_hash_key.isdecimal() else 2**128
        for shard in self.shards.values():
            if shard.is_open and shard.starting_hash <= place <= shard.ending_hash:
                return shard
        raise InvalidArgumentError(f"Invalid ExplicitHashKey: {explicit_hash_key}")

    def append(self, partition_key: str, explicit_hash_key: str | None, data: bytes) -> StreamRecord:
        """Append a record to its shard, and forget those that are older than the retention period."""
        shard = self.get_shard_for_key(partition_key, explicit_hash_key)
        record = shard.append(partition_key, data, explicit_hash_key)
        shard.trim(record.created_at - self.retention_period_hours * _SECONDS_PER_HOUR)
        return record

    def put_record(self, partition_key: str, explicit_hash_key: str | None, data: str) -> tuple[str, str]:
        """Append a record sent through the API, its data in base64."""
        record = self.append(partition_key, explicit_hash_key, base64.b64decode(data))
        return record.sequence_number, record.shard.shard_id


def _check_length(name: str, key: str, longest: int) -> None:
    if not 1 <= len(key) <= longest:
        raise InvalidArgumentError(f"{name} has from 1 to {longest} characters")
