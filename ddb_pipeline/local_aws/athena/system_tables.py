"""Tables that show the catalog: `information_schema` and `"table$partitions"`.

Source: Athena user guide, "Query the AWS Glue Data Catalog" and "SHOW PARTITIONS"; the columns of the former are those
of Trino's InformationSchemaMetadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from ddb_pipeline.local_aws.athena import views
from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.hive_types import read_hive_type
from ddb_pipeline.local_aws.athena.relations import Field, Listing
from ddb_pipeline.local_aws.athena.types import BIGINT, VARCHAR

INFORMATION_SCHEMA = "information_schema"
PARTITIONS = "$partitions"
_CATALOG = "awsdatacatalog"
_Row = tuple[str | int | None, ...]
_Entries = Mapping[str, Mapping[str, Mapping[str, Any]]]


class Catalog(Protocol):
    """What is asked of the catalog."""

    def databases(self) -> list[dict[str, Any]]:
        """Every database."""

    def entries(self, database: str) -> dict[str, dict[str, Any]]:
        """The entries of a database, by name."""

    def partition_locations(self, database: str, name: str) -> dict[tuple[str | None, ...], str]:
        """Locations of a table's partitions by their values."""


def information_schema(catalog: Catalog, name: str) -> Listing | None:
    """A table of `information_schema`; None: local AWS has none of that name."""
    found = _TABLES.get(name)
    if found is None:
        return None
    columns, rows = found
    entries = {
        str(database["Name"]): catalog.entries(str(database["Name"]))
        for database in sorted(catalog.databases(), key=lambda one: str(one["Name"]))
    }
    return Listing(INFORMATION_SCHEMA, name, _fields(columns), tuple(rows(entries)))


def partitions(catalog: Catalog, database: str, name: str) -> Listing | None:
    """The registered partitions of a table, a column for each key; None: there is no such table, or no partitions.

    Raises:
        QueryFailedError: Its partitions are projected.
    """
    entry = catalog.entries(database).get(name)
    keys = [str(key["Name"]).lower() for key in (entry or {}).get("PartitionKeys") or []]
    if entry is None or not keys:
        return None
    if str((entry.get("Parameters") or {}).get("projection.enabled")).lower() == "true":
        message = f"{PARTITIONS} of table {name}, whose partitions are projected, is not supported by local AWS"
        raise QueryFailedError("NOT_SUPPORTED", message)
    fields = tuple(Field(key, VARCHAR) for key in keys)
    return Listing(database, f"{name}{PARTITIONS}", fields, tuple(catalog.partition_locations(database, name)))


def _schemata(entries: _Entries) -> Iterator[_Row]:
    for database in (*entries, INFORMATION_SCHEMA):
        yield _CATALOG, database


def _tables(entries: _Entries) -> Iterator[_Row]:
    for database, tables in entries.items():
        for name, entry in sorted(tables.items()):
            yield _CATALOG, database, name, "VIEW" if _is_view(entry) else "BASE TABLE"
    for name in _TABLES:
        yield _CATALOG, INFORMATION_SCHEMA, name, "BASE TABLE"


def _views(entries: _Entries) -> Iterator[_Row]:
    for database, tables in entries.items():
        for name, entry in sorted(tables.items()):
            if _is_view(entry):
                yield _CATALOG, database, name, views.read(database, name, dict(entry)).sql


def _columns(entries: _Entries) -> Iterator[_Row]:
    for database, tables in entries.items():
        for name, entry in sorted(tables.items()):
            for place, (column, type_) in enumerate(_columns_of(database, name, entry), 1):
                yield _CATALOG, database, name, column, place, None, "YES", type_
    for name, (columns, _) in _TABLES.items():
        for place, field in enumerate(_fields(columns), 1):
            yield _CATALOG, INFORMATION_SCHEMA, name, field.name, place, None, "YES", str(field.type)


def _columns_of(database: str, name: str, entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if _is_view(entry):
        for field in views.read(database, name, dict(entry)).columns:
            yield str(field.name), str(field.type)
        return
    storage = entry.get("StorageDescriptor") or {}
    for column in (*(storage.get("Columns") or []), *(entry.get("PartitionKeys") or [])):
        # a type that local AWS does not read is shown as the catalog has it
        yield str(column["Name"]).lower(), str(read_hive_type(str(column.get("Type"))) or column.get("Type"))


def _is_view(entry: Mapping[str, Any]) -> bool:
    return entry.get("TableType") == views.TABLE_TYPE


def _fields(columns: str) -> tuple[Field, ...]:
    return tuple(Field(name, BIGINT if name == "ordinal_position" else VARCHAR) for name in columns.split())


_TABLES: dict[str, tuple[str, Callable[[_Entries], Iterator[_Row]]]] = {
    "columns": (
        "table_catalog table_schema table_name column_name ordinal_position column_default is_nullable data_type",
        _columns,
    ),
    "schemata": ("catalog_name schema_name", _schemata),
    "tables": ("table_catalog table_schema table_name table_type", _tables),
    "views": ("table_catalog table_schema table_name view_definition", _views),
}
