"""What waits to become an S3 object: converted records, and the lines of those that failed.

Pure: sizes and times come in, contents and names come out.
"""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ddb_pipeline.local_aws.delivery.settings import DeliverySettings

# Python's fastest; what matters here is the time a burst takes
_COMPRESSION_LEVEL = 1
_VERSION = 1
"""Version of a delivery stream's configuration: local AWS has no UpdateDestination."""


@dataclass(frozen=True)
class PendingObject:
    """An S3 object that is ready to be written.

    Attributes:
        key: Its key.
        body: Its bytes.
        numbers: The source records that it settles, by their numbers.
    """

    key: str
    body: bytes
    numbers: tuple[int, ...]


@dataclass
class Buffer:
    """Pieces of one future object.

    Attributes:
        since: When the first piece came in, on the clock of the caller, seconds.
        size: Bytes so far.
    """

    since: float = 0.0
    size: int = 0
    _pieces: list[bytes] = field(default_factory=list)
    _numbers: list[int] = field(default_factory=list)
    _oldest_ms: int | None = None

    @property
    def numbers(self) -> Sequence[int]:
        """Numbers of the source records inside."""
        return self._numbers

    def add(self, piece: bytes, number: int, arrived_at_ms: int, now: float) -> None:
        """Add the piece of one source record."""
        if not self._numbers:
            self.since = now
        self._pieces.append(piece)
        self._numbers.append(number)
        self.size += len(piece)
        self._oldest_ms = arrived_at_ms if self._oldest_ms is None else min(self._oldest_ms, arrived_at_ms)

    def cut(self, settings: DeliverySettings, *, failed: bool) -> PendingObject:
        """Return the object, and start anew.

        Args:
            settings: Prefixes, compression and names.
            failed: Whether the pieces are of records that failed.
        """
        oldest = datetime.fromtimestamp((self._oldest_ms or 0) / 1000, UTC)
        prefixes = settings.prefixes
        prefix = prefixes.for_failed(oldest) if failed else prefixes.for_delivered(oldest)
        # the time in the name: no page says which one it is, objects show about that of the oldest record
        name = f"{settings.name}-{_VERSION}-{oldest:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}{settings.file_extension}"
        body = b"".join(self._pieces)
        if settings.gzip:
            body = gzip.compress(body, _COMPRESSION_LEVEL)
        pending = PendingObject(prefix + name, body, tuple(self._numbers))
        self._pieces, self._numbers, self._oldest_ms, self.size = [], [], None, 0
        return pending
