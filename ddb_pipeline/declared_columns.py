"""Columns that `pipeline.toml` names: an attribute's path and a type. Standard library only."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

COLUMN_TYPES = ("varchar", "bigint", "boolean", "decimal(38,0)", "varbinary", "array(varchar)")
"""Types that an attribute's column can have; a decimal has any number of digits after the point up to 38."""
_COLUMN_TYPE = re.compile(r"varchar|bigint|boolean|decimal\(38,(?:[0-9]|[12][0-9]|3[0-8])\)|varbinary|array\(varchar\)")

Fail = Callable[[str, Any, str], NoReturn]
"""Called with a key, what was found there, and what is allowed."""


@dataclass(frozen=True)
class DeclaredColumn:
    """A column that `pipeline.toml` names: the attribute's name, then those of members of nested maps, and its type."""

    path: tuple[str, ...]
    type: str


def declared_columns(content: Mapping[str, Any], fail: Fail) -> tuple[DeclaredColumn, ...]:
    """Read a table of columns; a table below it is a map in the item, a key with dots is a path too.

    Args:
        content: The table.
        fail: Raises what the person who edits the file reads.
    """
    found = _below((), "columns", content, fail)
    paths = [column.path for column in found]
    for path in paths:
        if paths.count(path) > 1:
            fail("columns", json.dumps(path, ensure_ascii=False), "each attribute once")
    return tuple(found)


def _below(parents: tuple[str, ...], place: str, content: Mapping[str, Any], fail: Fail) -> list[DeclaredColumn]:
    found: list[DeclaredColumn] = []
    for key, value in content.items():
        path = (*parents, *_path_of(place, key, fail))
        if isinstance(value, dict):
            found += _below(path, f"{place}.{key}", value, fail)
        elif isinstance(value, str) and _COLUMN_TYPE.fullmatch(value.replace(" ", "")):
            found.append(DeclaredColumn(path, value.replace(" ", "")))
        else:
            types = " or ".join(f'"{name}"' for name in COLUMN_TYPES)
            fail(f"{place}.{key}", value, f"{types}, decimals with 0 to 38 digits after the point")
    return found


def _path_of(place: str, key: str, fail: Fail) -> tuple[str, ...]:
    names: Any = key.split(".")
    if key.startswith("["):
        try:
            names = json.loads(key)
        except ValueError:
            names = None
    elif "" in names:
        names = None
    # SQL cannot hold a NUL
    if not isinstance(names, list) or not names or any(not isinstance(name, str) or "\0" in name for name in names):
        fail(f"{place}.{key}", key, 'names with dots between them, or a JSON array of names such as \'["a.b", "c"]\'')
    return tuple(names)
