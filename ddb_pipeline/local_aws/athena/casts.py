"""Conversions between Trino types, written out in DuckDB SQL.

Those that Trino makes unasked (`coerce`) and those of CAST (`cast`). What is not here is refused by name.
Sources: https://trino.io/docs/current/functions/conversion.html and Trino's operators of each type.
"""

from __future__ import annotations

from ddb_pipeline.local_aws.athena.json_casts import from_json, to_json
from ddb_pipeline.local_aws.athena.types import (
    BIGINT,
    DOUBLE,
    JSON,
    MAX_TIMESTAMP_DIGITS,
    REAL,
    UNKNOWN,
    VARCHAR,
    ZONED,
    Type,
    common_type,
    duckdb_type,
)
from ddb_pipeline.local_aws.athena.zones import local

_SECONDS = "%Y-%m-%d %H:%M:%S"
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TEXT_FORMS = {
    "tinyint": r"[+-]?[0-9]+",
    "smallint": r"[+-]?[0-9]+",
    "integer": r"[+-]?[0-9]+",
    "bigint": r"[+-]?[0-9]+",
    "decimal": r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?",
    "double": r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?",
    "date": _DAY,
    "timestamp": _DAY + r"( [0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?)?",
}


def text(value: str) -> str:
    """A DuckDB text literal."""
    return "'" + value.replace("'", "''") + "'"


def failure(name: str, message: str, type_: Type, *, shown: str | None = None) -> str:
    """SQL that fails the query when, and only when, a row comes to it. TRY turns it into NULL.

    DuckDB's own error() cannot stand inside TRY, a failing conversion can.

    Args:
        name: Trino's name of the error.
        message: Its message; `{}` in it is replaced by the value of `shown`.
        type_: Type that the expression has by name.
        shown: SQL of the text to show in the message.
    """
    start, _, end = message.partition("{}")
    parts = [text(f"[ATHENA]{name}: {start}")]
    if shown is not None:
        parts.append(f"coalesce({shown}, '')")
    parts.append(text(f"{end}[/ATHENA]"))
    broken = f"CAST({' || '.join(parts)} AS BIGINT)"
    if type_ == BIGINT:
        return broken
    return f"CAST(CAST({broken} AS VARCHAR) AS {duckdb_type(type_)})"


def coerce(sql: str, source: Type, target: Type) -> str | None:
    """Convert as Trino does unasked; None: Trino does not.

    Args:
        sql: DuckDB SQL of the value.
        source: Its type.
        target: Type that is wanted.
    """
    if source == target:
        return sql
    common = common_type(source, target)
    fits = common == target or (
        # a row's own field names do not matter, nor do they change
        common is not None and common.parts == target.parts and common.name == target.name
    )
    return cast(sql, source, target) if fits else None


def cast(sql: str, source: Type, target: Type) -> str | None:  # noqa: C901, PLR0911
    """CAST as Trino does; None: local AWS does not know this conversion.

    Args:
        sql: DuckDB SQL of the value.
        source: Its type.
        target: Type that is wanted.
    """
    if source == target:
        return sql
    if source == UNKNOWN:
        return f"CAST(NULL AS {duckdb_type(target)})"
    if target == JSON:
        return to_json(sql, source, cast)
    if source == JSON:
        return from_json(sql, target, cast, _not_of_json)
    if source.parts or target.parts:
        return _cast_nested(sql, source, target)
    plain = f"CAST({sql} AS {duckdb_type(target)})"
    if target.name == "varchar":
        return _to_varchar(sql, source, target)
    if source.name == "varchar":
        return _from_varchar(sql, target)
    if source.is_number and target.is_number:
        return _between_numbers(sql, source, target)
    if source == REAL:
        return plain if target == DOUBLE else None
    if target.name == "boolean" and source.is_number:
        return f"({sql} <> 0)"
    if source.name == "boolean" and target.is_number:
        return plain
    return _between_times(sql, source, target)


def _between_numbers(sql: str, source: Type, target: Type) -> str | None:
    if source.name == "double" and target.name == "decimal":
        # the shortest digits that mean the double, rounded half up (DecimalConversions of trino-spi)
        return f"CAST(athena_python_double_text({sql}) AS {duckdb_type(target)})"
    if source.name == "double" and target.is_integer:
        # DuckDB rounds halves to even, Trino away from zero
        return f"CAST(round({sql}) AS {duckdb_type(target)})"
    return f"CAST({sql} AS {duckdb_type(target)})"


def _between_times(sql: str, source: Type, target: Type) -> str | None:
    times = {"date", "timestamp", ZONED.name}
    if source.name not in times or target.name not in times:
        return None
    if source.name == ZONED.name and target.name != ZONED.name:
        # the time that clocks of its zone show
        wall = local(sql, source)
        return None if wall is None else _between_times(wall, Type("timestamp", source.numbers), target)
    if target.name == "date":
        return f"CAST({sql} AS DATE)"
    moment = f"CAST({sql} AS TIMESTAMP)" if source.name == "date" else sql
    digits = source.numbers[0] if source.numbers else 0
    return moment if target.numbers[0] >= digits else f"athena_round_timestamp({moment}, {_unit(target)})"


def _unit(type_: Type) -> int:
    """Microseconds in the last digit of a timestamp type."""
    return int(10 ** (MAX_TIMESTAMP_DIGITS - type_.numbers[0]))


def _to_varchar(sql: str, source: Type, target: Type) -> str | None:
    if source.name == ZONED.name:
        wall = local(sql, source)
        shown = None if wall is None else _to_varchar(wall, Type("timestamp", source.numbers), target)
        return None if shown is None or target.numbers else f"({shown} || ' {source.zone}')"
    digits = source.numbers[0] if source.name == "timestamp" else 0
    moment = f"left(strftime({sql}, '{_SECONDS}.%f'), {20 + digits})" if digits else f"strftime({sql}, '{_SECONDS}')"
    forms = {
        "varchar": sql,
        "double": f"athena_double_text({sql})",
        "date": f"strftime({sql}, '%Y-%m-%d')",
        "timestamp": moment,
    }
    if source.is_integer or source.name in {"boolean", "decimal"}:
        forms[source.name] = f"CAST({sql} AS VARCHAR)"
    converted = forms.get(source.name)
    if converted is None or not target.numbers:
        return converted
    length = target.numbers[0]
    if source.name == "varchar":
        return converted if source.numbers and source.numbers[0] <= length else f"left({converted}, {length})"
    # other values must fit (Trino: "Value ... cannot be represented as varchar(n)")
    message = f"Value {{}} cannot be represented as varchar({length})"
    too_long = failure("INVALID_CAST_ARGUMENT", message, VARCHAR, shown=converted)
    return f"CASE WHEN length({converted}) > {length} THEN {too_long} ELSE {converted} END"


def _from_varchar(sql: str, target: Type) -> str | None:
    wanted = str(target).upper() if target.name in {"decimal", "timestamp"} else target.name.upper()
    if target.name == "varbinary":
        return f"encode({sql})"
    if target.name == "boolean":
        refused = failure("INVALID_CAST_ARGUMENT", "Cannot cast '{}' to BOOLEAN", Type("boolean"), shown=sql)
        return (
            f"CASE WHEN {sql} IS NULL THEN NULL WHEN lower({sql}) IN ('t', 'true', '1') THEN true "
            f"WHEN lower({sql}) IN ('f', 'false', '0') THEN false ELSE {refused} END"
        )
    form = _TEXT_FORMS.get(target.name)
    if form is None:
        return None
    # the text is checked first, because DuckDB reads more than Trino does (' 1 ', '1.5' as integer, ...)
    checked = (
        f"CASE WHEN regexp_full_match({sql}, {text(form)}) THEN {sql} "
        f"ELSE {text('[ATHENA]INVALID_CAST_ARGUMENT: Cannot cast ' + chr(39))} || {sql} "
        f"|| {text(chr(39) + ' to ' + wanted + '[/ATHENA]')} END"
    )
    converted = f"CAST({checked} AS {duckdb_type(target)})"
    if target.name == "timestamp" and target.numbers[0] < MAX_TIMESTAMP_DIGITS:
        return f"athena_round_timestamp({converted}, {_unit(target)})"
    return converted


def _not_of_json(sql: str, target: Type) -> str:
    return failure("INVALID_CAST_ARGUMENT", f"Cannot cast '{{}}' to {target}", target, shown=sql)


def _cast_nested(sql: str, source: Type, target: Type) -> str | None:  # noqa: PLR0911
    if source.name != target.name or len(source.parts) != len(target.parts):
        return None
    if source.name == "array":
        element = cast("e", source.parts[0], target.parts[0])
        return None if element is None else sql if element == "e" else f"list_transform({sql}, lambda e: {element})"
    if source.name == "map":
        key, value = (cast("e", a, b) for a, b in zip(source.parts, target.parts, strict=True))
        if key is None or value is None:
            return None
        keys = f"list_transform(map_keys({sql}), lambda e: {key})"
        return sql if key == value == "e" else f"map({keys}, list_transform(map_values({sql}), lambda e: {value}))"
    fields = [
        cast(f"struct_extract({sql}, 'f{i}')", a, b)
        for i, (a, b) in enumerate(zip(source.parts, target.parts, strict=True), 1)
    ]
    known = [field for field in fields if field is not None]
    if len(known) != len(fields):
        return None
    if source.parts == target.parts:
        return sql
    packed = ", ".join(f"'f{i}': {field}" for i, field in enumerate(known, 1))
    return f"CASE WHEN {sql} IS NULL THEN NULL ELSE {{{packed}}} END"
