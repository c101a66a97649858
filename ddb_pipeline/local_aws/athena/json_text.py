"""JSON as Trino's JSON type holds it, for what DuckDB's own JSON functions read or write differently.

A JSON value is its text: names sorted, no spaces, a name that is repeated has its last value, whole numbers have all
their digits. A number with a fraction or an exponent is a double in Trino before release 481
(github.com/trinodb/trino/issues/28867), and Athena does not say which release it follows: where the double and the
digits that were written differ, the digits are kept and whoever would show them refuses to.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

from ddb_pipeline.local_aws.athena.errors import FunctionFailedError
from ddb_pipeline.local_aws.athena.results import double_text

_CONTROL = re.compile(r"\\u00[0-9a-f]{2}")
_MAX_SHOWN = 10_000


class _Number(str):
    """A number as it was written."""

    __slots__ = ()

    @property
    def is_whole(self) -> bool:
        return self.removeprefix("-").isdecimal()


class _Object(list[tuple[str, Any]]):
    """The members of an object, in their order, repeated names included."""


def parse(text: str) -> str:
    """`json_parse`: the value's text in Trino's form.

    Raises:
        FunctionFailedError: The text is not JSON.
    """
    return _write(_read(text), is_sorted=True)


def extract(text: str, pointer: str) -> str | None:
    """`json_extract` of a text: the part at a JSON pointer, its names in the order they have; None: there is none."""
    try:
        value = _read(text)
    except FunctionFailedError:
        return None
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, _Object):
            found = [own for key, own in value if key == name][:1]
        elif isinstance(value, list) and name.isascii() and name.isdecimal():
            found = value[int(name) : int(name) + 1]
        else:
            found = []
        if not found:
            return None
        value = found[0]
    return _write(value, is_sorted=False)


def parts(text: str) -> list[str]:
    """Texts of the elements of an array, or of the members' values of an object."""
    value = _read(text)
    values = [own for _, own in value] if isinstance(value, _Object) else value
    return [_write(own, is_sorted=False) for own in values]


def double(value: float) -> str:
    """A double as a JSON value; what is no number becomes a string, as Jackson writes it."""
    written = double_text(value)
    return written if math.isfinite(value) else f'"{written}"'


def shown(text: str) -> str:
    """The text itself, if Athena is sure to show the same.

    Raises:
        FunctionFailedError: A number in it has more digits than a double keeps.
    """
    for number in _numbers(_read(text)):
        if not number.is_whole and not _is_double(number):
            message = f"text of the JSON number {number}, which a double does not hold, is not supported by local AWS"
            raise FunctionFailedError("NOT_SUPPORTED", message)
    return text


def _read(text: str) -> Any:
    try:
        return json.loads(
            text,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_refuse_constant,
            object_pairs_hook=_Object,
        )
    except (ValueError, RecursionError):
        raise FunctionFailedError(
            "INVALID_FUNCTION_ARGUMENT", f"Cannot convert value to JSON: '{text[:_MAX_SHOWN]}'"
        ) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _write(value: Any, *, is_sorted: bool) -> str:
    if isinstance(value, _Number):
        return _number(value)
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, _Object):
        members: Sequence[tuple[str, Any]] = value
        if is_sorted:
            # Java orders strings by their UTF-16 units
            members = sorted(dict(value).items(), key=lambda member: member[0].encode("utf-16-be", "surrogatepass"))
        return f"{{{','.join(f'{quote(name)}:{_write(own, is_sorted=is_sorted)}' for name, own in members)}}}"
    if isinstance(value, list):
        return f"[{','.join(_write(own, is_sorted=is_sorted) for own in value)}]"
    return {None: "null", True: "true", False: "false"}[value]


def quote(text: str) -> str:
    """A JSON string as Jackson writes it: hexadecimal digits of escapes are upper case."""
    quoted = encode_basestring(text)
    if "\\u00" in quoted:
        # an escaped backslash before u00 is none of these: it stands for itself
        pieces = quoted.split("\\\\")
        quoted = "\\\\".join(_CONTROL.sub(lambda found: "\\u" + found[0][2:].upper(), piece) for piece in pieces)
    if not quoted.isascii() and any("\ud800" <= character <= "\udfff" for character in quoted):
        raise FunctionFailedError("NOT_SUPPORTED", "half a surrogate pair in JSON is not supported by local AWS")
    return quoted


def _number(number: _Number) -> str:
    if number.is_whole:
        return "0" if number == "-0" else number
    return double_text(float(number)) if _is_double(number) else number


def _is_double(number: _Number) -> bool:
    value = float(number)
    return abs(value) != float("inf") and Decimal(number) == Decimal(repr(value))


def _numbers(value: Any) -> list[_Number]:
    if isinstance(value, _Number):
        return [value]
    if isinstance(value, _Object):
        return [number for _, own in value for number in _numbers(own)]
    if isinstance(value, list):
        return [number for own in value for number in _numbers(own)]
    return []
