"""The tables of a pipeline in the Glue catalog: the one place that says how they are declared.

`infra_cdk` makes them from this, and `ddb-pipeline repair` makes them again when somebody has dropped or changed them;
a test holds both to each other. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ddb_pipeline.baselines import (
    BASELINE_COLUMNS,
    BASELINE_PARTITION_COLUMNS,
    CANDIDATE_TABLE,
    DATA_PREFIX,
    EXPORTED_PREFIX,
    EXPORTED_TABLE,
)
from ddb_pipeline.baselines import TABLE_NAME as BASELINE_TABLE
from ddb_pipeline.change_row import COLUMNS, PARTITION_COLUMNS, STORAGES, Column, Format
from ddb_pipeline.declaration import Compression

# A crawler that meets a table without compressionType marks it deprecated and registers no partition. It finds "none"
# for Parquet, which compresses inside of its files.
_PARAMETERS: Mapping[Format, Mapping[str, str]] = {
    "json": {"EXTERNAL": "TRUE", "classification": "json", "compressionType": "gzip", "typeOfData": "file"},
    "parquet": {"EXTERNAL": "TRUE", "classification": "parquet", "compressionType": "none", "typeOfData": "file"},
}
_NOT_PROJECTED: Mapping[str, str] = {}
_OF_PARTITIONS = ("classification", "compressionType", "typeOfData")
"""Parameters that a crawler gives to a partition, too."""


@dataclass(frozen=True)
class CatalogTable:
    """A table over files in the raw bucket.

    Attributes:
        name: Its name in the pipeline's own database.
        description: What a row says.
        prefix: Where its files are in the raw bucket.
        columns: Its columns, without those of its partitions.
        partition_columns: Columns of its partitions.
        format: What its files are: JSON lines, gzipped unless the parameters say otherwise, or Parquet.
        more_parameters: Parameters beside those of the format, or instead of them.
    """

    name: str
    description: str
    prefix: str
    columns: tuple[Column, ...]
    partition_columns: tuple[Column, ...]
    format: Format
    more_parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, str]:
        """Its parameters."""
        return {**_PARAMETERS[self.format], **self.more_parameters}

    @property
    def is_compressed(self) -> bool:
        """Whether whole files are compressed; Parquet compresses inside."""
        return self.parameters["compressionType"] != "none"

    def table_input(self, bucket: str) -> dict[str, Any]:
        """Return the table as Glue's API declares one (shape TableInput).

        Args:
            bucket: Name of the raw bucket.
        """
        return {
            "Name": self.name,
            "Description": self.description,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": self.parameters,
            "PartitionKeys": _described(self.partition_columns),
            "StorageDescriptor": self._storage(f"s3://{bucket}/{self.prefix}"),
        }

    def partition_input(self, bucket: str, values: Sequence[str]) -> dict[str, Any]:
        """Return a partition as a crawler registers it (shape PartitionInput): it is like its table.

        Args:
            bucket: Name of the raw bucket.
            values: Values of the partition columns.
        """
        names = [column.name for column in self.partition_columns]
        folder = "".join(f"{name}={value}/" for name, value in zip(names, values, strict=True))
        return {
            "Values": list(values),
            "StorageDescriptor": self._storage(f"s3://{bucket}/{self.prefix}{folder}"),
            "Parameters": {name: self.parameters[name] for name in _OF_PARTITIONS},
        }

    def _storage(self, location: str) -> dict[str, Any]:
        storage = STORAGES[self.format]
        return {
            "Location": location,
            "Columns": _described(self.columns),
            "Compressed": self.is_compressed,
            "InputFormat": storage.input_format,
            "OutputFormat": storage.output_format,
            "SerdeInfo": {"SerializationLibrary": storage.serialization_library},
        }


def change_tables(
    compression: Compression, projected: Mapping[str, str] = _NOT_PROJECTED
) -> Mapping[Format, CatalogTable]:
    """Return a table of each format, whatever Firehose writes now.

    Args:
        compression: How raw objects of JSON are compressed: a crawler passes over folders that are compressed
            otherwise than their table says.
        projected: Parameters of partition projection (`projection`); none where a crawler registers hours.
    """
    return {
        storage.format: CatalogTable(
            name=storage.table,
            description=f"One row per change of an item ({storage.format}), partitioned by hour of arrival (UTC)",
            prefix=storage.prefix,
            columns=COLUMNS,
            partition_columns=PARTITION_COLUMNS,
            format=storage.format,
            more_parameters={**({"compressionType": compression} if storage.format == "json" else {}), **projected},
        )
        for storage in STORAGES.values()
    }


_SNAPPY = {"parquet.compression": "SNAPPY"}

BASELINE_TABLES: tuple[CatalogTable, ...] = (
    CatalogTable(
        BASELINE_TABLE,
        "Complete, verified baselines: one row per item that existed at the moment",
        DATA_PREFIX,
        BASELINE_COLUMNS,
        BASELINE_PARTITION_COLUMNS,
        "parquet",
        _SNAPPY,
    ),
    CatalogTable(
        CANDIDATE_TABLE,
        "Where baselines are written and verified; half-made ones are here too: ask the table baselines",
        DATA_PREFIX,
        BASELINE_COLUMNS,
        BASELINE_PARTITION_COLUMNS,
        "parquet",
        _SNAPPY,
    ),
    CatalogTable(
        EXPORTED_TABLE,
        "Items of DynamoDB exports as rows of a baseline; deleted after a week",
        EXPORTED_PREFIX,
        BASELINE_COLUMNS,
        BASELINE_PARTITION_COLUMNS,
        "json",
    ),
)
"""Made for every pipeline: one that gets baselines later has its tables already."""


def all_tables(compression: Compression, projected: Mapping[str, str] = _NOT_PROJECTED) -> tuple[CatalogTable, ...]:
    """Return the tables of changes and of baselines.

    Args:
        compression: How raw objects of JSON are compressed.
        projected: Parameters of partition projection of the tables of changes.
    """
    return (*change_tables(compression, projected).values(), *BASELINE_TABLES)


def _described(columns: Sequence[Column]) -> list[dict[str, str]]:
    return [{"Name": column.name, "Type": column.type, "Comment": column.comment} for column in columns]
