"""Point-in-time recovery: what a table held at a moment of the past, kept as what to undo. Pure: no moto, no server."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

LONGEST_PERIOD_DAYS = 35
"""How far back a table can be seen at most, and unless set otherwise (API_PointInTimeRecoverySpecification.html)."""

_SECOND_US = 1_000_000
_DAY_US = 24 * 60 * 60 * _SECOND_US

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


class OutsideWindowError(Exception):
    """The moment lies before the recovery window, or in the future."""


@dataclass
class History(Generic[Key, Item]):
    """The changes of one table since its point-in-time recovery was switched on.

    Items are kept as they are given, so they must not be altered afterwards.

    Attributes:
        started_us: When it was switched on, epoch microseconds.
        period_days: How far back the table can be seen.
    """

    started_us: int
    period_days: int = LONGEST_PERIOD_DAYS
    _changes: deque[tuple[int, Key, Item | None]] = field(default_factory=deque)

    def record(self, changed_at_us: int, key: Key, before: Item | None) -> None:
        """Remember an item as it was before a change; times never go backwards."""
        self._changes.append((changed_at_us, key, before))
        while self._changes[0][0] < changed_at_us - self.period_days * _DAY_US:
            self._changes.popleft()

    def earliest_seconds(self, now_us: int) -> int:
        """Return the earliest moment that can be seen, in whole epoch seconds, as DynamoDB gives it.

        Rounded down: within the second in which recovery was switched on, the table is seen as it was at that moment.
        """
        return max(self.started_us, now_us - self.period_days * _DAY_US) // _SECOND_US

    def items_at(self, moment_us: int, now_us: int, items: Mapping[Key, Item]) -> dict[Key, Item]:
        """Return the table at a moment: the effect of all changes up to it, those of that very microsecond included.

        Args:
            moment_us: The moment, epoch microseconds.
            now_us: The present, epoch microseconds.
            items: All items of the present.

        Raises:
            OutsideWindowError: The table cannot be seen at that moment.
        """
        if not self.earliest_seconds(now_us) * _SECOND_US <= moment_us <= now_us:
            raise OutsideWindowError
        found = dict(items)
        for changed_at_us, key, before in reversed(self._changes):
            if changed_at_us <= moment_us:
                break
            if before is None:
                found.pop(key, None)
            else:
                found[key] = before
        return found
