"""Hive types of Glue columns, nested ones included, read as Trino's types."""

from __future__ import annotations

import re

from ddb_pipeline.local_aws.athena.types import REAL, TIMESTAMP, Type, array, decimal, from_hive, row

_NAMES = {"binary": Type("varbinary"), "date": Type("date"), "float": REAL, "timestamp": TIMESTAMP}
_MAX_VARCHAR = 65_535


def read_hive_type(text: str) -> Type | None:
    """Read a Hive type such as `array<struct<a:int,b:string>>`.

    Args:
        text: The type as the catalog has it.

    Returns:
        Trino's type; None: it is none that local AWS reads from Parquet.
    """
    text = text.strip().lower()
    flat = from_hive(text) or _NAMES.get(text)
    if flat is not None:
        return flat
    bounded = re.fullmatch(r"varchar\((\d{1,5})\)", text)
    if bounded:
        return Type("varchar", (int(bounded[1]),)) if 1 <= int(bounded[1]) <= _MAX_VARCHAR else None
    if text == "decimal":
        return decimal(10, 0)
    nested = re.fullmatch(r"(array|map|struct)<(.*)>", text, re.DOTALL)
    parts = _split(nested[2], ",") if nested else None
    if nested is None or parts is None:
        return None
    return _struct(parts) if nested[1] == "struct" else _collection(nested[1], parts)


def _collection(kind: str, parts: list[str]) -> Type | None:
    types = [read_hive_type(part) for part in parts]
    known = tuple(type_ for type_ in types if type_ is not None)
    if len(known) != len(types) or len(known) != (1 if kind == "array" else 2):
        return None
    return array(known[0]) if kind == "array" else Type("map", parts=known)


def _struct(parts: list[str]) -> Type | None:
    names: list[str | None] = []
    types: list[Type] = []
    for part in parts:
        name, colon, type_text = part.partition(":")
        type_ = read_hive_type(type_text)
        if not colon or not name.strip() or type_ is None:
            return None
        names.append(name.strip())
        types.append(type_)
    return row(tuple(names), tuple(types))


def _split(text: str, separator: str) -> list[str] | None:
    """Split at the separators that stand in no bracket; None: the brackets do not match."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "<(") - (character in ">)")
        if depth < 0:
            return None
        if character == separator and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return parts if not depth else None
