"""Names and kinds of the values in lines of JSON, found without parsing them where all lines have one layout.

A program that writes lines writes each with the same names in the same order. Whether lines are like that can be seen
from their bytes, many times faster than by a parser: a name ends where a colon stands directly behind a quote that no
backslash escapes, and nowhere else as long as no string begins with a colon. Whatever looks otherwise is left to a
parser.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Kinds = frozenset[tuple[str, str]]
"""Each name of a member with each kind of its values: DuckDB's name of a JSON type, as its `json_type` gives it."""

_QUOTE, _COLON, _COMMA, _BRACE, _BACKSLASH, _SPACE, _MINUS, _ZERO = b'":,}\\ -0'
# before the first line, a newline as before every other; behind the last, what may be looked at beyond it
_PADDING = b"\n" * 32
_PIECE = 1 << 16
# a number of so few digits is surely a whole one of 64 bits
_MOST_DIGITS = 18
_TEN = 10
_KINDS = {"VARCHAR": b'"', "UBIGINT": b"0123456789", "BIGINT": b"-", "BOOLEAN": b"tf", "NULL": b"n"}
# for each first byte of a value, the bit of its kind; 0: it is none of these kinds
_BITS = np.zeros(256, np.uint8)
for _place, _first in enumerate(_KINDS.values()):
    _BITS[list(_first)] = 1 << _place
_TEXT = 0b00001
_NUMBERS = 0b00110
_NULL = 0b10000

_Bytes = NDArray[np.uint8]
_Words = NDArray[np.uint64]
_Places = NDArray[np.int64]


def kinds(lines: bytes) -> Kinds | None:
    """Find the names and kinds of the values in lines.

    Args:
        lines: Lines, each with its newline. Each must be JSON: whether it is, is not looked at.

    Returns:
        What was found; None: the lines are not objects of one layout, or hold an object, an array or a fraction, or it
        is not plain that they do not.
    """
    text = np.frombuffer(_PADDING + lines + _PADDING, np.uint8)
    count, ends = lines.count(b"\n"), _ends_of_names(text)
    if ends is None or not count or not len(ends) or len(ends) % count:
        return None
    ends = ends.reshape(count, -1)
    # eight bytes from each place on
    words = np.ndarray((len(text) - 7,), "<u8", text, strides=(1,))
    names = _names(lines, words, ends)
    values = ends + 1 + (text[ends + 1] == _SPACE)
    bits = _BITS[text[values]]
    if names is None or not bits.all() or not _are_whole(text, words, values[bits & _NUMBERS != 0]):
        return None
    second = text[values + 1]
    # DuckDB knows a number `nan`
    if (second[bits == _NULL] != ord("u")).any() or (second[bits == _TEXT] == _COLON).any():
        return None
    of_names = np.bitwise_or.reduce(bits, axis=0).tolist()
    return frozenset(
        (name, kind) for name, own in zip(names, of_names, strict=True) for i, kind in enumerate(_KINDS) if own >> i & 1
    )


def _ends_of_names(text: _Bytes) -> _Places | None:
    """Places of the colons behind all names of members, and at the beginning of strings; None: there may be others."""
    found = []
    # in pieces that stay in the processor's cache
    for start in range(0, len(text) - 1, _PIECE):
        piece = text[start : start + _PIECE + 1]
        is_colon, before = piece[1:] == _COLON, piece[:-1]
        is_apart = is_colon & (before <= _SPACE)
        if is_apart.any():
            further = text[np.flatnonzero(is_apart) + (start - 1)]
            if ((further == _QUOTE) | (further <= _SPACE)).any():
                return None
        found.append(np.flatnonzero(is_colon & (before == _QUOTE)) + (start + 1))
    places = np.concatenate(found)
    is_escaped = text[places - 2] == _BACKSLASH
    # two backslashes are one that escapes nothing: of an even number before a quote, it ends a name
    last = places[is_escaped] - 2
    while len(last):
        last = last[text[last - 1] == _BACKSLASH] - 2
        if (text[last] != _BACKSLASH).any():
            return None
    plain: _Places = places[~is_escaped]
    return plain


def _names(lines: bytes, words: _Words, ends: _Places) -> list[str] | None:
    """Names of the members in their order; None: lines differ in them, or they are not plain, or one comes twice."""
    written: list[bytes] = []
    for end in (ends[0] - len(_PADDING)).tolist():
        # with its quotes and the byte before, which must not escape the first of them
        start = lines.rfind(b'"', 0, end - 1) - 1
        written.append(lines[start:end] if written else b"\n" + lines[:end])
    # where a line begins with its first name, as many lines as there are newlines are whole lines
    if not written[0].startswith(b'\n{"') or any(b"\\" in name for name in written):
        return None
    lengths = np.array([len(name) for name in written])
    for behind in range(8, int(lengths.max()) + 8, 8):
        longer = np.flatnonzero(lengths > behind - 8)
        surplus = 8 * np.maximum(behind - lengths[longer], 0)
        own = words[ends[:, longer] - behind] >> surplus.astype(np.uint64)
        if (own != own[0]).any():
            return None
    names = [name[name.index(b'"') + 1 : -1].decode("utf-8", "replace") for name in written]
    is_sure = len(set(names)) == len(names) and not any(name.startswith(":") for name in names)
    return names if is_sure else None


def _are_whole(text: _Bytes, words: _Words, numbers: _Places) -> bool:
    """Whether the numbers that begin at these places have few digits and nothing else."""
    first = numbers + (text[numbers] == _MINUS)
    behind = words[first[:, None] + np.arange(0, _MOST_DIGITS + 1, 8)].view(np.uint8)[:, : _MOST_DIGITS + 1]
    end = np.argmin(behind - _ZERO < _TEN, axis=1)
    after = behind[np.arange(len(first)), end]
    return bool(((after == _COMMA) | (after == _BRACE)).all())
