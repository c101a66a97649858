"""Parsed copies of JSON objects: each is read once, and kept as Parquet for all later queries.

An object's parse costs far more than the reading of its columns afterwards. A copy is named by the object's ETag and
by the columns it was read for, so it never grows stale. What cannot be kept is read as it is, every time.
"""

# ruff: noqa: S608 - SQL is what this module makes; no text of a user is in it but through casts.text and `quoted`

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb

from ddb_pipeline.local_aws.athena.casts import text
from ddb_pipeline.local_aws.athena.parquet import quoted
from ddb_pipeline.local_aws.athena.relations import Table
from ddb_pipeline.local_aws.athena.types import duckdb_type

MAX_THREADS = 4
"""Most objects that are parsed at once: gzip is read by one thread each."""


def json_sql(table: Table, paths: Sequence[Path], spelled: Mapping[str, str], file_column: str | None) -> str:
    """SQL of the rows of JSON objects: columns `c1`, `c2`, ... of the table, then the path of the copy if asked for.

    Args:
        table: The table.
        paths: Copies of its objects.
        spelled: For each column, the name it has in the objects.
        file_column: Name of a last column with the path of the copy; None: without.
    """
    names = [spelled.get(str(field.name), str(field.name)) for field in table.columns]
    types = [duckdb_type(field.type) for field in table.columns]
    columns = ", ".join(f"{text(name)}: {text(type_)}" for name, type_ in zip(names, types, strict=True))
    chosen = [f"j.{quoted(name)} AS c{i}" for i, name in enumerate(names, 1)]
    return (
        f"SELECT {', '.join([*chosen, *_file(file_column)])} FROM read_json({_list(paths)}, columns={{{columns}}}, "
        f"format='newline_delimited', records='true', maximum_object_size=33554432{_naming(file_column)}) AS j"
    )


def kept_sql(table: Table, paths: Sequence[Path], file_column: str | None) -> str:
    """SQL of the rows of kept copies, with the same columns."""
    chosen = [f"j.c{i}" for i in range(1, len(table.columns) + 1)]
    return (
        f"SELECT {', '.join([*chosen, *_file(file_column)])} FROM read_parquet({_list(paths)}, "
        f"hive_partitioning=false{_naming(file_column)}) AS j"
    )


def keep(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    paths: Sequence[Path],
    spelled: Mapping[str, str],
    is_cancelled: Callable[[], bool],
) -> dict[Path, Path]:
    """Parse what was not parsed yet.

    Args:
        connection: Its cursors are used, one a thread.
        table: The table that the copies are read for.
        paths: Copies of its objects, whose structure has been held to the table's columns.
        spelled: For each column, the name it has in the objects.
        is_cancelled: Asked before each object; once it is true, no other is parsed.

    Returns:
        The kept copy of each; those that DuckDB could not parse are left out.
    """
    columns = [(spelled.get(str(field.name), str(field.name)), duckdb_type(field.type)) for field in table.columns]
    signature = hashlib.sha256(repr(columns).encode()).hexdigest()[:16]
    targets = {path: path.with_name(f"{path.name.partition('.')[0]}-{signature}.parquet") for path in set(paths)}
    new = [path for path, target in targets.items() if not target.exists()]
    if new:
        with ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1, len(new)), "athena-parse") as pool:
            parsing = [
                pool.submit(_parse, connection.cursor(), rows, targets[path], is_cancelled)
                for path, rows in ((path, json_sql(table, [path], spelled, None)) for path in new)
            ]
            for future in parsing:
                future.result()
    return {path: target for path, target in targets.items() if target.exists()}


def _parse(cursor: duckdb.DuckDBPyConnection, rows: str, target: Path, is_cancelled: Callable[[], bool]) -> None:
    # two queries may parse the same object: each under a name of its own, and the last one stays
    part = target.with_suffix(f".{uuid.uuid4().hex}.part")
    try:
        if is_cancelled():
            return
        cursor.execute(f"COPY ({rows}) TO {text(str(part))} (FORMAT parquet, COMPRESSION lz4)")
        part.replace(target)
    except duckdb.Error:
        # the query will come to the same value, and say what is wrong with it if it needs it
        part.unlink(missing_ok=True)
    finally:
        cursor.close()


def _file(file_column: str | None) -> list[str]:
    return [f"j.{file_column}"] if file_column else []


def _naming(file_column: str | None) -> str:
    return f", filename={text(file_column)}" if file_column else ""


def _list(paths: Sequence[Path]) -> str:
    return f"[{', '.join(text(str(path)) for path in paths)}]"
