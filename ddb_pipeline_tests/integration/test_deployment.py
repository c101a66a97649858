"""Deployment: every resource of the template is really made, and what cannot be made fails the stack by name."""

from __future__ import annotations

import io
import json
import re
import time
import uuid
import zipfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.local_aws.deployment import DeploymentError, deploy
from ddb_pipeline.local_aws.deployment.deploy import zip_directory
from ddb_pipeline.names import PublishedNames
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.stacks import REGION, Stacks

PARAMETER = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "1"}}


@pytest.fixture
def names(deployed: Deployed) -> PublishedNames:
    return deployed.names["persons"]


# --- the project's own stack ---


def test_the_key_rotates_and_has_its_alias(deployed: Deployed, names: PublishedNames) -> None:
    kms = deployed.client("kms")

    assert kms.get_key_rotation_status(KeyId=names.key_arn)["KeyRotationEnabled"] is True
    aliases = {alias["AliasName"]: alias.get("TargetKeyId") for alias in kms.list_aliases()["Aliases"]}
    assert names.key_arn.endswith(aliases["alias/ddb-change-analytics-local-persons"])
    policy = json.loads(kms.get_key_policy(KeyId=names.key_arn, PolicyName="default")["Policy"])
    assert policy["Statement"][0]["Principal"]["AWS"] == f"arn:aws:iam::{names.account}:root"


def test_the_table_streams_with_microseconds_and_expires(deployed: Deployed, names: PublishedNames) -> None:
    dynamodb = deployed.client("dynamodb")
    table = dynamodb.describe_table(TableName=names.table)["Table"]
    (destination,) = dynamodb.describe_kinesis_streaming_destination(TableName=names.table)[
        "KinesisDataStreamDestinations"
    ]

    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSEDescription"]["KMSMasterKeyArn"] == names.key_arn
    expiry = dynamodb.describe_time_to_live(TableName=names.table)["TimeToLiveDescription"]
    assert expiry == {"AttributeName": "expires_at", "TimeToLiveStatus": "ENABLED"}
    assert destination["DestinationStatus"] == "ACTIVE"
    assert destination["ApproximateCreationDateTimePrecision"] == "MICROSECOND"
    assert destination["StreamArn"].endswith(f":stream/{names.change_stream}")


def test_the_stream_is_on_demand_encrypted_and_kept_for_a_week(deployed: Deployed, names: PublishedNames) -> None:
    found = deployed.client("kinesis").describe_stream_summary(StreamName=names.change_stream)
    stream = found["StreamDescriptionSummary"]

    assert stream["StreamModeDetails"]["StreamMode"] == "ON_DEMAND"
    assert stream["RetentionPeriodHours"] == 168
    assert (stream["EncryptionType"], stream["KeyId"]) == ("KMS", names.key_arn)


def test_the_buckets_are_encrypted_and_private_and_only_results_expire(
    deployed: Deployed, names: PublishedNames
) -> None:
    s3 = deployed.client("s3")
    for bucket in (names.raw_bucket, names.results_bucket):
        (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == names.key_arn
        assert rule["BucketKeyEnabled"] is True
        block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        assert set(block.values()) == {True}
        controls = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
        assert controls["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        assert policy["Statement"][0]["Effect"] == "Deny"

    def expiry(bucket: str) -> list[int]:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        return [rule["Expiration"]["Days"] for rule in rules if "Expiration" in rule]

    raw = s3.get_bucket_lifecycle_configuration(Bucket=names.raw_bucket)["Rules"]
    assert {rule["Filter"]["Prefix"] for rule in raw if "Expiration" in rule} & {"", names.changes_prefix} == set()
    assert expiry(names.results_bucket) == [7]


def test_the_delivery_stream_reads_the_stream_and_runs_the_converter(deployed: Deployed, names: PublishedNames) -> None:
    found = deployed.client("firehose").describe_delivery_stream(DeliveryStreamName=names.delivery_stream)
    stream = found["DeliveryStreamDescription"]
    destination = stream["Destinations"][0]["ExtendedS3DestinationDescription"]
    (processor,) = destination["ProcessingConfiguration"]["Processors"]
    parameters = {item["ParameterName"]: item["ParameterValue"] for item in processor["Parameters"]}

    assert stream["DeliveryStreamStatus"] == "ACTIVE"
    source = stream["Source"]["KinesisStreamSourceDescription"]["KinesisStreamARN"]
    assert source.endswith(f":stream/{names.change_stream}")
    assert destination["BucketARN"] == f"arn:aws:s3:::{names.raw_bucket}"
    assert destination["Prefix"].startswith("changes/year=!{timestamp:yyyy}/")
    assert (destination["CompressionFormat"], destination["FileExtension"]) == ("GZIP", ".json.gz")
    deployed.client("lambda").get_function(FunctionName=parameters["LambdaArn"])


def test_the_catalog_has_database_table_and_crawler(deployed: Deployed, names: PublishedNames) -> None:
    glue = deployed.client("glue")
    table = glue.get_table(DatabaseName=names.database, Name=names.change_table)["Table"]
    crawler = glue.get_crawler(Name=names.crawler)["Crawler"]

    assert table["StorageDescriptor"]["Location"] == f"s3://{names.raw_bucket}/changes/"
    assert [key["Name"] for key in table["PartitionKeys"]] == ["year", "month", "day", "hour"]
    assert crawler["Targets"]["CatalogTargets"][0]["DatabaseName"] == names.database
    assert crawler["State"] == "READY"
    glue.get_security_configuration(Name=crawler["CrawlerSecurityConfiguration"])


def test_the_workgroup_is_enforced_and_has_its_queries(deployed: Deployed, names: PublishedNames) -> None:
    athena = deployed.client("athena")
    settings = athena.get_work_group(WorkGroup=names.workgroup)["WorkGroup"]["Configuration"]
    queries = athena.list_named_queries(WorkGroup=names.workgroup)["NamedQueryIds"]

    assert settings["EnforceWorkGroupConfiguration"] is True
    assert settings["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{names.results_bucket}/")
    found = [athena.get_named_query(NamedQueryId=query)["NamedQuery"] for query in queries]
    assert {query["Database"] for query in found} == {names.database}
    assert "changes_per_hour" in {query["Name"] for query in found}


def test_the_item_loader_runs_with_the_names_of_the_stack(deployed: Deployed, names: PublishedNames) -> None:
    answer = deployed.client("lambda").invoke(FunctionName=names.item_loader, Payload=b'{"batchSize": 3}')

    assert "FunctionError" not in answer
    assert json.loads(answer["Payload"].read())["inserted"] == 3


def test_the_delivery_stream_is_made_before_the_table_streams(deployed: Deployed) -> None:
    events = deployed.client("cloudformation").describe_stack_events(StackName="ddb-change-analytics-local-persons")
    made = {
        event["ResourceType"]: event["Timestamp"]
        for event in events["StackEvents"]
        if event["ResourceStatus"] == "CREATE_COMPLETE"
    }

    assert made["AWS::KinesisFirehose::DeliveryStream"] < made["AWS::DynamoDB::Table"]


def test_the_stack_has_the_tags_and_outputs_of_the_assembly(deployed: Deployed, names: PublishedNames) -> None:
    found = deployed.client("cloudformation").describe_stacks(StackName="ddb-change-analytics-local-persons")
    (stack,) = found["Stacks"]

    assert {"Key": "stage", "Value": "local"} in stack["Tags"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    assert (outputs["Table"], outputs["RawBucket"]) == (names.table, names.raw_bucket)


def test_deploying_the_same_assembly_again_changes_nothing(deployed: Deployed, assembly: Path) -> None:
    said: list[str] = []

    again = deploy(assembly, deployed.endpoint, "eu-central-1", progress=said.append)

    assert [line for line in said if line.endswith("is unchanged")] == [f"stack {name} is unchanged" for name in again]
    assert not [line for line in said if line.startswith("publishing")]


# --- what fails ---


def test_an_unknown_type_fails_the_stack_by_name_and_makes_nothing(stacks: Stacks) -> None:
    stack = stacks.create({"Resources": {"Good": PARAMETER, "Queue": {"Type": "AWS::SQS::Queue"}}})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    failed = [event for event in stacks.events(stack["StackName"]) if event["ResourceStatus"] == "CREATE_FAILED"]
    assert [event["LogicalResourceId"] for event in failed] == ["Queue"]
    assert failed[0]["ResourceStatusReason"] == "local AWS does not make resources of type AWS::SQS::Queue"
    assert not [event for event in stacks.events(stack["StackName"]) if event["LogicalResourceId"] == "Good"]


@pytest.mark.parametrize(
    ("kind", "properties", "path"),
    [
        ("AWS::DynamoDB::Table", {"ContributorInsightsSpecification": {"Enabled": True}}, "ContributorInsights"),
        ("AWS::S3::Bucket", {"LifecycleConfiguration": {"Rules": [{"TagFilters": []}]}}, "LifecycleConf.*TagFilters"),
        ("AWS::Lambda::Function", {"Code": {"ImageUri": "x"}}, "Code.ImageUri"),
        ("AWS::SSM::Parameter", {"Misspelt": {"Ref": "AWS::Region"}}, "Misspelt"),
    ],
)
def test_an_unknown_property_fails_the_stack_by_its_path(
    stacks: Stacks, kind: str, properties: dict[str, Any], path: str
) -> None:
    stack = stacks.create({"Resources": {"One": {"Type": kind, "Properties": properties}}})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert re.search(path, stacks.reasons(stack["StackName"]))


def test_a_resource_that_fails_takes_back_those_before_it(stacks: Stacks) -> None:
    template = {
        "Resources": {
            "Bucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "RetainExceptOnCreate"},
            "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "rolled-back"}},
            "Kept": {**PARAMETER, "DeletionPolicy": "Retain"},
            "Bad": {
                "Type": "AWS::Logs::LogStream",
                "DependsOn": ["Bucket", "Group", "Kept"],
                "Properties": {"LogGroupName": "a-group-that-is-nowhere"},
            },
        }
    }
    buckets = len(stacks.client("s3").list_buckets()["Buckets"])

    stack = stacks.create(template)

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "CreateLogStream" in stacks.reasons(stack["StackName"])
    assert stacks.client("logs").describe_log_groups(logGroupNamePrefix="rolled-back")["logGroups"] == []
    assert len(stacks.client("s3").list_buckets()["Buckets"]) == buckets
    skipped = [event for event in stacks.events(stack["StackName"]) if event["ResourceStatus"] == "DELETE_SKIPPED"]
    assert [event["LogicalResourceId"] for event in skipped] == ["Kept"]


def test_a_resource_that_fails_half_way_is_taken_back_too(stacks: Stacks) -> None:
    table = {
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "KinesisStreamSpecification": {"StreamArn": f"arn:aws:kinesis:{REGION}:123456789012:stream/nowhere"},
        "TableName": "half-made",
    }

    stack = stacks.create({"Resources": {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": table}}})

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "half-made" not in stacks.client("dynamodb").list_tables()["TableNames"]


def test_a_failed_stack_is_kept_when_rollback_is_off(stacks: Stacks) -> None:
    bad = {"Type": "AWS::Logs::LogStream", "DependsOn": "Good", "Properties": {"LogGroupName": "nowhere"}}

    stack = stacks.create({"Resources": {"Good": PARAMETER, "Bad": bad}}, DisableRollback=True)

    assert stack["StackStatus"] == "CREATE_FAILED"
    stacks.client("ssm").get_parameter(Name=stacks.physical_id(stack["StackName"], "Good"))


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ({"Resources": {"One": {"Type": "AWS::SSM::Parameter", "DependsOn": "Two"}}}, "Two"),
        ({"Resources": {}}, "Resources"),
        ({"Resources": {"One": PARAMETER}, "Transform": "AWS::Serverless-2016-10-31"}, "Transform"),
        ({"Resources": {"One": {**PARAMETER, "CreationPolicy": {}}}}, "CreationPolicy"),
        ({"Resources": {"One": PARAMETER}, "Parameters": {"Needed": {"Type": "String"}}}, "Needed"),
    ],
)
def test_a_wrong_template_is_refused_at_once(stacks: Stacks, template: dict[str, Any], reason: str) -> None:
    with pytest.raises(ClientError, match=reason) as caught:
        stacks.create(template)

    assert caught.value.response["Error"]["Code"] == "ValidationError"
    stacks.names.clear()


def test_a_bootstrap_that_is_too_old_is_refused_by_the_templates_own_rule(stacks: Stacks) -> None:
    template = {
        "Parameters": {"Version": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/test/version"}},
        "Rules": {
            "Check": {
                "Assertions": [
                    {
                        "Assert": {"Fn::Not": [{"Fn::Contains": [["1", "2"], {"Ref": "Version"}]}]},
                        "AssertDescription": "too old",
                    }
                ]
            }
        },
        "Resources": {"One": PARAMETER},
    }
    stacks.client("ssm").put_parameter(Name="/test/version", Type="String", Value="2", Overwrite=True)
    with pytest.raises(ClientError, match="too old"):
        stacks.create(template)

    stacks.client("ssm").put_parameter(Name="/test/version", Type="String", Value="6", Overwrite=True)
    assert stacks.create(template)["StackStatus"] == "CREATE_COMPLETE"


def test_a_deployment_that_fails_names_resource_and_reason(deployed: Deployed, tmp_path: Path) -> None:
    bucket = "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"
    (tmp_path / "bad.template.json").write_text(json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}))
    destination = {"bucketName": bucket, "objectKey": "bad.json"}
    assets = {"files": {"bad": {"source": {"path": "bad.template.json"}, "destinations": {"one": destination}}}}
    (tmp_path / "bad.assets.json").write_text(json.dumps(assets))
    template_url = {"stackTemplateAssetObjectUrl": f"s3://{bucket}/bad.json"}
    manifest = {
        "artifacts": {
            "bad": {"type": "aws:cloudformation:stack", "properties": template_url},
            "bad.assets": {"type": "cdk:asset-manifest", "properties": {"file": "bad.assets.json"}},
        }
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(DeploymentError, match=r"Queue.*AWS::SQS::Queue"):
        deploy(tmp_path, deployed.endpoint, REGION)
    with pytest.raises(DeploymentError, match="delete it first"):
        deploy(tmp_path, deployed.endpoint, REGION)


def test_a_directory_that_is_no_assembly_is_refused(deployed: Deployed, tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"manifest\.json"):
        deploy(tmp_path, deployed.endpoint, REGION)


# --- updates, conditions, exports, retention ---


FUNCTION = {
    "Role": {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
                ],
            }
        },
    },
    "Function": {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {"ZipFile": "def handler(event, context): return 'first'"},
            "Handler": "index.handler",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Runtime": "python3.13",
        },
    },
}


def test_an_update_changes_what_can_be_changed_adds_and_removes(stacks: Stacks) -> None:
    before = {"Resources": {**FUNCTION, "Gone": {**PARAMETER}}}
    stack = stacks.create(before)
    name = stack["StackName"]
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons(name)
    gone = stacks.physical_id(name, "Gone")
    after = json.loads(json.dumps({"Resources": {**FUNCTION, "Added": {**PARAMETER}}}))
    after["Resources"]["Function"]["Properties"]["Code"]["ZipFile"] = "def handler(event, context): return 'second'"

    assert stacks.update(name, after)["StackStatus"] == "UPDATE_COMPLETE", stacks.reasons(name)

    function = stacks.physical_id(name, "Function")
    assert json.loads(stacks.client("lambda").invoke(FunctionName=function)["Payload"].read()) == "second"
    stacks.client("ssm").get_parameter(Name=stacks.physical_id(name, "Added"))
    with pytest.raises(ClientError, match="ParameterNotFound"):
        stacks.client("ssm").get_parameter(Name=gone)


def test_an_update_that_fails_is_taken_back(stacks: Stacks) -> None:
    stack = stacks.create({"Resources": {"One": PARAMETER}})
    name = stack["StackName"]
    changed = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "2"}}
    bad = {"Type": "AWS::Logs::LogStream", "DependsOn": "One", "Properties": {"LogGroupName": "nowhere"}}

    updated = stacks.update(name, {"Resources": {"One": changed, "Bad": bad}})

    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    parameter = stacks.client("ssm").get_parameter(Name=stacks.physical_id(name, "One"))
    assert parameter["Parameter"]["Value"] == "1"
    assert stacks.update(name, {"Resources": {"One": changed}})["StackStatus"] == "UPDATE_COMPLETE"


def test_conditions_decide_and_exports_are_imported(stacks: Stacks) -> None:
    export = f"export-{uuid.uuid4().hex[:8]}"
    stacks.create(
        {
            "Parameters": {"Wanted": {"Type": "String", "Default": "no"}},
            "Conditions": {"IsWanted": {"Fn::Equals": [{"Ref": "Wanted"}, "yes"]}},
            "Resources": {"One": PARAMETER, "Two": {**PARAMETER, "Condition": "IsWanted"}},
            "Outputs": {
                "Region": {"Value": {"Fn::Sub": "in ${AWS::Region}: ${One.Value}"}, "Export": {"Name": export}},
                "Two": {"Value": {"Ref": "Two"}, "Condition": "IsWanted"},
            },
        }
    )
    imported = {"Type": "String", "Value": {"Fn::ImportValue": export}}
    stack = stacks.create(
        {"Resources": {"Three": {"Type": "AWS::SSM::Parameter", "Properties": imported}}, "Outputs": {}}
    )

    parameter = stacks.client("ssm").get_parameter(Name=stacks.physical_id(stack["StackName"], "Three"))
    assert parameter["Parameter"]["Value"] == f"in {REGION}: 1"
    first = stacks.settled(stacks.names[0])
    assert [output["OutputKey"] for output in first["Outputs"]] == ["Region"]
    with pytest.raises(ClientError, match="does not exist"):
        stacks.physical_id(first["StackName"], "Two")


def test_what_is_retained_outlives_its_stack(stacks: Stacks) -> None:
    policies = ("Retain", "RetainExceptOnCreate")
    retained = {policy: {**PARAMETER, "DeletionPolicy": policy} for policy in policies}
    stack = stacks.create({"Resources": {**retained, "Other": PARAMETER}})
    kept = [stacks.physical_id(stack["StackName"], name) for name in policies]

    assert stacks.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    for name in kept:
        assert stacks.client("ssm").get_parameter(Name=name)["Parameter"]["Value"] == "1"


def test_a_stack_of_the_same_name_is_refused(stacks: Stacks) -> None:
    name = stacks.create({"Resources": {"One": PARAMETER}})["StackName"]

    with pytest.raises(ClientError, match="AlreadyExists"):
        stacks.client("cloudformation").create_stack(
            StackName=name, TemplateBody=json.dumps({"Resources": {"One": PARAMETER}})
        )


def test_equal_directories_give_equal_archives(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "module.py").write_text("x = 1\n")
        (tmp_path / name / "index.py").write_text("y = 2\n")
        time.sleep(0.01)

    assert zip_directory(tmp_path / "one") == zip_directory(tmp_path / "two")
    with zipfile.ZipFile(io.BytesIO(zip_directory(tmp_path / "one"))) as archive:
        assert archive.namelist() == ["index.py", "inner/module.py"]
