"""CreateDeliveryStream is taken with the settings that the stack uses, and refused by name with any other."""

import copy

import pytest

from ddb_pipeline.local_aws.delivery.checks import InvalidSettingError
from ddb_pipeline.local_aws.delivery.settings import delivery_settings

ROLE = "arn:aws:iam::123456789012:role/r"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:convert"
REQUEST = {
    "DeliveryStreamName": "changes",
    "DeliveryStreamType": "KinesisStreamAsSource",
    "KinesisStreamSourceConfiguration": {
        "KinesisStreamARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/s",
        "RoleARN": ROLE,
    },
    "ExtendedS3DestinationConfiguration": {
        "RoleARN": ROLE,
        "BucketARN": "arn:aws:s3:::raw-bucket",
        "Prefix": "changes/!{timestamp:yyyy}/",
        "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
        "BufferingHints": {"IntervalInSeconds": 0, "SizeInMBs": 5},
        "CompressionFormat": "GZIP",
        "FileExtension": ".json.gz",
        "EncryptionConfiguration": {"KMSEncryptionConfig": {"AWSKMSKeyARN": "arn:aws:kms:::key/k"}},
        "CloudWatchLoggingOptions": {"Enabled": True, "LogGroupName": "g", "LogStreamName": "s"},
        "ProcessingConfiguration": {
            "Enabled": True,
            "Processors": [
                {
                    "Type": "Lambda",
                    "Parameters": [
                        {"ParameterName": name, "ParameterValue": value}
                        for name, value in {
                            "LambdaArn": FUNCTION + ":$LATEST",
                            "NumberOfRetries": "5",
                            "BufferSizeInMBs": "1",
                            "BufferIntervalInSeconds": "0",
                            "RoleArn": ROLE,
                        }.items()
                    ],
                }
            ],
        },
    },
}


def changed(path, value):
    request = copy.deepcopy(REQUEST)
    place = request
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return request


S3 = "ExtendedS3DestinationConfiguration"
PARAMETERS = (S3, "ProcessingConfiguration", "Processors", 0, "Parameters")


def test_the_settings_of_the_stack_are_understood():
    settings = delivery_settings(REQUEST)

    assert settings.bucket == "raw-bucket"
    assert settings.gzip
    assert settings.file_extension == ".json.gz"
    assert (settings.buffer_bytes, settings.buffer_seconds) == (5 * 1024 * 1024, 0)
    assert settings.processor is not None
    assert settings.processor.retries == 5
    assert settings.processor.buffer_bytes == 1024 * 1024
    assert (settings.log_group, settings.log_stream) == ("g", "s")


def test_defaults_are_those_of_the_api():
    request = copy.deepcopy(REQUEST)
    request[S3] = {"RoleARN": ROLE, "BucketARN": "arn:aws:s3:::raw-bucket"}
    settings = delivery_settings(request)

    assert (settings.buffer_bytes, settings.buffer_seconds) == (5 * 1024 * 1024, 300)
    assert (settings.gzip, settings.file_extension, settings.processor, settings.log_group) == (False, "", None, None)


def test_a_processor_has_the_defaults_of_the_api():
    parameters = [{"ParameterName": "LambdaArn", "ParameterValue": FUNCTION}]
    processor = delivery_settings(changed(PARAMETERS, parameters)).processor

    assert processor is not None
    assert (processor.retries, processor.buffer_bytes, processor.buffer_seconds) == (3, 1024 * 1024, 60)


def test_gzip_names_its_objects_when_no_extension_is_given():
    assert delivery_settings(changed((S3, "FileExtension"), None)).file_extension == ".gz"


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("DirectPutSourceConfiguration",), {"ThroughputHintInMBs": 1}, "DirectPutSourceConfiguration"),
        (("S3DestinationConfiguration",), {"RoleARN": ROLE}, "S3DestinationConfiguration"),
        (("DeliveryStreamType",), "DirectPut", "DeliveryStreamType"),
        (("DeliveryStreamName",), "a b", "DeliveryStreamName"),
        ((S3, "DynamicPartitioningConfiguration"), {"Enabled": True}, "DynamicPartitioningConfiguration"),
        ((S3, "DataFormatConversionConfiguration"), {"Enabled": True}, "SchemaConfiguration"),
        ((S3, "CustomTimeZone"), "Europe/Atlantis", "CustomTimeZone"),
        ((S3, "S3BackupMode"), "Enabled", "S3BackupMode"),
        ((S3, "CompressionFormat"), "Snappy", "CompressionFormat"),
        ((S3, "FileExtension"), "json", "FileExtension"),
        ((S3, "BucketARN"), "raw-bucket", "BucketARN"),
        ((S3, "BufferingHints"), {"IntervalInSeconds": 901, "SizeInMBs": 5}, "IntervalInSeconds"),
        ((S3, "BufferingHints"), {"IntervalInSeconds": 1, "SizeInMBs": 0}, "SizeInMBs"),
        ((S3, "Prefix"), "!{timestamp:YYYY}", "YYYY"),
        ((S3, "CloudWatchLoggingOptions"), {"Enabled": True}, "LogGroupName"),
        (
            (S3, "ProcessingConfiguration", "Processors"),
            [{"Type": "AppendDelimiterToRecord"}],
            "AppendDelimiterToRecord",
        ),
        (PARAMETERS, [], "LambdaArn"),
        ((*PARAMETERS, 0, "ParameterValue"), "convert", "LambdaArn"),
        ((*PARAMETERS, 1, "ParameterValue"), "301", "NumberOfRetries"),
        ((*PARAMETERS, 1, "ParameterValue"), "1.5", "NumberOfRetries"),
        ((*PARAMETERS, 2, "ParameterValue"), "3.1", "BufferSizeInMBs"),
        ((*PARAMETERS, 2, "ParameterValue"), "nan", "BufferSizeInMBs"),
        ((*PARAMETERS, 3, "ParameterValue"), "soon", "BufferIntervalInSeconds"),
        ((*PARAMETERS, 4, "ParameterName"), "Delimiter", "Delimiter"),
        ((*PARAMETERS, 4, "ParameterName"), "LambdaArn", "LambdaArn"),
    ],
)
def test_anything_else_is_refused_by_its_name(path, value, named):
    with pytest.raises(InvalidSettingError, match=named):
        delivery_settings(changed(path, value))


def test_two_processors_are_refused():
    processor = REQUEST[S3]["ProcessingConfiguration"]["Processors"][0]

    with pytest.raises(InvalidSettingError, match="2 processors"):
        delivery_settings(changed((S3, "ProcessingConfiguration", "Processors"), [processor, processor]))


SCHEMA = {"RoleARN": ROLE, "DatabaseName": "d", "TableName": "t"}
CONVERSION = {
    "SchemaConfiguration": SCHEMA,
    "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
    "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
}
AS_PARQUET = {"CompressionFormat": None, "FileExtension": None, "BufferingHints": None}


def converting(path=(), value=None, **settings):
    request = changed((S3, "DataFormatConversionConfiguration"), copy.deepcopy(CONVERSION))
    request[S3] |= AS_PARQUET | settings
    request[S3] = {name: given for name, given in request[S3].items() if given is not None}
    place = request[S3]["DataFormatConversionConfiguration"]
    for part in path[:-1]:
        place = place[part]
    if path:
        place[path[-1]] = value
    return request


def test_format_conversion_has_defaults_of_its_own():
    settings = delivery_settings(converting())

    assert (settings.buffer_bytes, settings.file_extension) == (128 * 2**20, ".parquet")
    assert settings.conversion.compression == "SNAPPY"
    assert settings.conversion.deserializer.case_insensitive


def test_format_conversion_that_is_switched_off_is_none():
    assert delivery_settings(converting(("Enabled",), value=False)).conversion is None


SERIALIZER = ("OutputFormatConfiguration", "Serializer")
DESERIALIZER = ("InputFormatConfiguration", "Deserializer")


@pytest.mark.parametrize(
    ("path", "value", "settings", "named"),
    [
        ((), None, {"CompressionFormat": "GZIP"}, "CompressionFormat"),
        ((), None, {"BufferingHints": {"SizeInMBs": 63, "IntervalInSeconds": 60}}, "SizeInMBs"),
        (SERIALIZER, {"OrcSerDe": {}}, {}, "OrcSerDe"),
        (SERIALIZER, {}, {}, "Serializer"),
        ((*SERIALIZER, "ParquetSerDe"), {"Compression": "ZSTD"}, {}, "Compression"),
        ((*SERIALIZER, "ParquetSerDe"), {"PageSizeBytes": 65536}, {}, "PageSizeBytes"),
        ((*SERIALIZER, "ParquetSerDe"), {"EnableDictionaryCompression": True}, {}, "EnableDictionaryCompression"),
        (DESERIALIZER, {"OpenXJsonSerDe": {}, "HiveJsonSerDe": {}}, {}, "exactly one"),
        (DESERIALIZER, {"HiveJsonSerDe": {"TimestampFormats": ["yyyy"]}}, {}, "TimestampFormats"),
        (("SchemaConfiguration",), {"RoleARN": ROLE, "DatabaseName": "d"}, {}, "TableName"),
    ],
)
def test_format_conversion_is_refused_by_the_name_of_what_is_wrong(path, value, settings, named):
    with pytest.raises(InvalidSettingError, match=named):
        delivery_settings(converting(path, value, **settings))
