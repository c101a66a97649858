"""A table in the Glue catalog over files in the raw bucket, as `ddb_pipeline/catalog_tables.py` says."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_glue as glue
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ddb_pipeline.catalog_tables import CatalogTable
from ddb_pipeline.change_row import STORAGES, Column


def catalog_table(
    scope: Construct,
    construct_id: str,
    *,
    database: glue.CfnDatabase,
    database_name: str,
    table: CatalogTable,
    raw_bucket: s3.IBucket,
) -> glue.CfnTable:
    """Declare a table.

    Args:
        scope: Where it belongs.
        construct_id: Id in the construct tree.
        database: Its database, which is made before it.
        database_name: Name of the database.
        table: What it is.
        raw_bucket: Where its files are.
    """
    storage = STORAGES[table.format]
    declared = glue.CfnTable(
        scope,
        construct_id,
        catalog_id=Stack.of(scope).account,
        database_name=database_name,
        table_input=glue.CfnTable.TableInputProperty(
            name=table.name,
            description=table.description,
            table_type="EXTERNAL_TABLE",
            parameters=table.parameters,
            partition_keys=_columns(table.partition_columns),
            storage_descriptor=glue.CfnTable.StorageDescriptorProperty(
                location=raw_bucket.s3_url_for_object(table.prefix),
                columns=_columns(table.columns),
                compressed=table.is_compressed,
                input_format=storage.input_format,
                output_format=storage.output_format,
                serde_info=glue.CfnTable.SerdeInfoProperty(serialization_library=storage.serialization_library),
            ),
        ),
    )
    declared.add_resource_dependency(database)
    return declared


def _columns(columns: Sequence[Column]) -> list[glue.CfnTable.ColumnProperty]:
    return [
        glue.CfnTable.ColumnProperty(name=column.name, type=column.type, comment=column.comment) for column in columns
    ]
