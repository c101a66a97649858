"""Which signature of a function fits the types of its arguments, and the SQL of the call."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ddb_pipeline.local_aws.athena.casts import coerce
from ddb_pipeline.local_aws.athena.functions import NOT_OF_DECIMALS, Function
from ddb_pipeline.local_aws.athena.types import UNKNOWN, ZONED, Type, as_decimal, common_type, decimal, duckdb_type

_BARE = ("boolean", "tinyint", "smallint", "integer", "bigint", "double", "varchar", "varbinary", "date", "json")


@dataclass(frozen=True)
class Value:
    """A compiled expression: DuckDB SQL and Trino type. `literal` is the value of a literal, else None."""

    sql: str
    type: Type
    literal: Any = None


def call(functions: list[Function], arguments: list[Value]) -> Value | None:
    """Compile a call; None: no signature fits.

    Args:
        functions: The signatures, preferred first.
        arguments: The compiled arguments.
    """
    for exact in (True, False):
        for function in functions:
            found = _try(function, arguments, exact=exact)
            if found is not None:
                return found
    return None


def _try(function: Function, arguments: list[Value], *, exact: bool) -> Value | None:
    patterns = _patterns(function, len(arguments))
    if patterns is None:
        return None
    bound: dict[str, Type] = {}
    for pattern, argument in zip(patterns, arguments, strict=True):
        if argument.type.name == "decimal" and pattern == "double" and function.name in NOT_OF_DECIMALS:
            return None
        if not _bind(pattern, argument.type, bound, exact=exact):
            return None
    wanted = [_resolve(pattern, bound, argument.type) for pattern, argument in zip(patterns, arguments, strict=True)]
    converted = [coerce(a.sql, a.type, t) if t else None for a, t in zip(arguments, wanted, strict=True)]
    sqls = [sql for sql in converted if sql is not None]
    if len(sqls) != len(arguments):
        return None
    if function.result.startswith("="):
        result = wanted[int(function.result[1:]) - 1]
    elif function.result == "decimal(38)":
        result = decimal(38, wanted[0].numbers[1]) if wanted[0] else None
    elif function.result == "whole":
        whole, scale = wanted[0].numbers if wanted[0] else (1, 0)
        result = decimal(whole - scale + min(scale, 1), 0)
    else:
        result = _resolve(function.result, bound, UNKNOWN)
    if result is None:
        return None
    sql = _fill(function.duckdb, sqls)
    return Value(f"CAST({sql} AS {duckdb_type(result)})" if function.result == "whole" else sql, result)


def _patterns(function: Function, count: int) -> list[str] | None:
    patterns = list(function.arguments)
    if patterns and patterns[-1].endswith("..."):
        repeated = patterns.pop()[:-3]
        patterns += [repeated] * max(1, count - len(patterns))
    return patterns if len(patterns) == count else None


def _fill(template: str, sqls: list[str]) -> str:
    together = [f"({sql})" for sql in sqls]
    filled = template.replace("{*||}", " || ".join(together)).replace("{*,}", ", ".join(together))
    return re.sub(r"\{(\d)\}", lambda match: f"({sqls[int(match[1])]})", filled)


def _bind(pattern: str, type_: Type, bound: dict[str, Type], *, exact: bool) -> bool:  # noqa: PLR0911
    if type_ == UNKNOWN:
        return True
    if pattern in ("T", "U", "K", "V"):
        common = type_ if pattern not in bound else common_type(bound[pattern], type_)
        if common is None:
            return False
        bound[pattern] = common
        return True
    inner = re.fullmatch(r"(array|map|row)\((.*)\)", pattern)
    if inner:
        insides = [inner[2]] if inner[1] == "array" else inner[2].split(",")
        return (
            len(type_.parts) == len(insides)
            and type_.name == inner[1]
            and all(_bind(inside, part, bound, exact=exact) for inside, part in zip(insides, type_.parts, strict=True))
        )
    if pattern == "decimal":
        return type_.name == "decimal" or (type_.is_integer and not exact)
    if pattern == "timestamp":
        return type_.name == "timestamp" or (type_.name == "date" and not exact)
    wanted = _concrete(pattern)
    if exact:
        # a shorter varchar is a varchar; a length that is asked for is a limit
        return type_.name == wanted.name and common_type(type_, wanted) == wanted
    return common_type(type_, wanted) == wanted


def _concrete(pattern: str) -> Type:
    if pattern in _BARE:
        return Type(pattern)
    if pattern == str(ZONED) or pattern == ZONED.name:
        return ZONED
    numbers = re.fullmatch(r"(\w+)\((\d+)\)", pattern)
    if numbers is None:
        raise ValueError(f"no type is named {pattern!r}: correct the list of functions")
    return Type(numbers[1], (int(numbers[2]),))


def _resolve(pattern: str, bound: dict[str, Type], actual: Type) -> Type | None:
    if pattern in ("T", "U", "K", "V"):
        return bound.get(pattern, UNKNOWN)
    inner = re.fullmatch(r"(array|map|row)\((.*)\)", pattern)
    if inner:
        insides = [inner[2]] if inner[1] == "array" else inner[2].split(",")
        parts = [_resolve(inside, bound, UNKNOWN) for inside in insides]
        found = tuple(part for part in parts if part is not None)
        names = (None,) * len(found) if inner[1] == "row" else ()
        return Type(inner[1], parts=found, names=names) if len(found) == len(parts) else None
    if pattern == "decimal":
        return None if actual == UNKNOWN else as_decimal(actual)
    if pattern == "timestamp":
        return actual if actual.name == "timestamp" else Type("timestamp", (3,))
    if pattern == "varchar" and actual.name == "varchar":
        return actual
    return _concrete(pattern)
