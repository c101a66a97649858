"""CAST to and from JSON (https://trino.io/docs/current/functions/json.html, "Cast to JSON" and "Cast from JSON")."""

from __future__ import annotations

import re
from collections.abc import Callable

from ddb_pipeline.local_aws.athena.types import DOUBLE, JSON, VARCHAR, Type, duckdb_type

Cast = Callable[[str, Type, Type], str | None]
_NAME = re.compile(r"\w+(\.\w+)?")
_KEYS = ("varchar", "tinyint", "smallint", "integer", "bigint")


def to_json(sql: str, source: Type, cast: Cast) -> str | None:  # noqa: PLR0911
    """CAST of a value AS JSON; None: Trino has none, or local AWS not the same.

    Args:
        sql: DuckDB SQL of the value.
        source: Its type.
        cast: CAST between types other than JSON.
    """
    if source.name == "varchar":
        return f"CAST(to_json({sql}) AS VARCHAR)"
    if source.is_integer or source.name in {"boolean", "decimal"}:
        return f"CAST({sql} AS VARCHAR)"
    if source == DOUBLE:
        return f"athena_python_json_double({sql})"
    if source.name in {"date", "timestamp"}:
        return f"('\"' || {cast(sql, source, VARCHAR)} || '\"')"
    if source.name == "array":
        element = to_json_inside("e", source.parts[0], cast)
        joined = f"array_to_string(list_transform({sql}, lambda e: {element}), ',')"
        return None if element is None else f"('[' || {joined} || ']')"
    if source.name == "map" and source.parts[0].name in _KEYS:
        return _map_to_json(sql, source, cast)
    if source.name == "row":
        fields = [
            to_json_inside(f"struct_extract({sql}, 'f{i}')", part, cast) for i, part in enumerate(source.parts, 1)
        ]
        known = [field for field in fields if field is not None]
        if len(known) != len(fields):
            return None
        names = [f"CAST(to_json({_text(name or '')}) AS VARCHAR)" for name in source.names]
        members = " || ',' || ".join(f"{name} || ':' || {field}" for name, field in zip(names, known, strict=True))
        return f"CASE WHEN {sql} IS NULL THEN NULL ELSE '{{' || {members} || '}}' END"
    return None


def to_json_inside(sql: str, source: Type, cast: Cast) -> str | None:
    """The same for a part of an array, map or row, where NULL becomes the JSON null."""
    converted = (
        sql if source == JSON else "CAST(NULL AS VARCHAR)" if source.name == "unknown" else to_json(sql, source, cast)
    )
    return None if converted is None else f"coalesce({converted}, 'null')"


def _map_to_json(sql: str, source: Type, cast: Cast) -> str | None:
    value = to_json_inside("struct_extract(e, 'v')", source.parts[1], cast)
    if value is None:
        return None
    # names are sorted; as texts, whatever the type of the keys
    entries = (
        f"list_sort(list_transform(map_entries({sql}), lambda e: {{'k': CAST(struct_extract(e, 'key') AS VARCHAR), "
        "'v': struct_extract(e, 'value')}))"
    )
    joined = f"list_transform({entries}, lambda e: CAST(to_json(struct_extract(e, 'k')) AS VARCHAR) || ':' || {value})"
    return f"('{{' || array_to_string({joined}, ',') || '}}')"


def from_json(sql: str, target: Type, cast: Cast, failed: Callable[[str, Type], str]) -> str | None:
    """CAST of JSON to another type; None: Trino has none, or local AWS not the same.

    What takes time to compute is computed once: DuckDB would do it again wherever it is named.

    Args:
        sql: DuckDB SQL of the JSON value's text.
        target: The type.
        cast: CAST between types other than JSON.
        failed: SQL that fails as a CAST of this text to this type does.
    """
    if not _NAME.fullmatch(sql):
        converted = from_json("j", target, cast, failed)
        return None if converted is None else f"list_extract(list_transform([{sql}], lambda j: {converted}), 1)"
    if target.name == "array":
        element = "e" if target.parts[0] == JSON else from_json("e", target.parts[0], cast, failed)
        if element is None:
            return None
        values = f"athena_json_values({sql})"
        return values if element == "e" else f"list_transform({values}, lambda e: {element})"
    if target.name == "map":
        return _map_from_json(sql, target, cast, failed)
    if target.name == "row":
        return _row_from_json(sql, target, cast, failed)
    return _scalar_from_json(sql, target, cast, failed)


def _map_from_json(sql: str, target: Type, cast: Cast, failed: Callable[[str, Type], str]) -> str | None:
    if target.parts[0].name not in _KEYS or target.parts[0].numbers:
        return None
    key = cast("e", VARCHAR, target.parts[0])
    value = "e" if target.parts[1] == JSON else from_json("e", target.parts[1], cast, failed)
    if key is None or value is None:
        return None
    members = f"athena_json_members({sql})"
    keys = f"map_keys({members})" if key == "e" else f"list_transform(map_keys({members}), lambda e: {key})"
    values = f"map_values({members})" if value == "e" else f"list_transform(map_values({members}), lambda e: {value})"
    return members if key == value == "e" else f"map({keys}, {values})"


def _row_from_json(sql: str, target: Type, cast: Cast, failed: Callable[[str, Type], str]) -> str | None:
    """An object by names, whatever the case of its own; an array by places, one for each field (Trino's JsonUtil)."""
    names = target.names
    by_name = [
        f"list_extract(struct_extract(m, 'p'), list_position(struct_extract(m, 'k'), {_text(n or '')}))" for n in names
    ]
    by_place = [f"list_extract(athena_json_parts({sql}), {i})" for i in range(1, len(names) + 1)]
    rows = [_row_of(parts, target, cast, failed) for parts in (by_name, by_place)]
    named = [name for name in names if name is not None]
    if None in rows or len(set(named)) != len(named):
        return None
    listed = ", ".join(_text(name or "") for name in names)
    own = f"list_filter(struct_extract(m, 'k'), lambda k: k IN ({listed}))"
    is_repeated = f"len({own}) <> len(list_distinct({own}))"
    members = f"[{{'k': list_transform(json_keys({sql}), lambda k: lower(k)), 'p': athena_json_parts({sql})}}]"
    wrong = failed(sql, target)
    from_object = (
        f"list_extract(list_transform({members}, lambda m: CASE WHEN {is_repeated} THEN {wrong} ELSE {rows[0]} END), 1)"
    )
    from_array = f"CASE WHEN json_array_length({sql}) = {len(names)} THEN {rows[1]} ELSE {wrong} END"
    return (
        f"CASE WHEN {sql} IS NULL THEN NULL ELSE CASE athena_json_kind({sql}) WHEN 'null' THEN NULL "
        f"WHEN 'object' THEN {from_object if len(named) == len(names) else wrong} WHEN 'array' THEN {from_array} "
        f"ELSE {wrong} END END"
    )


def _row_of(parts: list[str], target: Type, cast: Cast, failed: Callable[[str, Type], str]) -> str | None:
    """A row of the texts of its fields."""
    fields = [
        part if type_ == JSON else from_json(part, type_, cast, failed)
        for part, type_ in zip(parts, target.parts, strict=True)
    ]
    known = [field for field in fields if field is not None]
    shown = ", ".join(f"'f{i}': {field}" for i, field in enumerate(known, 1))
    return f"{{{shown}}}" if len(known) == len(fields) else None


def _scalar_from_json(sql: str, target: Type, cast: Cast, failed: Callable[[str, Type], str]) -> str | None:
    string = f"json_extract_string({sql}, '$')"
    type_ = duckdb_type(target)
    # digits that a double does not hold decide over a decimal only
    number = f"athena_json_shown({sql})" if target.name == "decimal" else sql
    forms: dict[str, str | None]
    if target == VARCHAR:
        forms = {
            "string": string,
            "whole": sql,
            "fraction": f"athena_double_text(CAST({sql} AS DOUBLE))",
            "boolean": sql,
        }
    elif target.is_integer:
        forms = {
            "string": cast(string, VARCHAR, target),
            "whole": cast(sql, VARCHAR, target),
            "fraction": cast(f"CAST({sql} AS DOUBLE)", DOUBLE, target),
            "boolean": f"CAST({sql} = 'true' AS {type_})",
        }
    elif target.name in {"double", "decimal"}:
        read = cast(number, VARCHAR, target)
        forms = {
            "string": cast(string, VARCHAR, target),
            "whole": read,
            "fraction": read,
            "boolean": f"CAST(CAST({sql} = 'true' AS INTEGER) AS {type_})",
        }
    elif target.name == "boolean":
        forms = {
            "string": cast(string, VARCHAR, target),
            "whole": f"(CAST({sql} AS DOUBLE) <> 0)",
            "fraction": f"(CAST({sql} AS DOUBLE) <> 0)",
            "boolean": f"({sql} = 'true')",
        }
    else:
        return None
    branches = " ".join(f"WHEN '{kind}' THEN {form}" for kind, form in forms.items())
    return (
        f"CASE WHEN {sql} IS NULL THEN NULL ELSE CASE athena_json_kind({sql}) {branches} WHEN 'null' THEN NULL "
        f"ELSE {failed(sql, target)} END END"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
