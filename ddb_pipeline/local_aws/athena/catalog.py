"""Tables and views from the Glue catalog of this process, as a query sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from moto.glue.exceptions import TableAlreadyExistsException
from moto.glue.models import GlueBackend, glue_backends

from ddb_pipeline.local_aws.athena import views
from ddb_pipeline.local_aws.athena.catalog_shapes import shown_database, shown_table
from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.folders import NULL_PARTITION, folder_name
from ddb_pipeline.local_aws.athena.formats import FORMATS, reads
from ddb_pipeline.local_aws.athena.openx.options import read_options
from ddb_pipeline.local_aws.athena.partition_schemas import mismatch
from ddb_pipeline.local_aws.athena.projection import read_projection
from ddb_pipeline.local_aws.athena.relations import Field, Format, Listing, Partition, Table, View
from ddb_pipeline.local_aws.athena.system_tables import INFORMATION_SCHEMA, PARTITIONS, information_schema, partitions
from ddb_pipeline.local_aws.athena.types import VARCHAR

# what Glue's UpdateTable takes (API shape `TableInput`)
_TABLE_INPUT = {
    "Name", "Description", "Owner", "Retention", "StorageDescriptor", "PartitionKeys", "ViewOriginalText",
    "ViewExpandedText", "TableType", "Parameters",
}  # fmt: skip
_PARTITION_TYPES = ("string", "varchar")


class Catalog:
    """The Glue catalog of one account and region."""

    def __init__(self, account: str, region: str) -> None:
        self._glue: GlueBackend = glue_backends[account][region]

    def has_database(self, database: str) -> bool:
        """Whether the database exists; `default` always does, as in Athena."""
        return database in self._glue.databases or database == "default"

    def databases(self) -> list[dict[str, Any]]:
        """Every database, as Athena's API shows it."""
        return [shown_database(found.as_dict()) for found in self._glue.get_databases()]

    def tables(self, database: str) -> list[dict[str, Any]]:
        """Every table of a database, as Athena's API shows it."""
        return [shown_table(found.as_dict()) for found in self._glue.databases[database].tables.values()]

    def find(self, database: str, name: str) -> Table | View | Listing | None:
        """Look a table, a view or a table about the catalog up.

        Args:
            database: Lower-case name of the database.
            name: Lower-case name of the table or view.

        Raises:
            QueryFailedError: The database does not exist, or the table is of a kind that local AWS does not read.
        """
        if database == INFORMATION_SCHEMA:
            return information_schema(self, name)
        if not self.has_database(database):
            raise QueryFailedError("SCHEMA_NOT_FOUND", f"Schema '{database}' does not exist")
        if name.endswith(PARTITIONS):
            return partitions(self, database, name.removesuffix(PARTITIONS))
        entry = self.entry(database, name)
        if entry is None:
            return None
        if entry.get("TableType") == views.TABLE_TYPE:
            return views.read(database, name, entry)
        return self._table(database, name, entry)

    def entry(self, database: str, name: str) -> dict[str, Any] | None:
        """The catalog's own entry of a table or view; None: there is none."""
        found = self._glue.databases.get(database)
        if found is None or name not in found.tables:
            return None
        entry: dict[str, Any] = found.tables[name].as_dict()
        return entry

    def entries(self, database: str) -> dict[str, dict[str, Any]]:
        """The catalog's own entries of a database, by name."""
        found = self._glue.databases.get(database)
        return {name: table.as_dict() for name, table in list(found.tables.items())} if found else {}

    def location(self, database: str, name: str) -> str:
        """Where a table is, ending with a slash."""
        return _location(name, (self.entry(database, name) or {}).get("StorageDescriptor") or {})

    def create_database(self, name: str, entry: dict[str, Any]) -> None:
        """Make a database of Glue's `DatabaseInput`."""
        self._glue.create_database(name, entry)

    def drop_database(self, name: str) -> None:
        """Remove a database and all its tables."""
        self._glue.delete_database(name)

    def set_parameters(self, database: str, name: str, parameters: Mapping[str, str]) -> None:
        """Add to the parameters of a table, as its next version."""
        own = (self.entry(database, name) or {}).get("Parameters") or {}
        self.change(database, name, {"Parameters": {**own, **parameters}})

    def change(self, database: str, name: str, parts: Mapping[str, Any]) -> None:
        """Replace parts of a table's entry, as its next version."""
        entry = self.entry(database, name) or {}
        kept = {key: value for key, value in entry.items() if key in _TABLE_INPUT}
        self._glue.update_table(database, name, {**kept, **parts})

    def drop_partitions(self, database: str, name: str, gone: Iterable[tuple[str | None, ...]]) -> None:
        """Take partitions out of the catalog; their objects stay."""
        for values in gone:
            # moto calls it a number, and takes the values
            key: Any = _stored(values)
            self._glue.delete_partition(database, name, key)

    def create(self, database: str, entry: dict[str, Any]) -> None:
        """Make a table of Glue's `TableInput`."""
        self._require_default(database)
        self._glue.create_table(database, str(entry["Name"]), entry)

    def partition_locations(self, database: str, name: str) -> dict[tuple[str | None, ...], str]:
        """Location, ending with a slash, of each registered partition by its values."""
        stored = [found.as_dict() for found in list(self._glue.databases[database].tables[name].partitions.values())]
        return {_values(entry): _location(name, entry.get("StorageDescriptor") or {}) for entry in stored}

    def add_partitions(self, database: str, name: str, locations: Mapping[tuple[str | None, ...], str]) -> None:
        """Register partitions; each gets the storage of the table but its own location."""
        storage = (self.entry(database, name) or {}).get("StorageDescriptor") or {}
        for values, location in locations.items():
            self._glue.create_partition(
                database,
                name,
                {
                    "Values": _stored(values),
                    "StorageDescriptor": {**storage, "Location": location.removesuffix("/")},
                },
            )

    def put_view(self, database: str, name: str, entry: dict[str, Any], *, or_replace: bool) -> None:
        """Store a view; one of that name gives way to it if `or_replace`, also one that another query has just made.

        Raises:
            QueryFailedError: There is one of that name already.
        """
        self._require_default(database)
        try:
            self._glue.create_table(database, name, entry)
        except TableAlreadyExistsException:
            if not or_replace:
                message = f"line 1:1: View already exists: 'awsdatacatalog.{database}.{name}'"
                raise QueryFailedError("ALREADY_EXISTS", message) from None
            self._glue.update_table(database, name, entry)

    def _require_default(self, database: str) -> None:
        """Make the database that Athena always has, when something is put into it."""
        if database == "default" and database not in self._glue.databases:
            self._glue.create_database(database, {"Name": database})

    def drop(self, database: str, name: str) -> None:
        """Remove a view."""
        self._glue.delete_table(database, name)

    def _table(self, database: str, name: str, entry: dict[str, Any]) -> Table:
        storage = entry.get("StorageDescriptor") or {}
        parameters = entry.get("Parameters") or {}
        serde = (storage.get("SerdeInfo") or {}).get("SerializationLibrary")
        _require(name, "the SerDe", serde, *FORMATS)
        format_ = FORMATS[str(serde)]
        _require(name, "the input format", storage.get("InputFormat"), format_.files[0])
        columns = tuple(_field(name, column, format_.name) for column in storage.get("Columns") or [])
        partition_columns = []
        for column in entry.get("PartitionKeys") or []:
            _require(name, f"the type of partition column {column['Name']}", column.get("Type"), *_PARTITION_TYPES)
            partition_columns.append(Field(str(column["Name"]).lower(), VARCHAR))
        location, now = _location(name, storage), datetime.now(UTC)
        names = [str(field.name) for field in partition_columns]
        projection = read_projection(f"{database}.{name}", parameters, names, location, now)
        partitions: list[Partition] = []
        if not partition_columns:
            partitions = [Partition((), location)]
        elif projection is None:
            stored = self._glue.databases[database].tables[name].partitions.values()
            entries = [found.as_dict() for found in list(stored)]
            partitions = [_partition(f"{database}.{name}", storage, names, found) for found in entries]
        keys = tuple(partition_columns)
        openx = read_options(_serde_parameters(storage)) if format_.name == "openx" else None
        return Table(database, name, columns, keys, tuple(partitions), location, format_.name, projection, openx)


def _partition(table: str, table_storage: dict[str, Any], keys: list[str], entry: dict[str, Any]) -> Partition:
    storage, values = entry.get("StorageDescriptor") or {}, _values(entry)
    if len(values) != len(keys):
        message = f"a partition of {table} has {len(values)} values, not {len(keys)}"
        raise QueryFailedError("HIVE_INVALID_METADATA", message)
    wrong = None
    if any(storage.get(part) != table_storage.get(part) for part in ("Columns", "SerdeInfo")):
        wrong = _mismatch(table, table_storage, folder_name(keys, values).removesuffix("/"), storage)
    return Partition(values, _location(table, storage), wrong)


def _mismatch(
    table: str, table_storage: dict[str, Any], folder: str, storage: dict[str, Any]
) -> QueryFailedError | None:
    """Why a partition whose storage differs cannot be read as the table's; None: it can.

    Raises:
        QueryFailedError: It has another SerDe.
    """
    table_serde = table_storage["SerdeInfo"]["SerializationLibrary"]
    serde = (storage.get("SerdeInfo") or {}).get("SerializationLibrary", table_serde)
    _require(f"{table}, partition {folder}", "the SerDe", serde, table_serde)
    if FORMATS[serde].name == "parquet":
        return None
    wrong = mismatch(table, table_storage.get("Columns") or [], folder, storage.get("Columns") or [])
    if wrong is not None or FORMATS[serde].name != "openx" or not storage.get("SerdeInfo"):
        return wrong
    if read_options(_serde_parameters(storage)) == read_options(_serde_parameters(table_storage)):
        return None
    message = f"SerDe properties of partition '{folder}' that are not those of table {table}"
    return QueryFailedError("NOT_SUPPORTED", f"{message} are not supported by local AWS")


def _serde_parameters(storage: dict[str, Any]) -> dict[str, str]:
    return (storage.get("SerdeInfo") or {}).get("Parameters") or {}


def _stored(values: tuple[str | None, ...]) -> list[str]:
    return [NULL_PARTITION if value is None else value for value in values]


def _values(entry: dict[str, Any]) -> tuple[str | None, ...]:
    return tuple(None if value == NULL_PARTITION else str(value) for value in entry.get("Values") or [])


def _require(table: str, what: str, found: Any, *allowed: str) -> None:
    if found not in allowed:
        raise QueryFailedError(
            "NOT_SUPPORTED", f"{what} of table {table} is {found}; local AWS reads {' or '.join(allowed)} only"
        )


def _field(table: str, column: dict[str, Any], format_: Format) -> Field:
    type_ = reads(format_, str(column.get("Type")))
    if type_ is None:
        raise QueryFailedError(
            "NOT_SUPPORTED",
            f"column {column['Name']} of table {table} is a {column.get('Type')}, which local AWS does not read",
        )
    return Field(str(column["Name"]).lower(), type_)


def _location(table: str, storage: dict[str, Any]) -> str:
    location = str(storage.get("Location") or "")
    if not location.startswith("s3://"):
        raise QueryFailedError("HIVE_INVALID_METADATA", f"table {table} has no location in S3: '{location}'")
    return location if location.endswith("/") else location + "/"
