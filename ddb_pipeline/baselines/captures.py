"""Since when the changes of a table are captured without a gap, and which tables were streamed before. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ddb_pipeline.baselines.records import to_json_object, values_of

_LOOK_KEPT_US = 3_600_000_000
"""How far the note of the last look may lag behind: each that is written is a request."""


@dataclass(frozen=True)
class EarlierCapture:
    """A capture of changes that a gap has ended, or that was of another table.

    Attributes:
        number: Its number.
        table: Name of its table.
        active_since_us: When its destination was first seen active, epoch microseconds.
        looked_at_us: When it was last looked at, an hour before its last look at most.
    """

    number: int
    table: str
    active_since_us: int
    looked_at_us: int


@dataclass(frozen=True)
class Capture:
    """Since when the table's changes are captured without a gap, as far as it was seen.

    AWS says whether a streaming destination is active, not since when (API DescribeKinesisStreamingDestination), so
    the first sight of it counts. A gap between two looks stays unseen.

    Attributes:
        number: 1 for the first capture; one more after each gap that was seen, and with each other table.
        table_id: DynamoDB's id of the table: another table of the same name has another one.
        stream: Name of the change stream.
        active: Whether the destination was active when it was last looked at.
        active_since_us: When it was first seen active in this capture, epoch microseconds; 0: not yet.
        gap: Why this capture is not the one before, in words; empty for the first.
        table: Name of the table.
        looked_at_us: When it was last looked at, an hour before the last look at most.
        earlier: The captures before, oldest first; those that were never seen active are left out.
    """

    number: int
    table_id: str
    stream: str
    active: bool
    active_since_us: int
    gap: str
    table: str
    looked_at_us: int
    earlier: tuple[EarlierCapture, ...] = ()

    @property
    def first_number(self) -> int:
        """Number of the first capture of this table: what holds all changes since then rests on it."""
        return next((found.number for found in self.earlier if found.table == self.table), self.number)

    @property
    def first_seen_us(self) -> int:
        """When this table was first seen streaming, whatever was streamed since; 0: never."""
        known = [found.active_since_us for found in self.earlier if found.table == self.table]
        return known[0] if known else self.active_since_us

    @property
    def begun_us(self) -> int:
        """The pipeline streamed other tables alone before this moment; 0: as far as it is known, it never did."""
        others = [found for found in self.earlier if found.number < self.first_number]
        return others[-1].looked_at_us if others else 0

    @property
    def table_since_us(self) -> int:
        """When this table was first seen streaming after another one had been; 0: it was never seen streaming."""
        since_us = self.active_since_us
        for found in reversed(self.earlier):
            if found.table != self.table:
                break
            since_us = found.active_since_us
        return since_us

    def to_json(self) -> str:
        """The object in S3."""
        return to_json_object(self)

    @classmethod
    def from_json(cls, text: str) -> Capture:
        """Read the object.

        Raises:
            RecordError: It is of another format.
        """
        values = values_of(cls, text)
        return cls(**{**values, "earlier": tuple(EarlierCapture(**found) for found in values["earlier"])})


@dataclass(frozen=True)
class Sight:
    """The table and its streaming destination as they were at one look."""

    table: str
    table_id: str
    stream: str
    active: bool
    seen_at_us: int


def next_capture(known: Capture | None, sight: Sight) -> Capture:
    """Return what is known of the capture after one more look.

    Args:
        known: What was known before; None: nothing.
        sight: What was seen.
    """
    if known is None:
        return _begun(1, sight)
    if not known.active_since_us:
        # nothing rests on it: what was never seen active is not the beginning of anything yet
        return _begun(known.number, sight, known.gap, known.earlier)
    gap = _gap(known, sight)
    if gap is None:
        # seen inactive: the gap is counted once it has ended, for the next baseline has to be younger than that
        looked_at_us = known.looked_at_us
        if sight.seen_at_us >= looked_at_us + _LOOK_KEPT_US:
            looked_at_us = sight.seen_at_us
        return replace(known, active=sight.active, looked_at_us=looked_at_us)
    ended = EarlierCapture(known.number, known.table, known.active_since_us, known.looked_at_us)
    return _begun(known.number + 1, sight, gap, (*known.earlier, ended))


def _begun(number: int, sight: Sight, gap: str = "", earlier: tuple[EarlierCapture, ...] = ()) -> Capture:
    return Capture(
        number=number,
        table_id=sight.table_id,
        stream=sight.stream,
        active=sight.active,
        active_since_us=sight.seen_at_us if sight.active else 0,
        gap=gap,
        table=sight.table,
        looked_at_us=sight.seen_at_us,
        earlier=earlier,
    )


def _gap(known: Capture, sight: Sight) -> str | None:
    """Why what is seen is not the capture that is known; None: it is."""
    if known.table != sight.table:
        return f"table {known.table} was streamed before"
    if known.table_id != sight.table_id:
        return "the table was deleted and made again"
    if known.stream != sight.stream:
        return "the table streams into another stream"
    if sight.active and not known.active:
        return "the streaming destination was not active for a while"
    return None
