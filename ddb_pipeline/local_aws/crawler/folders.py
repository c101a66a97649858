"""Which S3 objects make a partition of a table: pure, without clients.

Glue's developer guide ("How does a crawler determine when to create partitions?"): folders named `key=value` below
the table's location are partitions. Athena passes over hidden objects (athena/latest/ug, "Considerations and
limitations"), and a crawler over folders whose format or compression differs from the table's.
"""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_LOOKED_AT_BYTES = 65_536


@dataclass(frozen=True)
class Location:
    """Where a table's objects are: a bucket, and the beginning of their names, "" or with a slash at its end."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, uri: str) -> Location | None:
        """Read `s3://bucket/prefix/`; None if it is anything else."""
        scheme, separator, rest = uri.partition("://")
        bucket, _, prefix = rest.partition("/")
        if scheme not in {"s3", "s3a", "s3n"} or not separator or not bucket:
            return None
        return cls(bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else "")

    def folder(self, partition_keys: Sequence[str], values: Sequence[str]) -> str:
        """URI of a partition's folder."""
        folders = "".join(f"{name}={value}/" for name, value in zip(partition_keys, values, strict=True))
        return f"s3://{self.bucket}/{self.prefix}{folders}"


def partition_values(name: str, prefix: str, partition_keys: Sequence[str]) -> tuple[str, ...] | None:
    """The partition that an object belongs to.

    Args:
        name: The object's whole name.
        prefix: The table's, as `Location` has it.
        partition_keys: Names of the table's partition keys, in order.

    Returns:
        One value per partition key; None for an object that is hidden, or not in folders of exactly these keys.
    """
    if not name.startswith(prefix):
        return None
    *folders, file_name = name[len(prefix) :].split("/")
    if not file_name or len(folders) != len(partition_keys):
        return None
    if any(part.startswith(("_", ".")) for part in (*folders, file_name)):
        return None
    values = []
    for folder, partition_key in zip(folders, partition_keys, strict=True):
        key, _, value = folder.partition("=")
        # Glue keeps names in lower case
        if key.lower() != partition_key.lower() or not value:
            return None
        values.append(value)
    return tuple(values)


def objects_by_partition(
    names: Iterable[str], prefix: str, partition_keys: Sequence[str]
) -> dict[tuple[str, ...], list[str]]:
    """The objects that make partitions, by the partitions' values; both in order."""
    found: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(names):
        values = partition_values(name, prefix, partition_keys)
        if values is not None:
            found.setdefault(values, []).append(name)
    return found


def stored_as(content: bytes) -> tuple[str, str]:
    """Classification and compression of an object, told by its content as a crawler tells them.

    Args:
        content: The object's content, or its beginning.

    Returns:
        "json", "parquet" or "unknown"; "gzip", "bzip2" or "none".
    """
    compression = "none"
    beginning = content[:_LOOKED_AT_BYTES]
    try:
        if content.startswith(b"\x1f\x8b"):
            compression = "gzip"
            beginning = zlib.decompressobj(wbits=31).decompress(beginning, _LOOKED_AT_BYTES)
        elif content.startswith(b"BZh"):
            compression = "bzip2"
            beginning = bz2.BZ2Decompressor().decompress(beginning, _LOOKED_AT_BYTES)
    except (zlib.error, OSError):
        return "unknown", compression
    if beginning.startswith(b"PAR1"):
        return "parquet", compression
    return ("json" if beginning.lstrip()[:1] in {b"{", b"["} else "unknown"), compression
