"""The formats of tables that are read: SerDe, input and output format, and the column types of each."""

from __future__ import annotations

from dataclasses import dataclass

from ddb_pipeline.local_aws.athena import parquet
from ddb_pipeline.local_aws.athena.hive_types import read_hive_type
from ddb_pipeline.local_aws.athena.openx import options, values
from ddb_pipeline.local_aws.athena.relations import Format
from ddb_pipeline.local_aws.athena.types import Type, from_hive

JSON_SERDE = "org.apache.hive.hcatalog.data.JsonSerDe"
_TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_TEXT_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"


@dataclass(frozen=True)
class StorageFormat:
    """A format, and its input and output format in Hive."""

    name: Format
    files: tuple[str, str]


FORMATS = {
    JSON_SERDE: StorageFormat("json", (_TEXT_INPUT, _TEXT_OUTPUT)),
    options.SERDE: StorageFormat("openx", (_TEXT_INPUT, _TEXT_OUTPUT)),
    parquet.SERDE: StorageFormat("parquet", (parquet.INPUT_FORMAT, parquet.OUTPUT_FORMAT)),
}
"""The formats by SerDe."""


def reads(format_: Format, hive_type: str) -> Type | None:
    """Read the Hive type of a column; None: local AWS does not read it from this format."""
    if format_ == "json":
        return from_hive(hive_type)
    type_ = read_hive_type(hive_type)
    return type_ if format_ == "parquet" or (type_ is not None and values.is_read(type_)) else None
