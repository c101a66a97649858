"""From what was met in the hours to columns of the views: which attributes get one, its name, its type. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.item_columns.expressions import ItemColumn, item_column_expression
from ddb_pipeline.item_columns.memory import Attribute, Memory
from ddb_pipeline.item_columns.names import column_name, is_exact
from ddb_pipeline.item_columns.types import NOTHING_SEEN, Observation, Seen, column_type, shown_types

MOST_PATH_BYTES = 1_000
"""Attributes with longer paths get no column: each path stands in the view's SQL, some twice."""
MOST_SQL_BYTES = 190_000
"""What the columns of one view may take of the 200,000 bytes that its SQL may have."""
_BYTES_AROUND = 40
"""What stands around the expression of a column: line break, CAST, AS, quotation marks."""


@dataclass(frozen=True)
class Learned:
    """What a look at some hours taught.

    Attributes:
        memory: What is remembered from now on.
        left_out: Attributes that were met and get no column, the most frequent first.
    """

    memory: Memory
    left_out: tuple[tuple[str, ...], ...]


def learn(
    memory: Memory, observations: Iterable[Observation], pipeline: Pipeline, taken: Collection[str], now: str
) -> Learned:
    """Return what is remembered after some observations. Nothing that has a column loses it.

    Args:
        memory: What was remembered before.
        observations: What was met.
        pipeline: Its declared columns, its key attributes (which have columns anyway), its limits.
        taken: Names of the views' other columns.
        now: When the attributes were discovered, UTC.
    """
    met = _by_path(memory, observations)
    attributes = [
        replace(attribute, seen=_merged(attribute.seen, met.pop(attribute.path, ())))
        for attribute in _with_free_names(memory.attributes, taken)
    ]
    known = {attribute.path for attribute in attributes}
    declared = [column.path for column in pipeline.columns if column.path not in known]
    found = {path: _merged(NOTHING_SEEN, seen) for path, seen in met.items()}
    wanted = [path for path in _in_order(found) if path not in declared and _gets_a_column(path, found, pipeline)]
    room = max(0, pipeline.max_item_columns - len(attributes) - len(declared))
    columns = [*declared, *wanted[:room]]
    names = _names(columns, {*taken, *(attribute.column for attribute in attributes)})
    attributes += [Attribute(path, names[path], now, found.get(path, NOTHING_SEEN)) for path in columns]
    learned = replace(memory, attributes=tuple(attributes))
    if pipeline.discover_columns:
        # otherwise nobody has looked: what was looked for before counts once discovery is on again
        learned = replace(learned, depth=pipeline.item_column_depth, limit=pipeline.max_item_columns)
    return Learned(learned, tuple(wanted[room:]))


def item_columns(memory: Memory, pipeline: Pipeline) -> tuple[ItemColumn, ...]:
    """Return the attributes that are columns of the views: declared ones, then the others as they were discovered.

    Args:
        memory: What is remembered.
        pipeline: Its declared columns, which have their own type and come first, and its limit.
    """
    types = {column.path: column.type for column in pipeline.columns}
    names = {attribute.path: attribute.column for attribute in memory.attributes}
    columns = [ItemColumn(names[path], declared, path) for path, declared in types.items() if path in names]
    if pipeline.discover_columns:
        columns += [
            ItemColumn(attribute.column, column_type(attribute.seen), attribute.path, shown)
            for attribute in memory.attributes
            if attribute.path not in types and (shown := shown_types(attribute.seen, is_opened=False))
        ]
    return tuple(_that_fit(columns[: pipeline.max_item_columns]))


def needs_everything(memory: Memory, pipeline: Pipeline) -> bool:
    """Whether hours must be looked at again, because more columns are wanted than when they were looked at."""
    if not pipeline.discover_columns:
        return False
    was_full = len(memory.attributes) >= memory.limit
    return pipeline.item_column_depth > memory.depth or (was_full and pipeline.max_item_columns > memory.limit)


def _that_fit(columns: Iterable[ItemColumn]) -> Iterable[ItemColumn]:
    size = 0
    for column in columns:
        expression = item_column_expression(column, "image")
        size += len(expression.encode()) + len(column.name) + len(column.type) + _BYTES_AROUND
        if size > MOST_SQL_BYTES:
            return
        yield column


def _by_path(memory: Memory, observations: Iterable[Observation]) -> dict[tuple[str, ...], list[Observation]]:
    """Observations by path; whoever has members is a map, also where only the members were counted."""
    met: dict[tuple[str, ...], list[Observation]] = {}
    for found in observations:
        met.setdefault(found.path, []).append(found)
        for length in range(1, len(found.path)):
            parent = found.path[:length]
            met.setdefault(parent, []).append(Observation(parent, "M", 0))
    for attribute in memory.attributes:
        for length in range(1, len(attribute.path)):
            parent = attribute.path[:length]
            if parent in met:
                met[parent].append(Observation(parent, "M", 0))
    return met


def _merged(seen: Seen, observations: Iterable[Observation]) -> Seen:
    for found in observations:
        seen = seen.and_also(found)
    return seen


def _in_order(found: dict[tuple[str, ...], Seen]) -> list[tuple[str, ...]]:
    return sorted(found, key=lambda path: (-found[path].total, path))


def _gets_a_column(path: tuple[str, ...], found: dict[tuple[str, ...], Seen], pipeline: Pipeline) -> bool:
    is_key = len(path) == 1 and path[0] in {attribute.name for attribute in pipeline.key_attributes}
    return (
        pipeline.discover_columns
        and not is_key
        and len(path) <= pipeline.item_column_depth
        and sum(len(name.encode()) for name in path) <= MOST_PATH_BYTES
        and not any("\0" in name for name in path)  # SQL cannot hold it
        and bool(shown_types(found[path], is_opened=len(path) < pipeline.item_column_depth))
    )


def _names(paths: Iterable[tuple[str, ...]], taken: set[str]) -> dict[tuple[str, ...], str]:
    """Names of new columns; who needs no other name than its own gets it, then the order of paths decides."""
    names: dict[tuple[str, ...], str] = {}
    for path in sorted(paths, key=lambda path: (not is_exact(path), path)):
        names[path] = column_name(path, {*taken, *names.values()})
    return names


def _with_free_names(attributes: tuple[Attribute, ...], taken: Collection[str]) -> list[Attribute]:
    """Remembered attributes; one whose name a later version of the views has for a column of its own gets another."""
    names = {*taken, *(attribute.column for attribute in attributes)}
    free = []
    for attribute in attributes:
        column = column_name(attribute.path, names) if attribute.column in taken else attribute.column
        names.add(column)
        free.append(replace(attribute, column=column))
    return free
