"""Names of partitions' folders, as Hive writes and reads them: `year=2026/day=x%2Fy/`."""

from __future__ import annotations

import re
from collections.abc import Sequence

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
"""What Hive writes for a partition value that is NULL."""
# characters that stand as %XX in a folder's name (Hive's FileUtils.escapePathName)
_ESCAPED = re.compile(r"[\x00-\x1f\x7f\"#%'*/:=?\\{\[\]^]")


def folder_name(keys: Sequence[str], values: Sequence[str | None]) -> str:
    """Folder of a partition below its table's location, ending with a slash."""
    parts = zip(keys, values, strict=True)
    return "".join(f"{_escape(key)}={NULL_PARTITION if value is None else _escape(value)}/" for key, value in parts)


def folder_values(folder: str, keys: Sequence[str]) -> tuple[str, ...] | None:
    """Values that a folder's name holds for the keys, in their order; None: it is no folder of a partition."""
    parts = folder.strip("/").split("/")
    if len(parts) != len(keys):
        return None
    values = []
    for part, key in zip(parts, keys, strict=True):
        name, equals, value = part.partition("=")
        if not equals or name != key or not value:
            return None
        values.append(re.sub(r"%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), value))
    return tuple(values)


def _escape(value: str) -> str:
    return _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", value)
