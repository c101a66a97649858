"""Code that stands on pages of `docs`, for tests that run it."""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = re.compile(r"^```python\n# (?P<name>\w+\.py)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def python_blocks(page: Path) -> dict[str, str]:
    """The Python files that a page shows, by the names that their first lines give."""
    return {found["name"]: found["code"] for found in _BLOCK.finditer(page.read_text(encoding="utf-8"))}
