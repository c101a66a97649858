"""How a setting is refused: by its name, with what is allowed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NoReturn


class InvalidSettingError(Exception):
    """A setting is wrong, or local AWS does not support it; the message names it."""


def number(name: str, value: Any, low: float, high: float) -> float:
    """Read a number.

    Raises:
        InvalidSettingError: It is none, or outside its range.
    """
    try:
        read = float(value)
    except (TypeError, ValueError):
        read = float("nan")
    if not low <= read <= high:
        refuse(name, value, f"a number from {low} to {high}")
    return read


def required(settings: Mapping[str, Any], name: str) -> Any:
    """Return a setting.

    Raises:
        InvalidSettingError: It is missing or empty.
    """
    if not settings.get(name):
        raise InvalidSettingError(f"{name} is missing")
    return settings[name]


def refuse_others(place: str, settings: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse settings that are not known.

    Raises:
        InvalidSettingError: There is such a one.
    """
    for name, value in settings.items():
        if name not in known and value is not None:
            raise InvalidSettingError(f"Local AWS does not support {name} in {place}; it supports {', '.join(known)}")


def refuse(name: str, found: Any, allowed: str) -> NoReturn:
    """Refuse the value of a setting.

    Raises:
        InvalidSettingError: Always.
    """
    raise InvalidSettingError(f"{name}: found {found}; local AWS allows {allowed}")
