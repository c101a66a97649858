"""What the stack holds: each sentence of the design has a test here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk.assertions import Match, Template

from ddb_pipeline import change_row
from ddb_pipeline.names import PublishedNames
from ddb_pipeline_tests.unit.infra_templates import (
    all_templates,
    assembly,
    declaration,
    resolved,
    resource,
    resources,
    template,
)

STAGES = ["local", "dev", "prod"]
KEY = {"Fn::GetAtt": [Match.string_like_regexp("^EncryptionKey"), "Arn"]}

pytestmark = pytest.mark.xdist_group("infra_templates")


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
    (statement,) = [found for found in policy["Statement"] if "Service" in found["Principal"]]
    names = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "1"}
    assert resolved(statement["Principal"], names) == {"Service": "logs.eu-west-1.amazonaws.com"}
    assert resolved(statement["Condition"], names) == {
        "ArnLike": {
            "kms:EncryptionContext:aws:logs:arn": [
                f"arn:aws:logs:eu-west-1:1:log-group:ddb-change-analytics-{stage.name}-persons-*",
                "arn:aws:logs:eu-west-1:1:log-group:/aws-glue/crawlers*",
            ]
        }
    }


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


def test_the_table_is_on_demand_recoverable_and_streams_with_microseconds(stack):
    stack.has_resource_properties(
        "AWS::DynamoDB::Table",
        {
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
            "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS"},
            "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
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
                "BufferingHints": {"IntervalInSeconds": stage.buffer_seconds, "SizeInMBs": stage.buffer_mebibytes},
                "CompressionFormat": "GZIP",
                "FileExtension": ".json.gz",
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
            "Runtime": "python3.13",
            "Architectures": ["arm64"],
            "Timeout": timeout,
            "LoggingConfig": {"LogGroup": {"Ref": Match.any_value()}},
        },
    )


def test_there_are_no_functions_but_ours_and_no_custom_resources(stage):
    handlers = [found["Properties"]["Handler"] for found in resources(stage.name, "AWS::Lambda::Function").values()]
    assert sorted(handlers) == ["change_converter.handler", "item_loader.handler"]
    types = {found["Type"] for found in template(stage.name)["Resources"].values()}
    assert not [name for name in types if "CustomResource" in name or name.startswith("Custom::")]


def test_every_log_group_ends(stage):
    groups = resources(stage.name, "AWS::Logs::LogGroup").values()
    assert [group["Properties"]["RetentionInDays"] for group in groups] == [90, 90, 90]


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


def test_results_expire_and_raw_objects_never_do(stage):
    expiries = {}
    for name, bucket in resources(stage.name, "AWS::S3::Bucket").items():
        rules = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
        expiries["raw" if "Raw" in name else "results"] = [
            rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule
        ]
        assert not [key for rule in rules for key in rule if "Transition" in key or "Noncurrent" in key]
    assert expiries == {"raw": [], "results": [stage.results_expire_days]}


# --- catalog


def test_the_table_changes_is_the_change_row_contract(stage):
    table = resource(stage.name, "AWS::Glue::Table")["Properties"]
    content = table["TableInput"]
    storage = content["StorageDescriptor"]
    (raw,) = [name for name in resources(stage.name, "AWS::S3::Bucket") if "Raw" in name]

    def columns(found):
        return [(column["Name"], column["Type"], column["Comment"]) for column in found]

    def contract(wanted):
        return [(column.name, column.type, column.comment) for column in wanted]

    assert table["DatabaseName"] == f"ddb_{stage.name}_persons"
    assert content["Name"] == "changes"
    assert columns(storage["Columns"]) == contract(change_row.COLUMNS)
    assert columns(content["PartitionKeys"]) == contract(change_row.PARTITION_COLUMNS)
    assert resolved(storage["Location"], {raw: "bucket"}) == "s3://bucket/changes/"
    assert storage["SerdeInfo"]["SerializationLibrary"] == change_row.SERIALIZATION_LIBRARY
    assert storage["InputFormat"] == change_row.INPUT_FORMAT
    assert storage["OutputFormat"] == change_row.OUTPUT_FORMAT
    # what a crawler compares: without compressionType it deprecates the table
    assert content["Parameters"] == {
        "EXTERNAL": "TRUE",
        "classification": "json",
        "compressionType": "gzip",
        "typeOfData": "file",
    }
    assert content["TableType"] == "EXTERNAL_TABLE"


def test_the_crawler_registers_hours_of_that_table_and_changes_nothing(stack, stage):
    crawler = resource(stage.name, "AWS::Glue::Crawler")
    table, database = resources(stage.name, "AWS::Glue::Table"), resources(stage.name, "AWS::Glue::Database")
    properties = crawler["Properties"]
    assert properties["Name"] == f"ddb-change-analytics-{stage.name}-persons"
    assert properties["Targets"] == {
        "CatalogTargets": [{"DatabaseName": f"ddb_{stage.name}_persons", "Tables": ["changes"]}]
    }
    assert properties["SchemaChangePolicy"] == {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
    assert json.loads(properties["Configuration"]) == {
        "Version": 1.0,
        "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}},
        "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"},
    }
    assert "Schedule" not in properties
    assert crawler["DependsOn"] == list(table)
    assert next(iter(table.values()))["DependsOn"] == list(database)


def test_the_name_of_the_security_configuration_carries_a_hash_of_its_content():
    names = {}
    for stage_name in STAGES:
        found = resource(stage_name, "AWS::Glue::SecurityConfiguration")
        (logical_id,) = resources(stage_name, "AWS::Glue::SecurityConfiguration")
        crawler = resource(stage_name, "AWS::Glue::Crawler")["Properties"]
        assert crawler["CrawlerSecurityConfiguration"] == {"Ref": logical_id}
        prefix, digest = found["Properties"]["Name"].rsplit("-", 1)
        assert prefix == f"ddb-change-analytics-{stage_name}-persons"
        assert len(bytes.fromhex(digest)) == 4
        names[digest] = found["Properties"]["EncryptionConfiguration"]
    assert len(names) == 1, "the same content has the same hash"


# --- Athena


def test_the_workgroup_enforces_engine_encryption_place_and_scan_cutoff(stack, stage):
    (results,) = [name for name in resources(stage.name, "AWS::S3::Bucket") if "Results" in name]
    workgroup = resource(stage.name, "AWS::Athena::WorkGroup")["Properties"]
    configuration = workgroup["WorkGroupConfiguration"]
    assert workgroup["Name"] == f"ddb-change-analytics-{stage.name}-persons"
    assert workgroup["RecursiveDeleteOption"] is not stage.keep_data
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["EngineVersion"] == {"SelectedEngineVersion": "Athena engine version 3"}
    assert configuration["BytesScannedCutoffPerQuery"] == stage.scan_cutoff_mebibytes * 1024 * 1024
    result = configuration["ResultConfiguration"]
    assert resolved(result["OutputLocation"], {results: "bucket"}) == "s3://bucket/queries/"
    assert result["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"


def test_saved_queries_read_the_views_and_say_what_they_answer(stage):
    (workgroup,) = resources(stage.name, "AWS::Athena::WorkGroup")
    queries = resources(stage.name, "AWS::Athena::NamedQuery").values()
    assert [query["Properties"]["Name"] for query in queries] == [
        "changes_per_hour",
        "most_recent_changes",
        "persons_by_area_and_type",
        "undecided_items",
    ]
    for query in queries:
        properties = query["Properties"]
        assert properties["Database"] == f"ddb_{stage.name}_persons"
        assert properties["WorkGroup"] == f"ddb-change-analytics-{stage.name}-persons"
        assert query["DependsOn"] == [workgroup]
        assert properties["QueryString"].startswith(f"-- {properties['Description']}\n")
        assert (
            "FROM latest_item_state" in properties["QueryString"] or "FROM change_counts" in properties["QueryString"]
        )


# --- what is kept, what is published


def test_data_outlives_the_stack_only_where_the_stage_says_so(stage):
    kept = {
        "AWS::DynamoDB::Table": 1,
        "AWS::KMS::Key": 1,
        "AWS::Logs::LogGroup": 3,
        "AWS::S3::Bucket": 2,
    }
    policy = "Retain" if stage.keep_data else "Delete"
    for resource_type, count in kept.items():
        found = resources(stage.name, resource_type).values()
        assert [one["DeletionPolicy"] for one in found] == [policy] * count, resource_type
        assert [one["UpdateReplacePolicy"] for one in found] == [policy] * count, resource_type
    table = resource(stage.name, "AWS::DynamoDB::Table")["Properties"]
    assert table["DeletionProtectionEnabled"] is stage.keep_data
    retained = {found["Type"] for found in template(stage.name)["Resources"].values()
                if found.get("DeletionPolicy") == "Retain"}  # fmt: skip
    assert retained == (set(kept) if stage.keep_data else set())


def test_only_prod_keeps_data():
    assert [declaration().stage(name).keep_data for name in STAGES] == [False, False, True]


@pytest.mark.parametrize("pipeline", ["persons", "order_lines"])
def test_the_parameter_holds_every_published_name(stage, pipeline):
    parameter = resource(stage.name, "AWS::SSM::Parameter", pipeline)["Properties"]
    # as CloudFormation may fill them in
    names = {"AWS::AccountId": "123456789012", "AWS::Region": "eu-west-1"}
    published = PublishedNames.from_json(resolved(parameter["Value"], names))

    def logical_id(resource_type, part=""):
        (found,) = [name for name in resources(stage.name, resource_type, pipeline) if part in name]
        return found

    assert parameter["Type"] == "String"
    assert parameter["Name"] == f"/ddb-change-analytics/{stage.name}/{pipeline}"
    assert published == PublishedNames(
        pipeline=pipeline,
        stage=stage.name,
        account="123456789012",
        region="eu-west-1",
        table=logical_id("AWS::DynamoDB::Table"),
        change_stream=logical_id("AWS::Kinesis::Stream"),
        delivery_stream=logical_id("AWS::KinesisFirehose::DeliveryStream"),
        raw_bucket=logical_id("AWS::S3::Bucket", "Raw"),
        changes_prefix="changes/",
        errors_prefix="errors/",
        results_bucket=logical_id("AWS::S3::Bucket", "Results"),
        database=f"ddb_{stage.name}_{pipeline}",
        change_table="changes",
        crawler=f"ddb-change-analytics-{stage.name}-{pipeline}",
        workgroup=f"ddb-change-analytics-{stage.name}-{pipeline}",
        item_loader=logical_id("AWS::Lambda::Function", "ItemLoader"),
        key_arn=f"{logical_id('AWS::KMS::Key')}.Arn",
    )


def test_outputs_are_the_published_names_and_the_policy(stage):
    outputs = template(stage.name)["Outputs"]
    parameter = resource(stage.name, "AWS::SSM::Parameter")["Properties"]["Value"]
    published = json.loads(resolved(parameter, {}))
    shown = {name: resolved(output["Value"], {}) for name, output in outputs.items()}
    assert shown.pop("Parameter") == f"/ddb-change-analytics/{stage.name}/persons"
    assert shown.pop("PipelinePolicyArn") in resources(stage.name, "AWS::IAM::ManagedPolicy")
    assert shown == {name.title().replace("_", ""): value for name, value in published.items()}


# --- the whole


def test_there_is_one_stack_per_pipeline_and_stage():
    assert sorted(all_templates()) == sorted(
        f"ddb-change-analytics-{stage_name}-{pipeline}.template.json"
        for stage_name in STAGES
        for pipeline in ("persons", "order-lines")
    )


def test_a_stack_fits_any_account_and_region():
    manifest = json.loads((assembly() / "manifest.json").read_text())
    environments = {
        artifact["environment"]
        for artifact in manifest["artifacts"].values()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    assert environments == {"aws://unknown-account/unknown-region"}
    assert "missing" not in manifest


def test_the_cdk_finds_nothing_to_warn_of():
    """The report of its own template validation and of its constructs."""
    report = json.loads((assembly() / "validation-report.json").read_text())
    assert report["pluginReports"] == []


def test_cfn_lint_finds_nothing():
    acknowledged = {
        # the CDK lets a function depend on its role as well as refer to it
        "W3005",
    }
    templates = [str(path) for path in sorted(assembly().glob("*.template.json"))]
    program = str(Path(sys.executable).with_name("cfn-lint"))
    command = [program, "--ignore-checks", *sorted(acknowledged), "--", *templates]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
