"""The stack as a whole: what outlives it, what it publishes, and what linters say."""

import json
from collections import Counter

import pytest

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


@pytest.fixture(scope="module", params=STAGES)
def stage(request):
    return declaration().stage(request.param)


# --- what is kept, what is published


HOLDS_DATA = ("AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::S3::Bucket")


def what_holds_data(document, *, keep_data):
    """How many resources of each type hold data; each of them outlives the stack where the stage says so."""
    counted = Counter()
    for name, found in document["Resources"].items():
        if found["Type"] not in HOLDS_DATA:
            assert found.get("DeletionPolicy", "Delete") == "Delete", name
            continue
        # a table is protected: CloudFormation could not delete it when its creation is rolled back
        kept = "Retain" if found["Type"] == "AWS::DynamoDB::Table" else "RetainExceptOnCreate"
        assert found["DeletionPolicy"] == (kept if keep_data else "Delete"), name
        assert found["UpdateReplacePolicy"] == ("Retain" if keep_data else "Delete"), name
        counted[found["Type"]] += 1
    return counted


@pytest.mark.parametrize("pipeline", ["persons", "order_lines"])
def test_data_outlives_the_stack_only_where_the_stage_says_so(stage, pipeline):
    assert what_holds_data(template(stage.name, pipeline), keep_data=stage.keep_data) == {
        "AWS::DynamoDB::Table": 1,
        "AWS::KMS::Key": 1,
        # delivery, converter, item loader; the converter of exports; what empties the buckets where nothing is kept
        "AWS::Logs::LogGroup": 3 + (pipeline == "order_lines") + (not stage.keep_data),
        "AWS::S3::Bucket": 2,
    }
    table = resource(stage.name, "AWS::DynamoDB::Table", pipeline)["Properties"]
    assert table["DeletionProtectionEnabled"] is stage.keep_data


def test_only_prod_keeps_data():
    assert [declaration().stage(name).keep_data for name in STAGES] == [False, False, True]


@pytest.mark.parametrize(("stage", "protected"), [("local", False), ("dev", False), ("prod", True)])
def test_a_stack_that_keeps_its_data_refuses_to_be_deleted(stage, protected):
    manifest = json.loads((assembly() / "manifest.json").read_text())
    artifact = manifest["artifacts"][f"ddb-change-analytics-{stage}-persons"]
    assert artifact["properties"].get("terminationProtection", False) is protected


@pytest.mark.parametrize("pipeline", ["persons", "order_lines"])
def test_the_parameter_holds_every_published_name(stage, pipeline):
    parameter = resource(stage.name, "AWS::SSM::Parameter", pipeline)["Properties"]
    # as CloudFormation may fill them in
    names = {"AWS::AccountId": "123456789012", "AWS::Region": "eu-west-1"}
    published = PublishedNames.from_json(resolved(parameter["Value"], names))

    def logical_id(resource_type, part=""):
        (found,) = [name for name in resources(stage.name, resource_type, pipeline) if part in name]
        return found

    # order_lines is the one in Parquet
    now, other = ("changes_parquet", "changes") if pipeline == "order_lines" else ("changes", "changes_parquet")
    name = f"ddb-change-analytics-{stage.name}-{pipeline}"
    crawlers = {"changes": name, "changes_parquet": f"{name}-parquet"}
    if pipeline == "order_lines":  # partitions are projected
        crawlers = dict.fromkeys(crawlers, "")

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
        changes_prefix=f"{now}/",
        errors_prefix="errors/",
        results_bucket=logical_id("AWS::S3::Bucket", "Results"),
        database=f"ddb_{stage.name}_{pipeline}",
        change_table=now,
        crawler=crawlers[now],
        workgroup=f"ddb-change-analytics-{stage.name}-{pipeline}",
        item_loader=logical_id("AWS::Lambda::Function", "ItemLoader"),
        # made where baselines come from exports
        baseline_converter=(
            logical_id("AWS::Lambda::Function", "BaselineConverter") if pipeline == "order_lines" else ""
        ),
        key_arn=f"{logical_id('AWS::KMS::Key')}.Arn",
        alarm_topic=logical_id("AWS::SNS::Topic") if stage.alarms else "",
        format="parquet" if now == "changes_parquet" else "json",
        other_format="json" if now == "changes_parquet" else "parquet",
        other_change_table=other,
        other_changes_prefix=f"{other}/",
        other_crawler=crawlers[other],
    )


def test_outputs_are_the_published_names_and_the_policy(stage):
    outputs = template(stage.name)["Outputs"]
    parameter = resource(stage.name, "AWS::SSM::Parameter")["Properties"]["Value"]
    published = json.loads(resolved(parameter, {}))
    shown = {name: resolved(output["Value"], {}) for name, output in outputs.items()}
    assert shown.pop("Parameter") == f"/ddb-change-analytics/{stage.name}/persons"
    policies = {shown.pop("PipelinePolicyArn"), shown.pop("PipelineUpkeepPolicyArn")}
    assert policies == set(resources(stage.name, "AWS::IAM::ManagedPolicy"))
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
