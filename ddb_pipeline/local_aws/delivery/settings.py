"""The settings of a delivery stream: what CreateDeliveryStream may ask for here, checked and named.

Anything that this local Firehose does not do is refused by name, so that a stack never seems to have what it lacks.
Ranges and defaults are those of the API's shapes (firehose/latest/APIReference). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ddb_pipeline.local_aws.delivery import conversion_settings
from ddb_pipeline.local_aws.delivery.checks import InvalidSettingError, number, refuse, refuse_others, required
from ddb_pipeline.local_aws.delivery.conversion_settings import FormatConversion, format_conversion
from ddb_pipeline.local_aws.delivery.prefixes import InvalidPrefixError, Prefixes

MEBIBYTE = 1024 * 1024

_TOP_LEVEL = (
    "DeliveryStreamName",
    "DeliveryStreamType",
    "KinesisStreamSourceConfiguration",
    "ExtendedS3DestinationConfiguration",
    "Tags",
)
_DESTINATION = (
    "RoleARN",
    "BucketARN",
    "Prefix",
    "ErrorOutputPrefix",
    "BufferingHints",
    "CompressionFormat",
    "EncryptionConfiguration",
    "CloudWatchLoggingOptions",
    "ProcessingConfiguration",
    "S3BackupMode",
    "FileExtension",
    "CustomTimeZone",
    "DataFormatConversionConfiguration",
)
_PROCESSOR = ("LambdaArn", "NumberOfRetries", "BufferSizeInMBs", "BufferIntervalInSeconds", "RoleArn")
_COMPRESSION_EXTENSIONS = {"UNCOMPRESSED": "", "GZIP": ".gz"}
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_FILE_EXTENSION = re.compile(r"|\.[0-9a-z!\-_.*'()]{1,127}")
_BUCKET = re.compile(r"arn:[^:]+:s3:::([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])")
_FUNCTION = re.compile(r"arn:[^:]+:lambda:[^:]+:[0-9]{12}:function:[A-Za-z0-9_-]+(:[A-Za-z0-9$_-]+)?")


@dataclass(frozen=True)
class Processor:
    """The Lambda function that converts the records, and how they are collected for it.

    Attributes:
        function_arn: ARN of the function.
        retries: How often a failed invocation is repeated.
        buffer_bytes: Records are sent once there are this many bytes of them...
        buffer_seconds: ... or the oldest has waited this long.
    """

    function_arn: str
    retries: int
    buffer_bytes: int
    buffer_seconds: float


@dataclass(frozen=True)
class DeliverySettings:
    """How one delivery stream works.

    Attributes:
        name: Name of the delivery stream.
        source_arn: ARN of the Kinesis stream that it reads.
        bucket: Name of the bucket that it writes to.
        prefixes: Where in the bucket.
        buffer_bytes: An object is written once it has this many bytes before compression...
        buffer_seconds: ... or its oldest record has waited this long.
        gzip: Whether objects are compressed.
        file_extension: End of the objects' names.
        processor: What converts the records; None leaves them as they are.
        conversion: How they become Parquet then; None leaves them as they are.
        log_group: Where errors are logged; None for nowhere.
        log_stream: Log stream in that group.
        version: Version of the configuration, in the objects' names: 1, and one more with every update.
    """

    name: str
    source_arn: str
    bucket: str
    prefixes: Prefixes
    buffer_bytes: int
    buffer_seconds: float
    gzip: bool
    file_extension: str
    processor: Processor | None
    conversion: FormatConversion | None
    log_group: str | None
    log_stream: str | None
    version: int = 1


def with_defaults(destination: Mapping[str, Any]) -> dict[str, Any]:
    """Return an S3 destination with the values that Firehose fills in.

    Raises:
        InvalidSettingError: Its format conversion is wrong or not supported.
    """
    converts = format_conversion(destination.get("DataFormatConversionConfiguration")) is not None
    size = conversion_settings.DEFAULT_BUFFER_MEBIBYTES if converts else 5
    hints = {"SizeInMBs": size, "IntervalInSeconds": 300, **(destination.get("BufferingHints") or {})}
    return {
        "CompressionFormat": "UNCOMPRESSED",
        "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
        "S3BackupMode": "Disabled",
        "CloudWatchLoggingOptions": {"Enabled": False},
        **destination,
        "BufferingHints": hints,
    }


def delivery_settings(request: Mapping[str, Any], version: int = 1) -> DeliverySettings:
    """Read a CreateDeliveryStream request.

    Args:
        request: The request.
        version: Version of the configuration that it makes.

    Raises:
        InvalidSettingError: A setting is wrong or not supported.
    """
    refuse_others("CreateDeliveryStream", request, _TOP_LEVEL)
    name = str(request.get("DeliveryStreamName"))
    if not _NAME.fullmatch(name):
        refuse("DeliveryStreamName", name, "1 to 64 of a-z A-Z 0-9 _ . -")
    if request.get("DeliveryStreamType") != "KinesisStreamAsSource":
        refuse("DeliveryStreamType", request.get("DeliveryStreamType", "DirectPut"), "KinesisStreamAsSource")
    source, destination = (
        required(request, key) for key in ("KinesisStreamSourceConfiguration", "ExtendedS3DestinationConfiguration")
    )
    refuse_others("KinesisStreamSourceConfiguration", source, ("KinesisStreamARN", "RoleARN"))
    refuse_others("ExtendedS3DestinationConfiguration", destination, _DESTINATION)
    destination = with_defaults(destination)
    bucket = _BUCKET.fullmatch(str(required(destination, "BucketARN")))
    if bucket is None:
        refuse("BucketARN", destination["BucketARN"], "the ARN of an S3 bucket")
    if destination["S3BackupMode"] != "Disabled":
        refuse("S3BackupMode", destination["S3BackupMode"], "Disabled")
    compression = destination["CompressionFormat"]
    if compression not in _COMPRESSION_EXTENSIONS:
        refuse("CompressionFormat", compression, " or ".join(_COMPRESSION_EXTENSIONS))
    conversion = format_conversion(destination.get("DataFormatConversionConfiguration"))
    if conversion and compression != "UNCOMPRESSED":
        refuse(
            "CompressionFormat", compression, "UNCOMPRESSED where the format is converted: Parquet compresses itself"
        )
    default = conversion_settings.FILE_EXTENSION if conversion else _COMPRESSION_EXTENSIONS[compression]
    extension = destination.get("FileExtension") or default
    if not _FILE_EXTENSION.fullmatch(extension):
        refuse("FileExtension", extension, "a dot, then up to 127 of 0-9 a-z ! - _ . * ' ( )")
    try:
        prefixes = Prefixes.of(
            destination.get("Prefix"), destination.get("ErrorOutputPrefix"), destination.get("CustomTimeZone")
        )
    except InvalidPrefixError as error:
        raise InvalidSettingError(str(error)) from None
    hints = destination["BufferingHints"]
    refuse_others("BufferingHints", hints, ("SizeInMBs", "IntervalInSeconds"))
    least = conversion_settings.LEAST_BUFFER_MEBIBYTES if conversion else 1
    log_group, log_stream = _logging(destination["CloudWatchLoggingOptions"])
    return DeliverySettings(
        name=name,
        source_arn=required(source, "KinesisStreamARN"),
        bucket=bucket.group(1),
        prefixes=prefixes,
        buffer_bytes=int(number("SizeInMBs", hints["SizeInMBs"], least, 128) * MEBIBYTE),
        buffer_seconds=number("IntervalInSeconds", hints["IntervalInSeconds"], 0, 900),
        gzip=compression == "GZIP",
        file_extension=extension,
        processor=_processor(destination.get("ProcessingConfiguration") or {}),
        conversion=conversion,
        log_group=log_group,
        log_stream=log_stream,
        version=version,
    )


def _processor(configuration: Mapping[str, Any]) -> Processor | None:
    refuse_others("ProcessingConfiguration", configuration, ("Enabled", "Processors"))
    processors = configuration.get("Processors") or []
    if not configuration.get("Enabled") or not processors:
        return None
    if len(processors) > 1:
        refuse("Processors", f"{len(processors)} processors", "one of type Lambda")
    if processors[0].get("Type") != "Lambda":
        refuse("Processors", f"type {processors[0].get('Type')}", "one of type Lambda")
    parameters: dict[str, str] = {}
    for parameter in processors[0].get("Parameters") or []:
        name = str(parameter.get("ParameterName"))
        if name not in _PROCESSOR:
            raise InvalidSettingError(f"Local AWS does not support the processor parameter {name}")
        if name in parameters:
            raise InvalidSettingError(f"The processor parameter {name} is given twice")
        parameters[name] = str(parameter.get("ParameterValue"))
    function = str(required(parameters, "LambdaArn"))
    if not _FUNCTION.fullmatch(function):
        refuse("LambdaArn", function, "the ARN of a Lambda function")
    retries = number("NumberOfRetries", parameters.get("NumberOfRetries", "3"), 0, 300)
    if not retries.is_integer():
        refuse("NumberOfRetries", retries, "a whole number")
    return Processor(
        function_arn=function,
        retries=int(retries),
        buffer_bytes=int(number("BufferSizeInMBs", parameters.get("BufferSizeInMBs", "1"), 0.2, 3) * MEBIBYTE),
        buffer_seconds=number("BufferIntervalInSeconds", parameters.get("BufferIntervalInSeconds", "60"), 0, 900),
    )


def _logging(options: Mapping[str, Any]) -> tuple[str | None, str | None]:
    refuse_others("CloudWatchLoggingOptions", options, ("Enabled", "LogGroupName", "LogStreamName"))
    if not options.get("Enabled"):
        return None, None
    return str(required(options, "LogGroupName")), str(required(options, "LogStreamName"))
