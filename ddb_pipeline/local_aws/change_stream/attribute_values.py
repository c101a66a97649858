"""DynamoDB attribute values as DynamoDB keeps them: checked, normalised, measured and written, in one pass.

moto stores what it is sent, so "1.0" stays "1.0" and an empty set stays an empty set. Images that leave the table
must look as DynamoDB's do, because everything downstream compares them. Pure: no moto, no server.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any

AttributeValue = Mapping[str, Any]
"""One value as on the wire: one type key and its value. Binary is base64 text, or bytes as moto holds it."""

Written = tuple[str, int]
"""Compact DynamoDB JSON, and the size in bytes as DynamoDB counts it."""

# "Naming rules and data types", developerguide/HowItWorks.NamingRulesDataTypes.html
_SIGNIFICANT_DIGITS = 38
_LARGEST_EXPONENT = 125
_SMALLEST_EXPONENT = -130
_NESTING_LEVELS = 32
# "DynamoDB item sizes and formats", developerguide/CapacityUnitCalculations.html
_CONTAINER_OVERHEAD = 3
_ELEMENT_OVERHEAD = 1

# most numbers are sent as they are kept
_KEPT_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,18}(\.[0-9]{0,17}[1-9])?|-?0\.[0-9]{0,36}[1-9]", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,6})?", re.ASCII)


class InvalidValueError(Exception):
    """DynamoDB would refuse this attribute value; the message is DynamoDB's."""


class UnreadableValueError(InvalidValueError):
    """DynamoDB could not even read the value: a JSON number where text belongs, say (SerializationException)."""


def normalised_number(text: str) -> str:
    """Return a number as DynamoDB returns it: plain digits, no exponent, no zeros that mean nothing.

    AWS documents that leading and trailing zeros are trimmed; that exponents are written out is seen in
    https://github.com/boto/boto3/issues/4636 (1.0E+50 comes back with 51 digits).

    Args:
        text: The number as sent.

    Raises:
        InvalidValueError: Not a number, more than 38 significant digits, or out of range.
    """
    if isinstance(text, str) and _KEPT_NUMBER.fullmatch(text):
        return text
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise InvalidValueError(f"The parameter cannot be converted to a numeric value: {text}")
    number = Decimal(text)
    if not number:
        return "0"
    sign, all_digits, exponent = number.as_tuple()
    digits = "".join(map(str, all_digits)).rstrip("0")
    exponent = int(exponent) + len(all_digits) - len(digits)
    if len(digits) > _SIGNIFICANT_DIGITS:
        raise InvalidValueError("Attempting to store more than 38 significant digits in a Number")
    magnitude = exponent + len(digits) - 1
    for wrong, kind, side in (
        (magnitude > _LARGEST_EXPONENT, "overflow", "larger"),
        (magnitude < _SMALLEST_EXPONENT, "underflow", "smaller"),
    ):
        if wrong:
            raise InvalidValueError(
                f"Number {kind}. Attempting to store a number with magnitude {side} than supported range"
            )
    return f"{Decimal((sign, tuple(map(int, digits)), exponent)):f}"


def written_attributes(attributes: Mapping[str, AttributeValue], level: int = 1) -> Written:
    """Write the attributes of an item, a key, or the members of a map, as DynamoDB keeps them.

    Args:
        attributes: By name; names and their order stay.
        level: Depth, 1 for an item.

    Raises:
        InvalidValueError: DynamoDB would refuse one of them.
    """
    pieces, size = [], 0
    for name, value in attributes.items():
        text, value_size = _written(value, level)
        pieces.append(f"{encode_basestring(name)}:{text}")
        size += _size_of_text(name) + value_size
    if "" in attributes:
        # "Naming rules and data types": at least one character; moto's answers would lose them
        raise InvalidValueError("One or more parameter values were invalid: An attribute name may not be empty")
    return f"{{{','.join(pieces)}}}", size


def normalised_attributes(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """Check and normalise attributes, as moto holds them.

    Raises:
        InvalidValueError: DynamoDB would refuse one of them.
    """
    return held_attributes(json.loads(written_attributes(attributes)[0]))


def normalised(value: AttributeValue) -> AttributeValue:
    """Check and normalise one value, with all that it holds, as moto holds it.

    Raises:
        InvalidValueError: DynamoDB would refuse it.
    """
    return held(json.loads(_written(value, 1)[0]))


def held_attributes(attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    """Return attributes of JSON as moto holds them: binary as bytes."""
    return {name: held(value) for name, value in attributes.items()}


def held(value: AttributeValue) -> AttributeValue:
    """Return one value of JSON as moto holds it.

    Raises:
        ValueError: It does not have exactly one of the ten types, or binary is not base64.
        AttributeError: It, or what it holds, is no object where there should be one.
        TypeError: It, or what it holds, is no array or text where there should be one.
    """
    [(kind, content)] = value.items()
    if kind == "M":
        return {"M": held_attributes(content)}
    if kind == "L":
        return {"L": [held(member) for member in content]}
    if kind == "BS":
        return {"BS": [base64.b64decode(element) for element in content]}
    if kind == "B":
        return {"B": base64.b64decode(content)}
    if kind not in _WRITERS or content is None:
        raise ValueError(kind)
    return value


def same_image(one: Mapping[str, AttributeValue] | None, other: Mapping[str, AttributeValue] | None) -> bool:
    """Say whether two images are the same item; the order inside sets means nothing, absence is None."""
    if one is None or other is None:
        return one is other
    return bool(_comparable({"M": one}) == _comparable({"M": other}))


def _comparable(value: AttributeValue) -> Any:
    [(kind, content)] = value.items()
    if kind == "M":
        return kind, {name: _comparable(member) for name, member in content.items()}
    if kind == "L":
        return kind, [_comparable(member) for member in content]
    return kind, frozenset(content) if kind in _SET_NAMES else content


def _written(value: AttributeValue, level: int) -> Written:
    if not isinstance(value, dict) or len(value) != 1:
        raise InvalidValueError(_NOT_ONE_TYPE)
    [(kind, content)] = value.items()
    writer = _WRITERS.get(kind)
    if writer is None or content is None:
        raise InvalidValueError(_NOT_ONE_TYPE)
    text, size = writer(content, level)
    return f'{{"{kind}":{text}}}', size


def _written_text(content: Any, _level: int) -> Written:
    return encode_basestring(_of_type(content, str)), _size_of_text(content)


def _size_of_text(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _written_number(content: Any, _level: int) -> Written:
    text = normalised_number(content)
    # one byte, and one for every two significant digits; AWS does not document the byte for the minus sign
    digits = text.lstrip("-").replace(".", "").strip("0")
    return f'"{text}"', 1 + (len(digits) + 1) // 2 + (1 if text.startswith("-") else 0)


def _written_binary(content: Any, _level: int) -> Written:
    try:
        data = content if isinstance(content, bytes) else base64.b64decode(_of_type(content, str), validate=True)
    except ValueError:
        raise UnreadableValueError(_UNREADABLE) from None
    return f'"{base64.b64encode(data).decode("ascii")}"', len(data)


def _written_boolean(content: Any, _level: int) -> Written:
    return "true" if _of_type(content, bool) else "false", 1


def _written_null(content: Any, _level: int) -> Written:
    if content is not True:
        raise InvalidValueError("Null attribute value types must have the value of true")
    return "true", 1


def _written_map(content: Any, level: int) -> Written:
    _check_level(_of_type(content, dict), level)
    text, size = written_attributes(content, level + 1)
    return text, _CONTAINER_OVERHEAD + _ELEMENT_OVERHEAD * len(content) + size


def _written_list(content: Any, level: int) -> Written:
    _check_level(_of_type(content, list), level)
    members = [_written(member, level + 1) for member in content]
    return _array(members), _CONTAINER_OVERHEAD + sum(_ELEMENT_OVERHEAD + size for _, size in members)


def _set_of(name: str, write: Callable[[Any, int], Written]) -> Callable[[Any, int], Written]:
    def written_set(content: Any, level: int) -> Written:
        if not _of_type(content, list):
            raise InvalidValueError(f"One or more parameter values were invalid: An {name} set  may not be empty")
        elements = [write(element, level) for element in content]
        if len(set(elements)) != len(elements):
            raise InvalidValueError(
                "One or more parameter values were invalid: Input collection of a set contains duplicates"
            )
        return _array(elements), sum(size for _, size in elements)

    return written_set


def _array(elements: list[Written]) -> str:
    return f"[{','.join([text for text, _ in elements])}]"


def _check_level(content: Any, level: int) -> None:
    if level > _NESTING_LEVELS and content:
        raise InvalidValueError("Nesting Levels have exceeded supported limits")


def _of_type(content: Any, expected: type) -> Any:
    if not isinstance(content, expected):
        is_number = isinstance(content, int | float) and not isinstance(content, bool)
        raise UnreadableValueError("NUMBER_VALUE cannot be converted to String" if is_number else _UNREADABLE)
    return content


_NOT_ONE_TYPE = (
    "Supplied AttributeValue is empty or has more than one type, must contain exactly one of the supported datatypes"
)
_UNREADABLE = "Unexpected value type in payload"
_SET_NAMES = {"SS": "string", "NS": "number", "BS": "binary"}
_WRITERS: Mapping[str, Callable[[Any, int], Written]] = {
    "S": _written_text,
    "N": _written_number,
    "B": _written_binary,
    "BOOL": _written_boolean,
    "NULL": _written_null,
    "M": _written_map,
    "L": _written_list,
    "SS": _set_of(_SET_NAMES["SS"], _written_text),
    "NS": _set_of(_SET_NAMES["NS"], _written_number),
    "BS": _set_of(_SET_NAMES["BS"], _written_binary),
}
