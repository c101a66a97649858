"""What the path from table to raw object is made of: each sentence of the design has a test here."""

import json

import pytest

from ddb_pipeline_tests.unit.infra_templates import (
    Match,
    Template,
    assembly,
    declaration,
    resolved,
    resource,
    resources,
    template,
)
from infra_cdk.components.encryption import LOG_GROUPS_OF

STAGES = ["local", "dev", "prod"]
KEY = {"Fn::GetAtt": [Match.string_like_regexp("^EncryptionKey"), "Arn"]}


@pytest.fixture(scope="module", params=STAGES)
def stage(request):
    return declaration().stage(request.param)


@pytest.fixture(scope="module")
def stack(stage):
    return Template.from_json(template(stage.name))


# --- encryption


def test_the_key_rotates_and_has_an_alias(stack, stage):
    stack.has_resource_properties("AWS::KMS::Key", {"EnableKeyRotation": True})
    stack.has_resource_properties(
        "AWS::KMS::Alias", {"AliasName": f"alias/ddb-change-analytics-{stage.name}-persons", "TargetKeyId": KEY}
    )


@pytest.mark.parametrize(
    ("resource_type", "path"),
    [
        ("AWS::Kinesis::Stream", ["StreamEncryption", "KeyId"]),
        ("AWS::DynamoDB::Table", ["SSESpecification", "KMSMasterKeyId"]),
        ("AWS::Logs::LogGroup", ["KmsKeyId"]),
        ("AWS::S3::Bucket", ["BucketEncryption", "ServerSideEncryptionConfiguration", 0,
                             "ServerSideEncryptionByDefault", "KMSMasterKeyID"]),
        ("AWS::KinesisFirehose::DeliveryStream", ["ExtendedS3DestinationConfiguration", "EncryptionConfiguration",
                                                  "KMSEncryptionConfig", "AWSKMSKeyARN"]),
        ("AWS::Athena::WorkGroup", ["WorkGroupConfiguration", "ResultConfiguration", "EncryptionConfiguration",
                                    "KmsKey"]),
        ("AWS::Glue::SecurityConfiguration", ["EncryptionConfiguration", "CloudWatchEncryption", "KmsKeyArn"]),
        ("AWS::Glue::SecurityConfiguration", ["EncryptionConfiguration", "S3Encryptions", 0, "KmsKeyArn"]),
        ("AWS::Glue::SecurityConfiguration", ["EncryptionConfiguration", "JobBookmarksEncryption", "KmsKeyArn"]),
    ],
)  # fmt: skip
def test_everything_that_holds_data_is_encrypted_with_the_key(stage, resource_type, path):
    (key,) = resources(stage.name, "AWS::KMS::Key")
    found = resources(stage.name, resource_type)
    assert found
    for holder in found.values():
        value = holder["Properties"]
        for step in path:
            value = value[step]
        assert value == {"Fn::GetAtt": [key, "Arn"]}


def test_the_key_admits_the_log_groups_of_stack_and_crawler(stage):
    policy = resource(stage.name, "AWS::KMS::Key")["Properties"]["KeyPolicy"]
    (statement,) = [found for found in policy["Statement"] if found["Sid"] == "LogGroups"]
    names = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "1"}
    assert resolved(statement["Principal"], names) == {"Service": "logs.eu-west-1.amazonaws.com"}
    assert resolved(statement["Condition"], names) == {
        "ArnLike": {
            "kms:EncryptionContext:aws:logs:arn": [
                *(
                    f"arn:aws:logs:eu-west-1:1:log-group:ddb-change-analytics-{stage.name}-persons-{part}*"
                    for part in LOG_GROUPS_OF
                ),
                "arn:aws:logs:eu-west-1:1:log-group:/aws-glue/crawlers*",
            ]
        }
    }


def test_the_key_knows_each_construct_that_has_a_log_group(stage):
    """Else the log group could not be made; test_infra_tables has those of an existing table."""
    pipelines = ("persons", "order_lines")
    found = [name for pipeline in pipelines for name in resources(stage.name, "AWS::Logs::LogGroup", pipeline)]
    assert len(found) > 6
    assert [name for name in found if not name.startswith(LOG_GROUPS_OF)] == []


# --- change stream and table


def test_the_change_stream_is_on_demand_and_keeps_records_as_long_as_the_stage_says(stack, stage):
    assert stage.stream_retention_hours == 7 * 24
    stack.has_resource_properties(
        "AWS::Kinesis::Stream",
        {
            "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
            "RetentionPeriodHours": stage.stream_retention_hours,
            "StreamEncryption": {"EncryptionType": "KMS"},
        },
    )


def test_the_table_is_on_demand_recoverable_where_data_is_kept_and_streams_with_microseconds(stack, stage):
    stack.has_resource_properties(
        "AWS::DynamoDB::Table",
        {
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS"},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": stage.keep_data},
            "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
            "KinesisStreamSpecification": {
                "ApproximateCreationDateTimePrecision": "MICROSECOND",
                "StreamArn": {"Fn::GetAtt": [Match.string_like_regexp("^ChangeStream"), "Arn"]},
            },
        },
    )


def test_a_composite_key_and_a_table_without_time_to_live():
    table = resource("local", "AWS::DynamoDB::Table", "order_lines")["Properties"]
    assert table["KeySchema"] == [
        {"AttributeName": 'Customer."Id"', "KeyType": "HASH"},
        {"AttributeName": "person", "KeyType": "RANGE"},
    ]
    assert {found["AttributeName"]: found["AttributeType"] for found in table["AttributeDefinitions"]} == {
        'Customer."Id"': "B",
        "person": "N",
    }
    assert "TimeToLiveSpecification" not in table


def test_the_table_is_made_after_the_delivery_stream(stage):
    """Firehose reads the change stream from the moment of its own creation."""
    (delivery_stream,) = resources(stage.name, "AWS::KinesisFirehose::DeliveryStream")
    assert resource(stage.name, "AWS::DynamoDB::Table")["DependsOn"] == [delivery_stream]


# --- delivery


def test_firehose_delivers_from_the_change_stream_as_the_contract_says(stack, stage):
    stack.has_resource_properties(
        "AWS::KinesisFirehose::DeliveryStream",
        {
            "DeliveryStreamType": "KinesisStreamAsSource",
            "KinesisStreamSourceConfiguration": {
                "KinesisStreamARN": {"Fn::GetAtt": [Match.string_like_regexp("^ChangeStream"), "Arn"]}
            },
            "ExtendedS3DestinationConfiguration": {
                "BucketARN": {"Fn::GetAtt": [Match.string_like_regexp("^StorageRaw"), "Arn"]},
                "BufferingHints": {
                    "IntervalInSeconds": stage.buffer_seconds,
                    "SizeInMBs": 64 if stage.name == "prod" else 5,
                },
                "CompressionFormat": "GZIP",
                "FileExtension": ".json.gz",
                # said, so that an update from Parquet ends the conversion
                "DataFormatConversionConfiguration": {"Enabled": False},
                "Prefix": "changes/year=!{timestamp:yyyy}/month=!{timestamp:MM}/day=!{timestamp:dd}"
                "/hour=!{timestamp:HH}/",
                "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/year=!{timestamp:yyyy}"
                "/month=!{timestamp:MM}/day=!{timestamp:dd}/hour=!{timestamp:HH}/",
                "CustomTimeZone": Match.absent(),
                "DynamicPartitioningConfiguration": Match.absent(),
                "CloudWatchLoggingOptions": {
                    "Enabled": True,
                    "LogGroupName": {"Ref": Match.string_like_regexp("^DeliveryLogGroup")},
                    "LogStreamName": "S3Delivery",
                },
            },
        },
    )
    stack.has_resource_properties(
        "AWS::Logs::LogStream",
        {"LogGroupName": {"Ref": Match.string_like_regexp("^DeliveryLogGroup")}, "LogStreamName": "S3Delivery"},
    )


@pytest.mark.parametrize(("stage_name", "mebibytes"), [("local", 128), ("dev", 128), ("prod", 64)])
def test_parquet_has_a_prefix_of_its_own_and_the_columns_of_its_table(stage_name, mebibytes):
    stream = resource(stage_name, "AWS::KinesisFirehose::DeliveryStream", "order_lines")
    destination = stream["Properties"]["ExtendedS3DestinationConfiguration"]
    conversion = destination["DataFormatConversionConfiguration"]
    (role,) = [
        name for name in resources(stage_name, "AWS::IAM::Role", "order_lines") if name.startswith("DeliveryRole")
    ]
    assert destination["Prefix"].startswith("changes_parquet/year=!{timestamp:yyyy}/")
    assert destination["CompressionFormat"] == "UNCOMPRESSED"
    assert destination["FileExtension"] == ".parquet"
    assert destination["BufferingHints"]["SizeInMBs"] == mebibytes
    assert conversion["Enabled"] is True
    assert conversion["InputFormatConfiguration"] == {"Deserializer": {"HiveJsonSerDe": {}}}
    assert conversion["OutputFormatConfiguration"] == {"Serializer": {"ParquetSerDe": {"Compression": "SNAPPY"}}}
    assert conversion["SchemaConfiguration"] == {
        "CatalogId": {"Ref": "AWS::AccountId"},
        "DatabaseName": f"ddb_{stage_name}_order_lines",
        "TableName": "changes_parquet",
        "Region": {"Ref": "AWS::Region"},
        "RoleARN": {"Fn::GetAtt": [role, "Arn"]},
        "VersionId": "LATEST",
    }
    (table,) = [
        name
        for name, found in resources(stage_name, "AWS::Glue::Table", "order_lines").items()
        if found["Properties"]["TableInput"]["Name"] == "changes_parquet"
    ]
    assert table in stream["DependsOn"]


def test_buffering_is_short_locally_and_a_minute_in_dev():
    assert [declaration().stage(name).buffer_seconds for name in STAGES] == [1, 60, 300]


@pytest.mark.parametrize(("stage_name", "seconds"), [("local", "1"), ("dev", "60"), ("prod", "60")])
def test_firehose_has_the_converter_called_with_one_mebibyte_and_five_retries(stage_name, seconds):
    stream = resource(stage_name, "AWS::KinesisFirehose::DeliveryStream")["Properties"]
    processing = stream["ExtendedS3DestinationConfiguration"]["ProcessingConfiguration"]
    (processor,) = processing["Processors"]
    parameters = {found["ParameterName"]: found["ParameterValue"] for found in processor["Parameters"]}
    functions = resources(stage_name, "AWS::Lambda::Function")
    (converter,) = [name for name in functions if "Converter" in name]
    (role,) = [name for name in resources(stage_name, "AWS::IAM::Role") if name.startswith("DeliveryRole")]
    assert processing["Enabled"] is True
    assert processor["Type"] == "Lambda"
    assert parameters == {
        "LambdaArn": {"Fn::GetAtt": [converter, "Arn"]},
        "RoleArn": {"Fn::GetAtt": [role, "Arn"]},
        "NumberOfRetries": "5",
        "BufferSizeInMBs": "1",
        "BufferIntervalInSeconds": seconds,
    }


# --- functions


@pytest.mark.parametrize(("name", "timeout"), [("change_converter", 120), ("item_loader", 300)])
def test_the_functions_are_python_with_a_log_group_of_their_own(stack, stage, name, timeout):
    stack.has_resource_properties(
        "AWS::Lambda::Function",
        {
            "Handler": f"{name}.handler",
            "Runtime": "python3.14",
            "Architectures": ["arm64"],
            "Timeout": timeout,
            "LoggingConfig": {"LogGroup": {"Ref": Match.any_value()}},
        },
    )


def test_there_are_no_functions_and_no_custom_resources_but_ours(stage):
    handlers = [found["Properties"]["Handler"] for found in resources(stage.name, "AWS::Lambda::Function").values()]
    emptier = [] if stage.keep_data else ["bucket_emptier.handler"]
    assert sorted(handlers) == [*emptier, "change_converter.handler", "item_loader.handler"]
    types = [found["Type"] for found in template(stage.name)["Resources"].values()]
    custom = [name for name in types if "CustomResource" in name or name.startswith("Custom::")]
    assert custom == ([] if stage.keep_data else ["Custom::EmptiedBucket", "Custom::EmptiedBucket"])


def test_every_log_group_ends(stage):
    groups = resources(stage.name, "AWS::Logs::LogGroup").values()
    assert {group["Properties"]["RetentionInDays"] for group in groups} == {90}


def test_the_zip_of_a_function_holds_its_files_at_its_root():
    assets = json.loads((assembly() / "ddb-change-analytics-local-persons.assets.json").read_text())["files"]
    folders = [asset["source"]["path"] for asset in assets.values() if asset["source"]["packaging"] == "zip"]
    files = {path.name for folder in folders for path in (assembly() / folder).iterdir()}
    assert {"change_converter.py", "item_loader.py"} <= files
    assert all(name.endswith(".py") for name in files)


def test_the_loader_knows_table_and_keys():
    (loader,) = [
        found["Properties"]
        for found in resources("local", "AWS::Lambda::Function", "order_lines").values()
        if found["Properties"]["Handler"] == "item_loader.handler"
    ]
    (table,) = resources("local", "AWS::DynamoDB::Table", "order_lines")
    variables = loader["Environment"]["Variables"]
    assert variables["TABLE_NAME"] == {"Ref": table}
    assert json.loads(variables["KEY_ATTRIBUTES"]) == [
        {"name": 'Customer."Id"', "type": "B"},
        {"name": "person", "type": "N"},
    ]


# --- buckets


def test_buckets_have_bucket_keys_and_are_closed_to_the_public(stage):
    buckets = resources(stage.name, "AWS::S3::Bucket").values()
    assert len(buckets) == 2
    for bucket in buckets:
        properties = bucket["Properties"]
        assert "BucketName" not in properties
        (encryption,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert encryption["BucketKeyEnabled"] is True
        assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
        assert properties["PublicAccessBlockConfiguration"] == {
            "BlockPublicAcls": True,
            "BlockPublicPolicy": True,
            "IgnorePublicAcls": True,
            "RestrictPublicBuckets": True,
        }


def test_buckets_refuse_requests_without_tls(stage):
    policies = resources(stage.name, "AWS::S3::BucketPolicy").values()
    assert {policy["Properties"]["Bucket"]["Ref"] for policy in policies} == set(
        resources(stage.name, "AWS::S3::Bucket")
    )
    for policy in policies:
        bucket = policy["Properties"]["Bucket"]["Ref"]
        statements = policy["Properties"]["PolicyDocument"]["Statement"]
        denied = {}
        for statement in statements:
            assert statement["Effect"] == "Deny"
            assert statement["Principal"] == {"AWS": "*"}
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            denied[resolved(statement["Resource"], {})] = set(statement["Action"])
        assert {"s3:ListBucket", "s3:PutBucketPolicy"} <= denied[f"{bucket}.Arn"]
        assert {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"} <= denied[f"{bucket}.Arn/*"]


def test_results_and_exports_expire_and_raw_objects_never_do(stage):
    expiries = {}
    for name, bucket in resources(stage.name, "AWS::S3::Bucket").items():
        rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
        expiries["raw" if "Raw" in name else "results"] = [
            (rule.get("Prefix"), rule["ExpirationInDays"]) for rule in rules if "ExpirationInDays" in rule
        ]
        assert not [key for rule in rules for key in rule if "Transition" in key or "Noncurrent" in key]
    assert expiries == {
        "raw": [("baselines/exports/", 7), ("baselines/exported_items/", 7)],
        "results": [(None, stage.results_expire_days)],
    }
