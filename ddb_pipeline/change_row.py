"""The change row: the contract between `infra_cdk` and `ddb_pipeline`.

A change row is the flat JSON line that the converter makes of one DynamoDB change record, and a row of the
catalog tables of changes. This is the one list of its columns: the converter, the catalog table, the contract
check and the SQL of the views are held to it by tests. The schema never changes with the items' attributes,
because images travel as canonical JSON text. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ROW_VERSION = 1

ERRORS_PREFIX = "errors/"
"""Where in the raw bucket Firehose writes what it could not convert."""

Format = Literal["json", "parquet"]


@dataclass(frozen=True)
class Storage:
    """How change rows lie in S3, and the catalog table over them. A pipeline has a table of each format.

    Attributes:
        format: What the raw objects are.
        table: Name of the catalog table, in the pipeline's own database.
        prefix: Where in the raw bucket Firehose writes raw objects of this format; the location of the table.
        serialization_library: The table's SerDe.
        input_format: The table's input format.
        output_format: The table's output format.
    """

    format: Format
    table: str
    prefix: str
    serialization_library: str
    input_format: str
    output_format: str


STORAGES: Mapping[Format, Storage] = {
    "json": Storage(
        format="json",
        table="changes",
        prefix="changes/",
        # not OpenX: AWS documents non-deterministic results for it (athena/latest/ug/openx-json-serde.html)
        serialization_library="org.apache.hive.hcatalog.data.JsonSerDe",
        input_format="org.apache.hadoop.mapred.TextInputFormat",
        output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    ),
    "parquet": Storage(
        format="parquet",
        table="changes_parquet",
        prefix="changes_parquet/",
        serialization_library="org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        input_format="org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        output_format="org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    ),
}


@dataclass(frozen=True)
class Column:
    """A column: its name, its Hive type in the Glue catalog, and what it holds."""

    name: str
    type: str
    comment: str


COLUMNS: tuple[Column, ...] = (
    Column("row_version", "int", "Version of this row's shape: 1"),
    Column("event_id", "string", "DynamoDB's eventID; equal in repeats of a record"),
    Column("event_name", "string", "INSERT, MODIFY or REMOVE (BASELINE in a baseline)"),
    Column("table_name", "string", "Table of the item"),
    Column("aws_region", "string", "Region of the table"),
    Column("changed_at_us", "bigint", "Approximate time of the change, epoch microseconds"),
    Column("time_precision", "string", "MILLISECOND or MICROSECOND: how exact changed_at_us is"),
    Column("item_key", "string", "Canonical DynamoDB JSON of the item's key attributes"),
    Column("new_image", "string", "Canonical DynamoDB JSON of the item after the change; null is absence"),
    Column("old_image", "string", "Canonical DynamoDB JSON of the item before the change; null is absence"),
    Column("new_hash", "string", "First 32 hex digits of SHA-256 of new_image; null is absence"),
    Column("old_hash", "string", "First 32 hex digits of SHA-256 of old_image; null is absence"),
    Column("new_item", "string", "The item after the change as plain JSON; null is absence"),
    Column("expired_by_ttl", "boolean", "The item was deleted by DynamoDB's time to live"),
    Column("user_identity", "string", "userIdentity of the record as received, JSON; null on ordinary changes"),
    Column("size_bytes", "bigint", "SizeBytes of the record"),
    Column("arrived_at_ms", "bigint", "Arrival in the Kinesis stream, epoch milliseconds"),
    Column("shard_id", "string", "Kinesis shard that carried the record"),
    Column("sequence_number", "string", "Kinesis sequence number of the record"),
)

PARTITION_COLUMNS: tuple[Column, ...] = (
    Column("year", "string", "Year of arrival at Firehose, UTC, YYYY"),
    Column("month", "string", "Month of arrival at Firehose, UTC, MM"),
    Column("day", "string", "Day of arrival at Firehose, UTC, DD"),
    Column("hour", "string", "Hour of arrival at Firehose, UTC, HH"),
)

PARTITION_PREFIX = "year=!{timestamp:yyyy}/month=!{timestamp:MM}/day=!{timestamp:dd}/hour=!{timestamp:HH}/"
"""Firehose prefix expression of an hour, below a prefix of raw objects and below an error type."""
