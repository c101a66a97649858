"""Custom resources on local AWS: what CloudFormation asks a function, and what it makes of the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.local_aws import function_events
from ddb_pipeline_tests.deployed import wait_until
from ddb_pipeline_tests.integration.test_functions import archive
from ddb_pipeline_tests.stacks import Stacks

# Keeps what it is given as a parameter; without boto3, which takes a second to import
NOTE = """
import json, os, urllib.request, uuid

def note(path, value):
    scope = f"x/20260101/{os.environ['AWS_REGION']}/ssm/aws4_request"
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=x",
        "X-Amz-Target": "AmazonSSM.PutParameter", "Content-Type": "application/x-amz-json-1.1",
    }
    body = json.dumps({"Name": f"{path}/{uuid.uuid4().hex}", "Type": "String", "Value": json.dumps(value)}).encode()
    urllib.request.urlopen(urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], body, headers)).read()
"""
# Notes each request, and answers with what the properties say for one of its kind
SOURCE = (
    NOTE
    + """
def handler(event, context):
    properties = event["ResourceProperties"]
    note(f"/requests/{properties['Log']}", event)
    wanted = json.loads(properties.get(event["RequestType"], '{"Status": "SUCCESS"}'))
    if wanted is None:
        return
    answer = {
        "PhysicalResourceId": properties["Name"],
        "StackId": event["StackId"], "RequestId": event["RequestId"], "LogicalResourceId": event["LogicalResourceId"],
        **wanted,
    }
    body = json.dumps(answer).encode()
    request = urllib.request.Request(event["ResponseURL"], data=body, method="PUT", headers={"Content-Type": ""})
    urllib.request.urlopen(request).read()
"""
)
PARAMETER = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "1"}}
FAILS = {"Type": "AWS::Logs::LogStream", "DependsOn": "Thing", "Properties": {"LogGroupName": "nowhere"}}


class Template:
    """A template with one custom resource, whose requests are kept under a name of the test's own."""

    def __init__(self, stacks: Stacks, log: str) -> None:
        self._stacks = stacks
        self._log = log

    def of(self, name: str = "one", *, kind: str = "Custom::Thing", more: Any = None, **properties: Any) -> Any:
        """Keyword arguments `Create`, `Update`, `Delete`: what is answered then."""
        answers = {key: json.dumps(value) for key, value in properties.items() if key in {"Create", "Update", "Delete"}}
        rest = {key: value for key, value in properties.items() if key not in answers}
        principal = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        return {
            "Resources": {
                "Role": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [principal]}},
                },
                "Function": {
                    "Type": "AWS::Lambda::Function",
                    "Properties": {
                        "Code": {"ZipFile": SOURCE},
                        "Handler": "index.handler",
                        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                        "Runtime": "python3.13",
                        "Timeout": 30,
                    },
                },
                "Thing": {
                    "Type": kind,
                    "Properties": {
                        "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]},
                        "Log": self._log,
                        "Name": name,
                        **answers,
                        **rest,
                    },
                },
                **(more or {}),
            }
        }

    def requests(self) -> list[dict[str, Any]]:
        """What the function was asked, in order."""
        pages = (
            self._stacks.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=f"/requests/{self._log}")
        )
        found = [item for page in pages for item in page["Parameters"]]
        return [json.loads(item["Value"]) for item in sorted(found, key=lambda item: item["LastModifiedDate"])]

    def asked(self) -> list[tuple[str, str | None]]:
        """Kind and physical id of each request."""
        return [(request["RequestType"], request.get("PhysicalResourceId")) for request in self.requests()]


@pytest.fixture
def template(stacks: Stacks, request: pytest.FixtureRequest) -> Template:
    return Template(stacks, request.node.name.split("[")[0] + str(abs(hash(request.node.name))))


def test_the_function_is_told_what_is_wanted_as_text_and_its_answer_is_the_resource(
    stacks: Stacks, template: Template
) -> None:
    document = template.of(
        Create={"Status": "SUCCESS", "Data": {"Colour": "green"}}, Number=7, Yes=True, Inner={"List": [1, "two"]}
    )
    document["Outputs"] = {
        "Id": {"Value": {"Ref": "Thing"}},
        "Colour": {"Value": {"Fn::GetAtt": ["Thing", "Colour"]}},
    }
    stack = stacks.create(document)

    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons(stack["StackName"])
    assert {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]} == {"Id": "one", "Colour": "green"}
    (request,) = template.requests()
    properties = request.pop("ResourceProperties")
    assert (properties["Number"], properties["Yes"], properties["Inner"]) == ("7", "true", {"List": ["1", "two"]})
    assert request.pop("RequestId")
    assert request.pop("ResponseURL").startswith("http://127.0.0.1:")
    assert request == {
        "RequestType": "Create",
        "ServiceToken": properties["ServiceToken"],
        "StackId": stack["StackId"],
        "ResourceType": "Custom::Thing",
        "LogicalResourceId": "Thing",
    }


def test_an_update_tells_both_and_another_physical_id_has_the_old_one_deleted(
    stacks: Stacks, template: Template
) -> None:
    name = stacks.create(template.of("one", kind="AWS::CloudFormation::CustomResource"))["StackName"]

    same = stacks.update(name, template.of("one", kind="AWS::CloudFormation::CustomResource", Size=2))
    other = stacks.update(name, template.of("two", kind="AWS::CloudFormation::CustomResource", Size=2))

    assert (same["StackStatus"], other["StackStatus"]) == ("UPDATE_COMPLETE", "UPDATE_COMPLETE")
    assert template.asked() == [("Create", None), ("Update", "one"), ("Update", "one"), ("Delete", "one")]
    _, changed, renamed, deleted = template.requests()
    assert "Size" not in changed["OldResourceProperties"]
    assert (renamed["OldResourceProperties"]["Name"], renamed["ResourceProperties"]["Name"]) == ("one", "two")
    assert deleted["ResourceProperties"]["Name"] == "one"
    assert stacks.physical_id(name, "Thing") == "two"


def test_what_could_not_be_created_is_deleted_under_the_name_that_it_said(stacks: Stacks, template: Template) -> None:
    failure = {"Status": "FAILED", "Reason": "no room", "PhysicalResourceId": "half"}
    stack = stacks.create(template.of(Create=failure))

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Message returned: no room" in stacks.reasons(stack["StackName"])
    assert template.asked() == [("Create", None), ("Delete", "half")]


def test_an_update_that_fails_elsewhere_is_taken_back_by_an_update(stacks: Stacks, template: Template) -> None:
    name = stacks.create(template.of("one"))["StackName"]

    updated = stacks.update(name, template.of("two", more={"Fails": FAILS}))

    assert updated["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert template.asked() == [("Create", None), ("Update", "one"), ("Update", "two"), ("Delete", "two")]
    assert stacks.physical_id(name, "Thing") == "one"


def test_a_deletion_that_fails_takes_its_function_along_and_can_only_be_given_up(
    stacks: Stacks, template: Template
) -> None:
    """As on AWS, where the function and the role go although the resource that needs them is left."""
    stack = stacks.create(template.of(Delete={"Status": "FAILED", "Reason": "still in use"}))
    name, function = stack["StackName"], stacks.physical_id(stack["StackName"], "Function")
    assert stacks.delete(stack["StackId"])["StackStatus"] == "DELETE_FAILED"
    assert "still in use" in stacks.reasons(name)
    summaries = stacks.client("cloudformation").list_stack_resources(StackName=name)["StackResourceSummaries"]
    assert [(one["LogicalResourceId"], one["ResourceStatus"]) for one in summaries] == [("Thing", "DELETE_FAILED")]
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        stacks.client("lambda").get_function(FunctionName=function)

    assert stacks.delete(stack["StackId"])["StackStatus"] == "DELETE_FAILED"
    assert "could not be invoked" in stacks.reasons(name)
    assert template.asked() == [("Create", None), ("Delete", "one")]
    # what cannot be deleted is left out of the next attempt
    stacks.client("cloudformation").delete_stack(StackName=name, RetainResources=["Thing"])
    assert stacks.settled(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"


def test_a_function_that_never_answers_is_waited_for_as_long_as_the_template_says(
    stacks: Stacks, template: Template
) -> None:
    stack = stacks.create(template.of(Create=None, ServiceTimeout=1))

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "did not receive a response from your Custom Resource" in stacks.reasons(stack["StackName"])


def test_another_function_and_other_services_are_refused(stacks: Stacks, template: Template) -> None:
    document = template.of()
    name = stacks.create(document)["StackName"]
    document["Resources"]["Thing"]["Properties"]["ServiceToken"] = "arn:aws:lambda:eu-west-1:123456789012:function:x"
    assert stacks.update(name, document)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Modifying service token is not allowed" in stacks.reasons(name)

    topic = {"Type": "Custom::Topic", "Properties": {"ServiceToken": "arn:aws:sns:eu-west-1:123456789012:topic"}}
    refused = stacks.create({"Resources": {"One": topic}})
    assert "Lambda functions only" in stacks.reasons(refused["StackName"])
    nobody = stacks.create({"Resources": {"One": {"Type": "Custom::Nobody", "Properties": {"A": "b"}}}})
    assert "ServiceToken of Custom::Nobody is missing" in stacks.reasons(nobody["StackName"])


def test_an_event_is_answered_at_once_and_tried_again_when_the_function_fails(
    stacks: Stacks, template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function_events, "RETRY_SECONDS", (0.1, 0.1))
    name = stacks.create(template.of())["StackName"]
    function, ssm = stacks.physical_id(name, "Function"), stacks.client("ssm")
    source = (
        NOTE
        + """
def handler(event, context):
    note(f"/attempts/{event['Log']}", 1)
    raise ValueError("never")
"""
    )
    stacks.client("lambda").update_function_code(FunctionName=function, ZipFile=archive(source))
    answer = stacks.client("lambda").invoke(
        FunctionName=function, InvocationType="Event", Payload=json.dumps({"Log": template._log})
    )

    def attempts() -> int:
        return len(ssm.get_parameters_by_path(Path=f"/attempts/{template._log}")["Parameters"])

    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    wait_until(lambda: attempts() == 3, "it was tried three times")
    # the stack's own deletion needs a function that answers
    stacks.client("lambda").update_function_code(FunctionName=function, ZipFile=archive(SOURCE))
