"""What no local Athena can undercut: DuckDB alone, that unpacks gzip JSON and parses some columns of it."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb

from ddb_pipeline.change_row import COLUMNS

RIVAL = "DuckDB alone, looking at its columns"
_TYPES = {"string": "VARCHAR", "int": "INTEGER", "bigint": "BIGINT", "boolean": "BOOLEAN"}


def seconds(folder: Path, names: str) -> float:
    """Seconds that it takes to look once at the columns of change rows in the objects of a folder."""
    columns = {column.name: _TYPES[column.type] for column in COLUMNS if column.name in names.split(", ")}
    looks = ", ".join(f"max(length(CAST({name} AS VARCHAR)))" for name in columns)
    started = time.monotonic()
    with duckdb.connect() as connection:
        connection.execute(
            f"SELECT {looks} FROM read_json(?, columns={columns}, format='newline_delimited')",
            [f"{folder}/*.json.gz"],
        ).fetchall()
    return time.monotonic() - started
