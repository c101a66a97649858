"""Whether some items are in the view as they are in the table. Pure.

The table is always ahead of the view: what changed a moment ago is still under way. When a change was made, the table
does not say. So an item that differs is a suspect at first, with what the table held and between which moments that was
read: it may have changed just before it was read. It is wrong if, at a later check, enough time has passed for that
change to arrive, the table still holds the same, and the view still shows something older.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """An item as the view shows it.

    Attributes:
        item: Its canonical text.
        changed_at_us: When it changed, epoch microseconds.
        is_certain: Whether the view is sure of it.
    """

    item: str
    changed_at_us: int
    is_certain: bool


@dataclass(frozen=True)
class Suspect:
    """An item that differed.

    Attributes:
        item_key: Its key.
        held: What the table held (a hash; empty: no such item).
        asked_us: A moment before that was read first, epoch microseconds.
        read_us: A moment after it.
    """

    item_key: str
    held: str
    asked_us: int
    read_us: int


@dataclass(frozen=True)
class Difference:
    """An item that is wrong in the view: its key, and in which way."""

    item_key: str
    how: str


@dataclass(frozen=True)
class Agreement:
    """What a comparison came to.

    Attributes:
        agreeing: How many items are the same.
        differences: Items that are wrong in the view.
        suspects: Items that differ and may be right yet: to be looked at again.
        changed_lately: How many were left out, because the view knows of a change in the last minutes.
        uncertain: How many were left out, because the view itself is not sure of them.
    """

    agreeing: int
    differences: tuple[Difference, ...]
    suspects: tuple[Suspect, ...]
    changed_lately: int
    uncertain: int


def compare(
    held: Mapping[str, str | None],
    shown: Mapping[str, Shown],
    suspects: Mapping[str, Suspect],
    *,
    asked_us: int,
    read_us: int,
    under_way_us: int,
    all_is_crawled: bool,
) -> Agreement:
    """Compare items.

    Args:
        held: What the table holds, by key: canonical text, or None for no such item. Some of it was read before the
            view, some after it.
        shown: What the view shows, by key; items that it does not show are absent.
        suspects: Suspects of earlier comparisons, by key.
        asked_us: A moment before table and view were read, epoch microseconds.
        read_us: A moment after both were.
        under_way_us: How long a change may take to the view, microseconds.
        all_is_crawled: Whether every hour that has arrived is in the catalog; if not, nothing is found to be wrong.
    """
    agreeing = changed_lately = uncertain = 0
    differences, again = [], []
    for item_key, item in held.items():
        view = shown.get(item_key)
        if view and not view.is_certain:
            uncertain += 1
        elif view and view.changed_at_us > asked_us - under_way_us:
            changed_lately += 1
        elif (view.item if view else None) == item:
            agreeing += 1
        else:
            suspect = Suspect(item_key, _hash(item), asked_us, read_us)
            before = suspects.get(item_key)
            # a change that the view learned of since then may have had another one after it
            is_same = before and before.held == suspect.held and (not view or view.changed_at_us < before.asked_us)
            if before and is_same:
                suspect = before
            if all_is_crawled and suspect.read_us <= asked_us - under_way_us:
                differences.append(Difference(item_key, _how(item, view)))
            again.append(suspect)
    return Agreement(agreeing, tuple(differences), tuple(again), changed_lately, uncertain)


def _how(item: str | None, view: Shown | None) -> str:
    if item is None:
        return "in the view, not in the table"
    return "another image in the view" if view else "in the table, not in the view"


def _hash(item: str | None) -> str:
    return "" if item is None else hashlib.sha256(item.encode()).hexdigest()[:32]
