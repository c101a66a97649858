"""Items as text, so that what the table says and what a view says can be compared. Pure, standard library only.

The same item is written in several ways: names and sets have no order, a client gives bytes where JSON has base64, and
a number has many texts. Here it has one.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import Any

# numbers have up to 38 digits; more room than that, so that nothing is rounded (developer guide, "Naming rules")
_EXACT = Context(prec=200, Emin=-1000, Emax=1000)


def canonical_item(item: Mapping[str, Any]) -> str:
    """Return one text for all ways to write an item, numbers by their value.

    Args:
        item: Attribute values by name, as boto3's client gives them or as parsed DynamoDB JSON.

    Raises:
        ValueError: It is no item.
    """
    return _map(item, _number_by_value)


def canonical_key(key: Mapping[str, Any]) -> str:
    """Return the text that the column `item_key` has for a key: numbers stay as DynamoDB wrote them.

    Args:
        key: The key attributes, as boto3's client gives them.

    Raises:
        ValueError: It is no key.
    """
    return _map(key, str)


def client_form(key: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return key attributes in DynamoDB JSON, bytes as base64, as boto3's client takes them."""
    return {
        name: {tag: base64.b64decode(content, validate=True) if tag == "B" else content}
        for name, value in key.items()
        for tag, content in value.items()
    }


def client_key(item_key: str) -> dict[str, Any]:
    """Return a key as boto3's client takes it.

    Args:
        item_key: Text of the column `item_key`.

    Raises:
        ValueError: It is no key.
    """
    try:
        return client_form(json.loads(item_key))
    except (AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f"no key of an item: {item_key[:100]}") from error


def _map(content: Mapping[str, Any], number: Callable[[str], str]) -> str:
    if not isinstance(content, Mapping):
        raise ValueError("no map of attribute values")  # noqa: TRY004 - the caller catches one kind of error
    members = sorted(content.items(), key=lambda member: member[0].encode("utf-8", "surrogatepass"))
    return "{" + ",".join(f"{_text(name)}:{_value(value, number)}" for name, value in members) + "}"


def _value(value: Any, number: Callable[[str], str]) -> str:
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ValueError("an attribute value has one type")
    [(tag, content)] = value.items()
    if tag == "M":
        written = _map(content, number)
    elif tag == "L":
        written = "[" + ",".join(_value(one, number) for one in content) + "]"
    elif tag in {"SS", "NS", "BS"}:
        members = sorted((_scalar(tag[0], one, number) for one in content), key=str.encode)
        written = "[" + ",".join(map(_text, members)) + "]"
    elif tag in {"S", "N", "B"}:
        written = _text(_scalar(tag, content, number))
    elif tag in {"BOOL", "NULL"} and isinstance(content, bool):
        written = "true" if content else "false"
    else:
        raise ValueError(f"no attribute value of type {tag}")
    return f"{{{_text(tag)}:{written}}}"


def _scalar(tag: str, content: Any, number: Callable[[str], str]) -> str:
    if tag == "B" and isinstance(content, (bytes, bytearray)):
        return base64.b64encode(content).decode("ascii")
    if not isinstance(content, str):
        raise ValueError(f"the content of {tag} is no text")  # noqa: TRY004 - the caller catches one kind of error
    if tag == "B":
        # what is no base64 raises a kind of ValueError
        binascii.a2b_base64(content, strict_mode=True)
    return number(content) if tag == "N" else content


def _number_by_value(text: str) -> str:
    try:
        value = _EXACT.create_decimal(text).normalize(_EXACT)
    except InvalidOperation:
        raise ValueError(f"no number: {text[:100]}") from None
    if not value.is_finite():
        raise ValueError(f"no number: {text[:100]}")
    return "0" if value == Decimal(0) else str(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
