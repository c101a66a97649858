"""Writes rows into a table: Parquet files first, here; then, all at once, objects in S3 and partitions in the catalog.

A statement that fails or is stopped leaves nothing behind, where Athena may leave objects that nothing cleans up.
"""

# ruff: noqa: S608 - SQL is what this module makes; no text of a user is in it but through casts.text and `quoted`

from __future__ import annotations

import itertools
import re
import secrets
import shutil
import string
import uuid
from dataclasses import dataclass
from pathlib import Path

import duckdb
from moto.s3.exceptions import MissingBucket
from moto.s3.models import S3Backend

from ddb_pipeline.local_aws.athena.casts import text
from ddb_pipeline.local_aws.athena.catalog import Catalog
from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.execution import QueryExecution
from ddb_pipeline.local_aws.athena.folders import NULL_PARTITION, folder_name
from ddb_pipeline.local_aws.athena.parquet import quoted, written
from ddb_pipeline.local_aws.athena.plans import Write
from ddb_pipeline.local_aws.athena.storage import Storage, literal

MAX_PARTITIONS = 100
"""Most partitions that one statement writes (user guide, "Use CTAS and INSERT INTO to work around the 100 partition
limit")."""
_PRINTABLE = re.compile(r"[\x20-\x7e]+")
_SUFFIX = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class _File:
    path: Path
    values: tuple[str | None, ...]


class Writer:
    """Writes rows of one account and region.

    Args:
        s3: moto's S3 of the account.
        catalog: The Glue catalog.
        storage: What other queries read through.
        directory: A folder that DuckDB may write to.
    """

    def __init__(self, s3: S3Backend, catalog: Catalog, storage: Storage, directory: Path) -> None:
        self._s3 = s3
        self._catalog = catalog
        self._storage = storage
        self._directory = directory
        self._count = 0

    def write(self, connection: duckdb.DuckDBPyConnection, execution: QueryExecution, write: Write) -> None:
        """Compute the rows and add them to the table.

        Args:
            connection: Where the query's scans are.
            execution: The query; it gets the number of rows.
            write: What goes where.

        Raises:
            QueryFailedError: Too many partitions, a partition value or the location cannot be.
            QueryCancelledError: It was stopped before its rows became visible.
        """
        bucket = write.table.location.removeprefix("s3://").partition("/")[0]
        try:
            self._s3.get_bucket(bucket)
        except MissingBucket:
            message = f"The specified bucket does not exist: '{bucket}', location {write.table.location}"
            raise QueryFailedError("HIVE_FILESYSTEM_ERROR", message) from None
        folder = self._directory / f"written-{execution.id}"
        folder.mkdir()
        try:
            rows, files = self._compute(connection, write, folder)
            with execution.committing(), self._storage.commits:
                self._commit(execution, write, files)
                execution.update_count = rows
        finally:
            shutil.rmtree(folder)

    def _compute(self, connection: duckdb.DuckDBPyConnection, write: Write, folder: Path) -> tuple[int, list[_File]]:
        fields = (*write.table.columns, *write.table.partition_columns)
        items = [
            f"{written(sql, field.type)} AS {quoted(str(field.name))}"
            for sql, field in zip(write.values, fields, strict=True)
        ]
        rows = f"SELECT {', '.join(items)} FROM ({write.plan.relation.sql}) AS w"
        if not write.table.partition_columns:
            file = folder / "rows.parquet"
            count = _copy(connection, rows, file, f"COMPRESSION {write.compression}")
            return count, [_File(file, ())] if count else []
        everything = folder / "all.parquet"
        count = _copy(connection, rows, everything, "COMPRESSION SNAPPY")
        return count, self._split(connection, write, everything, folder) if count else []

    def _split(
        self, connection: duckdb.DuckDBPyConnection, write: Write, everything: Path, folder: Path
    ) -> list[_File]:
        """Write a file for each partition. DuckDB sees numbers for them, no value of the data is in a path."""
        keys = [quoted(str(field.name)) for field in write.table.partition_columns]
        source = f"read_parquet([{text(str(everything))}], hive_partitioning=false)"
        found = connection.execute(f"SELECT DISTINCT {', '.join(keys)} FROM {source} LIMIT {MAX_PARTITIONS + 1}")
        partitions: list[tuple[str | None, ...]] = found.fetchall()
        if len(partitions) > MAX_PARTITIONS:
            message = f"Exceeded limit of {MAX_PARTITIONS} open writers for partitions/buckets"
            raise QueryFailedError("HIVE_TOO_MANY_OPEN_PARTITIONS", message)
        for values in partitions:
            _check(values)
        lines = ", ".join(f"({i}, {', '.join(map(literal, values))})" for i, values in enumerate(partitions))
        names = ", ".join(f"v{i}" for i in range(len(keys)))
        same = " AND ".join(f"d.{key} IS NOT DISTINCT FROM p.v{i}" for i, key in enumerate(keys))
        own = ", ".join(f"d.{quoted(str(field.name))}" for field in write.table.columns)
        taken = {str(field.name) for field in write.table.columns}
        number = next(name for name in (f"p{i}" for i in itertools.count()) if name not in taken)
        rows = f"SELECT {own}, p.{number} FROM {source} AS d JOIN (VALUES {lines}) AS p({number}, {names}) ON {same}"
        target = folder / "partitions"
        _copy(connection, rows, target, f"COMPRESSION {write.compression}, PARTITION_BY ({number})")
        return [
            _File(path, values)
            for i, values in enumerate(partitions)
            for path in sorted((target / f"{number}={i}").glob("*.parquet"))
        ]

    def _commit(self, execution: QueryExecution, write: Write, files: list[_File]) -> None:
        table = write.table
        is_added = write.creates is None and not write.is_unload
        if not is_added:
            self._require_nothing(write)
        known = {} if not is_added else self._catalog.partition_locations(table.database, table.name)
        new: dict[tuple[str | None, ...], str] = {}
        prefix = self._object_prefix(execution)
        put: list[tuple[str, str]] = []
        try:
            for file in files:
                location = table.location
                if table.partition_columns:
                    location = known.get(file.values) or new.setdefault(file.values, _folder(write, file.values))
                bucket, _, folder = location.removeprefix("s3://").partition("/")
                name = f"{folder}{prefix}_{uuid.uuid4()}"
                put.append((bucket, name))
                self._s3.put_object(bucket, name, file.path.read_bytes())
            manifest = "".join(f"s3://{bucket}/{name}\n" for bucket, name in put)
            bucket, _, name = f"{execution.output_location}-manifest.csv".removeprefix("s3://").partition("/")
            self._s3.put_object(bucket, name, manifest.encode())
            if write.creates is not None:
                self._catalog.create(table.database, write.creates)
            if not write.is_unload:
                self._catalog.add_partitions(table.database, table.name, new)
        except BaseException:
            for bucket, name in put:
                if name in self._s3.get_bucket(bucket).keys:
                    self._s3.delete_object(bucket, name)
            raise

    def _require_nothing(self, write: Write) -> None:
        """CREATE TABLE AS and UNLOAD never add to what is there."""
        table = write.table
        if not write.is_unload and self._catalog.entry(table.database, table.name) is not None:
            message = f"Table 'awsdatacatalog.{table.database}.{table.name}' already exists"
            raise QueryFailedError("TABLE_ALREADY_EXISTS", message)
        if self._storage.names(table.location):
            message = f"Target directory for table '{table.database}.{table.name}' already exists: {table.location}"
            raise QueryFailedError("HIVE_PATH_ALREADY_EXISTS", message)

    def _object_prefix(self, execution: QueryExecution) -> str:
        """The engine's own id of the query, as object names start with it: time, running number, five characters."""
        self._count += 1
        moment = execution.submitted_at.strftime("%Y%m%d_%H%M%S")
        return f"{moment}_{self._count:05d}_{''.join(secrets.choice(_SUFFIX) for _ in range(5))}"


def _copy(connection: duckdb.DuckDBPyConnection, rows: str, target: Path, options: str) -> int:
    copied = connection.execute(f"COPY ({rows}) TO {text(str(target))} (FORMAT PARQUET, {options})").fetchone()
    return int(copied[0]) if copied else 0


def _check(values: tuple[str | None, ...]) -> None:
    for value in values:
        if value in {"", NULL_PARTITION}:
            raise QueryFailedError("NOT_SUPPORTED", f"the partition value '{value}' is not supported by local AWS")
        if value is not None and not _PRINTABLE.fullmatch(value):
            shown = value.encode().hex(" ").upper()
            message = (
                f"Hive partition keys can only contain printable ASCII characters (0x20 - 0x7E). Invalid value: {shown}"
            )
            raise QueryFailedError("HIVE_INVALID_PARTITION_VALUE", message)


def _folder(write: Write, values: tuple[str | None, ...]) -> str:
    keys = [str(field.name) for field in write.table.partition_columns]
    return write.table.location + folder_name(keys, values)
