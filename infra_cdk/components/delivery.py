"""Firehose: from the change stream through the converter into the raw bucket, one object a buffer."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from ddb_pipeline.change_row import ERRORS_PREFIX, PARTITION_PREFIX, STORAGES
from ddb_pipeline.declaration import Pipeline, Stage
from infra_cdk.components.acknowledged import acknowledge, acknowledge_wildcards
from infra_cdk.components.catalog import Catalog
from infra_cdk.components.format_conversion import NO_CONVERSION, conversion_to_parquet, reading_the_schema
from infra_cdk.components.permissions import allow, bucket_key_context, use_catalog_key, use_key_through
from infra_cdk.components.python_function import LOG_RETENTION, PythonFunction

COMPRESSION = {"gzip": ("GZIP", ".json.gz"), "none": ("UNCOMPRESSED", ".json")}
"""Firehose's name of a stage's compression, and what the names of the objects end with: readers go by that."""
PARQUET = ("UNCOMPRESSED", ".parquet")
"""The same for Parquet, which is compressed inside."""
ERROR_PREFIX = f"{ERRORS_PREFIX}!{{firehose:error-output-type}}/{PARTITION_PREFIX}"

CONVERTER_TIMEOUT = Duration.minutes(2)
CONVERTER_RETRIES = 5
# A Lambda answer may have 6 MB, and rows in base64 are up to 2.7 times their records: 1 MiB in leaves room.
CONVERTER_BUFFER_MEBIBYTES = 1
# Firehose's own default; longer only delays what is collected again afterwards
CONVERTER_BUFFER_SECONDS = 60

LOG_STREAM = "S3Delivery"


class Delivery(Construct):
    """The delivery stream, its converter function, its role and its log group.

    An L1 delivery stream: the L2 grants its role more than it needs and adds a mapping that nothing uses.
    The time zone is left out (UTC): the service refuses to be told so.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        pipeline: What the raw objects are, `format` (default "json").
        stage: How long changes are collected, `buffer_seconds` (default 60), and how many, `buffer_mebibytes` (default
            none: 5 of JSON lines, 128 of Parquet); how JSON lines are compressed, `compression` (default "gzip"); the
            key of the Glue Data Catalog, `catalog_key` (default none).
        key: Encrypts stream, objects and logs.
        stream: Source of the change records.
        catalog: The table whose columns Parquet gets.
        raw_bucket: Where the objects go.
        removal_policy: What becomes of the log groups when the stack is deleted.

    Attributes:
        delivery_stream: The delivery stream.
        converter: The function that makes change rows of change records.
        converter_log_group: Where it logs.
        role: What Firehose runs as.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline: Pipeline,
        stage: Stage,
        key: kms.IKey,
        stream: kinesis.IStream,
        catalog: Catalog,
        raw_bucket: s3.IBucket,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        conversion = PythonFunction(
            self,
            "Converter",
            name="change_converter",
            description="Makes change rows of DynamoDB change records",
            key=key,
            removal_policy=removal_policy,
            timeout=CONVERTER_TIMEOUT,
        )
        self.converter = converter = conversion.function
        self.converter_log_group = conversion.log_group
        log_group = logs.LogGroup(
            self, "LogGroup", retention=LOG_RETENTION, encryption_key=key, removal_policy=removal_policy
        )
        # Firehose writes to a log stream but does not make one
        log_stream = logs.CfnLogStream(
            self, "LogStream", log_group_name=log_group.log_group_name, log_stream_name=LOG_STREAM
        )
        storage, is_parquet = STORAGES[pipeline.format], pipeline.format == "parquet"
        role = self.role = self._role(
            key=key,
            stream=stream,
            raw_bucket=raw_bucket,
            converter=converter,
            log_group=log_group,
            # of JSON too: Firehose looks for it when it is told to make Parquet, which a new right might come too late
            # for, and needs it afterwards for what it has buffered until then
            schema=[
                reading_the_schema(self, catalog.database_name),
                *use_catalog_key(self, stage.catalog_key),
            ],
        )
        compression, file_extension = PARQUET if is_parquet else COMPRESSION[stage.compression]
        destination = firehose.CfnDeliveryStream.ExtendedS3DestinationConfigurationProperty(
            bucket_arn=raw_bucket.bucket_arn,
            role_arn=role.role_arn,
            prefix=f"{storage.prefix}{PARTITION_PREFIX}",
            error_output_prefix=ERROR_PREFIX,
            compression_format=compression,
            file_extension=file_extension,
            buffering_hints=firehose.CfnDeliveryStream.BufferingHintsProperty(
                interval_in_seconds=stage.buffer_seconds, size_in_m_bs=stage.buffer_mebibytes_for(pipeline.format)
            ),
            data_format_conversion_configuration=(
                conversion_to_parquet(self, catalog.database_name, role) if is_parquet else NO_CONVERSION
            ),
            encryption_configuration=firehose.CfnDeliveryStream.EncryptionConfigurationProperty(
                kms_encryption_config=firehose.CfnDeliveryStream.KMSEncryptionConfigProperty(awskms_key_arn=key.key_arn)
            ),
            cloud_watch_logging_options=firehose.CfnDeliveryStream.CloudWatchLoggingOptionsProperty(
                enabled=True, log_group_name=log_group.log_group_name, log_stream_name=LOG_STREAM
            ),
            processing_configuration=firehose.CfnDeliveryStream.ProcessingConfigurationProperty(
                enabled=True, processors=[_converter_step(converter, role, stage)]
            ),
        )
        self.delivery_stream = firehose.CfnDeliveryStream(
            self,
            "DeliveryStream",
            delivery_stream_type="KinesisStreamAsSource",
            kinesis_stream_source_configuration=firehose.CfnDeliveryStream.KinesisStreamSourceConfigurationProperty(
                kinesis_stream_arn=stream.stream_arn, role_arn=role.role_arn
            ),
            extended_s3_destination_configuration=destination,
        )
        self.delivery_stream.add_resource_dependency(log_stream)
        acknowledge(
            self.delivery_stream,
            {"KDF1": "only a stream that is written to directly can be encrypted: this one reads an encrypted stream"},
        )
        if is_parquet:
            self.delivery_stream.add_resource_dependency(catalog.change_tables["parquet"])

    def _role(
        self,
        *,
        key: kms.IKey,
        stream: kinesis.IStream,
        raw_bucket: s3.IBucket,
        converter: lambda_.IFunction,
        log_group: logs.ILogGroup,
        schema: Sequence[iam.PolicyStatement],
    ) -> iam.Role:
        """What firehose/latest/dev/controlling-access.html asks for, on these resources alone."""
        statements = [
            allow(
                "ReadStream",
                ["kinesis:DescribeStream", "kinesis:GetShardIterator", "kinesis:GetRecords", "kinesis:ListShards"],
                [stream.stream_arn],
            ),
            allow(
                "FindBucket",
                ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
                [raw_bucket.bucket_arn],
            ),
            allow(
                "WriteObjects",
                ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
                # both: what is under way when the format is changed may still be written as it was
                [
                    raw_bucket.arn_for_objects(f"{prefix}*")
                    for prefix in (*(storage.prefix for storage in STORAGES.values()), ERRORS_PREFIX)
                ],
            ),
            use_key_through(
                self,
                "s3",
                key.key_arn,
                ["kms:Decrypt", "kms:GenerateDataKey"],
                bucket_key_context(raw_bucket.bucket_arn),
            ),
            use_key_through(self, "kinesis", key.key_arn, ["kms:Decrypt"], {"aws:kinesis:arn": stream.stream_arn}),
            allow(
                "Convert",
                ["lambda:InvokeFunction", "lambda:GetFunctionConfiguration"],
                [converter.function_arn, f"{converter.function_arn}:$LATEST"],
            ),
            allow("Log", ["logs:PutLogEvents"], [log_group.log_group_arn]),
            *schema,
        ]
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "firehose.amazonaws.com", conditions={"StringEquals": {"sts:ExternalId": Stack.of(self).account}}
            ),
            inline_policies={"Delivery": iam.PolicyDocument(statements=statements)},
        )
        acknowledge_wildcards(role, statements, {"WriteObjects": "Firehose names the objects"})
        return role


def _converter_step(
    converter: lambda_.IFunction, role: iam.IRole, stage: Stage
) -> firehose.CfnDeliveryStream.ProcessorProperty:
    parameters = {
        "LambdaArn": converter.function_arn,
        "RoleArn": role.role_arn,
        "NumberOfRetries": str(CONVERTER_RETRIES),
        "BufferSizeInMBs": str(CONVERTER_BUFFER_MEBIBYTES),
        "BufferIntervalInSeconds": str(min(stage.buffer_seconds, CONVERTER_BUFFER_SECONDS)),
    }
    return firehose.CfnDeliveryStream.ProcessorProperty(
        type="Lambda",
        parameters=[
            firehose.CfnDeliveryStream.ProcessorParameterProperty(parameter_name=name, parameter_value=value)
            for name, value in parameters.items()
        ],
    )
