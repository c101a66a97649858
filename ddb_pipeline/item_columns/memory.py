"""What is remembered of the attributes of items from run to run: their columns' names, what was seen of them. Pure.

One JSON object that people can read. Whoever loses it loses no data: all hours are looked at again, and because names
follow from paths, nearly all columns come back with the names that they had.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ddb_pipeline.arrivals import partition_key
from ddb_pipeline.item_columns.hours import HoursLookedAt, read_hour, read_ranges, write_ranges
from ddb_pipeline.item_columns.types import NOTHING_SEEN, Seen

VERSION = 1
_ABOUT = "Which attributes of items are columns of the views. Written by the Dagster asset item_attributes; delete it "
_ABOUT += "to have all hours looked at again."


class BrokenMemoryError(Exception):
    """The text is not a memory; the message says what is wrong with it."""


class NewerMemoryError(Exception):
    """The memory has a shape that only a later version of this project reads."""


@dataclass(frozen=True)
class Attribute:
    """An attribute that has a column.

    Attributes:
        path: Its name, then the names of members of nested maps.
        column: Name of its column.
        since: When it was discovered, UTC.
        seen: What is known of its values.
    """

    path: tuple[str, ...]
    column: str
    since: str
    seen: Seen = NOTHING_SEEN


@dataclass(frozen=True)
class Memory:
    """All that is remembered.

    Attributes:
        attributes: Attributes with columns, in the order of these.
        looked_at: Hours of the change table that were looked at.
        baseline_id: Newest baseline whose rows were looked at; None: none was.
        depth: Longest path that was looked for.
        limit: Most columns that there could be; attributes beyond it were not remembered.
    """

    attributes: tuple[Attribute, ...] = ()
    looked_at: HoursLookedAt = HoursLookedAt()  # noqa: RUF009 - frozen
    baseline_id: str | None = None
    depth: int = 0
    limit: int = 0


EMPTY = Memory()


def write_memory(memory: Memory) -> str:
    """Return the memory as JSON, one attribute a line."""
    head = {
        "about": _ABOUT,
        "version": VERSION,
        "depth": memory.depth,
        "limit": memory.limit,
        "baseline_id": memory.baseline_id,
        "hours": write_ranges(memory.looked_at.hours),
        "open_hours": {partition_key(hour): found for hour, found in memory.looked_at.fingerprints.items()},
        "hours_too_large": {partition_key(hour): limit for hour, limit in memory.looked_at.too_large.items()},
    }
    members = [f'  "{name}": {json.dumps(value, ensure_ascii=False)}' for name, value in head.items()]
    attributes = ",\n".join(f"    {json.dumps(_attribute(found), ensure_ascii=False)}" for found in memory.attributes)
    members.append(f'  "attributes": [\n{attributes}\n  ]')
    return "{\n" + ",\n".join(members) + "\n}\n"


def read_memory(text: str) -> Memory:
    """Read what `write_memory` wrote.

    Raises:
        NewerMemoryError: A later version of this project wrote it.
        BrokenMemoryError: It is not a memory.
    """
    try:
        values = json.loads(text)
        version = values["version"]
        if type(version) is int and version > VERSION:
            raise NewerMemoryError(f"has version {version}, and this version of the project reads up to {VERSION}")
        if version != VERSION:
            raise BrokenMemoryError(f"has version {version!r}")
        fingerprints = {read_hour(key): _text(found) for key, found in values["open_hours"].items()}
        # the first versions wrote none
        too_large = {read_hour(key): _count(limit) for key, limit in values.get("hours_too_large", {}).items()}
        memory = Memory(
            attributes=tuple(_read_attribute(found) for found in values["attributes"]),
            looked_at=HoursLookedAt(read_ranges(values["hours"]), fingerprints, too_large),
            baseline_id=None if values["baseline_id"] is None else _text(values["baseline_id"]),
            depth=_count(values["depth"]),
            limit=_count(values["limit"]),
        )
    except KeyError as error:
        raise BrokenMemoryError(f"lacks {error}") from None
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BrokenMemoryError(f"cannot be read: {error}") from None
    names = [attribute.column for attribute in memory.attributes]
    paths = [attribute.path for attribute in memory.attributes]
    if len(set(names)) < len(names) or len(set(paths)) < len(paths):
        raise BrokenMemoryError("names a column or an attribute twice")
    return memory


def _attribute(found: Attribute) -> Mapping[str, Any]:
    return {
        "column": found.column,
        "path": found.path,
        "since": found.since,
        "seen": dict(sorted(found.seen.occurrences.items())),
        "whole_digits": found.seen.whole_digits,
        "fraction_digits": found.seen.fraction_digits,
    }


def _read_attribute(values: Mapping[str, Any]) -> Attribute:
    path = tuple(_text(name) for name in values["path"])
    if not path:
        raise ValueError("an attribute without a path")
    occurrences = {_text(name): _count(count) for name, count in values["seen"].items()}
    seen = Seen(occurrences, _count(values["whole_digits"]), _count(values["fraction_digits"]))
    return Attribute(path, _text(values["column"]), _text(values["since"]), seen)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"{value!r} is not text")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r} is not a count")
    return value
