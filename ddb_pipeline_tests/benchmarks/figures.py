"""A figure of a benchmark: never alone, but beside a rival or a limit from the same run on the same machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """What was measured, and what it is held against.

    Attributes:
        what: What was measured.
        ours: How much, in `unit`.
        rival: The rival, or the limit.
        theirs: How much the rival took, or the limit, in `unit`.
        unit: Unit of both.
    """

    what: str
    ours: float
    rival: str
    theirs: float
    unit: str

    def __str__(self) -> str:
        line = f"{self.what}: {_number(self.ours)} {self.unit}; {self.rival}: {_number(self.theirs)} {self.unit}"
        return f"{line} ({self.ours / self.theirs:.2f} times)" if self.ours and self.theirs else line


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 100 else f"{value:.2f}"
