"""Parquet objects: held to the table's columns, read by name, as Athena reads them by default.

A column that an object does not have is NULL. Source: Athena user guide, "Handle schema updates" and "Parquet SerDe".
"""

# ruff: noqa: S608 - SQL is what this module makes; no text of a user is in it but through casts.text and `quoted`

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ddb_pipeline.local_aws.athena.casts import text
from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.relations import Field, Table
from ddb_pipeline.local_aws.athena.types import Type, duckdb_type

SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
INPUT_FORMAT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
OUTPUT_FORMAT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

_WHOLE = {"tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger"}
_TIMESTAMPS = {"timestamp", "timestamp_ms", "timestamp_s", "timestamp_ns"}
# DuckDB's types of a Parquet column that a column of the table reads
_READ: dict[str, set[str]] = {
    "boolean": {"boolean"},
    "double": {"float", "double"},
    "real": {"float"},
    "varchar": {"varchar", "blob"},
    "varbinary": {"blob"},
    "date": {"date"},
}


@dataclass(frozen=True)
class Structure:
    """What one object holds.

    Attributes:
        columns: Name as written and DuckDB's type, by lower-case name.
        sizes: Compressed bytes of each column's chunks, by lower-case name.
    """

    columns: dict[str, tuple[str, Any]]
    sizes: dict[str, int]

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """Equal for objects that can be read with the same SQL."""
        return tuple(sorted((name, str(type_)) for name, type_ in self.columns.values()))


def look(connection: duckdb.DuckDBPyConnection, path: Path, uri: str) -> Structure:
    """Read an object's footer.

    Args:
        connection: Used for reading.
        path: Its local copy.
        uri: Its address, for messages.

    Raises:
        QueryFailedError: It is no Parquet file, or has two columns that differ by case alone.
    """
    file = text(str(path))
    try:
        description = connection.execute(f"SELECT * FROM {_reading([path])} LIMIT 0").description or []
        chunks = connection.execute(f"SELECT path_in_schema, total_compressed_size FROM parquet_metadata({file})")
        sizes: dict[str, int] = {}
        names = {str(name) for name, *_ in description}
        for chunk, size in chunks.fetchall():
            own = max((n for n in names if chunk == n or chunk.startswith(f"{n}, ")), key=len, default="")
            sizes[own.lower()] = sizes.get(own.lower(), 0) + int(size)
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise QueryFailedError("HIVE_CURSOR_ERROR", f"Failed to read Parquet file: {uri}: {first}") from None
    columns = {str(name).lower(): (str(name), type_) for name, type_, *_ in description}
    if len(columns) != len(description):
        raise QueryFailedError("NOT_SUPPORTED", f"columns of {uri} differ by case alone: not supported by local AWS")
    return Structure(columns, sizes)


def scan_sql(table: Table, files: Sequence[tuple[Path, str, Structure]], file_column: str | None) -> str:
    """SQL of the rows of some objects: columns `c1`, `c2`, ... of the table, without partition columns.

    Args:
        table: The table.
        files: Local copies, each once, with their addresses and structures.
        file_column: Name of a last column with the path of the copy; None: without.

    Raises:
        QueryFailedError: HIVE_BAD_DATA, a column of an object has another type than the table's.
    """
    groups: dict[tuple[tuple[str, str], ...], list[tuple[Path, str, Structure]]] = {}
    for file in files:
        groups.setdefault(file[2].key, []).append(file)
    selects = []
    for group in groups.values():
        _, uri, structure = group[0]
        items = [f"{_column(field, structure, uri)} AS c{i}" for i, field in enumerate(table.columns, 1)]
        if file_column:
            items.append(f"j.{file_column}")
        reading = _reading((path for path, _, _ in group), file_column)
        selects.append(f"SELECT {', '.join(items)} FROM {reading} AS j")
    return " UNION ALL ".join(selects)


def _reading(paths: Iterable[Path], file_column: str | None = None) -> str:
    files = ", ".join(text(str(path)) for path in paths)
    naming = f", filename={text(file_column)}" if file_column else ""
    return f"read_parquet([{files}], hive_partitioning=false{naming})"


def _column(field: Field, structure: Structure, uri: str) -> str:
    name = str(field.name)
    if name not in structure.columns:
        return f"CAST(NULL AS {duckdb_type(field.type)})"
    written, found = structure.columns[name]
    sql = _read(f"j.{quoted(written)}", found, field.type)
    if sql is None:
        message = f"Field {written}'s type {found} in parquet file {uri} is incompatible with type {field.type}"
        raise QueryFailedError("HIVE_BAD_DATA", f"{message} defined in table schema")
    return sql


def _read(sql: str, found: Any, wanted: Type) -> str | None:  # noqa: PLR0911
    """Read a value of a Parquet column as the table's type; None: Athena cannot."""
    kind, converted = found.id, f"CAST({sql} AS {duckdb_type(wanted)})"
    if wanted.parts:
        return _read_nested(sql, found, wanted)
    if wanted.is_integer:
        return converted if kind in _WHOLE else None
    if wanted.name == "decimal":
        return converted if kind == "decimal" or kind in _WHOLE else None
    if wanted.name == "timestamp":
        if kind not in _TIMESTAMPS and kind != "timestamp with time zone":
            return None
        moment = f"({sql} AT TIME ZONE 'UTC')" if kind == "timestamp with time zone" else f"CAST({sql} AS TIMESTAMP)"
        return f"athena_round_timestamp({moment}, 1000)"
    if kind not in _READ.get(wanted.name, set()):
        return None
    if wanted.name == "varchar":
        own = f"decode({sql})" if kind == "blob" else sql
        return f"left({own}, {wanted.numbers[0]})" if wanted.numbers else own
    return converted


def _read_nested(sql: str, found: Any, wanted: Type) -> str | None:
    if wanted.name == "array" and found.id in {"list", "array"}:
        element = _read("e", found.children[0][1], wanted.parts[0])
        return element and f"list_transform({sql}, lambda e: {element})"
    if wanted.name == "map" and found.id == "map":
        parts = [type_ for _, type_ in found.children]
        pair = [
            _read(f"e.{key}", part, own) for key, part, own in zip(("key", "value"), parts, wanted.parts, strict=True)
        ]
        if None in pair:
            return None
        entries = f"list_transform(map_entries({sql}), lambda e: {{'key': {pair[0]}, 'value': {pair[1]}}})"
        return f"map_from_entries({entries})"
    if wanted.name == "row" and found.id == "struct":
        own = {name.lower(): (name, type_) for name, type_ in found.children}
        fields = []
        for i, (name, part) in enumerate(zip(wanted.names, wanted.parts, strict=True), 1):
            if name not in own:
                fields.append(f"'f{i}': CAST(NULL AS {duckdb_type(part)})")
                continue
            value = _read(f"struct_extract({sql}, {text(own[name][0])})", own[name][1], part)
            if value is None:
                return None
            fields.append(f"'f{i}': {value}")
        return f"CASE WHEN {sql} IS NULL THEN NULL ELSE {{{', '.join(fields)}}} END"
    return None


def written(sql: str, type_: Type) -> str:
    """SQL of a value as it is written to Parquet: rows get the names of their fields."""
    return f"CAST({_renamed(sql, type_)} AS {_named_type(type_)})" if _has_row(type_) else sql


def _renamed(sql: str, type_: Type) -> str:
    if not _has_row(type_):
        return sql
    if type_.name == "array":
        return f"list_transform({sql}, lambda e: {_renamed('e', type_.parts[0])})"
    if type_.name == "map":
        value = _renamed("e.value", type_.parts[1])
        return f"map_from_entries(list_transform(map_entries({sql}), lambda e: {{'key': e.key, 'value': {value}}}))"
    fields = []
    for i, (name, part) in enumerate(zip(type_.names, type_.parts, strict=True), 1):
        value = _renamed(f"struct_extract({sql}, 'f{i}')", part)
        fields.append(f"{text(str(name))}: {value}")
    return f"CASE WHEN {sql} IS NULL THEN NULL ELSE {{{', '.join(fields)}}} END"


def _named_type(type_: Type) -> str:
    """DuckDB's type with the rows' own names: without it a NULL would be written without any type."""
    if not _has_row(type_):
        return duckdb_type(type_)
    parts = [_named_type(part) for part in type_.parts]
    if type_.name == "array":
        return f"{parts[0]}[]"
    if type_.name == "map":
        return f"MAP({', '.join(parts)})"
    fields = [f"{quoted(str(name))} {part}" for name, part in zip(type_.names, parts, strict=True)]
    return f"STRUCT({', '.join(fields)})"


def _has_row(type_: Type) -> bool:
    return type_.name == "row" or any(map(_has_row, type_.parts))


def quoted(name: str) -> str:
    """A DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'
