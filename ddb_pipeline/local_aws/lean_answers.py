"""Remembers what moto works out again for each field of each answer: under which name to find it, and when it was.

With it a list of S3 objects takes half the time: it is what the pipeline asks for most.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from botocore.utils import parse_to_aware_datetime
from moto.core import serialize
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker

_MEMORY = "_ddb_pipeline_possible_keys"
_MOMENTS = 10_000
_work_out = XFormedAttributePicker.get_possible_keys


def remember() -> None:
    """Have moto's answers use what was worked out before. Harmless when it is done already."""
    # moto has no setting for either
    picker: Any = XFormedAttributePicker
    picker.get_possible_keys = _possible_keys
    module: Any = serialize
    module.parse_to_aware_datetime = _moment


def _possible_keys(picker: XFormedAttributePicker, context: AttributePickerContext) -> tuple[str, ...]:
    """Return the names to try for a field, in moto's order; they are kept with the field's shape.

    moto's objects may name a field in any of several ways. Which come into question follows from the shape, the key and
    the class of the object alone (moto/core/serialize.py: the alias providers).
    """
    memory = vars(context.shape).setdefault(_MEMORY, {})
    asked = (type(context.obj), context.key)
    found: tuple[str, ...] | None = memory.get(asked)
    if found is None:
        # a name that is tried twice is not found the second time either
        found = memory[asked] = tuple(dict.fromkeys(_work_out(picker, context)))
    return found


def _moment(value: Any) -> datetime:
    """Read a moment; moto keeps many as text, which is taken apart by dateutil."""
    return _moment_of_text(value) if isinstance(value, str) else parse_to_aware_datetime(value)


@lru_cache(_MOMENTS)
def _moment_of_text(text: str) -> datetime:
    return parse_to_aware_datetime(text)
