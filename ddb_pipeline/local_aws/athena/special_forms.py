"""Functions whose SQL depends on more than the types of their arguments: units, paths, patterns, lambdas."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial

from ddb_pipeline.local_aws.athena import java_format
from ddb_pipeline.local_aws.athena.arguments import UnsupportedArgumentError, text_literal
from ddb_pipeline.local_aws.athena.casts import cast, coerce, text
from ddb_pipeline.local_aws.athena.json_path import to_pointer
from ddb_pipeline.local_aws.athena.regular_expressions import is_plain
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    JSON,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    ZONED,
    Type,
    array,
    common_type,
    decimal,
    duckdb_type,
    row,
)


def _json_path(path: Value, name: str) -> str:
    literal = text_literal(path, f"the path of {name}")
    pointer = to_pointer(literal)
    if pointer is None:
        raise UnsupportedArgumentError(f"Invalid JSON path: '{literal}'")
    return text(pointer or "$")


def json_extract_scalar(json: Value, path: Value) -> Value | None:
    """`json_extract_scalar(text, path)`: a string, number or boolean as text, else NULL."""
    if json.type.name not in {"varchar", "json", "unknown"}:
        return None
    source = coerce(json.sql, json.type, VARCHAR) if json.type == UNKNOWN else json.sql
    macro = "athena_json_value_scalar" if json.type == JSON else "athena_json_scalar"
    return Value(f"{macro}({source}, {_json_path(path, 'json_extract_scalar')})", VARCHAR)


def json_extract(json: Value, path: Value) -> Value | None:
    """`json_extract(text, path)`: the part as JSON."""
    if json.type.name not in {"varchar", "json"}:
        return None
    return Value(f"athena_json_extract({json.sql}, {_json_path(path, 'json_extract')})", JSON)


def json_size(json: Value, path: Value) -> Value | None:
    """`json_size(text, path)`: members of an object, elements of an array, 0 of any other value."""
    if json.type.name not in {"varchar", "json"}:
        return None
    return Value(f"athena_json_size({json.sql}, {_json_path(path, 'json_size')})", BIGINT)


def regexp_like(subject: Value, pattern: Value) -> Value | None:
    """`regexp_like(text, pattern)`, of the patterns that Java and DuckDB read alike."""
    if subject.type.name != "varchar":
        return None
    literal = _pattern(pattern)
    # Java's $ also stands before a last line feed
    ending = re.sub(r"(\\.)|\$", lambda match: match[1] or r"(?:\n?\z)", literal)
    return Value(f"regexp_matches({subject.sql}, {text(ending)})", BOOLEAN)


def regexp(name: str, result: Type, subject: Value, pattern: Value, *others: Value) -> Value | None:
    """`regexp_count`, `regexp_extract` and the like, with a literal pattern."""
    if subject.type.name != "varchar":
        return None
    wanted = {"regexp_extract": BIGINT, "regexp_extract_all": BIGINT, "regexp_replace": VARCHAR}.get(name)
    extra = [coerce(own.sql, own.type, wanted) if wanted else None for own in others]
    if not extra and wanted:
        extra = ["0" if wanted == BIGINT else "''"]
    known = [sql for sql in extra if sql is not None]
    if len(known) != len(extra):
        return None
    arguments = ", ".join([subject.sql, text(_pattern(pattern)), *known])
    return Value(f"athena_python_{name}({arguments})", result)


def _pattern(value: Value) -> str:
    literal = text_literal(value, "a regular expression")
    if not is_plain(literal):
        raise UnsupportedArgumentError(f"the regular expression '{literal}' is not supported by local AWS")
    return literal


def array_join(subject: Value, delimiter: Value, replacement: Value | None = None) -> Value | None:
    """`array_join(array, delimiter[, text for NULL])`; without a text, NULLs are left out."""
    if subject.type.name != "array":
        return None
    element = cast("e", subject.type.parts[0], VARCHAR) if subject.type.parts[0].name != "json" else None
    between = coerce(delimiter.sql, delimiter.type, VARCHAR)
    instead = coerce(replacement.sql, replacement.type, VARCHAR) if replacement else None
    if element is None or between is None or (replacement and instead is None):
        return None
    shown = f"coalesce({element}, {instead})" if instead else element
    return Value(f"array_to_string(list_transform({subject.sql}, lambda e: {shown}), {between})", VARCHAR)


def format_text(pattern: Value, *values: Value) -> Value | None:
    """`format(text, args...)`, with a literal text."""
    literal = text_literal(pattern, "the text of format")
    unknown = java_format.unsupported(literal, [value.type for value in values])
    if unknown is not None:
        raise UnsupportedArgumentError(f"'{unknown}' in format is not supported with this argument by local AWS")
    texts = [
        f"athena_python_double_text({value.sql})" if value.type == DOUBLE else cast(value.sql, value.type, VARCHAR)
        for value in values
    ]
    return Value(f"athena_python_format({text(literal)}, [{', '.join(map(str, texts))}])", VARCHAR)


def nullif(left: Value, right: Value) -> Value | None:
    """`nullif(a, b)`: NULL if they are equal, else a in its own type."""
    common = common_type(left.type, right.type)
    if common is None or common.parts:
        return None
    first, second = coerce(left.sql, left.type, common), coerce(right.sql, right.type, common)
    return Value(f"CASE WHEN {first} = {second} THEN NULL ELSE {left.sql} END", left.type)


def coalesce(*values: Value) -> Value | None:
    """`coalesce(a, b, ...)`."""
    converted, type_ = unify(values)
    return Value(f"coalesce({', '.join(converted)})", type_) if type_ and len(values) > 1 else None


def extreme(name: str, *values: Value) -> Value | None:
    """`greatest(...)` or `least(...)`: NULL if any value is NULL."""
    converted, type_ = unify(values)
    if type_ is None or type_.parts or type_ == JSON or not values:
        return None
    nulls = " OR ".join(f"{sql} IS NULL" for sql in converted)
    return Value(f"CASE WHEN {nulls} THEN NULL ELSE {name}({', '.join(converted)}) END", type_)


def attempt(value: Value) -> Value:
    """`try(x)`: NULL where the evaluation fails."""
    return Value(f"TRY({value.sql})", value.type)


def make_row(*values: Value) -> Value:
    """`ROW(a, b)`: a row without field names."""
    packed = ", ".join(f"'f{i}': {value.sql}" for i, value in enumerate(values, 1))
    return Value(f"{{{packed}}}", row((None,) * len(values), tuple(value.type for value in values)))


def type_of(value: Value) -> Value:
    """`typeof(x)`."""
    return Value(text(str(value.type)), VARCHAR, str(value.type))


def round_number(value: Value, digits: Value | None = None) -> Value | None:
    """`round(x)` and `round(x, n)` with a literal n."""
    if value.type.name == "double" and digits is not None:
        if not isinstance(digits.literal, int):
            raise UnsupportedArgumentError("round to a computed number of digits is not supported by local AWS")
        return Value(f"round({value.sql}, {digits.literal})", DOUBLE)
    if value.type.name != "decimal":
        return value if value.type.is_integer and digits is None else _round_double(value, digits)
    precision, scale = value.type.numbers
    if digits is None:
        whole = decimal(precision - scale + min(1, scale), 0)
        return Value(f"CAST(round({value.sql}) AS {duckdb_type(whole)})", whole)
    if not isinstance(digits.literal, int) or digits.literal < 0:
        raise UnsupportedArgumentError("round of a decimal takes a literal number of digits in local AWS")
    rounded = decimal(precision + 1, scale)
    return Value(f"CAST(round({value.sql}, {digits.literal}) AS {duckdb_type(rounded)})", rounded)


def _round_double(value: Value, digits: Value | None) -> Value | None:
    return Value(f"round({value.sql})", DOUBLE) if value.type.name == "double" and digits is None else None


def now(started: datetime) -> Value:
    """`now()`, `current_timestamp`: the query's start, the same wherever it stands."""
    return Value(f"TIMESTAMP '{started:%Y-%m-%d %H:%M:%S}.{started.microsecond // 1000:03d}'", ZONED)


def local_now(started: datetime) -> Value:
    """`localtimestamp`."""
    return Value(now(started).sql, TIMESTAMP)


def unify(values: tuple[Value, ...]) -> tuple[list[str], Type | None]:
    """Convert values to their common type; the type is None when there is none."""
    common: Type | None = UNKNOWN
    for value in values:
        common = common_type(common, value.type) if common else None
    if common is None:
        return [], None
    converted = [coerce(value.sql, value.type, common) for value in values]
    known = [sql for sql in converted if sql is not None]
    return (known, common) if len(known) == len(values) else ([], None)


FORMS: dict[str, tuple[int, int, Callable[..., Value | None]]] = {
    "array_join": (2, 3, array_join),
    "coalesce": (2, 254, coalesce),
    "format": (2, 254, format_text),
    "greatest": (1, 127, lambda *values: extreme("greatest", *values)),
    "json_extract": (2, 2, json_extract),
    "json_extract_scalar": (2, 2, json_extract_scalar),
    "json_size": (2, 2, json_size),
    "least": (1, 127, lambda *values: extreme("least", *values)),
    "nullif": (2, 2, nullif),
    "regexp_count": (2, 2, partial(regexp, "regexp_count", BIGINT)),
    "regexp_extract": (2, 3, partial(regexp, "regexp_extract", VARCHAR)),
    "regexp_extract_all": (2, 3, partial(regexp, "regexp_extract_all", array(VARCHAR))),
    "regexp_like": (2, 2, regexp_like),
    "regexp_position": (2, 2, partial(regexp, "regexp_position", BIGINT)),
    "regexp_replace": (2, 3, partial(regexp, "regexp_replace", VARCHAR)),
    "regexp_split": (2, 2, partial(regexp, "regexp_split", array(VARCHAR))),
    "round": (1, 2, round_number),
    "row": (1, 254, make_row),
    "try": (1, 1, attempt),
    "typeof": (1, 1, type_of),
}
"""Least and most number of arguments of each form, and the form. A form returns None for types it does not take."""
