"""Source files as syntax trees, for tests that hold the code to rules of the house."""

from __future__ import annotations

import ast
import gc
from pathlib import Path


def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file.

    CPython before 3.11.8 and 3.12.2 fails when two threads make trees at once (python/cpython issue 106905), and
    a local AWS in this process makes some. Only a collection of garbage lets another thread in while a tree is made.

    Args:
        path: The file.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        if collects:
            gc.enable()
