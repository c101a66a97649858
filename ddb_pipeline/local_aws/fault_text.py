"""Faults as they are written on the command line: `name=value,name=value`. Pure."""

from __future__ import annotations

from typing import Any


class NoValueError(ValueError):
    """A part of the text has no value; its text is the part."""


def settings_in(text: str) -> dict[str, Any]:
    """Return the settings of a text, each value as truth, number or text, whichever it can be first.

    Raises:
        NoValueError: A part has no `=`.
    """
    settings: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise NoValueError(part)
        settings[name] = _parsed(value)
    return settings


def _parsed(value: str) -> Any:
    if value in {"true", "false"}:
        return value == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
