"""Column types as a crawler infers them: of JSON values, of Parquet columns, and of both together. Pure.

A type is kept as a value that compares: the name of a flat type, or one of the classes here. `None` is a JSON null: any
type, and `string` where nothing else is seen (published tables show userIdentity:null as string).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_INTEGERS = ("tinyint", "smallint", "int", "bigint")
_FLOATS = ("float", "double")
_INT_LIMIT = 2**31
_BIGINT_LIMIT = 2**63


@dataclass(frozen=True)
class Struct:
    """A struct, with its fields in the order in which they were seen first."""

    fields: tuple[tuple[str, Inferred], ...]

    @property
    def by_name(self) -> dict[str, Inferred]:
        """Types of the fields by name."""
        return dict(self.fields)


@dataclass(frozen=True)
class Array:
    """An array."""

    element: Inferred


@dataclass(frozen=True)
class MapOf:
    """A map; only Parquet has these."""

    key: Inferred
    value: Inferred


Inferred = str | Struct | Array | MapOf | None


def of_json(value: Any) -> Inferred:  # noqa: PLR0911 - one for each kind of value
    """The type of a JSON value as `json.loads` gives it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        if -_INT_LIMIT <= value < _INT_LIMIT:
            return "int"
        return "bigint" if -_BIGINT_LIMIT <= value < _BIGINT_LIMIT else "double"
    if isinstance(value, float):
        return "double"
    if isinstance(value, list):
        element: Inferred = None
        for one in value:
            element = merged(element, of_json(one))
        return Array(element)
    if isinstance(value, dict):
        return Struct(tuple((name, of_json(one)) for name, one in value.items()))
    return "string"


def columns_of(content: Any) -> dict[str, Inferred]:
    """The columns of one JSON document: of an object its members, of an array one column of that name."""
    if not isinstance(content, dict):
        return {"array": of_json(content)}
    columns: dict[str, Inferred] = {}
    for name, value in content.items():
        merge_column(columns, name.lower(), of_json(value))
    return columns


def merge_column(columns: dict[str, Inferred], name: str, type_: Inferred) -> None:
    """Add a column, or what is new of its type."""
    columns[name] = merged(columns[name], type_) if name in columns else type_


def merged_columns(one: Mapping[str, Inferred], other: Mapping[str, Inferred]) -> dict[str, Inferred]:
    """The columns of both, those of the first one first."""
    columns = dict(one)
    for name, type_ in other.items():
        merge_column(columns, name, type_)
    return columns


def merged(one: Inferred, other: Inferred) -> Inferred:
    """The type that holds values of both; `string` where no other does."""
    if one is None or other is None or one == other:
        return other if one is None else one
    if isinstance(one, Struct) and isinstance(other, Struct):
        fields = dict(one.fields)
        for name, type_ in other.fields:
            fields[name] = merged(fields[name], type_) if name in fields else type_
        return Struct(tuple(fields.items()))
    if isinstance(one, Array) and isinstance(other, Array):
        return Array(merged(one.element, other.element))
    if isinstance(one, MapOf) and isinstance(other, MapOf):
        return MapOf(merged(one.key, other.key), merged(one.value, other.value))
    for widening in (_INTEGERS, _FLOATS):
        if one in widening and other in widening:
            return max(one, other, key=lambda type_: widening.index(str(type_)))
    numbers = (*_INTEGERS, *_FLOATS)
    return "double" if one in numbers and other in numbers else "string"


def text(type_: Inferred) -> str:
    """The type as the catalog has it."""
    if type_ is None:
        return "string"
    if isinstance(type_, Struct):
        return f"struct<{','.join(f'{name}:{text(one)}' for name, one in type_.fields)}>"
    if isinstance(type_, Array):
        return f"array<{text(type_.element)}>"
    if isinstance(type_, MapOf):
        return f"map<{text(type_.key)},{text(type_.value)}>"
    return type_
