"""Reads the shards of a Kinesis stream in order, from LATEST on: what was on the stream before is not delivered.

On AWS too, a delivery stream reads from the newest record on, and not from the oldest (firehose/latest/dev,
"Writing to Amazon Data Firehose using Kinesis Data Streams").
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

from ddb_pipeline.local_aws.change_stream.shards import IndexedStream, StreamRecord
from ddb_pipeline.local_aws.delivery.transformation import SourceRecord

# of one shard at a time: reading holds up the writers of the stream
_RECORDS_PER_READ = 2_000


class Source:
    """The position of one reader in each shard of a Kinesis stream.

    Args:
        stream: The stream, as moto holds it. It is followed even when it is deleted or made anew.
        arrival: Guards the stream.
        positions: Where to begin, by shard; None for the newest records.
    """

    def __init__(
        self, stream: IndexedStream, arrival: threading.Condition, positions: Mapping[str, int] | None
    ) -> None:
        self._stream = stream
        self._arrival = arrival
        self._positions = self.newest() if positions is None else dict(positions)
        self._settled = dict(self._positions)
        # the positions after each read, until everything read by then is settled
        self._reads: deque[tuple[int, dict[str, int]]] = deque()
        self.read_records = 0
        """Records read so far."""
        self.seconds_behind = 0.0
        """How far the last record read was behind the newest on its shard, at that time."""

    def newest(self) -> dict[str, int]:
        """The position of the newest record of each shard."""
        with self._arrival:
            return {name: shard.newest for name, shard in self._stream.shards.items()}

    def skip_to_newest(self) -> None:
        """Go on behind the newest record of each shard."""
        with self._arrival:
            self._positions = self.newest()
            self._settled = dict(self._positions)

    def has_read_up_to(self, newest: dict[str, int]) -> bool:
        """Say whether every record up to these positions has been read."""
        with self._arrival:
            return all(self._positions.get(name, 0) >= number for name, number in newest.items())

    def settled(self, number: int) -> dict[str, int]:
        """Where another reader would have to begin, if the records up to that one are dealt with.

        Args:
            number: Of the records read, counted from 1.
        """
        with self._arrival:
            while self._reads and self._reads[0][0] <= number:
                self._settled = self._reads.popleft()[1]
            return self._settled

    def read(self) -> list[SourceRecord]:
        """Take new records from all shards; none if there are none."""
        found: list[tuple[str, StreamRecord]] = []
        with self._arrival:
            behind = 0.0
            for name, shard in self._stream.shards.items():
                records = shard.records_after(self._positions.get(name, 0), _RECORDS_PER_READ)
                if records:
                    self._positions[name] = records[-1].position
                    [newest] = shard.records_after(shard.newest - 1, 1)
                    behind = max(behind, newest.created_at - records[-1].created_at)
                    found += [(name, record) for record in records]
            self.seconds_behind = behind
            # with the positions: whoever sees that a record was read finds it counted
            first = self.read_records + 1
            self.read_records += len(found)
            if found:
                self._reads.append((self.read_records, dict(self._positions)))
        return [
            SourceRecord(
                number,
                record.data,
                shard_id,
                record.sequence_number,
                record.partition_key,
                int(record.created_at * 1000),
            )
            for number, (shard_id, record) in enumerate(found, start=first)
        ]
