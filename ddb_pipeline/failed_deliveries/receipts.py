"""The receipt of a replay: tags of the object whose records were put on the stream again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_AT, _RUN, _RECORDS, _LEFT, _BELOW = "replay-at", "replay-run", "replay-records", "replay-left", "replay-below"


@dataclass(frozen=True)
class Receipt:
    """What was done with an object. A tag has 256 characters of letters, digits, spaces and + - = . _ : / @ at most.

    Attributes:
        at: When, ISO 8601.
        run_id: Dagster's id of the run, or who else did it.
        records: How many of its records were put on the stream, in all replays of the object.
        left: How many stayed, having been replayed as often as was allowed.
        below: How often was allowed: records with fewer replays were put on the stream.
    """

    at: str
    run_id: str
    records: int
    left: int
    below: int

    def tags(self) -> dict[str, str]:
        """The receipt as tags."""
        values = (self.at, self.run_id, self.records, self.left, self.below)
        return {name: str(value) for name, value in zip((_AT, _RUN, _RECORDS, _LEFT, _BELOW), values, strict=True)}

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Receipt | None:
        """Read a receipt; None where there is none, or somebody changed it: then the object is replayed once more."""
        try:
            return cls(tags[_AT], tags[_RUN], int(tags[_RECORDS]), int(tags[_LEFT]), int(tags[_BELOW]))
        except (KeyError, ValueError):
            return None
