"""Updates of stacks: in place, by replacement, refused by name, taken back; and that every property arrives."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.cli import local_stack
from ddb_pipeline.local_aws.deployment.custom_resources import is_custom
from ddb_pipeline.local_aws.deployment.properties import HONOURED, NO_EFFECT
from ddb_pipeline.local_aws.deployment.stack_backend import stack_backends
from ddb_pipeline.local_aws.deployment.updates import changed_paths
from ddb_pipeline.names import ComputedNames
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.read_back import differences, read_back
from ddb_pipeline_tests.stacks import Stacks
from ddb_pipeline_tests.wide_template import AFTER, BEFORE

PARAMETER = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "1"}}
FAILS = {"Type": "AWS::Logs::LogStream", "Properties": {"LogGroupName": "a-group-that-is-nowhere"}}


def all_differences(clients: Any, stack_id: str) -> list[str]:
    """Where any service says something else than the stack's template, with everything resolved."""
    account, region = stack_id.split(":")[4], stack_id.split(":")[3]
    stack = stack_backends[account][region].stacks[stack_id]
    return [
        f"{name} ({item.resource.type}) {line}"
        for name, item in stack.existing.items()
        # what a function of the stack makes, no service tells
        if not is_custom(item.resource.type)
        for line in differences(
            item.resource.type,
            item.resolved,
            read_back(clients, item.resource.type, item.made.physical_id, item.resolved),
        )
    ]


def physical_ids(stacks: Stacks, name: str) -> dict[str, str]:
    listed = stacks.client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
    return {item["LogicalResourceId"]: item["PhysicalResourceId"] for item in listed}


def with_after(template: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The resources with one that fails, after those named."""
    return {"Resources": {**template, "Fails": {**FAILS, "DependsOn": sorted(after)}}}


# --- every property of every resource ---


def test_each_resource_of_the_projects_stacks_is_what_its_template_says(deployed: Deployed) -> None:
    # other tests of this worker process may have deployed theirs beside
    names = [ComputedNames(pipeline, local_stack.STAGE).stack for pipeline in deployed.names]
    describe = deployed.client("cloudformation").describe_stacks
    ids = [stack["StackId"] for name in names for stack in describe(StackName=name)["Stacks"]]

    assert len(ids) == len(names)
    assert [line for stack_id in ids for line in all_differences(deployed.client, stack_id)] == []


def test_the_wide_template_has_every_property_that_local_aws_knows() -> None:
    used: dict[str, set[str]] = {}
    for resource in BEFORE.values():
        used.setdefault(resource["Type"], set()).update(_paths(resource.get("Properties", {}), ""))
    missing = {
        f"{kind}: {path}"
        for kind, honoured in HONOURED.items()
        for path in honoured | NO_EFFECT.get(kind, frozenset())
        if not any(name == path.removesuffix(".*") or name.startswith(path.removesuffix("*")) for name in used[kind])
    }
    # code from S3 is what the project's own stacks have
    assert missing - {"AWS::Lambda::Function: Code.S3Bucket", "AWS::Lambda::Function: Code.S3Key"} == set(), (
        "add new properties to wide_template.py, and to read_back.py what the service says of them"
    )


def _paths(value: Any, path: str) -> Iterator[str]:
    yield path
    items = (
        value.items() if isinstance(value, dict) else [("", item) for item in value] if isinstance(value, list) else []
    )
    for name, item in items:
        yield from _paths(item, f"{path}.{name}" if path and name else path or name)


def test_every_property_arrives_is_changed_in_place_and_goes_back(stacks: Stacks) -> None:
    stack = stacks.create({"Resources": BEFORE})
    name, stack_id = stack["StackName"], stack["StackId"]
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons(name)
    assert all_differences(stacks.client, stack_id) == []
    before = physical_ids(stacks, name)

    assert stacks.update(name, {"Resources": AFTER})["StackStatus"] == "UPDATE_COMPLETE", stacks.reasons(name)
    assert all_differences(stacks.client, stack_id) == []
    after = physical_ids(stacks, name)
    # an inline policy's id is its name; a saved query can only be made anew
    assert {logical_id for logical_id in before if before[logical_id] != after[logical_id]} == {"Policy", "Query"}
    answer = stacks.client("lambda").invoke(FunctionName=after["Function"])["Payload"].read()
    assert json.loads(answer) == "second"

    assert stacks.update(name, {"Resources": BEFORE})["StackStatus"] == "UPDATE_COMPLETE", stacks.reasons(name)
    assert all_differences(stacks.client, stack_id) == []


def test_a_wide_update_that_fails_leaves_everything_as_it_was(stacks: Stacks) -> None:
    stack = stacks.create({"Resources": BEFORE})
    name = stack["StackName"]
    before = physical_ids(stacks, name)

    updated = stacks.update(name, with_after(AFTER, AFTER))

    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stacks.reasons(name)
    assert all_differences(stacks.client, stack["StackId"]) == []
    assert physical_ids(stacks, name) == before


def test_deleting_a_stack_leaves_nothing(stacks: Stacks) -> None:
    stack = stacks.create({"Resources": BEFORE})
    name, ids = stack["StackName"], physical_ids(stacks, stack["StackName"])

    assert stacks.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE", stacks.reasons(stack["StackId"])

    assert name + "-bucket" not in str(stacks.client("s3").list_buckets())
    assert name + "-table" not in stacks.client("dynamodb").list_tables()["TableNames"]
    assert name not in str(stacks.client("kinesis").list_streams()["StreamNames"])
    assert name not in str(stacks.client("firehose").list_delivery_streams())
    assert name not in str(stacks.client("lambda").list_functions()["Functions"])
    assert name not in str(stacks.client("iam").list_roles()["Roles"])
    assert name not in str(stacks.client("iam").list_policies(Scope="Local")["Policies"])
    assert name not in str(stacks.client("logs").describe_log_groups()["logGroups"])
    assert name not in str(stacks.client("kms").list_aliases()["Aliases"])
    assert name not in str(stacks.client("glue").list_crawlers()["CrawlerNames"])
    assert name.replace("-", "_") not in str(stacks.client("glue").get_databases()["DatabaseList"])
    assert name not in str(stacks.client("athena").list_work_groups()["WorkGroups"])
    assert name not in str(stacks.client("ssm").describe_parameters()["Parameters"])
    assert stacks.client("kms").describe_key(KeyId=ids["Key"])["KeyMetadata"]["KeyState"] == "PendingDeletion"


# --- replacement ---


def test_a_replaced_resource_is_made_before_the_old_one_is_deleted_and_what_refers_to_it_follows(
    stacks: Stacks,
) -> None:
    policy = copy.deepcopy(BEFORE["OtherManagedPolicy"])
    role = copy.deepcopy(BEFORE["OtherRole"])
    role["Properties"]["ManagedPolicyArns"] = [{"Ref": "Policy"}]
    outputs = {"Policy": {"Value": {"Ref": "Policy"}}}
    stack = stacks.create({"Resources": {"Policy": policy, "Role": role}, "Outputs": outputs})
    name, old = stack["StackName"], stacks.physical_id(stack["StackName"], "Policy")

    policy["Properties"]["Description"] = "a description can be given only when a policy is made"
    updated = stacks.update(name, {"Resources": {"Policy": policy, "Role": role}, "Outputs": outputs})

    assert updated["StackStatus"] == "UPDATE_COMPLETE", stacks.reasons(name)
    new = stacks.physical_id(name, "Policy")
    assert new != old
    assert updated["Outputs"][0]["OutputValue"] == new
    attached = stacks.client("iam").list_attached_role_policies(RoleName=stacks.physical_id(name, "Role"))
    assert [item["PolicyArn"] for item in attached["AttachedPolicies"]] == [new]
    with pytest.raises(ClientError, match="NoSuchEntity"):
        stacks.client("iam").get_policy(PolicyArn=old)
    steps = [
        (event["ResourceStatus"], event["PhysicalResourceId"])
        for event in stacks.events(name)
        if event["LogicalResourceId"] == "Policy"
    ]
    assert steps.index(("UPDATE_COMPLETE", new)) < steps.index(("DELETE_COMPLETE", old))


def test_a_replacement_that_fails_later_is_taken_back(stacks: Stacks) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "replaced-and-taken-back"}}
    stack = stacks.create({"Resources": {"Bucket": bucket}})
    name = stack["StackName"]
    stacks.client("s3").put_object(Bucket="replaced-and-taken-back", Key="kept", Body=b"kept")
    renamed = {**bucket, "Properties": {"BucketName": "replaced-but-not-for-long"}}

    updated = stacks.update(name, with_after({"Bucket": renamed}, {"Bucket": renamed}))

    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE", stacks.reasons(name)
    assert stacks.physical_id(name, "Bucket") == "replaced-and-taken-back"
    assert stacks.client("s3").get_object(Bucket="replaced-and-taken-back", Key="kept")["Body"].read() == b"kept"
    assert "replaced-but-not-for-long" not in str(stacks.client("s3").list_buckets()["Buckets"])
    stacks.client("s3").delete_object(Bucket="replaced-and-taken-back", Key="kept")


def test_a_replaced_resource_stays_when_its_policy_says_so(stacks: Stacks) -> None:
    parameter = {
        "Type": "AWS::SSM::Parameter",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"Name": "/test/replaced/old", "Type": "String", "Value": "1"},
    }
    stack = stacks.create({"Resources": {"One": parameter}})
    moved = {**parameter, "Properties": {**parameter["Properties"], "Name": "/test/replaced/new"}}

    assert stacks.update(stack["StackName"], {"Resources": {"One": moved}})["StackStatus"] == "UPDATE_COMPLETE"

    assert stacks.client("ssm").get_parameter(Name="/test/replaced/old")["Parameter"]["Value"] == "1"
    assert stacks.client("ssm").get_parameter(Name="/test/replaced/new")["Parameter"]["Value"] == "1"


# --- refused before anything is touched ---


def test_a_resource_of_its_own_name_cannot_be_replaced(stacks: Stacks) -> None:
    table = {"Type": "AWS::DynamoDB::Table", "Properties": copy.deepcopy(BEFORE["Table"]["Properties"])}
    for name in ("KinesisStreamSpecification", "SSESpecification"):
        del table["Properties"][name]
    stack = stacks.create({"Resources": {"One": PARAMETER, "Table": table}})
    name = stack["StackName"]
    changed = copy.deepcopy(table)
    changed["Properties"]["AttributeDefinitions"][0]["AttributeType"] = "N"
    second = {**PARAMETER, "Properties": {"Type": "String", "Value": "2"}}

    updated = stacks.update(name, {"Resources": {"One": second, "Table": changed}})

    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert f"Rename {name}-table and update the stack again" in stacks.reasons(name)
    assert not [
        event
        for event in stacks.events(name)
        if event["LogicalResourceId"] == "One" and event["ResourceStatus"].startswith("UPDATE")
    ]


def test_what_local_aws_cannot_change_is_refused_by_its_path_before_anything_is_touched(stacks: Stacks) -> None:
    group = copy.deepcopy(BEFORE["OtherLogGroup"])
    key = BEFORE["OtherKey"]
    stack = stacks.create({"Resources": {"One": PARAMETER, "Key": key, "Group": group}})
    name = stack["StackName"]
    second = {**PARAMETER, "Properties": {"Type": "String", "Value": "2"}}
    encrypted = {**group, "Properties": {"KmsKeyId": {"Fn::GetAtt": ["Key", "Arn"]}}}

    updated = stacks.update(name, {"Resources": {"One": second, "Key": key, "Group": encrypted}})

    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "local AWS cannot change KmsKeyId of AWS::Logs::LogGroup" in stacks.reasons(name)
    parameter = stacks.client("ssm").get_parameter(Name=stacks.physical_id(name, "One"))["Parameter"]
    assert (parameter["Value"], parameter["Version"]) == ("1", 1)


def test_a_resource_cannot_become_one_of_another_type(stacks: Stacks) -> None:
    stack = stacks.create({"Resources": {"One": PARAMETER}})

    with pytest.raises(ClientError, match=r"modifies resource type of the following resources: \[One\]"):
        stacks.update(stack["StackName"], {"Resources": {"One": {"Type": "AWS::S3::Bucket"}}})


# --- parameters, tags, failures that are kept ---


def test_an_update_may_keep_template_and_parameters(stacks: Stacks) -> None:
    template = {
        "Parameters": {
            "One": {"Type": "String", "Default": "default"},
            "Two": {"Type": "String", "Default": "default"},
        },
        "Resources": {
            "Both": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Type": "String", "Value": {"Fn::Sub": "${One} ${Two}"}},
            }
        },
        "Outputs": {"Value": {"Value": {"Fn::GetAtt": ["Both", "Value"]}}},
    }
    stack = stacks.create(template, Parameters=[{"ParameterKey": "One", "ParameterValue": "given"}])
    assert stack["Outputs"][0]["OutputValue"] == "given default"

    stacks.client("cloudformation").update_stack(
        StackName=stack["StackName"],
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": "One", "UsePreviousValue": True},
            {"ParameterKey": "Two", "ParameterValue": "new"},
        ],
    )

    assert stacks.settled(stack["StackName"])["Outputs"][0]["OutputValue"] == "given new"


def test_an_update_changes_the_stacks_tags_and_keeps_them_when_it_says_nothing_of_them(stacks: Stacks) -> None:
    template = {"Resources": {"One": PARAMETER}}
    stack = stacks.create(template, Tags=[{"Key": "one", "Value": "1"}])

    updated = stacks.update(stack["StackName"], template, Tags=[{"Key": "two", "Value": "2"}])
    assert (updated["StackStatus"], updated["Tags"]) == ("UPDATE_COMPLETE", [{"Key": "two", "Value": "2"}])
    again = stacks.update(stack["StackName"], {"Resources": {"One": PARAMETER, "Two": PARAMETER}})
    assert again["Tags"] == [{"Key": "two", "Value": "2"}]


def test_an_update_that_keeps_its_failures_can_go_on_from_there(stacks: Stacks) -> None:
    stack = stacks.create({"Resources": {"One": PARAMETER}})
    name = stack["StackName"]
    second = {**PARAMETER, "Properties": {"Type": "String", "Value": "2"}}

    failed = stacks.update(name, with_after({"One": second}, {"One": second}), DisableRollback=True)
    assert failed["StackStatus"] == "UPDATE_FAILED"
    assert stacks.client("ssm").get_parameter(Name=stacks.physical_id(name, "One"))["Parameter"]["Value"] == "2"

    done = stacks.update(name, {"Resources": {"One": second, "Three": PARAMETER}})
    assert done["StackStatus"] == "UPDATE_COMPLETE", stacks.reasons(name)
    assert set(physical_ids(stacks, name)) == {"One", "Three"}


def test_a_stack_that_fails_may_be_deleted_at_once(stacks: Stacks) -> None:
    name = "stack-deleted-on-failure"
    created = stacks.client("cloudformation").create_stack(
        StackName=name, TemplateBody=json.dumps(with_after({"One": PARAMETER}, {"One": 1})), OnFailure="DELETE"
    )

    assert stacks.settled(created["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_what_could_not_be_deleted_can_be_left_behind(stacks: Stacks) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "bucket-with-objects"}}
    stack = stacks.create({"Resources": {"Bucket": bucket, "One": PARAMETER}})
    s3 = stacks.client("s3")
    s3.put_object(Bucket="bucket-with-objects", Key="one", Body=b"1")

    failed = stacks.delete(stack["StackId"])
    assert failed["StackStatus"] == "DELETE_FAILED"
    assert "BucketNotEmpty" in stacks.reasons(stack["StackId"])
    assert set(physical_ids(stacks, stack["StackName"])) == {"Bucket"}

    stacks.client("cloudformation").delete_stack(StackName=stack["StackId"], RetainResources=["Bucket"])
    assert stacks.settled(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    s3.delete_object(Bucket="bucket-with-objects", Key="one")
    s3.delete_bucket(Bucket="bucket-with-objects")


def test_a_protected_stack_is_not_deleted_until_its_protection_is_off(stacks: Stacks) -> None:
    stack = stacks.create({"Resources": {"One": PARAMETER}}, EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="TerminationProtection"):
        stacks.delete(stack["StackId"])

    stacks.client("cloudformation").update_termination_protection(
        StackName=stack["StackName"], EnableTerminationProtection=False
    )
    assert stacks.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_the_wide_templates_differ_in_every_property_that_can_change() -> None:
    same = {
        name
        for name, resource in BEFORE.items()
        if not list(changed_paths(resource.get("Properties", {}), AFTER[name].get("Properties", {})))
    }
    assert {name for name in same if not name.startswith(("Other", "Third"))} <= {
        "Delivery",
        "LogStream",
        "SecurityConfiguration",
        # each property of it takes another one
        "Subscription",
    }
