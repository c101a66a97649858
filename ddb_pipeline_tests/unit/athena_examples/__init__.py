"""What Athena answers, as tested examples: the proof of each function, operator, conversion and form on the list.

One file a subject. A line `source:` says where the answers below it are from: a page of the Trino or Athena
documentation (https://docs.aws.amazon.com/athena/latest/ug/functions.html names Trino's functions as those of engine
version 3), a test class of Trino, or an issue of it. Where the source gives no example, the value follows from its
text; none was run on AWS. Each expression is followed by its type and its text in GetQueryResults, indented: `NULL`
is none, `«»` the empty text, `error: NAME` a failure of that name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

INDENT = "    "


@dataclass(frozen=True)
class Example:
    """An expression and what Athena makes of it; `text` None is NULL, `error` is the name of an error."""

    expression: str
    type: str | None
    text: str | None
    error: str | None
    source: str


def read_examples() -> tuple[Example, ...]:
    """Read all files of this folder."""
    paths = sorted(Path(__file__).parent.glob("*.txt"))
    return tuple(example for path in paths for example in _read(path.read_text(encoding="utf-8")))


def _read(text: str) -> list[Example]:
    found, source = [], ""
    lines = iter(filter(str.strip, text.splitlines()))
    for line in lines:
        if line.startswith("source: "):
            source = line.removeprefix("source: ")
            continue
        answer = next(lines)
        if line.startswith(INDENT) or not answer.startswith(INDENT):
            raise ValueError(f"an expression and its answer, indented, are wanted: {line!r}, {answer!r}")
        kind, _, shown = answer.strip().partition(": ")
        if kind == "error":
            found.append(Example(line, None, None, shown, source))
        else:
            found.append(Example(line, kind, None if shown == "NULL" else shown.strip("«»"), None, source))
    return found
