"""What arrived of each life in the table `changes`, and what that leaves decidable."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ddb_pipeline.cli.table_scan import key_text
from ddb_pipeline_tests.proof.lives import Image, Life, Step

Ask = Callable[[str], Sequence[Sequence[Any]]]
"""Runs a query and returns its rows."""


@dataclass(frozen=True)
class Timed:
    """A step with the time that its change record carries, epoch microseconds."""

    at_us: int
    step: Step


@dataclass(frozen=True)
class Delivered:
    """What arrived.

    Attributes:
        lives: The steps of each life in their true order, by the text of its key.
        records: Change rows, repeats included.
        faults: Differences between what was written and what arrived.
    """

    lives: dict[str, list[Timed]]
    records: int
    faults: list[str]

    def undecidable(self) -> set[str]:
        """The keys of which no instant leaves the item in another state than it found it.

        There the changes alone, whose order inside an instant is not known, do not tell the state.
        """
        return {key for key, steps in self.lives.items() if steps and not any(moved(i) for i in instants(steps))}

    def until(self, moment_us: int) -> Delivered:
        """What had happened up to a moment, by the times that change records carry; epoch microseconds."""
        lives = {key: [timed for timed in steps if timed.at_us <= moment_us] for key, steps in self.lives.items()}
        return Delivered(lives, self.records, [])

    def ends(self) -> dict[str, Image]:
        """What each item has come to."""
        return {key: steps[-1].step.after for key, steps in self.lives.items() if steps}


def instants(steps: Iterable[Timed]) -> list[list[Timed]]:
    """The steps by their instant, oldest first."""
    return [list(group) for _, group in groupby(steps, key=lambda timed: timed.at_us)]


def moved(instant: list[Timed]) -> bool:
    """Whether an instant leaves the item in another state than it found it."""
    return instant[0].step.before != instant[-1].step.after


def read(ask: Ask, lives: Iterable[Life]) -> Delivered:
    """Read every change row, and hold it against what was written."""
    found: dict[str, dict[str, tuple[int, str, str, bool]]] = defaultdict(dict)
    faults, records = [], 0
    for item_key, event_id, at_us, old, new, expired in ask(
        "SELECT item_key, event_id, changed_at_us, old_image, new_image, expired_by_ttl FROM changes"
    ):
        records += 1
        event = (at_us, comparable(old), comparable(new), expired)
        if found[key_text(json.loads(item_key))].setdefault(event_id, event) != event:
            faults.append(f"{event_id} arrived with two contents")
    timed = {}
    for life in lives:
        key = key_text(life.key)
        events = sorted(found.pop(key, {}).values())
        if len(events) != len(life.steps):
            faults.append(f"{key}: {len(life.steps)} changes were made, {len(events)} arrived")
            continue
        # an item's changes carry times that never run backwards, so its n-th step has the n-th time
        steps = [Timed(event[0], step) for event, step in zip(events, life.steps, strict=True)]
        arrived = Counter(events)
        made = Counter((one.at_us, *as_text(one.step)) for one in steps)
        if arrived != made:
            faults.append(f"{key}: what arrived is not what was written: {arrived - made} instead of {made - arrived}")
        timed[key] = steps
    faults += [f"{key}: nobody wrote this item" for key in found]
    return Delivered(timed, records, faults)


def as_text(step: Step) -> tuple[str, str, bool]:
    """Both images of a step as comparable text, and whether time to live made it."""
    before, after = (json.dumps(image, sort_keys=True) for image in (step.before, step.after))
    return before, after, step.by_time_to_live


def comparable(image: str | None) -> str:
    """An image's text in a form that does not depend on how it was written down."""
    return json.dumps(None if image is None else json.loads(image), sort_keys=True)
