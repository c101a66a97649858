"""Firehose's record format conversion: change rows, JSON lines from the converter, become Parquet.

Rows that do not fit the table go below `errors/format-conversion-failed/`, each whole, and hold nothing up
(firehose/latest/dev/record-format-conversion.html).
"""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesisfirehose as firehose
from constructs import Construct

from ddb_pipeline.change_row import STORAGES
from infra_cdk.components.permissions import allow

COMPRESSION = "SNAPPY"
# said, not left out: what an update leaves out, Firehose leaves as it is (API UpdateDestination)
NO_CONVERSION = firehose.CfnDeliveryStream.DataFormatConversionConfigurationProperty(enabled=False)


def conversion_to_parquet(
    scope: Construct, database: str, role: iam.IRole
) -> firehose.CfnDeliveryStream.DataFormatConversionConfigurationProperty:
    """Return the settings by which rows become Parquet, with the columns of the table `changes_parquet`.

    Hive's deserializer, not OpenX: it takes JSON's own types only, so that a row that breaks the contract becomes an
    error instead of something that resembles its columns. It is also the library that Athena reads `changes` with.

    Args:
        scope: Any construct of the stack.
        database: Database of the table.
        role: Role of the delivery stream; it may read the table.
    """
    stack = Stack.of(scope)
    settings = firehose.CfnDeliveryStream
    return settings.DataFormatConversionConfigurationProperty(
        enabled=True,
        schema_configuration=settings.SchemaConfigurationProperty(
            catalog_id=stack.account,
            database_name=database,
            table_name=STORAGES["parquet"].table,
            region=stack.region,
            role_arn=role.role_arn,
            version_id="LATEST",
        ),
        input_format_configuration=settings.InputFormatConfigurationProperty(
            deserializer=settings.DeserializerProperty(hive_json_ser_de=settings.HiveJsonSerDeProperty())
        ),
        output_format_configuration=settings.OutputFormatConfigurationProperty(
            serializer=settings.SerializerProperty(
                parquet_ser_de=settings.ParquetSerDeProperty(compression=COMPRESSION)
            )
        ),
    )


def reading_the_schema(scope: Construct, database: str) -> iam.PolicyStatement:
    """Return the statement that lets Firehose read the table (dev/controlling-access.html#using-iam-glue).

    Args:
        scope: Any construct of the stack.
        database: Database of the table.
    """
    resources = ("catalog", f"database/{database}", f"table/{database}/{STORAGES['parquet'].table}")
    return allow(
        "ReadSchema",
        ["glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"],
        [Stack.of(scope).format_arn(service="glue", resource=resource) for resource in resources],
    )
