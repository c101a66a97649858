"""Which item: its table, and its key as the user writes it and as it stands in rows and records. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.declaration import KeyAttribute, Pipeline

_KEY_ATTRIBUTES = 2
"""A table's key has so many at most."""
_TELLING = 4
"""Bytes: what is shorter stands everywhere, and tells nothing."""

Comparable = Mapping[str, tuple[str, Any]]
"""Key attributes by name: the type, and the value such that equal keys are equal however they are written."""


@dataclass(frozen=True)
class Item:
    """An item of a table; items of several tables may have the same key.

    Attributes:
        table: Name of the table.
        key: Its key.
    """

    table: str
    key: Comparable


def read_key(text: str, pipeline: Pipeline) -> Comparable:
    """Read an item's key.

    Args:
        text: A JSON object with every key attribute: `{"pk": "42"}`, or DynamoDB JSON, `{"pk": {"S": "42"}}`.
            Bytes are base64.
        pipeline: Whose table it is.

    Raises:
        UserError: It is no key of that table.
    """
    found = _read_json(text, _example(pipeline))
    declared = {attribute.name: attribute for attribute in pipeline.key_attributes}
    if not isinstance(found, dict) or found.keys() != declared.keys():
        raise UserError(f"--key must hold exactly {' and '.join(declared)}, such as {_example(pipeline)}")
    return {name: _read_value(found[name], declared[name], pipeline) for name in declared}


def read_typed_key(text: str) -> Comparable:
    """Read the key of an item of a table that is not declared now, so that its types are not known.

    Args:
        text: The key attributes in DynamoDB JSON.

    Raises:
        UserError: It is no key.
    """
    example = """'{"pk": {"S": "42"}}'"""
    key = key_of(_read_json(text, example))
    if not key or len(key) > _KEY_ATTRIBUTES:
        raise UserError(f"--key of another table than is streamed now must tell its types: write it like {example}")
    return key


def key_of(keys: Any) -> Comparable | None:
    """Return the key that a record's `Keys`, or an item's key attributes in DynamoDB JSON, are; None: they are none."""
    if not isinstance(keys, dict):
        return None
    try:
        return {name: _comparable(*_only(value)) for name, value in keys.items()}
    except (ValueError, TypeError, AttributeError):
        return None


def key_of_text(text: Any) -> Comparable | None:
    """Return the key that a column `item_key` holds; None: it holds none."""
    try:
        return key_of(json.loads(text))
    except (ValueError, TypeError):
        return None


def for_boto3(key: Comparable) -> dict[str, dict[str, Any]]:
    """Return the key as boto3 takes it."""
    return {name: {kind: str(value) if kind == "N" else value} for name, (kind, value) in key.items()}


def traces(key: Comparable) -> list[bytes]:
    """Return what the key looks like in bytes that are no record: its texts, its bytes and their base64."""
    found = []
    for kind, value in key.values():
        plain = value if kind == "B" else str(value).encode()
        found += [plain, base64.b64encode(plain)] if kind == "B" else [plain]
    return [trace for trace in found if len(trace) >= _TELLING]


def needle(key: Comparable) -> bytes | None:
    """Return letters and digits that stand in every line of JSON that holds the key; None: there are too few.

    JSON is free to escape what it likes, but no writer escapes these: neither the converter nor DynamoDB. A number can
    be written in several ways, and so has none.
    """
    texts = [base64.b64encode(value) if kind == "B" else value.encode() for kind, value in key.values() if kind != "N"]
    runs = [run for text in texts for run in re.findall(rb"[A-Za-z0-9]+", text)]
    longest = max(runs, key=len, default=b"")
    return longest if len(longest) >= _TELLING else None


def _read_value(value: Any, attribute: KeyAttribute, pipeline: Pipeline) -> tuple[str, Any]:
    kind, content = (attribute.type, value) if isinstance(value, str) else (None, None)
    if isinstance(value, dict) and len(value) == 1:
        ((kind, content),) = value.items()
    try:
        if kind == attribute.type and isinstance(content, str):
            return _comparable(kind, content)
    except (ValueError, TypeError):
        pass  # said below, with what it should be
    raise UserError(
        f"--key: {attribute.name} is a key attribute of type {attribute.type}, and {json.dumps(value)[:80]} is no "
        f"value of it: write {_example(pipeline)}"
    )


def _comparable(kind: str, content: Any) -> tuple[str, Any]:
    """Return a typed value such that equal ones are equal.

    Raises:
        ValueError: The content is none of that type.
    """
    if not isinstance(content, str):
        raise TypeError(content)
    if kind == "S":
        return kind, content
    if kind == "N":
        try:
            number = Decimal(content)
        except InvalidOperation:
            raise ValueError(content) from None
        if not number.is_finite():
            raise ValueError(content)
        # not normalized, which rounds to 28 digits: decimals that are equal compare and hash so anyway
        return kind, number
    if kind == "B":
        try:
            return kind, base64.b64decode(content, validate=True)
        except binascii.Error:
            raise ValueError(content) from None
    raise ValueError(kind)


def _read_json(text: str, example: str) -> Any:
    try:
        # numbers keep their digits: DynamoDB's have 38
        return json.loads(text, parse_float=str, parse_int=str, object_pairs_hook=_object_without_repeats)
    except ValueError as error:
        raise UserError(f"--key is not JSON ({error}): write {example}") from None


def _only(value: Mapping[str, Any]) -> tuple[str, Any]:
    ((kind, content),) = value.items()
    return kind, content


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _example(pipeline: Pipeline) -> str:
    values = {"S": '"42"', "N": "42", "B": '"NDI="'}
    return "'{" + ", ".join(f"{json.dumps(one.name)}: {values[one.type]}" for one in pipeline.key_attributes) + "}'"
