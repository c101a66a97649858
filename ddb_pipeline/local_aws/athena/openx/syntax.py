"""What the OpenX SerDe's parser takes for an object, though it is no JSON. Pure.

It forgives comments, names and texts without quotes or in single ones, `=`, `=>` and `;` as separators, and missing
elements of arrays. It is known which lines it reads, not always as what: so this tells malformed lines from others.
"""

from __future__ import annotations

import re

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_ESCAPE = r"\\(?:u[0-9a-fA-F]{4}|[^u])"
_QUOTED = re.compile(rf'"(?:[^"\\]|{_ESCAPE})*"|\'(?:[^\'\\]|{_ESCAPE})*\'', re.DOTALL)
_UNQUOTED = re.compile(r"[^ \t\r\n\f{}\[\]/\\:,=;#]+")
_SEPARATOR = re.compile(r":|=>?")


class _MalformedError(Exception):
    """Not even this parser reads it."""


def is_read(text: str) -> bool:
    """Whether the parser reads a text that begins with an object; what comes after that object does not matter.

    Raises:
        RecursionError: It is nested too deeply to tell.
    """
    try:
        _value(text, 0)
    except _MalformedError:
        return False
    return True


def _value(text: str, place: int) -> int:
    """The end of the value that begins at a place."""
    place = _skip(text, place)
    first = text[place : place + 1]
    if first == "{":
        return _object(text, place + 1)
    if first == "[":
        return _array(text, place + 1)
    return _scalar(text, place)


def _scalar(text: str, place: int) -> int:
    found = (_QUOTED if text[place : place + 1] in ('"', "'") else _UNQUOTED).match(text, place)
    if found is None:
        raise _MalformedError
    return found.end()


def _object(text: str, place: int) -> int:
    place = _skip(text, place)
    if text[place : place + 1] == "}":
        return place + 1
    while True:
        begin = _skip(text, place)
        end = _scalar(text, begin)
        separator = _SEPARATOR.match(text, _skip(text, end))
        if separator is None or text[begin:end].lower() == "null":
            raise _MalformedError
        place = _skip(text, _value(text, separator.end()))
        if text[place : place + 1] == "}":
            return place + 1
        place = _past_comma(text, place)


def _array(text: str, place: int) -> int:
    while True:
        place = _skip(text, place)
        if text[place : place + 1] == "]":
            return place + 1
        if text[place : place + 1] not in (",", ";"):
            place = _skip(text, _value(text, place))
            if text[place : place + 1] == "]":
                return place + 1
        place = _past_comma(text, place)


def _past_comma(text: str, place: int) -> int:
    if text[place : place + 1] not in (",", ";"):
        raise _MalformedError
    return place + 1


def _skip(text: str, place: int) -> int:
    """Go past blanks and comments."""
    found = _BLANK.match(text, place)
    return found.end() if found else place
