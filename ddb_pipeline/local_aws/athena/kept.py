"""SQL that reads JSON objects, and what was kept of them as Parquet."""

# ruff: noqa: S608 - SQL is what this module makes; no text of a user is in it but through casts.text and `quoted`

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ddb_pipeline.local_aws.athena.casts import text
from ddb_pipeline.local_aws.athena.parquet import quoted
from ddb_pipeline.local_aws.athena.relations import Table
from ddb_pipeline.local_aws.athena.types import duckdb_type

MOST_LINE_BYTES = 33_554_432
"""Longest line that is read."""


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
        f"SELECT {', '.join([*chosen, *_file(file_column)])} FROM read_json({listed(paths)}, columns={{{columns}}}, "
        f"format='newline_delimited', records='true', maximum_object_size={MOST_LINE_BYTES}{_naming(file_column)}) AS j"
    )


def kept_sql(table: Table, paths: Sequence[Path], file_column: str | None) -> str:
    """SQL of the rows of kept copies, with the same columns."""
    chosen = [f"j.c{i}" for i in range(1, len(table.columns) + 1)]
    return (
        f"SELECT {', '.join([*chosen, *_file(file_column)])} FROM read_parquet({listed(paths)}, "
        f"hive_partitioning=false{_naming(file_column)}) AS j"
    )


def _file(file_column: str | None) -> list[str]:
    return [f"j.{file_column}"] if file_column else []


def _naming(file_column: str | None) -> str:
    return f", filename={text(file_column)}" if file_column else ""


def listed(paths: Iterable[Path]) -> str:
    """SQL of a list of files."""
    return f"[{', '.join(text(str(path)) for path in paths)}]"
