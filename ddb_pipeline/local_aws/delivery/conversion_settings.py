"""The settings of record format conversion: JSON in, Parquet out, by the columns of a Glue table.

Names, ranges and defaults are those of the API's shapes (firehose/latest/APIReference,
DataFormatConversionConfiguration) and of firehose/latest/dev/record-format-conversion.html. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ddb_pipeline.local_aws.delivery.checks import InvalidSettingError, refuse, refuse_others, required

LEAST_BUFFER_MEBIBYTES = 64
"""Firehose demands a buffer of this size, so that Parquet's row groups are worth their name."""
DEFAULT_BUFFER_MEBIBYTES = 128
FILE_EXTENSION = ".parquet"
LATEST = "LATEST"

_COMPRESSIONS = ("UNCOMPRESSED", "GZIP", "SNAPPY")
_MILLISECONDS = "millis"
# what DuckDB writes is not laid out by these: the defaults are taken, anything else is refused
_SERIALIZER_DEFAULTS = {"BlockSizeBytes": 268_435_456, "PageSizeBytes": 1_048_576, "MaxPaddingBytes": 0}
_SCHEMA = ("RoleARN", "CatalogId", "DatabaseName", "TableName", "Region", "VersionId")


@dataclass(frozen=True)
class Deserializer:
    """How records are read.

    Attributes:
        kind: OpenX takes what resembles the column's type; Hive takes JSON's own type only.
        case_insensitive: Whether keys are put into lower case before they are compared with columns.
        dots_to_underscores: Whether dots in keys become underscores.
        keys: JSON key of a column, where it is another than the column's name.
        timestamps_in_milliseconds: Whether timestamps are numbers, milliseconds since 1970.
    """

    kind: Literal["OpenX", "Hive"]
    case_insensitive: bool = True
    dots_to_underscores: bool = False
    keys: Mapping[str, str] = field(default_factory=dict)
    timestamps_in_milliseconds: bool = False


@dataclass(frozen=True)
class FormatConversion:
    """How records become Parquet.

    Attributes:
        database: Database of the table whose columns are the schema.
        table: The table.
        catalog_id: Its account; None: the delivery stream's.
        region: Its region; None: the delivery stream's.
        version: Version of the table, or LATEST.
        deserializer: How records are read.
        compression: Parquet's compression: UNCOMPRESSED, GZIP or SNAPPY.
        writer_version: Parquet's version, V1 or V2.
    """

    database: str
    table: str
    catalog_id: str | None
    region: str | None
    version: str
    deserializer: Deserializer
    compression: str
    writer_version: str


def format_conversion(configuration: Mapping[str, Any] | None) -> FormatConversion | None:
    """Read a DataFormatConversionConfiguration; None if records stay as they are.

    Raises:
        InvalidSettingError: A setting is wrong or not supported.
    """
    place = "DataFormatConversionConfiguration"
    configuration = configuration or {}
    parts = ("SchemaConfiguration", "InputFormatConfiguration", "OutputFormatConfiguration")
    refuse_others(place, configuration, ("Enabled", *parts))
    # the API's default, also of an empty configuration, is that it is enabled; nobody can mean that by an empty one
    if not configuration or not configuration.get("Enabled", True):
        return None
    schema, given_input, output = (required(configuration, part) for part in parts)
    refuse_others("SchemaConfiguration", schema, _SCHEMA)
    required(schema, "RoleARN")
    serializer = _only(output, "OutputFormatConfiguration", "Serializer", ("ParquetSerDe",))["ParquetSerDe"]
    refuse_others("ParquetSerDe", serializer, ("Compression", "WriterVersion", *_SERIALIZER_DEFAULTS))
    for name, default in _SERIALIZER_DEFAULTS.items():
        if serializer.get(name, default) != default:
            refuse(name, serializer[name], f"the default of {default}")
    compression = serializer.get("Compression", "SNAPPY")
    if compression not in _COMPRESSIONS:
        refuse("Compression", compression, ", ".join(_COMPRESSIONS))
    version = serializer.get("WriterVersion", "V1")
    if version not in {"V1", "V2"}:
        refuse("WriterVersion", version, "V1 or V2")
    return FormatConversion(
        database=required(schema, "DatabaseName"),
        table=required(schema, "TableName"),
        catalog_id=schema.get("CatalogId"),
        region=schema.get("Region"),
        version=schema.get("VersionId") or LATEST,
        deserializer=_deserializer(given_input),
        compression=compression,
        writer_version=version,
    )


def _deserializer(configuration: Mapping[str, Any]) -> Deserializer:
    chosen = _only(configuration, "InputFormatConfiguration", "Deserializer", ("OpenXJsonSerDe", "HiveJsonSerDe"))
    if "HiveJsonSerDe" in chosen:
        refuse_others("HiveJsonSerDe", chosen["HiveJsonSerDe"], ("TimestampFormats",))
        formats = chosen["HiveJsonSerDe"].get("TimestampFormats") or []
        if formats not in ([], [_MILLISECONDS]):
            refuse("TimestampFormats", formats, f"none, or {_MILLISECONDS} alone")
        return Deserializer("Hive", timestamps_in_milliseconds=bool(formats))
    options = chosen["OpenXJsonSerDe"]
    known = ("CaseInsensitive", "ColumnToJsonKeyMappings", "ConvertDotsInJsonKeysToUnderscores")
    refuse_others("OpenXJsonSerDe", options, known)
    return Deserializer(
        "OpenX",
        case_insensitive=options.get("CaseInsensitive", True),
        dots_to_underscores=options.get("ConvertDotsInJsonKeysToUnderscores", False),
        keys=options.get("ColumnToJsonKeyMappings") or {},
    )


def _only(configuration: Mapping[str, Any], place: str, name: str, known: tuple[str, ...]) -> dict[str, Any]:
    """The one member that is given; it may be empty, which means its defaults."""
    refuse_others(place, configuration, (name,))
    given = {kind: value for kind, value in required(configuration, name).items() if value is not None}
    refuse_others(name, given, known)
    if len(given) != 1:
        raise InvalidSettingError(f"{name} must name exactly one of {', '.join(known)}")
    return given
