"""A JSON value as a value of a column's type. Pure.

A value comes as `json` reads it, but for numbers, which stay as they were written (`Number`). What is made of it is
what DuckDB reads as the column's type from JSON: decimals and moments are texts, as are the doubles that JSON lacks.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from ddb_pipeline.local_aws.athena.openx.options import Options
from ddb_pipeline.local_aws.athena.types import Type

Reader = Callable[[Any], Any]

_LIMITS = {"tinyint": 2**7, "smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_LONGEST = len(str(-(2**63)))
# values that are read as they are
_PLAIN_VALUES: dict[str, type] = {"varchar": str, "boolean": bool}
_FLAT = {*_LIMITS, "boolean", "double", "decimal", "varchar", "date", "timestamp"}
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FRACTION = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "+Infinity": math.inf, "-Infinity": -math.inf}
_SECONDS = r"(\d{4}-\d\d-\d\d)(?: (\d\d:\d\d:\d\d)(\.\d{1,9})?|T(\d\d:\d\d:\d\d)(\.\d{1,9})?Z)"
_TIMESTAMP = re.compile(_SECONDS, re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# in the text of an object, these are written in one way by one version and in another by the next
_UNSURE_IN_TEXT = re.compile(r"[\x00-\x07\x0b\x0e-\x1f\x7f-\xa0\u2000-\u2100]|</")
# doubles that Java writes without an exponent
_PLAIN = (1e-3, 1e7)
# characters of a value in a message
_SHOWN = 100
# more than a decimal column's 38 digits on both sides of the point
_DIGITS = 400


class Number(str):
    """A JSON number, as it was written."""

    __slots__ = ()


class Whole(Number):
    """A JSON number without fraction and exponent."""

    __slots__ = ()


class Folded(dict[str, Any]):
    """An object whose keys were changed to be found."""


class MisfitError(Exception):
    """A value is none of its column's type.

    Attributes:
        is_sure: Whether every version of the SerDe says so; else they make different things of it.
        is_flat: Whether it is neither an object nor an array.
    """

    def __init__(self, value: Any, type_: Type, *, is_sure: bool) -> None:
        super().__init__(f"{_shown(value)} for a {type_}")
        self.is_sure = is_sure
        self.is_flat = not isinstance(value, (dict, list))


def is_read(type_: Type) -> bool:
    """Whether columns of a type are read."""
    if type_.name == "map":
        return type_.parts[0] == Type("varchar") and is_read(type_.parts[1])
    return type_.name in _FLAT or (type_.name in {"array", "row"} and all(map(is_read, type_.parts)))


def reader(type_: Type, options: Options) -> Reader:
    """Make what reads values of a type; JSON's null is NULL in all of them.

    The reader raises MisfitError for a value that is none of the type.
    """
    if type_.name == "row":
        return _row_reader(type_, options)
    parts = [reader(part, options) for part in type_.parts]
    plain, read = _PLAIN_VALUES.get(type_.name), _READERS[type_.name]

    def read_value(value: Any) -> Any:
        if value is None or (type(value) is plain and not type_.numbers):
            return value
        return read(value, type_, parts)

    return read_value


def members(names: Sequence[str], options: Options) -> list[tuple[str, str]]:
    """Name and key of each column or field."""
    keys = dict(options.keys)
    return [(name, keys.get(name, name)) for name in names]


def _row_reader(type_: Type, options: Options) -> Reader:
    places = [key for _, key in members([str(name) for name in type_.names], options)]
    fields = [
        (f"f{i}", key, reader(part, options)) for i, (key, part) in enumerate(zip(places, type_.parts, strict=True), 1)
    ]

    def read(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, dict):
            # an array is read by place in some versions, an empty text is a row of NULLs or none
            raise MisfitError(value, type_, is_sure=not isinstance(value, list) and value != "")
        return {field: own(value.get(key)) for field, key, own in fields}

    return read


def _array(value: Any, _: Type, parts: list[Reader]) -> Any:
    if value == "":
        return None
    # anything else than an array is taken as its only element
    return [parts[0](one) for one in (value if isinstance(value, list) else [value])]


def _map(value: Any, type_: Type, parts: list[Reader]) -> Any:
    if not isinstance(value, dict) or isinstance(value, Folded):
        # keys of a map are turned to lower case by some versions
        raise MisfitError(value, type_, is_sure=not isinstance(value, dict) and value != "")
    return {key: parts[1](one) for key, one in value.items()}


def _whole(value: Any, type_: Type, _: list[Reader]) -> int:
    if not isinstance(value, Whole) and not (isinstance(value, str) and _WHOLE.fullmatch(value)):
        # other forms are hexadecimal or octal to some versions, and fractions are cut or refused
        raise MisfitError(value, type_, is_sure=not isinstance(value, str) or not _has_digit(value))
    limit = _LIMITS[type_.name]
    number = int(value) if len(value) <= _LONGEST else limit
    if not -limit <= number < limit:
        raise MisfitError(value, type_, is_sure=type_.name == "bigint")
    return number


def _double(value: Any, type_: Type, _: list[Reader]) -> Any:
    if isinstance(value, str) and (_FRACTION.fullmatch(value) or value in _NOT_FINITE):
        number = _NOT_FINITE.get(value)
        number = float(value) if number is None else number
        return number if math.isfinite(number) else str(number)
    raise MisfitError(value, type_, is_sure=not isinstance(value, str) or not _has_digit(value))


def _decimal(value: Any, type_: Type, _: list[Reader]) -> str:
    if not isinstance(value, str) or not _FRACTION.fullmatch(value):
        raise MisfitError(value, type_, is_sure=not isinstance(value, str) or not _has_digit(value))
    digits, scale = type_.numbers
    with localcontext(prec=_DIGITS):
        number = Decimal(value)
        if number.adjusted() >= digits - scale and number:
            raise MisfitError(value, type_, is_sure=True)
        rounded = number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    if abs(rounded) >= Decimal(10) ** (digits - scale):
        raise MisfitError(value, type_, is_sure=True)
    return f"{rounded:f}"


def _boolean(value: Any, type_: Type, _: list[Reader]) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    # anything else is false, or fails
    raise MisfitError(value, type_, is_sure=False)


def _varchar(value: Any, type_: Type, _: list[Reader]) -> str:
    text = _text(value, type_, value)
    return text[: type_.numbers[0]] if type_.numbers else text


def _text(value: Any, type_: Type, whole: Any) -> str:
    """Text of a column's value."""
    if isinstance(value, Number):
        return _number_text(value, type_, whole)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return _json_text(value, type_, whole)


def _json_text(value: Any, type_: Type, whole: Any) -> str:
    """Text of an object, an array, or a part of one."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{','.join(_json_text(one, type_, whole) for one in value)}]"
    if isinstance(value, Folded):
        raise MisfitError(whole, type_, is_sure=False)
    if isinstance(value, dict):
        inside = (f"{_quoted(key, type_, whole)}:{_json_text(one, type_, whole)}" for key, one in value.items())
        return f"{{{','.join(inside)}}}"
    if isinstance(value, str) and not isinstance(value, Number):
        return _quoted(value, type_, whole)
    return _text(value, type_, whole)


def _quoted(text: str, type_: Type, whole: Any) -> str:
    if _UNSURE_IN_TEXT.search(text):
        raise MisfitError(whole, type_, is_sure=False)
    return json.dumps(text, ensure_ascii=False)


def _number_text(value: Number, type_: Type, whole: Any) -> str:
    """Text of a number, where a double and a decimal of any length have the same."""
    if _WHOLE.fullmatch(value) and value != "-0" and len(value) <= _LONGEST and -(2**63) <= int(value) < 2**63:
        return str(value)
    number = float(value)
    if _PLAIN[0] <= abs(number) < _PLAIN[1] and repr(number) == value:
        return str(value)
    raise MisfitError(whole, type_, is_sure=False)


def _date(value: Any, type_: Type, _: list[Reader]) -> str:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            raise MisfitError(value, type_, is_sure=False) from None
    raise MisfitError(value, type_, is_sure=isinstance(value, str) and not _has_digit(value))


def _timestamp(value: Any, type_: Type, _: list[Reader]) -> str:
    found = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise MisfitError(value, type_, is_sure=isinstance(value, str) and not _has_digit(value))
    # a timestamp of Hive's tables has milliseconds in Athena
    milliseconds = (Decimal(found[3] or found[5] or 0) * 1000).quantize(Decimal(1), ROUND_HALF_UP)
    try:
        second = datetime.fromisoformat(f"{found[1]} {found[2] or found[4]}")
        return (second + timedelta(milliseconds=int(milliseconds))).isoformat(" ", "milliseconds")
    except (ValueError, OverflowError):
        raise MisfitError(value, type_, is_sure=False) from None


def _has_digit(text: str) -> bool:
    """Whether a text may be a number to some version."""
    return any(character.isdigit() for character in text)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, Number) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


_READERS: dict[str, Callable[[Any, Type, list[Reader]], Any]] = {
    **dict.fromkeys(_LIMITS, _whole),
    "array": _array,
    "boolean": _boolean,
    "date": _date,
    "decimal": _decimal,
    "double": _double,
    "map": _map,
    "timestamp": _timestamp,
    "varchar": _varchar,
}
