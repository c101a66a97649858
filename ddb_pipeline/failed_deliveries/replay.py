"""Puts the records of failed deliveries on the stream again, object by object, each with its receipt.

The receipt is looked at before and written after. A process that dies in between leaves records on the stream twice:
the state rule drops repeats by their event id, so no view is wrong for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ddb_pipeline.arrivals import counted
from ddb_pipeline.failed_deliveries.documents import (
    REPLAYED_TYPES,
    FailedRecord,
    UnreadableDocumentError,
    read_document,
)
from ddb_pipeline.failed_deliveries.receipts import Receipt
from ddb_pipeline.resources.change_stream import LONGEST_RECORD, ChangeStream, StreamRecord
from ddb_pipeline.resources.failed_deliveries import ErrorObject, FailedDeliveries
from ddb_pipeline.resources.waiting import Waiting

MOST_REPLAYS = 3
"""How often a record is put on the stream again, unless somebody asks for more: one that the converter always refuses,
or whose row never fits the table, stays then."""
MOST_ALLOWED = 100
"""The most that somebody may ask for."""
_PATIENCE_SECONDS = 300.0


@dataclass
class Replayed:
    """What a replay came to.

    Attributes:
        objects: Objects whose records were put on the stream.
        records: How many records that were.
        settled: Objects that were passed over: their receipt says that they have been replayed.
        stayed: Why some stayed, by key of the object: the reason, or how many records have which.
        waiting: Objects that were not looked at, because the run was told to do no more.
    """

    objects: list[str] = field(default_factory=list)
    records: int = 0
    settled: int = 0
    stayed: dict[str, str] = field(default_factory=dict)
    waiting: int = 0


class Replay:
    """One replay.

    Args:
        failed: The objects.
        stream: Where their records go.
        run_id: Stands in the receipts.
        most_replays: Records that were put on the stream as often as this already stay.
        most_objects: Objects that are replayed at most; the rest waits for the next replay.
        note: Takes a line for the log.
    """

    def __init__(
        self,
        failed: FailedDeliveries,
        stream: ChangeStream,
        *,
        run_id: str,
        most_replays: int,
        most_objects: int,
        note: Callable[[str], None],
    ) -> None:
        self._failed = failed
        self._stream = stream
        self._run_id = run_id
        self._most_replays = most_replays
        self._most_objects = most_objects
        self._note = note
        self._done = Replayed()

    def run(self, objects: Iterable[ErrorObject]) -> Replayed:
        """Replay objects, those that were written first first.

        Raises:
            AwsError: The stream took no more; what was done so far has its receipts.
        """
        for one in sorted(objects, key=lambda found: (found.last_modified, found.key)):
            if len(self._done.objects) >= self._most_objects:
                self._done.waiting += 1
                continue
            self._replay(one)
        return self._done

    def _replay(self, one: ErrorObject) -> None:
        if one.error_type not in REPLAYED_TYPES:
            self._stay(one, f"errors of type {one.error_type} are not known here: look into the object")
            return
        receipt = self._failed.receipt(one.key)
        if receipt and receipt.left == 0:
            self._done.settled += 1
            return
        body = self._failed.body(one.key)
        if body is None:
            self._note(f"{one.key} is gone")
            return
        try:
            records = read_document(body)
        except UnreadableDocumentError as error:
            self._stay(one, f"the object {error}: look into it")
            return
        if receipt and receipt.below >= self._most_replays:
            # nothing of it may be replayed; why, its records say
            self._done.settled += 1
            self._stay(one, _told(record for record in records if self._stays(record, receipt.below)))
            return
        # what an earlier replay of the object let through is on the stream already
        least = receipt.below if receipt else 0
        chosen = [record for record in records if least <= record.replays < self._most_replays and _fits(record)]
        left = [record for record in records if self._stays(record, self._most_replays)]
        self._put(one, receipt, chosen, left)

    def _put(
        self, one: ErrorObject, receipt: Receipt | None, chosen: list[FailedRecord], left: list[FailedRecord]
    ) -> None:
        if chosen:
            waiting = Waiting(_PATIENCE_SECONDS, first_seconds=0.2, longest_seconds=10)
            self._stream.put((StreamRecord(record.marked, record.partition_key) for record in chosen), waiting)
            self._done.objects.append(one.key)
            self._done.records += len(chosen)
        records = len(chosen) + (receipt.records if receipt else 0)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._failed.write_receipt(one.key, Receipt(at, self._run_id, records, len(left), self._most_replays))
        self._note(f"{one.key}: records on the stream again: {len(chosen)}, left below errors/: {len(left)}")
        if left:
            self._stay(one, _told(left))

    @staticmethod
    def _stays(record: FailedRecord, most_replays: int) -> bool:
        return record.replays >= most_replays or not _fits(record)

    def _stay(self, one: ErrorObject, reason: str) -> None:
        self._done.stayed[one.key] = reason


def _fits(record: FailedRecord) -> bool:
    return len(record.marked) + len(record.partition_key) <= LONGEST_RECORD


def _told(left: Iterable[FailedRecord]) -> str:
    reasons = Counter(
        f"failed after {counted(record.replays, 'replay')} ({record.reason})"
        if _fits(record)
        else "is longer than a record of the stream may be (1 MiB)"
        for record in left
    )
    return "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common(5))
