"""Arithmetic, comparison and text operators on typed values.

Sources: https://trino.io/docs/current/functions/math.html, .../decimal.html, .../comparison.html and
.../datetime.html ("Date and time operators").
"""

from __future__ import annotations

from ddb_pipeline.local_aws.athena.casts import coerce
from ddb_pipeline.local_aws.athena.signatures import Value
from ddb_pipeline.local_aws.athena.types import (
    BOOLEAN,
    DAYS,
    DOUBLE,
    JSON,
    MAX_DECIMAL_DIGITS,
    MONTHS,
    REAL,
    TIMESTAMP,
    UNKNOWN,
    UTC,
    VARCHAR,
    ZONED,
    Type,
    array,
    as_decimal,
    common_type,
    decimal,
    duckdb_type,
)

_TIMES = ("date", "timestamp", ZONED.name)


def arithmetic(operator: str, left: Value, right: Value) -> Value | None:
    """Compile `left operator right` for + - * / %; None: Trino has no such operator for these types."""
    if left.type.is_number and right.type.is_number:
        return _numbers(operator, left, right)
    if UNKNOWN in (left.type, right.type):
        known = right if left.type == UNKNOWN else left
        return Value(f"CAST(NULL AS {duckdb_type(known.type)})", known.type) if known.type.is_number else None
    return _moments(operator, left, right)


def _numbers(operator: str, left: Value, right: Value) -> Value | None:
    common = common_type(left.type, right.type)
    if common is None:
        return None
    if common.name == "decimal":
        return _decimals(operator, left, right)
    first, second = coerce(left.sql, left.type, common), coerce(right.sql, right.type, common)
    # // of doubles would floor; of whole numbers it truncates, as Trino's / does, and fails on zero
    sign = "//" if operator == "/" and common != DOUBLE else operator
    return Value(f"({first} {sign} {second})", common)


def _decimals(operator: str, left: Value, right: Value) -> Value | None:
    """Decimals have result types of their own (functions/decimal.html); a result beyond 38 digits is refused."""
    first, second = as_decimal(left.type), as_decimal(right.type)
    (p1, s1), (p2, s2) = first.numbers, second.numbers
    scale = max(s1, s2)
    a, b = coerce(left.sql, left.type, first), coerce(right.sql, right.type, second)
    if operator in "+-":
        result = decimal(max(p1 - s1, p2 - s2) + scale + 1, scale)
        wide = duckdb_type(result)
        return Value(f"CAST((CAST({a} AS {wide}) {operator} CAST({b} AS {wide})) AS {wide})", result)
    if operator == "*":
        if s1 + s2 > MAX_DECIMAL_DIGITS:
            return None
        result = decimal(p1 + p2, s1 + s2)
        return Value(f"CAST(({a} * {b}) AS {duckdb_type(result)})", result)
    if operator == "%":
        result = decimal(min(p2 - s2, p1 - s1) + scale, scale)
        return Value(f"CAST(({a} % {b}) AS {duckdb_type(result)})", result)
    result = decimal(p1 + s2 + max(0, s2 - s1), scale)
    # DuckDB would divide as doubles: whole numbers with a common scale are divided exactly instead
    shift = 10 ** (scale + s2 - s1)
    quotient = f"athena_half_up(athena_unscaled({a}) * CAST('{shift}' AS HUGEINT), athena_unscaled({b}))"
    return Value(f"CAST(athena_decimal_text({quotient}, {scale}) AS {duckdb_type(result)})", result)


def _moments(operator: str, left: Value, right: Value) -> Value | None:
    if operator == "+" and left.type in (DAYS, MONTHS):
        left, right = right, left
    if operator == "-" and left.type.name in _TIMES and right.type.name in _TIMES:
        return _between(left, right)
    if operator not in "+-" or left.type.name not in _TIMES or right.type not in (DAYS, MONTHS):
        return None
    if right.type == MONTHS and left.type.zone != UTC:
        return None
    moved = f"({left.sql} {operator} {right.sql})"
    if left.type.name != "date":
        return Value(moved, left.type)
    # an interval with a time of day cannot be added to a date; its literal says which unit it has
    return None if right.literal == "time" else Value(f"CAST({moved} AS DATE)", left.type)


def _between(left: Value, right: Value) -> Value | None:
    """The time between two moments; of dates, whole days."""
    common = common_type(left.type, right.type)
    if common is None or (common.numbers and common.numbers[0] > TIMESTAMP.numbers[0]):
        # intervals have milliseconds, and how the rest is rounded is not known
        return None
    instants = [f"epoch_us({coerce(value.sql, value.type, common)})" for value in (left, right)]
    return Value(f"to_microseconds({' - '.join(instants)})", DAYS)


def negate(value: Value) -> Value | None:
    """Compile `-value`."""
    return Value(f"(- {value.sql})", value.type) if value.type.is_number else None


def compare(operator: str, left: Value, right: Value) -> Value | None:
    """Compile = <> < <= > >=; None: Trino cannot compare these types, or local AWS not as Trino does."""
    if left.type.name == right.type.name == "row" and operator in {"=", "<>"}:
        return _rows(operator, left, right)
    common = comparable(left.type, right.type)
    if common is None:
        return None
    a, b = coerce(left.sql, left.type, common), coerce(right.sql, right.type, common)
    if common not in {DOUBLE, REAL}:
        return Value(f"({a} {operator} {b})", BOOLEAN)
    # DuckDB's NaN equals itself and is above all numbers; Trino's compares with nothing
    if operator == "<>":
        return Value(f"({a} <> {b} OR isnan({a}) OR isnan({b}))", BOOLEAN)
    return Value(f"({a} {operator} {b} AND NOT isnan({a}) AND NOT isnan({b}))", BOOLEAN)


def fields(value: Value) -> list[Value]:
    """The fields of a row."""
    return [Value(f"struct_extract({value.sql}, 'f{i}')", part) for i, part in enumerate(value.type.parts, 1)]


def _rows(operator: str, left: Value, right: Value) -> Value | None:
    """Rows are equal if all fields are, and not if one is not; else NULL decides (RowType of trino-spi)."""
    if len(left.type.parts) != len(right.type.parts):
        return None
    tests = [compare("=", a, b) for a, b in zip(fields(left), fields(right), strict=True)]
    known = [test.sql for test in tests if test is not None]
    equal = f"({' AND '.join(known)})"
    return Value(equal if operator == "=" else f"(NOT {equal})", BOOLEAN) if len(known) == len(tests) else None


def distinct_from(left: Value, right: Value, *, negated: bool) -> Value | None:
    """Compile IS [NOT] DISTINCT FROM."""
    common = common_type(left.type, right.type)
    if common is None or common == JSON:
        return None
    a, b = coerce(left.sql, left.type, common), coerce(right.sql, right.type, common)
    return Value(f"({a} IS {'NOT ' if negated else ''}DISTINCT FROM {b})", BOOLEAN)


def is_known_elsewhere(operator: str, left: Type, right: Type) -> bool:
    """Whether an operator that is refused here is one that Trino has for these types."""
    if operator == "-" and left.name in _TIMES and right.name in _TIMES:
        return common_type(left, right) is not None
    if {left, right} & {DAYS, MONTHS}:
        return left == right or left.is_number or right.is_number or operator in "+-"
    if REAL in {left, right}:
        return all(type_ == REAL or type_.is_number for type_ in (left, right))
    common = common_type(left, right)
    return common is not None and bool(common.parts)


def comparable(left: Type, right: Type) -> Type | None:
    """Common type of two sides of a comparison.

    Arrays, rows and maps are refused: one that holds a NULL compares as NULL in Trino, as a value in DuckDB.
    """
    common = common_type(left, right)
    return None if common is None or common.parts or common == JSON else common


def concatenate(left: Value, right: Value) -> Value | None:
    """Compile `left || right` of texts, bytes or arrays."""
    if left.type.name in {"varchar", "unknown"} and right.type.name in {"varchar", "unknown"}:
        a, b = coerce(left.sql, left.type, VARCHAR), coerce(right.sql, right.type, VARCHAR)
        return Value(f"({a} || {b})", VARCHAR)
    common = common_type(left.type, right.type)
    if common is None:
        return _with_element(left, right)
    if common.name not in {"varbinary", "array"}:
        return None
    a, b = coerce(left.sql, left.type, common), coerce(right.sql, right.type, common)
    return Value(f"({a} || {b})", common)


def _with_element(left: Value, right: Value) -> Value | None:
    """Compile `array || element` and `element || array`; an array that is NULL stays it."""
    own, other = (left, right) if left.type.name == "array" else (right, left)
    element = common_type(own.type.parts[0], other.type) if own.type.name == "array" else None
    if element is None or other.type == UNKNOWN:
        return None
    items, item = coerce(own.sql, own.type, array(element)), coerce(other.sql, other.type, element)
    joined = f"list_append({items}, {item})" if own is left else f"list_prepend({item}, {items})"
    return Value(f"CASE WHEN {own.sql} IS NOT NULL THEN {joined} END", array(element))
