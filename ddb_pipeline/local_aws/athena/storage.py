"""S3 objects as local files that DuckDB reads: copied once per content, looked at once.

A file is named by the object's ETag, so a query fetches only what is new.
"""

# ruff: noqa: S608 - SQL is what this module makes; no text of a user is in it but through casts.text

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from moto.s3.exceptions import MissingBucket
from moto.s3.models import FakeKey, S3Backend

from ddb_pipeline.local_aws.athena import kept, parquet
from ddb_pipeline.local_aws.athena.casts import text
from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.hive_json import objects as hive_json
from ddb_pipeline.local_aws.athena.openx import objects as openx
from ddb_pipeline.local_aws.athena.relations import Format, Partition, Table
from ddb_pipeline.local_aws.athena.types import duckdb_type

_COMPRESSED = re.compile(r"\.(bz2|zst|zstd|snappy|lzo|lz4|deflate|xz|zip|parquet|orc|avro)$", re.IGNORECASE)
_FILE = "athena_source_file"


@dataclass(frozen=True)
class StagedObject:
    """An object of a partition.

    Attributes:
        uri: `s3://bucket/key`.
        size: Bytes in S3, as they are billed.
        path: The local copy.
        partition: The partition it belongs to.
    """

    uri: str
    size: int
    path: Path
    partition: Partition


class Storage:
    """Objects of one account, staged into a directory.

    Args:
        s3: moto's S3 of the account.
        directory: Where the copies are kept.
    """

    def __init__(self, s3: S3Backend, directory: Path) -> None:
        self._s3 = s3
        self._directory = directory
        self._lock = threading.Lock()
        # held while a statement's objects appear, so that no query sees a part of them
        self.commits = threading.RLock()
        self._parquet: dict[Path, parquet.Structure] = {}
        self._json = hive_json.KeptObjects()
        self._openx = openx.KeptObjects()

    def stage(self, partitions: Iterable[Partition], format_: Format, cutoff: int | None) -> list[StagedObject]:
        """Copy the objects of partitions, as far as they are new.

        Args:
            partitions: What is read.
            format_: What the objects are.
            cutoff: Most bytes that may be read; None: any number.

        Raises:
            QueryFailedError: A bucket is missing, an object's compression is not supported, or a partition's columns
                are not the table's.
            CutoffExceededError: The objects are more than `cutoff` bytes.
        """
        found: list[StagedObject] = []
        listed: dict[str, tuple[list[str], dict[str, Any]]] = {}
        total = 0
        for partition in partitions:
            if partition.mismatch is not None:
                raise partition.mismatch
            bucket_name, _, prefix = partition.location.removeprefix("s3://").partition("/")
            if bucket_name not in listed:
                listed[bucket_name] = self._listed(bucket_name, partition.location)
            names, keys = listed[bucket_name]
            for place in range(bisect_left(names, prefix), len(names)):
                name = names[place]
                if not name.startswith(prefix):
                    break
                key = keys[name]
                if not _is_hidden(name[len(prefix) :]) and key.size:
                    path = self._path(name, key.etag, format_)
                    found.append(StagedObject(f"s3://{bucket_name}/{name}", key.size, path, partition))
                    total += key.size
                    # of Parquet, columns that are not read do not count: how much is known when the copies are there
                    if cutoff is None or total <= cutoff or format_ == "parquet":
                        self._copy(path, key)
        if cutoff is not None and total > cutoff and format_ != "parquet":
            raise CutoffExceededError(total)
        return found

    def _listed(self, bucket_name: str, location: str) -> tuple[list[str], dict[str, Any]]:
        """Names of a bucket's objects in order, and the objects by name: as they are now, while others write."""
        try:
            bucket = self._s3.get_bucket(bucket_name)
        except MissingBucket:
            message = f"The specified bucket does not exist: '{bucket_name}', location {location}"
            raise QueryFailedError("HIVE_CANNOT_OPEN_SPLIT", message) from None
        with self.commits:
            # a deleted object of a versioned bucket is still there, as a marker
            keys = {name: key for name, key in list(bucket.keys.items()) if isinstance(key, FakeKey)}
        return sorted(keys), keys

    def names(self, location: str) -> list[str]:
        """Names of the objects below an address, relative to it, in their order."""
        bucket_name, _, prefix = location.removeprefix("s3://").partition("/")
        found, _ = self._listed(bucket_name, location)
        return [name[len(prefix) :] for name in found if name.startswith(prefix)]

    def _path(self, name: str, etag: str, format_: Format) -> Path:
        ending = ".parquet" if format_ == "parquet" else ".json"
        if format_ == "openx" and name.lower().endswith(".bz2"):
            ending = ".json.bz2"
        elif format_ != "parquet" and _COMPRESSED.search(name):
            raise QueryFailedError("NOT_SUPPORTED", f"the format of object '{name}' is not supported by local AWS")
        elif format_ != "parquet" and name.lower().endswith(".gz"):
            ending = ".json.gz"
        return self._directory / (re.sub(r"[^0-9a-zA-Z-]", "", etag) + ending)

    def _copy(self, path: Path, key: Any) -> None:
        with self._lock:
            if not path.exists():
                part = path.with_suffix(".part")
                part.write_bytes(key.value)
                part.replace(path)

    def rows(
        self,
        connection: duckdb.DuckDBPyConnection,
        table: Table,
        staged: Sequence[StagedObject],
        used: frozenset[int],
        is_cancelled: Callable[[], bool],
    ) -> tuple[str, int]:
        """Look at new copies, and make the SQL that reads them.

        Args:
            connection: Used for reading.
            table: The table they belong to.
            staged: Its objects, those of the selected partitions only.
            used: Places of the columns that the query uses; partition columns and `$path` cost a join.
            is_cancelled: Whether the query was stopped: then nothing more is parsed.

        Returns:
            SQL of the rows, with columns `c1`, `c2`, ..., the partition columns and `$path`; and the bytes that are
            billed. Of Parquet these are the chunks of the columns used, of other formats the whole objects.

        Raises:
            QueryFailedError: An object cannot be read as Athena would.
        """
        billed = sum(item.size for item in staged)
        if table.format == "parquet":
            billed = self._columns_size(connection, table, staged, used)
        if not staged:
            return _empty_sql(table), 0
        is_placed = max(used, default=0) > len(table.columns)
        paths = [item.path for item in staged]
        paths = sorted(set(paths)) if is_placed else paths
        file_column = _FILE if is_placed else None
        read = {path: path for path in paths}
        uris = {item.path: item.uri for item in staged}
        if table.format == "json":
            reading = self._json.keep(connection, table, uris, is_cancelled)
            read = reading.paths
            rows = _rows_of_json(table, [read[path] for path in paths], reading.spelled, file_column)
        elif table.format == "openx":
            read |= self._openx.keep(connection, table, uris, used, is_cancelled)
            rows = kept.kept_sql(table, [read[path] for path in paths], file_column)
        else:
            files = [(path, uris[path], self._parquet[path]) for path in paths]
            rows = parquet.scan_sql(table, files, file_column)
        return (_placed(table, staged, read, rows) if is_placed else rows), billed

    def _columns_size(
        self, connection: duckdb.DuckDBPyConnection, table: Table, staged: Sequence[StagedObject], used: frozenset[int]
    ) -> int:
        for item in staged:
            if item.path not in self._parquet:
                self._parquet[item.path] = parquet.look(connection, item.path, item.uri)
        names = [str(field.name) for place, field in enumerate(table.columns, 1) if place in used]
        return sum(self._parquet[item.path].sizes.get(name, 0) for item in staged for name in names)


class CutoffExceededError(Exception):
    """The query would read more bytes than its workgroup allows.

    Attributes:
        size: Bytes it would read.
    """

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


def _rows_of_json(table: Table, paths: Sequence[Path], spelled: dict[str, str], file_column: str | None) -> str:
    parsed = [path for path in paths if path.suffix == ".parquet"]
    unparsed = [path for path in paths if path.suffix != ".parquet"]
    selects = [kept.kept_sql(table, parsed, file_column)] if parsed else []
    selects += [kept.json_sql(table, unparsed, spelled, file_column)] if unparsed else []
    return " UNION ALL ".join(selects)


def _empty_sql(table: Table) -> str:
    types = [duckdb_type(field.type) for field in (*table.columns, *table.partition_columns)]
    items = [f"CAST(NULL AS {type_}) AS c{i}" for i, type_ in enumerate([*types, "VARCHAR"], 1)]
    return f"SELECT {', '.join(items)} WHERE false"


def _placed(table: Table, staged: Sequence[StagedObject], read: Mapping[Path, Path], rows: str) -> str:
    """Add the partition columns and `$path` to rows that carry the path of their copy.

    One copy can stand for several objects of the same content, so this join also makes their rows as many as they are.
    """
    lines = ", ".join(
        f"({', '.join(map(literal, (str(read[item.path]), item.uri, *item.partition.values)))})" for item in staged
    )
    width = len(table.columns)
    items = [f"t.c{i}" for i in range(1, width + 1)]
    items += [f"p.v{i} AS c{width + i}" for i in range(1, len(table.partition_columns) + 1)]
    aliases = ", ".join(["file", "uri", *(f"v{i}" for i in range(1, len(table.partition_columns) + 1))])
    return (
        f"SELECT {', '.join([*items, f'p.uri AS c{table.path_place}'])} FROM ({rows}) AS t "
        f"JOIN (VALUES {lines}) AS p({aliases}) ON t.{_FILE} = p.file"
    )


def literal(value: str | None) -> str:
    """SQL of a partition value."""
    return "CAST(NULL AS VARCHAR)" if value is None else text(value)


def _is_hidden(relative: str) -> bool:
    return any(part.startswith(("_", ".")) for part in relative.split("/"))
