"""DynamoDB attribute values as DynamoDB keeps them: checked, normalised, compared and measured.

moto stores what it is sent, so "1.0" stays "1.0" and an empty set stays an empty set. Images that leave the table
must look as DynamoDB's do, because everything downstream compares them. Pure: no moto, no server.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

AttributeValue = Mapping[str, Any]
"""One value as on the wire: one type key and its value. Binary is base64 text, or bytes as moto holds it in sets."""

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
_SET_ELEMENTS = {"SS": ("S", "string"), "NS": ("N", "number"), "BS": ("B", "binary")}
_READ_AS: Mapping[str, type | tuple[type, ...]] = {
    "S": str,
    "B": (str, bytes),
    "BOOL": bool,
    "M": dict,
    "L": list,
    "SS": list,
    "NS": list,
    "BS": list,
}
_HELD_AS_SENT = frozenset({"S", "N", "BOOL", "NULL", "SS", "NS"})


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


def normalised_attributes(attributes: Mapping[str, AttributeValue]) -> dict[str, dict[str, Any]]:
    """Check and normalise the attributes of an item, a key, or the values of an expression.

    Raises:
        InvalidValueError: DynamoDB would refuse one of them.
    """
    return _normalised_members(attributes, 1)


def normalised(value: AttributeValue, level: int = 1) -> dict[str, Any]:
    """Check and normalise one attribute value, with all that it holds.

    Raises:
        InvalidValueError: DynamoDB would refuse it.
    """
    if not isinstance(value, dict) or len(value) != 1:
        raise InvalidValueError(
            "Supplied AttributeValue is empty or has more than one type, must contain exactly one of the supported "
            "datatypes"
        )
    if level > _NESTING_LEVELS + 1:
        raise InvalidValueError("Nesting Levels have exceeded supported limits")
    [(kind, content)] = value.items()
    if kind == "N":
        return {"N": normalised_number(content)}
    _check_type(content, _READ_AS.get(kind, object))
    if kind == "M":
        return {"M": _normalised_members(content, level + 1)}
    if kind == "L":
        return {"L": [normalised(member, level + 1) for member in content]}
    if kind in _SET_ELEMENTS:
        return {kind: _normalised_set(kind, content)}
    if kind == "NULL" and content is not True:
        raise InvalidValueError("Null attribute value types must have the value of true")
    return value


def _check_type(content: Any, expected: type | tuple[type, ...]) -> None:
    if not isinstance(content, expected):
        is_number = isinstance(content, int | float) and not isinstance(content, bool)
        raise UnreadableValueError(
            "NUMBER_VALUE cannot be converted to String" if is_number else "Unexpected value type in payload"
        )


def _normalised_members(members: Mapping[str, AttributeValue], level: int) -> dict[str, dict[str, Any]]:
    # "Naming rules and data types": attribute names have at least one character; moto's answers would lose them
    if "" in members:
        raise InvalidValueError("One or more parameter values were invalid: An attribute name may not be empty")
    return {name: normalised(value, level) for name, value in members.items()}


def _normalised_set(kind: str, elements: list[Any]) -> list[Any]:
    if not elements:
        raise InvalidValueError(
            f"One or more parameter values were invalid: An {_SET_ELEMENTS[kind][1]} set  may not be empty"
        )
    for element in elements:
        _check_type(element, (str, bytes) if kind == "BS" else str)
    found = [normalised_number(element) for element in elements] if kind == "NS" else list(elements)
    if len(set(found)) != len(found):
        raise InvalidValueError(
            "One or more parameter values were invalid: Input collection of a set contains duplicates"
        )
    return found


def held_attributes(attributes: Mapping[str, AttributeValue]) -> dict[str, dict[str, Any]]:
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
    if kind in _HELD_AS_SENT and content is not None:
        return value
    if kind == "M":
        return {"M": held_attributes(content)}
    if kind == "L":
        return {"L": [held(member) for member in content]}
    if kind == "BS":
        return {"BS": [base64.b64decode(element) for element in content]}
    if kind == "B":
        return {"B": base64.b64decode(content)}
    raise ValueError(kind)


def image_of(attributes: Mapping[str, AttributeValue]) -> dict[str, dict[str, Any]]:
    """Return attributes as they stand in a change record: DynamoDB JSON, all binary as base64 text."""
    return {name: _json_value(value) for name, value in attributes.items()}


def _json_value(value: AttributeValue) -> dict[str, Any]:
    [(kind, content)] = value.items()
    if kind == "M":
        return {"M": image_of(content)}
    if kind == "L":
        return {"L": [_json_value(member) for member in content]}
    if kind == "BS":
        return {"BS": [base64_text(element) for element in content]}
    if kind == "B":
        return {"B": base64_text(content)}
    return {kind: content}


def base64_text(content: str | bytes) -> str:
    """Return binary as it stands in JSON; it may stand so already."""
    return base64.b64encode(content).decode("ascii") if isinstance(content, bytes) else content


def same_image(one: Mapping[str, AttributeValue] | None, other: Mapping[str, AttributeValue] | None) -> bool:
    """Say whether two images are the same item; the order inside sets means nothing, absence is None."""
    if one is None or other is None:
        return one is other
    return one.keys() == other.keys() and all(_is_same(value, other[name]) for name, value in one.items())


def _is_same(one: AttributeValue, other: AttributeValue) -> bool:
    return one == other or bool(_comparable(one) == _comparable(other))


def _comparable(value: AttributeValue) -> Any:
    [(kind, content)] = value.items()
    if kind == "M":
        return kind, {name: _comparable(member) for name, member in content.items()}
    if kind == "L":
        return kind, [_comparable(member) for member in content]
    return kind, frozenset(content) if kind in _SET_ELEMENTS else content


def size_of_image(image: Mapping[str, AttributeValue]) -> int:
    """Return the size of an item in bytes, as DynamoDB counts it: names in UTF-8, and their values."""
    return sum(_size_of_text(name) + _size(value) for name, value in image.items())


def _size(value: AttributeValue) -> int:
    [(kind, content)] = value.items()
    if kind in _SET_ELEMENTS:
        size_of = _SIZES[_SET_ELEMENTS[kind][0]]
        return sum(size_of(element) for element in content)
    # BOOL and NULL take one byte
    return _SIZES[kind](content) if kind in _SIZES else 1


def _size_of_text(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _size_of_number(text: str) -> int:
    # one byte, and one for every two significant digits; AWS does not document the byte for the minus sign
    digits = text.lstrip("-").replace(".", "").strip("0")
    return 1 + (len(digits) + 1) // 2 + (1 if text.startswith("-") else 0)


_SIZES: Mapping[str, Callable[[Any], int]] = {
    "S": _size_of_text,
    "N": _size_of_number,
    "B": lambda content: len(content if isinstance(content, bytes) else base64.b64decode(content)),
    "M": lambda members: _CONTAINER_OVERHEAD + size_of_image(members) + _ELEMENT_OVERHEAD * len(members),
    "L": lambda members: _CONTAINER_OVERHEAD + sum(_ELEMENT_OVERHEAD + _size(member) for member in members),
}
