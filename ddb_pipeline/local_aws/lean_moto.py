"""What moto does with every request and every object, and nobody here uses: left out, or done once.

moto looks a class through for its operations at each request, and keeps each object it ever made, old versions of
items among them, for a dashboard that local AWS does not serve.
"""

from __future__ import annotations

import functools
from typing import Any

from moto.core import responses
from moto.core.common_models import BaseModel
from moto.core.utils import method_names_from_class


def install() -> None:
    """Make moto do less; doing it twice is harmless."""
    setattr(responses, "method_names_from_class", _method_names)  # noqa: B010 - moto does not export it
    BaseModel.__new__ = _untracked  # type: ignore[method-assign]


@functools.cache
def _method_names(of: object) -> list[str]:
    return method_names_from_class(of)


def _untracked(cls: type[BaseModel], *_arguments: Any, **_named: Any) -> BaseModel:
    return object.__new__(cls)
