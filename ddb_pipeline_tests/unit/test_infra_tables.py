"""An existing table, a stage's own stream, compression and key, and what is emptied: what the template says of them."""

import json
import re
from pathlib import Path

import pytest

from ddb_pipeline.names import EMPTIED_TAG, ComputedNames, PublishedNames
from ddb_pipeline_tests.unit.infra_templates import ORDERS, REPOSITORY, Template, aws_cdk, resolved
from ddb_pipeline_tests.unit.infra_variants import (
    CATALOG_KEY,
    GIVEN_KEY,
    PIPELINE,
    STAGE,
    TABLE_KEY,
    by_file,
    found,
    only,
    statements,
    statements_in,
    synthesize,
)
from ddb_pipeline_tests.unit.test_infra_permissions import (
    NAMES,
    UNLIMITED,
    as_list,
    policy_documents,
    policy_sizes,
    unlimited,
)
from ddb_pipeline_tests.unit.test_infra_rules import cfn_lint
from ddb_pipeline_tests.unit.test_infra_stack import what_holds_data
from infra_cdk.components.analytics import SAVED_QUERIES
from infra_cdk.components.encryption import LOG_GROUPS_OF
from infra_cdk.components.existing_table import ExistingTable


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return synthesize(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def documents(directory):
    return {
        name: json.loads((directory / f"ddb-change-analytics-{name}-{PIPELINE}.template.json").read_text())
        for name in (STAGE, "kept")
    }


def test_no_rule_finds_anything(directory):
    (report,) = json.loads((directory / "validation-report.json").read_text())["pluginReports"]
    assert (report["pluginName"], report["conclusion"], report["violations"]) == ("AwsSolutions", "success", [])
    assert cfn_lint(directory) == (0, "", "")


# --- rights


def test_all_resources_are_named_but_where_it_has_a_reason(documents):
    own_key = {kind for kind in UNLIMITED if kind[0] == "AWS::KMS::Key"}
    assert unlimited(by_file(documents)) == set(UNLIMITED) - own_key


def test_a_managed_policy_fits_with_crawlers_and_exports_of_an_existing_table(documents):
    """The longest name of one has 255 characters; that of a key is as long as those that are made."""
    text = json.dumps(by_file(documents)).replace("table/Orders.v2", f"table/{'x' * 255}")
    assert max(policy_sizes(json.loads(text))) <= 6144


# --- an existing table


def test_an_existing_table_is_no_resource_of_the_stack_and_gets_no_loader(documents):
    for document in documents.values():
        assert found(document, "AWS::DynamoDB::Table") == {}
        handlers = {item["Properties"]["Handler"] for item in found(document, "AWS::Lambda::Function").values()}
        assert "item_loader.handler" not in handlers
        # nor the query of attributes that only its items have
        saved = {query["Properties"]["Name"] for query in found(document, "AWS::Athena::NamedQuery").values()}
        assert saved == {file.stem for file in SAVED_QUERIES.glob("*.sql")} - {"persons_by_area_and_type"}
        published = PublishedNames.from_json(resolved(only(document, "AWS::SSM::Parameter")["Properties"]["Value"], {}))
        assert (published.table, published.item_loader) == ("Orders.v2", "")


def test_its_destination_is_a_custom_resource_after_the_delivery_stream(documents):
    document = documents["kept"]
    destination = only(document, "Custom::StreamingDestination")
    (delivery_stream,) = found(document, "AWS::KinesisFirehose::DeliveryStream")
    (stream,) = found(document, "AWS::Kinesis::Stream")
    (function,) = found(document, "AWS::Lambda::Function", "ExistingTable")
    properties = dict(destination["Properties"])
    assert json.loads(properties.pop("KeyAttributes")) == [
        {"name": "id", "type": "B"},
        {"name": "line", "type": "N"},
    ]
    assert properties == {
        "ServiceToken": {"Fn::GetAtt": [function, "Arn"]},
        "TableName": "Orders.v2",
        "StreamArn": {"Fn::GetAtt": [stream, "Arn"]},
        "Precision": "MICROSECOND",
    }
    assert delivery_stream in destination["DependsOn"]
    # in every stage: the destination goes with the stack, and the table stays what it is
    assert destination["DeletionPolicy"] == destination["UpdateReplacePolicy"] == "Delete"


def test_its_function_may_switch_the_destination_and_do_nothing_else_to_the_table(documents):
    document = documents["kept"]
    allowed = statements(document, "ExistingTable")
    (stream,) = found(document, "AWS::Kinesis::Stream")
    table = "arn:aws:dynamodb:eu-west-1:1:table/Orders.v2"
    touching = {sid: one for sid, one in allowed.items() if table in as_list(one["Resource"])}
    assert {action for one in touching.values() for action in as_list(one["Action"])} == {
        "dynamodb:DescribeTable",
        *(f"dynamodb:{verb}KinesisStreamingDestination" for verb in ("Describe", "Disable", "Enable", "Update")),
    }
    name = only(document, "AWS::Lambda::Function", "ExistingTable")["Properties"]["FunctionName"]
    assert re.fullmatch(f"ddb-kept-{PIPELINE}-dest-[0-9a-f]{{5}}", name)
    rest = {sid: as_list(one["Resource"]) for sid, one in allowed.items() if sid not in {*touching, "Log"}}
    assert rest == {
        "GoOn": [f"arn:aws:lambda:eu-west-1:1:function:{name}"],
        "UseStream": [f"{stream}.Arn"],
        "FindStream": ["*"],
        "LetDynamoDBWrite": [
            (
                "arn:aws:iam::1:role/aws-service-role/kinesisreplication.dynamodb.amazonaws.com/"
                "AWSServiceRoleForDynamoDBKinesisDataStreamsReplication"
            )
        ],
    }


def streaming_of(table):
    """The template of a stack that streams a table, and nothing else."""
    stack = aws_cdk.Stack(aws_cdk.App(), "Stack")
    made = ExistingTable(
        stack,
        "ExistingTable",
        names=ComputedNames(PIPELINE, STAGE),
        pipeline=ORDERS,
        table_name=table,
        key=aws_cdk.aws_kms.Key.from_key_arn(stack, "Key", GIVEN_KEY),
        stream=aws_cdk.aws_kinesis.Stream.from_stream_arn(
            stack, "Stream", "arn:aws:kinesis:eu-west-1:1:stream/changes"
        ),
        after=aws_cdk.CfnResource(stack, "Delivery", type="AWS::KinesisFirehose::DeliveryStream"),
        removal_policy=aws_cdk.RemovalPolicy.RETAIN,
    )
    return Template.from_stack(aws_cdk.Stack.of(made)).to_json()


def test_the_role_in_force_when_another_table_is_named_may_still_disable_the_former_one():
    """An update makes and changes what the new template has, and deletes what only the old one has after that."""
    former, named = streaming_of("Orders"), streaming_of("Orders.v2")
    parts = {name for name, one in former["Resources"].items() if one["Type"] != "AWS::KinesisFirehose::DeliveryStream"}
    # what deletes the former destination is in no resource of the new template, so that the update leaves it alone
    assert {former["Resources"][name]["Type"] for name in parts} == {
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "Custom::StreamingDestination",
    }
    assert parts.isdisjoint(named["Resources"])
    for template, table in ((former, "Orders"), (named, "Orders.v2")):
        statement = statements(template, "ExistingTable")["StreamTable"]
        assert as_list(statement["Resource"]) == [f"arn:aws:dynamodb:eu-west-1:1:table/{table}"]
    names = {only(one, "AWS::Lambda::Function")["Properties"]["FunctionName"] for one in (former, named)}
    assert len(names) == 2
    assert streaming_of("Orders") == former


def test_the_pipeline_reads_the_existing_table_with_the_key_that_it_has_or_none(documents):
    def resources_by_id(stage):
        return {
            one["Sid"]: as_list(resolved(one, NAMES)["Resource"])
            for policy in found(documents[stage], "AWS::IAM::ManagedPolicy").values()
            for document in policy_documents(policy)
            for one in document["Statement"]
        }

    for stage in documents:
        by_id = resources_by_id(stage)
        for statement in ("WatchCapture", "ExportTable", "CompareItems"):
            assert by_id[statement] == ["arn:aws:dynamodb:eu-west-1:1:table/Orders.v2"]
    assert resources_by_id("kept")["UseKeyThroughDynamodb"] == [TABLE_KEY]
    assert "UseKeyThroughDynamodb" not in resources_by_id(STAGE)


# --- a stage's own settings


def test_the_stream_has_the_shards_and_the_retention_of_the_stage(documents):
    for document in documents.values():
        stream = only(document, "AWS::Kinesis::Stream")["Properties"]
        assert stream["StreamModeDetails"] == {"StreamMode": "PROVISIONED"}
        assert (stream["ShardCount"], stream["RetentionPeriodHours"]) == (3, 48)


def test_a_provisioned_stream_that_throttles_needs_more_shards(documents):
    for document in documents.values():
        assert only(document, "AWS::CloudWatch::Alarm", "ThrottledPuts")["Properties"]["AlarmDescription"].endswith(
            " Raise the stage's stream_shards, to twice as many at most at once, and deploy."
        )


def test_raw_objects_may_be_uncompressed_and_their_names_say_so(documents):
    delivery = only(documents["kept"], "AWS::KinesisFirehose::DeliveryStream")["Properties"]
    destination = delivery["ExtendedS3DestinationConfiguration"]
    assert (destination["CompressionFormat"], destination["FileExtension"]) == ("UNCOMPRESSED", ".json")
    assert only(documents["kept"], "AWS::Glue::Table", "CatalogChangeTable")["Properties"]["TableInput"]["Parameters"][
        "compressionType"
    ] == ("none")


def test_a_given_key_encrypts_everything_and_none_is_made(documents):
    for document in documents.values():
        assert found(document, "AWS::KMS::Key") == found(document, "AWS::KMS::Alias") == {}
        text = json.dumps(document)
        assert set(re.findall(r"arn:aws:kms:[^\"\\]*", text)) - {TABLE_KEY, CATALOG_KEY} == {GIVEN_KEY}
        holders = ["AWS::Logs::LogGroup", "AWS::Kinesis::Stream", "AWS::S3::Bucket", "AWS::Athena::WorkGroup"]
        for holder in holders:
            assert all(GIVEN_KEY in json.dumps(one) for one in found(document, holder).values()), holder


def test_the_key_that_is_made_elsewhere_knows_each_construct_that_has_a_log_group(documents):
    groups = {name for document in documents.values() for name in found(document, "AWS::Logs::LogGroup")}
    assert {part for part in LOG_GROUPS_OF for name in groups if name.startswith(part)} == {*LOG_GROUPS_OF} - {
        "ItemLoader"
    }
    assert [name for name in groups if not name.startswith(LOG_GROUPS_OF)] == []


def test_who_works_with_an_encrypted_catalog_may_use_its_key_through_glue_and_for_this_catalog_alone(documents):
    wanted = {
        "Sid": "UseKeyThroughGlue",
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
        "Resource": CATALOG_KEY,
        "Condition": {
            "StringEquals": {"kms:ViaService": "glue.eu-west-1.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:glue_catalog_id": "1"},
        },
    }
    for document in documents.values():
        using = {
            re.split(r"[0-9A-F]{8}$", name)[0]: [resolved(one, NAMES) for one in statements_in(resource)]
            for name, resource in document["Resources"].items()
            if CATALOG_KEY in json.dumps(resource)
        }
        assert set(using) == {"AccessPolicy", "CrawlerRole", "DeliveryRole"}
        for named, there in using.items():
            assert [one for one in there if CATALOG_KEY in json.dumps(one)] == [wanted], named


# --- names


def test_the_longest_names_are_within_the_limits_of_their_services(documents):
    limits = {
        ("AWS::Athena::WorkGroup", "Name"): 128,
        ("AWS::CloudWatch::Alarm", "AlarmName"): 255,
        ("AWS::CloudWatch::Dashboard", "DashboardName"): 255,
        ("AWS::Glue::Crawler", "Name"): 255,
        ("AWS::Glue::SecurityConfiguration", "Name"): 255,
        ("AWS::IAM::ManagedPolicy", "ManagedPolicyName"): 128,
        ("AWS::IAM::Role", "RoleName"): 64,
        ("AWS::KMS::Alias", "AliasName"): 256,
        ("AWS::Lambda::Function", "FunctionName"): 64,
        ("AWS::SNS::Topic", "DisplayName"): 100,
        ("AWS::SNS::Topic", "TopicName"): 256,
        ("AWS::SSM::Parameter", "Name"): 1011,
        ("AWS::Glue::Database", "DatabaseInput.Name"): 255,
    }
    seen = set()
    for resource in documents[STAGE]["Resources"].values():
        for (resource_type, path), limit in limits.items():
            value = resource.get("Properties", {})
            for part in path.split("."):
                value = value.get(part, {})
            if resource["Type"] == resource_type and isinstance(value, str):
                seen.add(resource_type)
                assert len(value) <= limit, value
    assert {"AWS::Lambda::Function", "AWS::Athena::WorkGroup", "AWS::Glue::Crawler", "AWS::Glue::Database"} <= seen
    # every name of ours is looked at
    named = {
        (resource["Type"], key)
        for resource in documents[STAGE]["Resources"].values()
        for key, value in resource.get("Properties", {}).items()
        if key.endswith("Name") and isinstance(value, str) and PIPELINE in value
    }
    assert named <= {*limits, ("AWS::Glue::Table", "DatabaseName"), ("AWS::Glue::Crawler", "DatabaseName")}


# --- what goes with the stack, and what protects the rest


def test_what_holds_data_outlives_the_stack_only_where_the_stage_says_so(documents):
    # delivery, converter, the converter of exports, the existing table; what empties the buckets
    assert what_holds_data(documents["kept"], keep_data=True) == {"AWS::Logs::LogGroup": 4, "AWS::S3::Bucket": 2}
    assert what_holds_data(documents[STAGE], keep_data=False) == {"AWS::Logs::LogGroup": 5, "AWS::S3::Bucket": 2}


def test_buckets_are_emptied_where_data_goes_with_the_stack_and_nowhere_else(documents):
    goes, stays = documents[STAGE], documents["kept"]
    emptied = [one["Properties"]["BucketName"]["Ref"] for one in found(goes, "Custom::EmptiedBucket").values()]
    assert sorted(emptied) == sorted(found(goes, "AWS::S3::Bucket"))
    for document, value in ((goes, ["true"]), (stays, [])):
        for bucket in found(document, "AWS::S3::Bucket").values():
            tags = [tag["Value"] for tag in bucket["Properties"].get("Tags", []) if tag["Key"] == EMPTIED_TAG]
            assert tags == value
    assert found(stays, "Custom::EmptiedBucket") == {}
    assert "emptier" not in json.dumps(stays)


def test_whatever_writes_into_the_buckets_goes_before_they_are_emptied(documents):
    document = documents[STAGE]
    custom = set(found(document, "Custom::EmptiedBucket"))
    for writer in ("AWS::KinesisFirehose::DeliveryStream", "AWS::Athena::WorkGroup"):
        assert custom <= set(only(document, writer)["DependsOn"])
    policies = found(document, "AWS::IAM::ManagedPolicy")
    converters = [
        one
        for one in found(document, "AWS::Lambda::Function").values()
        if one["Properties"]["Handler"] == "baseline_converter.handler"
    ]
    assert len(policies) == 2
    assert len(converters) == 1
    for writer in (*policies.values(), *converters):
        assert custom <= set(writer["DependsOn"])


def test_the_emptier_may_empty_these_buckets_and_nothing_else(documents):
    document = documents[STAGE]
    allowed = statements(document, "BucketEmptier")
    buckets = [f"{name}.Arn" for name in found(document, "AWS::S3::Bucket")]
    assert set(allowed) == {"Log", "GoOn", "FindContents", "DeleteContents"}
    assert sorted(allowed["FindContents"]["Resource"]) == sorted(buckets)
    assert sorted(allowed["DeleteContents"]["Resource"]) == sorted(f"{bucket}/*" for bucket in buckets)
    assert allowed["GoOn"]["Resource"] == f"arn:aws:lambda:eu-west-1:1:function:ddb-{STAGE}-{PIPELINE}-emptier"


def test_the_function_looks_for_the_tag_that_the_stack_sets():
    source = (REPOSITORY / "infra_cdk/functions/custom_resources/bucket_emptier.py").read_text(encoding="utf-8")
    assert f'EMPTIED_TAG = "{EMPTIED_TAG}"' in source


def test_no_other_package_is_in_the_functions_of_the_custom_resources():
    """The runtime brings boto3; each function's zip holds this folder and nothing else."""
    folder = Path(REPOSITORY / "infra_cdk" / "functions" / "custom_resources")
    assert {path.name for path in folder.glob("*.py")} == {
        "bucket_emptier.py",
        "custom_resource.py",
        "streaming_destination.py",
    }
