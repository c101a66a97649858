"""Exclude patterns of S3 targets: globs (glue/latest/dg/define-crawler-choose-data-sources.html). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_PIECE = re.compile(r"\*\*|\*|\?|\[[^\]]+\]|\{[^}]*\}|\\.|.", re.DOTALL)
_SIMPLE = {"**": ".*", "*": "[^/]*", "?": "[^/]"}


def excluder(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Make a function that says of a name, below the target's path, whether a pattern excludes it."""
    expressions = [re.compile(_expression(pattern), re.DOTALL) for pattern in patterns]
    return lambda name: any(expression.fullmatch(name) for expression in expressions)


def _expression(pattern: str) -> str:
    text = ""
    for piece in _PIECE.findall(pattern):
        if piece in _SIMPLE:
            text += _SIMPLE[piece]
        elif piece[0] == "[" and len(piece) > 1:
            content = piece[1:-1].replace("\\", "\\\\")
            text += f"(?!/)[{'^' + content[1:] if content[0] == '!' else content.replace('^', chr(92) + '^')}]"
        elif piece[0] == "{" and len(piece) > 1:
            text += f"(?:{'|'.join(map(_expression, piece[1:-1].split(',')))})"
        else:
            text += re.escape(piece[-1])
    return text
