"""Parquet objects, written by DuckDB from rows that fit their columns; the columns come from a Glue table."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import duckdb
from moto.core.exceptions import JsonRESTError
from moto.glue.models import glue_backends
from moto.utilities.utils import get_partition

from ddb_pipeline.local_aws.athena.hive_types import read_hive_type
from ddb_pipeline.local_aws.athena.types import Type
from ddb_pipeline.local_aws.delivery.conversion_settings import LATEST, FormatConversion
from ddb_pipeline.local_aws.delivery.json_rows import MisfitError, RowReader, Schema

# of the longest line; a record of a Kinesis stream has 1 MiB, and its JSON may be longer when it is written anew
_LINE_BYTES = 64 * 1024 * 1024


class ParquetWriter:
    """Makes Parquet of records, by the table's columns as they are.

    Args:
        conversion: The settings.
        account_id: Account of the delivery stream.
        region: Region of the delivery stream.
    """

    def __init__(self, conversion: FormatConversion, account_id: str, region: str) -> None:
        self._conversion = conversion
        self._catalog_id = conversion.catalog_id or account_id
        self._region = conversion.region or region
        self._reader: RowReader | None = None
        self._misfit = MisfitError("", "")
        self.follow_table()

    @property
    def table(self) -> dict[str, str]:
        """The table, as documents of records that do not fit name it."""
        reader = self._reader
        partition = get_partition(self._region)
        return {
            "catalogId": self._catalog_id,
            "databaseName": self._conversion.database,
            "tableName": self._conversion.table,
            "region": self._region,
            "versionId": self._conversion.version if reader is None else reader.schema.version,
            "catalogArn": f"arn:{partition}:glue:{self._region}:{self._catalog_id}:catalog",
        }

    def has_changed(self) -> bool:
        """Whether the table is another than that which rows are read by."""
        found = self._schema()
        if isinstance(found, MisfitError):
            return self._reader is not None or str(found) != str(self._misfit)
        return self._reader is None or found != self._reader.schema

    def follow_table(self) -> None:
        """Read rows by the table as it is now."""
        found = self._schema()
        if isinstance(found, MisfitError):
            self._reader, self._misfit = None, found
        else:
            self._reader = RowReader(found, self._conversion.deserializer)

    def lines(self, data: bytes) -> bytes:
        """Read a record as rows.

        Raises:
            MisfitError: It does not fit the table, or there is no table that it could fit.
        """
        if self._reader is None:
            raise MisfitError(self._misfit.code, str(self._misfit))
        return self._reader.lines(data)

    def encode(self, lines: bytes) -> bytes:
        """Write rows as Parquet."""
        if self._reader is None:
            raise RuntimeError("there are rows without a schema")
        return parquet_object(lines, self._reader.schema, self._conversion)

    def _schema(self) -> Schema | MisfitError:
        try:
            return read_schema(self._conversion, self._catalog_id, self._region)
        except MisfitError as error:
            return error


def read_schema(conversion: FormatConversion, account_id: str, region: str) -> Schema:
    """Read the table that is the schema, from the catalog of an account and region.

    Raises:
        MisfitError: It does not exist, or has a column of a type that is not written here; no record fits then.
    """
    backend = glue_backends[account_id][region]
    try:
        table = backend.get_table(conversion.database, conversion.table)
        content = table.as_dict(None if conversion.version == LATEST else conversion.version)
    except JsonRESTError:
        raise MisfitError(
            "DataFormatConversion.EntityNotFound",
            f"The specified table/database could not be found. Please ensure that {conversion.database}."
            f"{conversion.table} exists in the version {conversion.version}.",
        ) from None
    columns = content.get("StorageDescriptor", {}).get("Columns") or []
    return Schema({str(column["Name"]): _column_type(column) for column in columns}, str(content["VersionId"]))


def _column_type(column: dict[str, Any]) -> Type:
    type_ = read_hive_type(str(column.get("Type")))
    if type_ is None or not _is_written(type_):
        raise MisfitError(
            "DataFormatConversion.InvalidSchema",
            f"The schema is invalid. Local AWS does not write {column.get('Type')} of column {column['Name']}.",
        )
    return type_


def _is_written(type_: Type) -> bool:
    if type_.name == "map" and type_.parts[0].name != "varchar":
        return False
    return type_.name not in {"varbinary", "real"} and all(map(_is_written, type_.parts))


def parquet_object(lines: bytes, schema: Schema, conversion: FormatConversion) -> bytes:
    """Write rows as Parquet.

    Args:
        lines: JSON lines, as RowReader makes them.
        schema: Their columns.
        conversion: Compression and version.
    """
    columns = ", ".join(f"{_text(name)}: {_text(_duckdb_type(type_))}" for name, type_ in schema.columns.items())
    compression = conversion.compression.lower()
    with tempfile.TemporaryDirectory(prefix="local-aws-delivery-") as folder:
        source, target = Path(folder) / "rows.json", Path(folder) / "rows.parquet"
        source.write_bytes(lines)
        # no text of a user is in it but through _text
        sql = (
            f"COPY (FROM read_json({_text(str(source))}, format='newline_delimited', columns={{{columns}}}, "
            f"maximum_object_size={_LINE_BYTES})) TO {_text(str(target))} "
            f"(FORMAT parquet, COMPRESSION {compression}, PARQUET_VERSION {conversion.writer_version})"
        )
        with duckdb.connect(config={"threads": 1, "memory_limit": "512MB", "temp_directory": folder}) as connection:
            connection.execute(sql)
        return target.read_bytes()


def _duckdb_type(type_: Type) -> str:
    if type_.name == "array":
        return f"{_duckdb_type(type_.parts[0])}[]"
    if type_.name == "map":
        return f"MAP(VARCHAR, {_duckdb_type(type_.parts[1])})"
    if type_.name == "row":
        parts = zip(type_.names, type_.parts, strict=True)
        return f"STRUCT({', '.join(f'{_identifier(str(name))} {_duckdb_type(part)}' for name, part in parts)})"
    if type_.name == "decimal":
        return f"DECIMAL({type_.numbers[0]},{type_.numbers[1]})"
    return {"varchar": "VARCHAR", "timestamp": "TIMESTAMP"}.get(type_.name, type_.name.upper())


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
