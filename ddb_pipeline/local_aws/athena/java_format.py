"""`format(text, args...)`: Java's Formatter, for the conversions that are used with SQL's values.

Source: https://trino.io/docs/current/functions/conversion.html ("Formatting"), which refers to java.util.Formatter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal

from ddb_pipeline.local_aws.athena.types import Type

_SPECIFIER = re.compile(
    r"%(?:(?P<index>[0-9]+)\$)?(?P<flags>[-,0+ ]*)(?P<width>[1-9][0-9]*)?(?:\.(?P<precision>[0-9]+))?"
    r"(?P<conversion>[a-zA-Z%])"
)
_TEXTS = ("varchar", "boolean", "date", "double")
_DEFAULT_PRECISION = 6
_GROUP = ","
_CONTEXT = Context(prec=400)


def unsupported(pattern: str, types: Sequence[Type]) -> str | None:
    """What of a format local AWS does not know with arguments of these types; None: it knows all of it."""
    place = 0
    for found in _SPECIFIER.finditer(pattern):
        conversion, flags = found["conversion"], found["flags"]
        if conversion in "%n":
            if found[0] not in {"%%", "%n"}:
                return found[0]
            continue
        place, index = (place, int(found["index"])) if found["index"] else (place + 1, place + 1)
        if not 1 <= index <= len(types) or len(set(flags)) != len(flags):
            return found[0]
        type_ = types[index - 1]
        if conversion == "s" and not set(flags) - {"-"} and _is_text(type_) and not found["precision"]:
            continue
        if conversion == "d" and type_.is_integer and not found["precision"] and _is_aligned(flags, found["width"]):
            continue
        if conversion == "f" and type_.name in {"double", "decimal"} and _is_aligned(flags, found["width"]):
            continue
        return found[0]
    rest = _SPECIFIER.sub("", pattern)
    return "%" if "%" in rest else None


def _is_text(type_: Type) -> bool:
    # BigDecimal shows many zeros after the point with an exponent
    return (
        type_.is_integer or type_.name in _TEXTS or (type_.name == "decimal" and type_.numbers[1] <= _DEFAULT_PRECISION)
    )


def _is_aligned(flags: str, width: str | None) -> bool:
    """Whether flags and width go together: Java fails for the other combinations."""
    return (
        not ("-" in flags and "0" in flags)
        and not ("+" in flags and " " in flags)
        and bool(width or not set(flags) & {"-", "0"})
    )


def formatted(pattern: str, values: Sequence[str | None]) -> str:
    """Write the text.

    Args:
        pattern: A format that `unsupported` found nothing in.
        values: Text of each value; NULL is written as `null`.
    """
    place = 0
    parts, end = [], 0
    for found in _SPECIFIER.finditer(pattern):
        parts.append(pattern[end : found.start()])
        end = found.end()
        if found["conversion"] in "%n":
            parts.append("%" if found["conversion"] == "%" else "\n")
            continue
        place, index = (place, int(found["index"])) if found["index"] else (place + 1, place + 1)
        parts.append(_one(found, values[index - 1]))
    return "".join([*parts, pattern[end:]])


def _one(found: re.Match[str], value: str | None) -> str:
    flags, width = found["flags"], int(found["width"] or 0)
    if value is None or found["conversion"] == "s" or value in {"NaN", "Infinity", "-Infinity"}:
        shown = "null" if value is None else value
        return shown.ljust(width) if "-" in flags else shown.rjust(width)
    number = Decimal(value)
    digits = int(found["precision"] or _DEFAULT_PRECISION) if found["conversion"] == "f" else 0
    magnitude = abs(number).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _CONTEXT)
    shown = f"{magnitude:{_GROUP if _GROUP in flags else ''}f}"
    sign = "-" if number.is_signed() else "+" if "+" in flags else " " if " " in flags else ""
    if "0" in flags:
        shown = shown.zfill(width - len(sign))
    return (sign + shown).ljust(width) if "-" in flags else (sign + shown).rjust(width)
