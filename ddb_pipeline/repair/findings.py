"""What a repair finds, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        what: What is wrong, in a sentence for a person.
        remedy: What becomes of it, such as "made from its SQL"; where only a person can mend it: what to do.
        mend: Does it; None: only a person can.
    """

    what: str
    remedy: str
    mend: Callable[[], None] | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a finding.

    Attributes:
        finding: The finding.
        is_mended: Whether it was mended; False in a dry run, and where only a person can mend it.
    """

    finding: Finding
    is_mended: bool

    @property
    def sentence(self) -> str:
        """What was found and what becomes of it."""
        would = "" if self.is_mended or self.finding.mend is None else "would be "
        return f"{self.finding.what}: {would}{self.finding.remedy}"


Look = Callable[[], Iterable[Finding]]
"""Looks at one kind of thing; asked only when what it rests on has been mended."""


def go_through(looks: Iterable[Look], *, dry_run: bool, note: Callable[[Outcome], None]) -> list[Outcome]:
    """Look at one thing after the other, and mend what is wrong with it before looking at the next.

    Args:
        looks: In the order in which things rest on each other.
        dry_run: Mend nothing.
        note: Takes each outcome as soon as it is there.
    """
    outcomes: list[Outcome] = []
    for look in looks:
        for finding in look():
            if finding.mend is not None and not dry_run:
                finding.mend()
            outcomes.append(Outcome(finding, finding.mend is not None and not dry_run))
            note(outcomes[-1])
    return outcomes
