"""What a crawler sees in an object: format, compression, columns and rows, from its beginning."""

from __future__ import annotations

import bz2
import json
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ddb_pipeline.local_aws.crawler.folders import stored_as
from ddb_pipeline.local_aws.crawler.hive_types import (
    Array,
    Inferred,
    MapOf,
    Struct,
    columns_of,
    merge_column,
    merged_columns,
)

_READ_BYTES = 1024 * 1024
"""How much of a JSON object is looked at, after decompression: a crawler reads the beginning of a file."""

_DUCKDB_TYPES = {
    "boolean": "boolean",
    "tinyint": "tinyint",
    "smallint": "smallint",
    "integer": "int",
    "bigint": "bigint",
    "utinyint": "smallint",
    "usmallint": "int",
    "uinteger": "bigint",
    "float": "float",
    "double": "double",
    "varchar": "string",
    "uuid": "string",
    "blob": "binary",
    "date": "date",
    "timestamp": "timestamp",
    "timestamp_s": "timestamp",
    "timestamp_ms": "timestamp",
    "timestamp_ns": "timestamp",
    "timestamp with time zone": "timestamp",
}


@dataclass(frozen=True)
class ObjectSchema:
    """What was seen in an object.

    Attributes:
        classification: json or parquet.
        compression: none, gzip or bzip2.
        columns: Types by lower-case name, in order.
        names: The columns' names as they are written.
        records: How many rows it has, or is thought to have.
    """

    classification: str
    compression: str
    columns: dict[str, Inferred]
    names: tuple[str, ...]
    records: int

    @property
    def format(self) -> tuple[str, str]:
        """What objects of one table have in common."""
        return self.classification, self.compression


def look(content: bytes) -> ObjectSchema | None:
    """Look into an object; None: it is of no format that local AWS crawls, or broken."""
    classification, compression = stored_as(content)
    if classification == "parquet":
        return _parquet(content, compression)
    if classification == "json":
        return _json(content, compression)
    return None


def _json(content: bytes, compression: str) -> ObjectSchema | None:
    beginning, is_whole = _decompressed(content, compression)
    columns: dict[str, Inferred] = {}
    names: dict[str, None] = {}
    records, position = 0, 0
    for document, end in _documents(beginning.decode("utf-8", "replace")):
        columns = merged_columns(columns, columns_of(document))
        names |= dict.fromkeys(document if isinstance(document, dict) else ("array",))
        records, position = records + 1, end
    if not records:
        return None
    if not is_whole:
        # of compressed objects it is a guess, as the length of what was not read is
        records = max(records, records * len(content) // max(1, position)) if compression == "none" else records
    return ObjectSchema("json", compression, columns, tuple(names), records)


def _documents(text: str) -> Iterator[tuple[Any, int]]:
    """The JSON documents of a text, up to one that is cut off or broken, and where each ends."""
    decoder, position = json.JSONDecoder(), 0
    while True:
        position += len(text[position : position + 4096]) - len(text[position : position + 4096].lstrip())
        try:
            document, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return
        yield document, position


def _decompressed(content: bytes, compression: str) -> tuple[bytes, bool]:
    """The beginning, and whether that is all."""
    if compression == "gzip":
        beginning = zlib.decompressobj(wbits=31).decompress(content, _READ_BYTES)
    elif compression == "bzip2":
        beginning = bz2.BZ2Decompressor().decompress(content, _READ_BYTES)
    else:
        beginning = content[:_READ_BYTES]
    return beginning, len(beginning) < _READ_BYTES


def _parquet(content: bytes, compression: str) -> ObjectSchema | None:
    with tempfile.TemporaryDirectory(prefix="local-aws-crawler-") as folder:
        file = Path(folder) / "object.parquet"
        file.write_bytes(content)
        try:
            with duckdb.connect(config={"threads": 1}) as connection:
                rows = connection.execute("SELECT * FROM read_parquet(?, hive_partitioning=false) LIMIT 0", [str(file)])
                described = [(str(name), _inferred(type_)) for name, type_, *_ in rows.description or []]
                counted = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(file)]).fetchone()
        except (duckdb.Error, KeyError):
            return None
    columns: dict[str, Inferred] = {}
    for name, type_ in described:
        merge_column(columns, name.lower(), type_)
    names = tuple(name for name, _ in described)
    return ObjectSchema("parquet", compression, columns, names, int(counted[0]) if counted else 0)


def _inferred(type_: Any) -> Inferred:
    """The type of a Parquet column.

    Raises:
        KeyError: A crawler knows no such type, or none is known to be what it makes of it.
    """
    kind = type_.id
    if kind == "decimal":
        return str(type_).lower()
    if kind == "list":
        return Array(_inferred(type_.children[0][1]))
    if kind == "map":
        key, value = (_inferred(part) for _, part in type_.children)
        return MapOf(key, value)
    if kind == "struct":
        return Struct(tuple((name, _inferred(part)) for name, part in type_.children))
    return _DUCKDB_TYPES[kind]
