"""DynamoDB JSON in two texts: canonical (for comparing and rebuilding) and plain (for reading).

Canonical: object names sorted by their UTF-8 bytes, sets sorted by their elements' UTF-8 bytes, lists in order, no
spaces, numbers as the strings that DynamoDB wrote, text unescaped wherever JSON allows it. Two images are the same
state exactly if their canonical texts are equal.

Plain: the value without type tags. A number is a JSON number with the very digits that DynamoDB wrote (it never
passes through float or Decimal, so 38 digits stay 38 digits), a set is an array in the canonical order, binary is
its base64 text.
"""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from strict_json import RefusedError

MAXIMUM_DEPTH = 64
"""Maps and lists inside each other. DynamoDB allows 32 (developer guide, "Service, account, and table quotas"); the
double leaves room for what "level" counts, and stays far from Python's recursion limit."""

KEY_TYPES = frozenset({"S", "N", "B"})
"""Types of a key attribute (developer guide, "Naming rules and data types")."""

_quote = json.JSONEncoder(ensure_ascii=False).encode

# what DynamoDB takes for a number; [0-9] because \d means every script's digits
_NUMBER = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eE][+-]?[0-9]+)?")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def item_texts(item: Any) -> tuple[str, str]:
    """Check an item, or its key, and write it.

    Args:
        item: Parsed DynamoDB JSON: attribute name -> attribute value.

    Returns:
        Canonical text and plain text.

    Raises:
        RefusedError: A value is not one of DynamoDB's ten types (API shape `AttributeValue`), or nested too deeply.
    """
    return _map(item, 0)


def image_hash(canonical: bytes) -> str:
    """First 32 hex digits of SHA-256 of a canonical image (UTF-8)."""
    return hashlib.sha256(canonical).hexdigest()[:32]


def json_number(text: str) -> str:
    """A DynamoDB number as a JSON number: same digits, same value.

    What DynamoDB itself writes is JSON already ("-12.5", "1E+125"). Only forms that it takes but would not write are
    touched, and as little as possible: the plus sign and leading zeros go, a bare point gets its zero or goes.

    Args:
        text: Content of an N, such as "12.50".

    Raises:
        RefusedError: The text is not a decimal number.
    """
    if _JSON_NUMBER.fullmatch(text):
        return text
    match = _NUMBER.fullmatch(text)
    sign, whole, fraction, exponent = match.groups() if match else ("", "", "", "")
    if not whole and not fraction:
        raise RefusedError("an N is not a number")
    return "".join(
        (
            "-" if sign == "-" else "",
            whole.lstrip("0") or "0",
            f".{fraction}" if fraction else "",
            exponent or "",
        )
    )


def _value(value: Any, depth: int) -> tuple[str, str]:
    if type(value) is not dict or len(value) != 1:
        raise RefusedError("an attribute value is not an object with exactly one type")
    [(tag, content)] = value.items()
    writer = _WRITERS.get(tag)
    if writer is None:
        raise RefusedError("an attribute value has a type that DynamoDB does not know")
    canonical, plain = writer(content, depth)
    return f'{{"{tag}":{canonical}}}', plain


def _string(content: Any, _depth: int) -> tuple[str, str]:
    if type(content) is not str:
        raise RefusedError("an S is not text")
    text = _quote(content)
    return text, text


def _number(content: Any, _depth: int) -> tuple[str, str]:
    if type(content) is not str:
        raise RefusedError("an N is not text")
    # json_number lets only digits, signs, points and exponents through: nothing to escape
    return f'"{content}"', json_number(content)


def _binary(content: Any, _depth: int) -> tuple[str, str]:
    if type(content) is not str:
        raise RefusedError("a B is not text")
    try:
        binascii.a2b_base64(content, strict_mode=True)
    except ValueError:
        raise RefusedError("a B is not base64") from None
    text = f'"{content}"'
    return text, text


def _boolean(content: Any, _depth: int) -> tuple[str, str]:
    if type(content) is not bool:
        raise RefusedError("a BOOL is not true or false")
    text = "true" if content else "false"
    return text, text


def _null(content: Any, _depth: int) -> tuple[str, str]:
    if content is not True:
        raise RefusedError("a NULL is not true")
    return "true", "null"


def _map(content: Any, depth: int) -> tuple[str, str]:
    if type(content) is not dict:
        raise RefusedError("a map of attributes is not an object")
    if depth > MAXIMUM_DEPTH:
        raise RefusedError("nested too deeply")
    canonical = []
    plain = []
    # Python orders text by code point, which is the order of its UTF-8 bytes
    for name in sorted(content):
        canonical_value, plain_value = _value(content[name], depth + 1)
        quoted = _quote(name)
        canonical.append(f"{quoted}:{canonical_value}")
        plain.append(f"{quoted}:{plain_value}")
    return f"{{{','.join(canonical)}}}", f"{{{','.join(plain)}}}"


def _list(content: Any, depth: int) -> tuple[str, str]:
    if type(content) is not list:
        raise RefusedError("an L is not an array")
    if depth > MAXIMUM_DEPTH:
        raise RefusedError("nested too deeply")
    texts = [_value(element, depth + 1) for element in content]
    return _array([canonical for canonical, _ in texts]), _array([plain for _, plain in texts])


def _set_of(writer: Callable[[Any, int], tuple[str, str]]) -> Callable[[Any, int], tuple[str, str]]:
    def write(content: Any, depth: int) -> tuple[str, str]:
        if type(content) is not list or not content:
            raise RefusedError("a set is not an array with elements")
        if any(type(element) is not str for element in content):
            raise RefusedError("a set has an element that is not text")
        elements = sorted(content)
        if len(set(elements)) != len(elements):
            raise RefusedError("a set repeats an element")
        texts = [writer(element, depth) for element in elements]
        return _array([canonical for canonical, _ in texts]), _array([plain for _, plain in texts])

    return write


def _array(texts: list[str]) -> str:
    return f"[{','.join(texts)}]"


_WRITERS: dict[str, Callable[[Any, int], tuple[str, str]]] = {
    "S": _string,
    "N": _number,
    "B": _binary,
    "BOOL": _boolean,
    "NULL": _null,
    "M": _map,
    "L": _list,
    "SS": _set_of(_string),
    "NS": _set_of(_number),
    "BS": _set_of(_binary),
}
