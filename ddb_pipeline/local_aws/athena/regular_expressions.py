"""Regular expressions, of patterns that Java and Python read alike (https://trino.io/docs/current/functions/regexp.html).

`regexp_like` stays in DuckDB, for its speed; what asks for groups and places is computed in Python.
"""

from __future__ import annotations

import re
from functools import lru_cache

from ddb_pipeline.local_aws.athena.errors import FunctionFailedError

# what Java's, DuckDB's and Python's regular expressions read alike
_PLAIN = re.compile(
    r"(?:[A-Za-z0-9 _\-:/@,;=<>!'\"#%&~]|\.|\\[dwDWsS.\\/\-\[\]{}()*+?^$|]|[*+?|)^$]|\((?!\?)|\(\?:|\{\d+(?:,\d*)?\}"
    r"|\[\^?(?:[A-Za-z0-9 _:/@,;=.]-[A-Za-z0-9]|[A-Za-z0-9 _:/@,;=.\"]|\\[dws.\-\\])+-?\])*"
)


def is_plain(pattern: str) -> bool:
    """Whether the pattern is one that all three read alike."""
    try:
        re.compile(pattern)
    except re.error:
        return False
    return _PLAIN.fullmatch(pattern) is not None


def extract(text: str, pattern: str, group: int) -> str | None:
    """`regexp_extract`: the group of the first match; None: no match, or the group took no part in it."""
    compiled = _compiled(pattern, group)
    found = compiled.search(text)
    return None if found is None else found[group]


def extract_all(text: str, pattern: str, group: int) -> list[str | None]:
    """`regexp_extract_all`: the group of every match."""
    return [found[group] for found in _compiled(pattern, group).finditer(text)]


def count(text: str, pattern: str) -> int:
    """`regexp_count`."""
    return sum(1 for _ in _compiled(pattern).finditer(text))


def position(text: str, pattern: str) -> int:
    """`regexp_position`: the place, from 1, of the first match, or -1."""
    found = _compiled(pattern).search(text)
    return -1 if found is None else found.start() + 1


def split(text: str, pattern: str) -> list[str]:
    """`regexp_split`: what stands between the matches, empty texts at the end included."""
    pieces, start = [], 0
    for found in _compiled(pattern).finditer(text):
        pieces.append(text[start : found.start()])
        start = found.end()
    return [*pieces, text[start:]]


def replace(text: str, pattern: str, replacement: str) -> str:
    """`regexp_replace`: `$1` in the replacement is a group, a backslash takes the next character as it is."""
    compiled = _compiled(pattern)
    parts = _replacement(replacement, compiled.groups)
    return compiled.sub(
        lambda found: "".join(part if isinstance(part, str) else found[part] or "" for part in parts), text
    )


@lru_cache(maxsize=256)
def _compiled(pattern: str, group: int = 0) -> re.Pattern[str]:
    compiled = re.compile(pattern, re.ASCII)
    if not 0 <= group <= compiled.groups:
        raise FunctionFailedError(
            "INVALID_FUNCTION_ARGUMENT", f"Pattern has {compiled.groups} groups. Cannot access group {group}"
        )
    return compiled


@lru_cache(maxsize=256)
def _replacement(text: str, groups: int) -> tuple[str | int, ...]:
    parts: list[str | int] = []
    place = 0
    while place < len(text):
        if text[place] == "\\" and place + 1 < len(text):
            parts.append(text[place + 1])
            place += 2
        elif text[place] == "$":
            digits = re.compile(r"[0-9]+").match(text, place + 1)
            number = digits[0] if digits else ""
            # as many digits as name a group
            while len(number) > 1 and int(number) > groups:
                number = number[:-1]
            if not number or int(number) > groups:
                message = f"the replacement '{text}' names no group with its $ that local AWS knows"
                raise FunctionFailedError("INVALID_FUNCTION_ARGUMENT", message)
            parts.append(int(number))
            place += 1 + len(number)
        else:
            parts.append(text[place])
            place += 1
    return tuple(parts)
