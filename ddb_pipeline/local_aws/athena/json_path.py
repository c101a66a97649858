r"""Trino's JSON paths as JSON pointers, which DuckDB reads without any quoting trouble.

Trino's paths (JsonPathTokenizer of trino-main): `$`, then `.name`, `[0]`, `["any name"]`; inside the quotes only
`\"` and `\\` are escapes. A name and an index are one thing to Trino: `[0]` reads the member "0" of an object
and `["0"]` the first element of an array. So are they to a pointer (RFC 6901).
"""

from __future__ import annotations

import re

_STEP = re.compile(
    r"""\.(?P<name>[A-Za-z0-9_]+)            # .name
      | \[\s*(?P<bare>[A-Za-z0-9_-]+)\s*\]   # [0] or [name]
      | \["(?P<quoted>(?:[^"\\]|\\["\\])*)"\]  # ["any name"]
    """,
    re.VERBOSE,
)


def to_pointer(path: str) -> str | None:
    """Translate a path; `$` is the empty pointer.

    Args:
        path: The path as Trino gets it.

    Returns:
        The JSON pointer, or None when the path is not one that Trino is known to take.
    """
    if not path.startswith("$"):
        return None
    steps: list[str] = []
    place = 1
    while place < len(path):
        match = _STEP.match(path, place)
        if match is None:
            return None
        if match["quoted"] is not None:
            steps.append(re.sub(r'\\(["\\])', r"\1", match["quoted"]))
        else:
            steps.append(match["name"] or match["bare"])
        place = match.end()
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
