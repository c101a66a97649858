"""A table in the Glue catalog over files in the raw bucket, as tables of changes and of baselines are declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Stack
from aws_cdk import aws_glue as glue
from constructs import Construct

from ddb_pipeline.change_row import STORAGES, Column, Format

# A crawler that meets a table without compressionType marks it deprecated and registers no partition. It finds "none"
# for Parquet, which compresses inside of its files.
PARAMETERS: Mapping[Format, Mapping[str, str]] = {
    "json": {"EXTERNAL": "TRUE", "classification": "json", "compressionType": "gzip", "typeOfData": "file"},
    "parquet": {"EXTERNAL": "TRUE", "classification": "parquet", "compressionType": "none", "typeOfData": "file"},
}


def catalog_table(
    scope: Construct,
    construct_id: str,
    *,
    database: glue.CfnDatabase,
    database_name: str,
    name: str,
    description: str,
    location: str,
    columns: Sequence[Column],
    partition_columns: Sequence[Column],
    file_format: Format,
    parameters: Mapping[str, str] | None = None,
) -> glue.CfnTable:
    """Declare a table.

    Args:
        scope: Where it belongs.
        construct_id: Id in the construct tree.
        database: Its database, which is made before it.
        database_name: Name of the database.
        name: Its name.
        description: What a row says.
        location: Where its files are.
        columns: Its columns, without those of its partitions.
        partition_columns: Columns of its partitions.
        file_format: What its files are: gzipped JSON lines or Parquet.
        parameters: Parameters beside those of the format.
    """
    storage = STORAGES[file_format]
    table = glue.CfnTable(
        scope,
        construct_id,
        catalog_id=Stack.of(scope).account,
        database_name=database_name,
        table_input=glue.CfnTable.TableInputProperty(
            name=name,
            description=description,
            table_type="EXTERNAL_TABLE",
            parameters={**PARAMETERS[file_format], **(parameters or {})},
            partition_keys=_columns(partition_columns),
            storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                location=location,
                columns=_columns(columns),
                # whole files are; Parquet compresses inside
                compressed=file_format == "json",
                input_format=storage.input_format,
                output_format=storage.output_format,
                serde_info=glue.CfnTable.SerdeInfoProperty(serialization_library=storage.serialization_library),
            ),
        ),
    )
    table.add_resource_dependency(database)
    return table


def _columns(columns: Sequence[Column]) -> list[glue.CfnTable.ColumnProperty]:
    return [
        glue.CfnTable.ColumnProperty(name=column.name, type=column.type, comment=column.comment) for column in columns
    ]
