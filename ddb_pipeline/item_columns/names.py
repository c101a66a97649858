"""Names of columns, made of names of attributes, which are hostile: any text, of any length. Pure.

A column's name has letters a to z, digits and underscores only and begins with none of the digits, so SQL needs no
quotes around it. It depends on the path alone as long as no other column has that name already.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable

MOST_CHARACTERS = 255
"""Longest name of a column (AWS Glue API, `Column`)."""
_NAMELESS = "attribute"
_DIGEST_CHARACTERS = 6

_RESERVED = """
    alter and as between by case cast constraint create cross cube current_catalog current_date
    current_path current_role current_schema current_time current_timestamp current_user deallocate
    delete describe distinct drop else end escape except execute exists extract false first for from
    full group grouping having in inner insert intersect into is join last left like localtime
    localtimestamp natural normalize not null of on or order outer prepare recursive right rollup select
    skip table then true trim uescape unescape union unnest using values when where with
"""
RESERVED = frozenset(_RESERVED.split())
"""Words that SQL reads as its own (Athena user guide, "Reserved keywords", those of SELECT; Trino's list)."""


def column_name(path: tuple[str, ...], taken: Iterable[str]) -> str:
    """Return the name of an attribute's column.

    Args:
        path: The attribute's name, then the names of members of nested maps.
        taken: Names that other columns have.
    """
    name = plain_name(path)
    taken = set(taken)
    length = _DIGEST_CHARACTERS
    digest = hashlib.sha256(json.dumps(path).encode()).hexdigest()
    candidate = name
    while candidate in taken or len(candidate) > MOST_CHARACTERS:
        candidate = f"{name[: MOST_CHARACTERS - 1 - length]}_{digest[:length]}"
        length += 1
    return candidate


def plain_name(path: tuple[str, ...]) -> str:
    """Return the name that an attribute's column has if no other has it, at whatever length."""
    words = "_".join(filter(None, map(_words, path))) or _NAMELESS
    if words[0].isdigit():
        return f"_{words}"
    return f"{words}_" if words in RESERVED else words


def is_exact(path: tuple[str, ...]) -> bool:
    """Whether the attribute itself has the name of its column; it gets that name before others that only become it."""
    return path == (plain_name(path),)


def _words(name: str) -> str:
    """A name's letters and digits, accents left out; what stands between them becomes one underscore."""
    unaccented = unicodedata.normalize("NFKD", name.casefold())
    ascii_letters = "".join(character for character in unaccented if not unicodedata.combining(character)).lower()
    words = re.sub(r"[^a-z0-9_]+", "_", ascii_letters)
    return words if words.strip("_") else ""
