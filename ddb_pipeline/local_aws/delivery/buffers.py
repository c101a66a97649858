"""What waits to become an S3 object: converted records, or the lines of those that failed.

Pure: sizes and times come in, contents and names come out.
"""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ddb_pipeline.local_aws.delivery.settings import DeliverySettings

# Python's fastest; what matters here is the time a burst takes
_COMPRESSION_LEVEL = 1


@dataclass(frozen=True)
class PendingObject:
    """An S3 object that is ready to be written.

    Attributes:
        key: Its key.
        body: Its bytes.
        records: How many source records it settles.
        size: Their bytes, before compression.
        oldest_number: Number of the first of them.
        oldest_ms: Arrival of the oldest of them, epoch milliseconds.
        error_type: What failed, for an object of records that failed; None for one of converted records.
    """

    key: str
    body: bytes
    records: int
    size: int
    oldest_number: int
    oldest_ms: int
    error_type: str | None


@dataclass
class Buffer:
    """Pieces of one future object.

    Attributes:
        error_type: What failed, if the pieces are of records that failed.
        since: When the first piece came in, on the clock of the caller, seconds.
        size: Bytes so far.
        records: Source records so far.
        oldest_number: Number of the first of them; None while there is none.
    """

    error_type: str | None = None
    since: float = 0.0
    size: int = 0
    records: int = 0
    oldest_number: int | None = None
    _pieces: list[bytes] = field(default_factory=list)
    _oldest_ms: int = 0

    def add(self, piece: bytes, number: int, arrived_at_ms: int, now: float) -> None:
        """Add the piece of one source record; records come in the order of their numbers."""
        if self.oldest_number is None:
            self.since, self.oldest_number, self._oldest_ms = now, number, arrived_at_ms
        elif arrived_at_ms < self._oldest_ms:
            self._oldest_ms = arrived_at_ms
        self._pieces.append(piece)
        self.records += 1
        self.size += len(piece)

    def cut(self, settings: DeliverySettings, encode: Callable[[bytes], bytes] | None = None) -> PendingObject:
        """Return the object, and start anew.

        Args:
            settings: Prefixes, compression and names.
            encode: Makes the object's content of the pieces; by default they are compressed as the settings say.
        """
        oldest = datetime.fromtimestamp(self._oldest_ms / 1000, UTC)
        prefixes = settings.prefixes
        if self.error_type is None:
            prefix = prefixes.for_delivered(oldest)
        else:
            prefix = prefixes.for_failed(oldest, self.error_type)
        # the time in the name: no page says which one it is, objects show about that of the oldest record
        time = f"{oldest:%Y-%m-%d-%H-%M-%S}"
        name = f"{settings.name}-{settings.version}-{time}-{uuid.uuid4()}{self._extension(settings)}"
        body = b"".join(self._pieces)
        if encode is not None:
            body = encode(body)
        elif settings.gzip:
            body = gzip.compress(body, _COMPRESSION_LEVEL)
        pending = PendingObject(
            prefix + name, body, self.records, self.size, self.oldest_number or 0, self._oldest_ms, self.error_type
        )
        self._pieces, self.records, self.size, self.oldest_number = [], 0, 0, None
        return pending

    def _extension(self, settings: DeliverySettings) -> str:
        # documents of errors are JSON lines, also where the rest is Parquet
        return "" if self.error_type is not None and settings.conversion else settings.file_extension
