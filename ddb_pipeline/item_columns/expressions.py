r"""Attributes of items as typed columns of the views: what a column is, and the SQL of its value. Pure.

All values come from the canonical DynamoDB JSON, never from the plain one: there a number is text, so no digit of it
passes through the doubles that Trino makes of JSON numbers (github.com/trinodb/trino/issues/28867).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ddb_pipeline.sql_text import json_path, quote_literal

DECIMAL_DIGITS = 38
"""Digits of Trino's widest decimal, and of DynamoDB's numbers (developer guide, "Data types")."""
ARRAY = "array(varchar)"
HOLDS: dict[str, tuple[str, ...]] = {
    "varchar": ("S", "N", "B", "BOOL", "SS", "NS", "BS", "L", "M"),
    "boolean": ("BOOL",),
    "bigint": ("N",),
    "decimal": ("N",),
    "varbinary": ("B",),
    ARRAY: ("SS", "NS"),
}
"""DynamoDB types that a column type can show; those without members first."""

_SCALARS = ("S", "N", "B", "BOOL")
_DECIMAL = re.compile(r"decimal\(38,([0-9]|[12][0-9]|3[0-8])\)")

# One DynamoDB value as plain JSON, in one pass from the left. A bare `{"N":"` never lies inside text, because there
# each quotation mark has a backslash before it; every other text, names among it, is passed over whole.
_TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_TYPED = "|".join(
    (
        rf'\{{"[SB]":({_TEXT})\}}',
        r'\{"N":"([^"]*)"\}',
        r'\{"BOOL":(true|false)\}',
        r'\{"(?:L|[SNB]S)":(\[)',
        r'\{"M":(\{)',
        r"(\])\}",
        r"(\})\}",
        rf"({_TEXT})",
    )
)
_UNTYPED = "$1$2$3$4$5$6$7$8"


@dataclass(frozen=True)
class ItemColumn:
    """An attribute, or a member of a map in one, as a typed column.

    Attributes:
        name: Name of the column; stays the same from run to run.
        type: Its Trino type: varchar, bigint, boolean, decimal(38,s), varbinary or array(varchar).
        path: The attribute's name, then the names of members of nested maps.
        dynamodb_types: DynamoDB types of values that it shows, NULL for all others; all that fit the type by default.
    """

    name: str
    type: str
    path: tuple[str, ...]
    dynamodb_types: tuple[str, ...] = ()


def decimal_scale(column_type: str) -> int | None:
    """Return the digits after the point of a `decimal(38,s)`; None for another type."""
    match = _DECIMAL.fullmatch(column_type)
    return int(match[1]) if match else None


def shown_types(column: ItemColumn) -> tuple[str, ...]:
    """Return the DynamoDB types whose values a column shows.

    Raises:
        ValueError: The column has a type that no column can have.
    """
    kind = "decimal" if decimal_scale(column.type) is not None else column.type
    if kind not in HOLDS or (kind == "decimal") != column.type.startswith("decimal("):
        raise ValueError(f"{column.type!r} is no type of a column: {', '.join(HOLDS)}")
    return tuple(name for name in HOLDS[kind] if not column.dynamodb_types or name in column.dynamodb_types)


def item_column_expression(column: ItemColumn, image_sql: str) -> str:  # noqa: PLR0911
    """Return the SQL of a column's value, of exactly the column's type; NULL where the value does not fit.

    Args:
        column: The column.
        image_sql: SQL of the item as canonical DynamoDB JSON; stands once or a few times in the result.

    Raises:
        ValueError: The column has a type that no column can have.
    """
    types = shown_types(column)
    scale = decimal_scale(column.type)
    if scale is not None:
        number = f"upper({_scalar(image_sql, column.path, 'N')})"
        return _bound(number, _exact_decimal("v", scale))
    if column.type == "bigint":
        return f"TRY_CAST({_scalar(image_sql, column.path, 'N')} AS bigint)"
    if column.type == "boolean":
        return f"({_scalar(image_sql, column.path, 'BOOL')} = 'true')"
    if column.type == "varbinary":
        return f"TRY(from_base64({_scalar(image_sql, column.path, 'B')}))"
    if column.type == ARRAY:
        parts = [f"json_extract({image_sql}, {_path(column.path, name)})" for name in types]
        return f"CAST({_first(parts)} AS {ARRAY})"
    if len(types) == 1 and types[0] in _SCALARS:
        return _scalar(image_sql, column.path, types[0])
    return _bound(f"json_extract({image_sql}, {_path(column.path)})", _any_text("v", types))


def attribute_sql(path: tuple[str, ...], image_sql: str) -> str:
    """Return the SQL of an attribute's value as JSON with its type, such as `{"N":"1"}`; NULL where there is none.

    Args:
        path: The attribute's name, then the names of members of nested maps.
        image_sql: SQL of the item as canonical DynamoDB JSON.
    """
    return f"json_extract({image_sql}, {_path(path)})"


def plain_json(value_sql: str) -> str:
    """Return the SQL of a value of DynamoDB JSON, such as `{"L":[{"N":"1"}]}`, as plain JSON: `[1]`.

    Args:
        value_sql: SQL of the value's text, without spaces between its parts.
    """
    typed = f"replace({value_sql}, '{{\"NULL\":true}}', 'null')"
    return f"regexp_replace({_numbers_bare(typed)}, {quote_literal(_TYPED)}, '{_UNTYPED}')"


def _numbers_bare(value_sql: str) -> str:
    """Number sets as lists of bare numbers, `{"L":[1,2]}`: a pattern does not know in which set a member stands.

    `{"NS":[` never lies inside text either, and a number holds no `]`, so the set ends with the first one.
    """
    numbers = """replace(split_part(part, ']', 1), '"', '')"""
    bare = f"""concat('{{"L":[', {numbers}, substr(part, strpos(part, ']')))"""
    sets = f"transform(slice(parts, 2, cardinality(parts)), part -> {bare})"
    return _bound(f"""split({value_sql}, '{{"NS":[')""", f"concat(parts[1], array_join({sets}, ''))", "parts")


def _path(path: tuple[str, ...], *dynamodb_type: str) -> str:
    """The JSON path of a value in canonical DynamoDB JSON, as a literal."""
    members = [part for name in path[:-1] for part in (name, "M")]
    return quote_literal(json_path(*members, path[-1], *dynamodb_type))


def _scalar(image_sql: str, path: tuple[str, ...], dynamodb_type: str) -> str:
    return f"json_extract_scalar({image_sql}, {_path(path, dynamodb_type)})"


def _bound(value: str, body: str, name: str = "v") -> str:
    """Compute `value` once and use it by name many times: a lambda over one element is SQL's only `let`."""
    return f"element_at(transform(ARRAY[{value}], {name} -> {body}), 1)"


def _first(values: list[str]) -> str:
    return values[0] if len(values) == 1 else f"coalesce({', '.join(values)})"


def _exact_decimal(value: str, scale: int) -> str:
    """A number's text as decimal(38, scale), if the type has room for all its digits: Trino's CAST would round it.

    Digits are counted as they are written: an exponent moves the point, zeros at the ends count.
    """
    before = DECIMAL_DIGITS - scale
    whole = rf"(0|[0-9]{{1,{before}}})" if before else "0"
    fraction = rf"(\.[0-9]{{1,{scale}}})?" if scale else ""
    mantissa = f"split_part(replace({value}, '-', ''), 'E', 1)"
    # in `1.5E-7` the sign before the digits of the exponent is gone with the other one: take it from the value
    exponent = f"TRY_CAST(split_part({value}, 'E', 2) AS integer)"
    digits_before = f"length(split_part({mantissa}, '.', 1)) + {exponent}"
    digits_after = f"coalesce(length(split_part({mantissa}, '.', 2)), 0) - {exponent}"
    return (
        f"CASE WHEN regexp_like({value}, '^-?{whole}{fraction}$') "
        f"OR ({digits_before} <= {before} AND {digits_after} <= {scale}) "
        f"THEN TRY_CAST({value} AS decimal({DECIMAL_DIGITS},{scale})) END"
    )


def _any_text(value: str, types: tuple[str, ...]) -> str:
    """A value of one of several DynamoDB types as text: what has members as plain JSON."""
    texts = [f"json_extract_scalar({value}, {quote_literal(json_path(name))})" for name in types if name in _SCALARS]
    nested = [f"json_extract({value}, {quote_literal(json_path(name))})" for name in types if name not in _SCALARS]
    if nested:
        plain = plain_json(f"json_format({value})")
        texts.append(f"CASE WHEN {_first(nested)} IS NOT NULL THEN {plain} END")
    return _first(texts)
