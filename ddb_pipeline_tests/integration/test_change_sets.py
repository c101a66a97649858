"""Change sets, as boto3, `aws cloudformation deploy` and the CDK's own command line use them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline_tests.stacks import Stacks


def parameter(value: str, **more: Any) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value, **more}}


def change_set(stacks: Stacks, stack: str, name: str, resources: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    cloudformation = stacks.client("cloudformation")
    cloudformation.create_change_set(
        StackName=stack, ChangeSetName=name, TemplateBody=json.dumps({"Resources": resources}), **arguments
    )
    if stack not in stacks.names:
        stacks.names.append(stack)
    found: dict[str, Any] = cloudformation.describe_change_set(StackName=stack, ChangeSetName=name)
    return found


def test_a_change_set_creates_a_stack_and_another_updates_it(stacks: Stacks) -> None:
    cloudformation, name = stacks.client("cloudformation"), "stack-by-change-sets"

    first = change_set(stacks, name, "first", {"One": parameter("1"), "Two": parameter("1")}, ChangeSetType="CREATE")
    assert (first["Status"], first["ExecutionStatus"]) == ("CREATE_COMPLETE", "AVAILABLE")
    changes = [change["ResourceChange"] for change in first["Changes"]]
    assert {(change["Action"], change["LogicalResourceId"]) for change in changes} == {("Add", "One"), ("Add", "Two")}
    assert stacks.settled(name)["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert cloudformation.get_template(StackName=name).get("TemplateBody") in {None, ""}
    assert "Two" in str(cloudformation.get_template(StackName=name, ChangeSetName="first")["TemplateBody"])
    cloudformation.execute_change_set(StackName=name, ChangeSetName="first")
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})

    wanted = {"One": parameter("2"), "Three": parameter("1", Name="/change-sets/three")}
    second = change_set(stacks, name, "second", wanted, Description="the second")
    cloudformation.get_waiter("change_set_create_complete").wait(StackName=name, ChangeSetName="second")
    by_name = {change["ResourceChange"]["LogicalResourceId"]: change["ResourceChange"] for change in second["Changes"]}
    assert {key: change["Action"] for key, change in by_name.items()} == {
        "One": "Modify",
        "Three": "Add",
        "Two": "Remove",
    }
    assert by_name["One"]["Replacement"] == "False"
    assert by_name["One"]["PhysicalResourceId"] == stacks.physical_id(name, "One")
    assert by_name["One"]["Details"] == [
        {
            "Target": {"Attribute": "Properties", "Name": "Value", "RequiresRecreation": "Never"},
            "Evaluation": "Static",
            "ChangeSource": "DirectModification",
        }
    ]
    listed = cloudformation.list_change_sets(StackName=name)["Summaries"]
    assert {item["ChangeSetName"]: item["ExecutionStatus"] for item in listed} == {
        "first": "EXECUTE_COMPLETE",
        "second": "AVAILABLE",
    }

    cloudformation.execute_change_set(ChangeSetName=second["ChangeSetId"])
    cloudformation.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert stacks.client("ssm").get_parameter(Name="/change-sets/three")["Parameter"]["Value"] == "1"


def test_what_the_cdk_always_asks_for_is_understood(stacks: Stacks) -> None:
    stack = stacks.create({"Resources": {"One": parameter("1")}})["StackName"]

    found = change_set(
        stacks,
        stack,
        "cdk-deploy-change-set",
        {"One": parameter("2")},
        ChangeSetType="UPDATE",
        IncludeNestedStacks=True,
        ImportExistingResources=False,
        DeploymentConfig={"Mode": "STANDARD"},
    )

    assert found["Status"] == "CREATE_COMPLETE"


def test_nothing_is_touched_until_a_change_set_is_executed_and_it_can_be_thrown_away(stacks: Stacks) -> None:
    cloudformation = stacks.client("cloudformation")
    stack = stacks.create({"Resources": {"One": parameter("1")}})["StackName"]
    change_set(stacks, stack, "unwanted", {"One": parameter("2")})

    cloudformation.delete_change_set(StackName=stack, ChangeSetName="unwanted")

    assert cloudformation.list_change_sets(StackName=stack)["Summaries"] == []
    assert stacks.client("ssm").get_parameter(Name=stacks.physical_id(stack, "One"))["Parameter"]["Value"] == "1"
    with pytest.raises(ClientError, match="ChangeSetNotFound"):
        cloudformation.describe_change_set(StackName=stack, ChangeSetName="unwanted")


def test_a_change_set_without_changes_fails_in_the_words_that_clients_look_for(stacks: Stacks) -> None:
    stack = stacks.create({"Resources": {"One": parameter("1")}})["StackName"]

    found = change_set(stacks, stack, "empty", {"One": parameter("1")})

    assert (found["Status"], found["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert "The submitted information didn't contain changes." in found["StatusReason"]
    with pytest.raises(ClientError, match="InvalidChangeSetStatus"):
        stacks.client("cloudformation").execute_change_set(StackName=stack, ChangeSetName="empty")


def test_executing_one_change_set_voids_the_others(stacks: Stacks) -> None:
    cloudformation = stacks.client("cloudformation")
    stack = stacks.create({"Resources": {"One": parameter("1")}})["StackName"]
    for number in ("2", "3"):
        change_set(stacks, stack, f"to-{number}", {"One": parameter(number)})

    cloudformation.execute_change_set(StackName=stack, ChangeSetName="to-2")

    assert stacks.settled(stack)["StackStatus"] == "UPDATE_COMPLETE"
    with pytest.raises(ClientError, match="ChangeSetNotFound"):
        cloudformation.execute_change_set(StackName=stack, ChangeSetName="to-3")


def test_a_change_set_that_fails_is_taken_back_and_says_why(stacks: Stacks) -> None:
    stack = stacks.create({"Resources": {"One": parameter("1")}})["StackName"]
    fails = {"Type": "AWS::Logs::LogStream", "DependsOn": "One", "Properties": {"LogGroupName": "nowhere"}}
    change_set(stacks, stack, "bad", {"One": parameter("2"), "Bad": fails})

    stacks.client("cloudformation").execute_change_set(StackName=stack, ChangeSetName="bad")

    assert stacks.settled(stack)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "CreateLogStream" in stacks.reasons(stack)
    (left,) = stacks.client("cloudformation").list_change_sets(StackName=stack)["Summaries"]
    assert left["ExecutionStatus"] == "EXECUTE_FAILED"


def test_a_change_set_says_what_is_replaced(stacks: Stacks) -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    allow = {"Version": "2012-10-17", "Statement": [statement]}
    policy = {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"Description": "first", "PolicyDocument": allow},
    }
    stack = stacks.create({"Resources": {"Policy": policy}})["StackName"]
    described = {**policy, "Properties": {**policy["Properties"], "Description": "second"}}

    (change,) = change_set(stacks, stack, "replaces", {"Policy": described})["Changes"]

    assert change["ResourceChange"]["Replacement"] == "True"
    assert change["ResourceChange"]["PolicyAction"] == "ReplaceAndDelete"
    assert change["ResourceChange"]["Details"][0]["Target"]["RequiresRecreation"] == "Always"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"ChangeSetType": "IMPORT"}, "ChangeSetType IMPORT"),
        ({"ChangeSetType": "CREATE"}, "already exists"),
        ({"ImportExistingResources": True}, "ImportExistingResources"),
        ({"DeploymentConfig": {"Mode": "EXPRESS"}}, "DeploymentConfig"),
        ({"DeploymentMode": "REVERT_DRIFT"}, "DeploymentMode"),
        ({"Parameters": [{"ParameterKey": "Nobody", "ParameterValue": "1"}]}, "Nobody"),
    ],
)
def test_what_a_change_set_cannot_be_is_refused(stacks: Stacks, arguments: dict[str, Any], reason: str) -> None:
    stack = stacks.create({"Resources": {"One": parameter("1")}})["StackName"]

    with pytest.raises(ClientError, match=reason):
        change_set(stacks, stack, "wrong", {"One": parameter("2")}, **arguments)


def test_a_change_set_for_a_stack_that_is_nowhere_is_refused(stacks: Stacks) -> None:
    with pytest.raises(ClientError, match="does not exist"):
        change_set(stacks, "stack-that-is-nowhere", "wrong", {"One": parameter("2")})
    stacks.names.clear()
