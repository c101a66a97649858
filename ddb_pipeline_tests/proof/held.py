"""Each view held against the lives: a list of what is wrong, empty when nothing is."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ddb_pipeline.baseline_making.late import KEYS_SHOWN
from ddb_pipeline.cli.table_scan import key_text
from ddb_pipeline_tests.proof.delivered import Ask, Delivered, Timed, comparable, instants, moved
from ddb_pipeline_tests.proof.lives import Image

Hold = Callable[[Ask, Delivered], list[str]]
HOUR_US = 3_600_000_000


def latest_item_state(ask: Ask, delivered: Delivered) -> list[str]:
    """One row per item that exists, with its last image; uncertain where the changes cannot tell, and only there."""
    rows = ask("SELECT item_key, image, state_certain FROM latest_item_state")
    return states(rows, delivered.ends(), delivered.undecidable())


def states(rows: Iterable[Sequence[Any]], expected: Mapping[str, Image], undecidable: set[str]) -> list[str]:
    """Rows (item_key, image, certain) against the image of each key; None is absence.

    What the changes alone cannot tell, a baseline may: such a state may be certain too, and then has to be right.
    """
    rows = list(rows)
    wrong = [f"two rows of {key}" for key, count in Counter(row[0] for row in rows).items() if count > 1]
    found = {key_text(json.loads(row[0])): (comparable(row[1]), row[2]) for row in rows}
    for key, image in expected.items():
        text, certain = found.pop(key, (comparable(None), True))
        if certain and text != json.dumps(image, sort_keys=True):
            wrong.append(f"{key} is {image}, the view says {text}")
        if not certain and key not in undecidable:
            wrong.append(f"{key} can be told, the view calls it uncertain")
    return wrong + [f"nobody wrote {key}" for key in found]


class TooLate:
    """Changes that arrived too late for a baseline, so that the views lack them until the next one.

    Args:
        rows: Item key and time of each change row; repeats count.
    """

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self.changes = 0
        self.oldest: dict[str, int] = {}
        for item_key, changed_at_us in rows:
            self.changes += 1
            self.oldest[item_key] = min(changed_at_us, self.oldest.get(item_key, changed_at_us))

    def differences(self, changes: int, listed: list[tuple[str, int]]) -> list[str]:
        """What is wrong with a count of them, and with a list of the items whose changes are the oldest."""
        expected = sorted(self.oldest.items(), key=lambda item: (item[1], item[0]))[:KEYS_SHOWN]
        wrong = [] if changes == self.changes else [f"{changes} are counted, there are {self.changes}"]
        return wrong + ([] if listed == expected else [f"{listed} are listed, should be {expected}"])

    def hold_the_others(self, ask: Ask, delivered: Delivered) -> list[str]:
        """The states of all other items are as they would be."""
        rows = ask("SELECT item_key, image, state_certain FROM latest_item_state")
        late = {key_text(json.loads(item_key)) for item_key in self.oldest}
        expected = {key: image for key, image in delivered.ends().items() if key not in late}
        return states([row for row in rows if row[0] not in self.oldest], expected, delivered.undecidable())


def change_counts(ask: Ask, delivered: Delivered) -> list[str]:
    """Each change counts once, in the hour of its time."""
    expected: Counter[tuple[int, str, bool]] = Counter()
    items: dict[tuple[int, str, bool], set[str]] = defaultdict(set)
    for key, steps in delivered.lives.items():
        for timed in steps:
            place = (timed.at_us // HOUR_US, timed.step.event_name, timed.step.by_time_to_live)
            expected[place] += 1
            items[place].add(key)
    columns = "to_unixtime(changed_hour), event_name, expired_by_ttl, changes, distinct_items"
    rows = ask(f"SELECT {columns} FROM change_counts")
    found = {(int(hour) // 3600, name, expired): counts for hour, name, expired, *counts in rows}
    wanted = {place: [count, len(items[place])] for place, count in expected.items()}
    return [] if found == wanted else [f"counts are {found}, should be {wanted}"]


def item_history(ask: Ask, delivered: Delivered) -> list[str]:
    """A row per change; what each instant came to was valid until the next one that came to something else."""
    columns = "changed_at_us, event_name, before, after, expired_by_ttl, tied, valid_from_us, valid_to_us, is_current"
    found: dict[str, list[Any]] = defaultdict(list)
    for key, *row in ask(f"SELECT item_key, {columns} FROM item_history"):
        row[2:4] = map(comparable, row[2:4])
        found[key_text(json.loads(key))].append(tuple(row))
    wrong = []
    undecidable = delivered.undecidable()
    for key, steps in delivered.lives.items():
        rows = found.pop(key, [])
        changes = [
            (one.at_us, one.step.event_name, _text(one.step.before), _text(one.step.after), one.step.by_time_to_live,
             len(instant) > 1)
            for instant in instants(steps)
            for one in instant
        ]  # fmt: skip
        if Counter(row[:6] for row in rows) != Counter(changes):
            wrong.append(f"{key}: changes are {rows}, should be {changes}")
        elif key not in undecidable and sorted(intervals(rows)) != sorted(valid(steps)):
            wrong.append(f"{key}: intervals are {sorted(intervals(rows))}, should be {sorted(valid(steps))}")
    return wrong + [f"nobody wrote {key}" for key in found]


def intervals(rows: Iterable[Sequence[Any]]) -> list[tuple[int, int, str]]:
    """The times in which the rows say that an image was the state: not those that they say lasted no time."""
    return [
        (begin, end if end is not None else -1, after)
        for _, _, _, after, _, _, begin, end, is_current in rows
        if begin is not None and (end != begin or is_current)
    ]


def valid(steps: list[Timed]) -> list[tuple[int, int, str]]:
    """When each image really was the state, as far as instants tell; -1 is now."""
    ends = [(instant[-1].at_us, instant[-1].step.after) for instant in instants(steps) if moved(instant)]
    following = [at_us for at_us, _ in ends[1:]] + [-1]
    return [
        (at_us, until, _text(image)) for (at_us, image), until in zip(ends, following, strict=True) if image is not None
    ]


def deleted_items(ask: Ask, delivered: Delivered) -> list[str]:
    """A row for each item that is gone: what it last was, when it went, by time to live or not."""
    rows = ask("SELECT item_key, image, deleted_at_us, expired_by_ttl FROM deleted_items")
    wrong = [f"two rows of {key}" for key, count in Counter(row[0] for row in rows).items() if count > 1]
    found = {key_text(json.loads(key)): (comparable(image), *rest) for key, image, *rest in rows}
    undecidable = delivered.undecidable()
    for key, steps in delivered.lives.items():
        if not steps or steps[-1].step.after is not None or key in undecidable:
            continue
        row = found.pop(key, None)
        # of several deletes in one instant nobody can tell which was the last
        deletes = [one for one in instants(steps)[-1] if one.step.after is None]
        if row not in [(_text(one.step.before), one.at_us, one.step.by_time_to_live) for one in deletes]:
            wrong.append(f"{key}: {row} is none of {deletes}")
    # what the changes alone cannot tell, a baseline may
    gone = {key for key in undecidable if delivered.lives[key][-1].step.after is None}
    return wrong + [f"{key} is not gone" for key in found if key not in gone]


def attribute_changes(ask: Ask, delivered: Delivered) -> list[str]:
    """A row for each attribute that differs between the images of a change."""
    columns = "changed_at_us, event_name, attribute, old_type, old_value, new_type, new_value"
    found: Counter[tuple[Any, ...]] = Counter()
    for key, at_us, name, attribute, *values in ask(f"SELECT item_key, {columns} FROM attribute_changes"):
        old, new = (values[0], plain_text(values[1])), (values[2], plain_text(values[3]))
        found[key_text(json.loads(key)), at_us, name, attribute, old, new] += 1
    expected: Counter[tuple[Any, ...]] = Counter()
    for key, steps in delivered.lives.items():
        for one in steps:
            before, after = one.step.before or {}, one.step.after or {}
            for attribute in before.keys() | after.keys():
                old, new = before.get(attribute), after.get(attribute)
                if old != new:
                    expected[key, one.at_us, one.step.event_name, attribute, _typed(old), _typed(new)] += 1
    wrong = [f"not said: {change}" for change in expected - found]
    return wrong + [f"never happened: {change}" for change in found - expected]


def change_problems(ask: Ask, delivered: Delivered) -> list[str]:
    """All changes have arrived, so nothing is wrong but what their times leave open."""
    rows = ask("SELECT item_key, problem FROM change_problems")
    found = {(key_text(json.loads(key)), problem) for key, problem in rows}
    expected = {(key, "undecided") for key in delivered.undecidable()}
    uncertain = {
        (key_text(json.loads(key)), "undecided")
        for (key,) in ask("SELECT item_key FROM latest_item_state WHERE NOT state_certain")
    }
    wrong = [f"said of no reason: {one}" for one in found - expected]
    return wrong + [f"not said: {one}" for one in uncertain - found]


def plain_text(value: str | None) -> str | None:
    """Plain JSON in a form that does not depend on how it was written down, with every digit of its numbers."""
    if value is None:
        return None
    return repr(in_order(json.loads(value, parse_int=_Number, parse_float=_Number)))


class _Number(str):
    """The digits of a number; not equal to a text of the same digits, once it is written by repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"number {self!s}"


def expected_text(value: dict[str, Any]) -> str:
    """What `plain_text` makes of a typed value's plain JSON."""
    return repr(in_order(plain(value)))


def _typed(value: dict[str, Any] | None) -> tuple[str | None, str | None]:
    return (None, None) if value is None else (next(iter(value)), expected_text(value))


def plain(value: dict[str, Any]) -> Any:
    """A typed value as plain JSON has it: numbers with their digits, sets as arrays, binary as base64."""
    ((tag, content),) = value.items()
    if tag == "N":
        return _Number(content)
    if tag == "NS":
        return [_Number(member) for member in content]
    if tag == "NULL":
        return None
    if tag == "M":
        return {name: plain(member) for name, member in content.items()}
    return [plain(member) for member in content] if tag == "L" else content


def in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: in_order(value[name]) for name in sorted(value)}
    return [in_order(member) for member in value] if isinstance(value, list) else value


def _text(image: Image) -> str:
    return json.dumps(image, sort_keys=True)


VIEWS: dict[str, Hold] = {
    hold.__name__: hold
    for hold in (latest_item_state, change_counts, item_history, deleted_items, attribute_changes, change_problems)
}
