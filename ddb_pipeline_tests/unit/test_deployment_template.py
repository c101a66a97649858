"""Templates as local AWS reads them: functions, conditions, order, and the list of what it does with each property."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from ddb_pipeline.local_aws.deployment.custom_resources import is_custom, made_by
from ddb_pipeline.local_aws.deployment.intrinsic_functions import Made, Scope, TemplateError
from ddb_pipeline.local_aws.deployment.place import ResourceError
from ddb_pipeline.local_aws.deployment.properties import HONOURED, NO_EFFECT, refused
from ddb_pipeline.local_aws.deployment.stacks import TYPES
from ddb_pipeline.local_aws.deployment.template import End, decide_conditions, parameter_values, parse, resources_of


@pytest.fixture
def scope() -> Scope:
    return Scope(
        values={"AWS::Region": "eu-central-1", "Name": "persons", "Many": ["a", "b"]},
        mappings={"Size": {"large": {"memory": 512}}},
        conditions={"Yes": True, "No": False},
        made={"Bucket": Made("a-bucket", {"Arn": "arn:aws:s3:::a-bucket"})},
        exports={"shared": "value"},
    )


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ({"Ref": "Bucket"}, "a-bucket"),
        ({"Ref": "AWS::Region"}, "eu-central-1"),
        ({"Fn::GetAtt": ["Bucket", "Arn"]}, "arn:aws:s3:::a-bucket"),
        ({"Fn::GetAtt": "Bucket.Arn"}, "arn:aws:s3:::a-bucket"),
        ({"Fn::Join": ["/", [{"Ref": "Name"}, "x", 1]]}, "persons/x/1"),
        ({"Fn::Sub": "${Name} in ${AWS::Region} at ${Bucket.Arn}, ${!literal}"}, None),
        ({"Fn::Sub": ["${Own}-${Name}", {"Own": {"Ref": "Bucket"}}]}, "a-bucket-persons"),
        ({"Fn::Select": ["1", {"Ref": "Many"}]}, "b"),
        ({"Fn::Select": [0, {"Fn::Split": ["-", {"Ref": "Bucket"}]}]}, "a"),
        ({"Fn::FindInMap": ["Size", "large", "memory"]}, 512),
        ({"Fn::If": ["Yes", {"Ref": "Name"}, "other"]}, "persons"),
        ({"Fn::ImportValue": "shared"}, "value"),
        ({"Fn::Base64": "text"}, "dGV4dA=="),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [{"Ref": "AWS::NoValue"}, 1]}, {"b": [1]}),
        ({"a": {"Fn::If": ["No", 1, {"Ref": "AWS::NoValue"}]}}, {}),
        ({"Condition": "a plain value"}, {"Condition": "a plain value"}),
    ],
)
def test_functions_stand_for_their_values(scope: Scope, written: Any, means: Any) -> None:
    expected = "persons in eu-central-1 at arn:aws:s3:::a-bucket, ${literal}" if means is None else means

    assert scope.resolve(written) == expected


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"Fn::Transform": {"Name": "AWS::Include"}}, "Fn::Transform"),
        ({"Ref": "Nowhere"}, "Nowhere"),
        ({"Fn::GetAtt": ["Bucket", "Colour"]}, "no attribute Colour"),
        ({"Fn::Select": [5, ["a"]]}, "Fn::Select is wrongly written"),
        ({"Fn::If": ["Missing", 1, 2]}, "no condition Missing"),
        ({"Fn::ImportValue": "nothing"}, "no export named nothing"),
    ],
)
def test_what_cannot_be_resolved_is_refused_by_name(scope: Scope, written: Any, reason: str) -> None:
    with pytest.raises(TemplateError, match=reason):
        scope.resolve(written)


def test_resources_come_after_what_they_need_and_otherwise_as_written() -> None:
    document = {
        "Resources": {
            "Table": {"Type": "T", "DependsOn": "Delivery", "Properties": {"Stream": {"Fn::GetAtt": "Stream.Arn"}}},
            "Delivery": {"Type": "T", "Properties": {"Role": {"Fn::Sub": "${Role.Arn}/${AWS::Region}"}}},
            "Alone": {"Type": "T"},
            "Role": {"Type": "T"},
            "Stream": {"Type": "T"},
        }
    }

    assert list(resources_of(document)) == ["Alone", "Role", "Delivery", "Stream", "Table"]


def test_a_circle_of_resources_is_refused() -> None:
    document = {"Resources": {"A": {"Type": "T", "DependsOn": "B"}, "B": {"Type": "T", "DependsOn": ["A"]}}}

    with pytest.raises(TemplateError, match=r"Circular dependency between resources: \[A, B\]"):
        resources_of(document)


@pytest.mark.parametrize("policy", [{"DeletionPolicy": "Snapshot"}, {"UpdateReplacePolicy": "RetainExceptOnCreate"}])
def test_a_policy_that_would_be_passed_over_is_refused(policy: dict[str, str]) -> None:
    ((attribute, value),) = policy.items()

    with pytest.raises(TemplateError, match=f"{attribute} {value} of resource A"):
        resources_of({"Resources": {"A": {"Type": "T", **policy}}})


@pytest.mark.parametrize(
    ("written", "outlived"),
    [
        ({}, set()),
        ({"DeletionPolicy": "Retain"}, {"given up", "rolled back"}),
        ({"DeletionPolicy": "RetainExceptOnCreate"}, {"given up"}),
        ({"UpdateReplacePolicy": "Retain"}, {"replaced"}),
    ],
)
def test_what_a_resource_outlives_is_said_by_its_policies(written: dict[str, str], outlived: set[str]) -> None:
    resource = resources_of({"Resources": {"A": {"Type": "T", **written}}})["A"]

    assert {end for end in get_args(End) if resource.outlives(end)} == outlived


def test_conditions_may_name_each_other() -> None:
    scope = Scope(values={"Stage": "prod"})
    document = {
        "Conditions": {
            "Guarded": {"Fn::And": [{"Condition": "IsProd"}, {"Fn::Not": [{"Condition": "IsDev"}]}]},
            "IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
            "IsDev": {"Fn::Equals": [{"Ref": "Stage"}, "dev"]},
            "Either": {"Fn::Or": [{"Condition": "IsDev"}, {"Condition": "IsProd"}]},
        }
    }

    decide_conditions(document, scope)

    assert scope.conditions == {"Guarded": True, "IsProd": True, "IsDev": False, "Either": True}


def test_parameters_take_what_is_given_else_their_default() -> None:
    document = {
        "Parameters": {
            "Given": {"Type": "String"},
            "Default": {"Type": "Number", "Default": 3},
            "List": {"Type": "CommaDelimitedList", "Default": "a, b"},
            "Stored": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/path"},
        }
    }

    values = parameter_values(document, {"Given": "x"}, lambda name: f"what {name} holds")

    assert values == {"Given": "x", "Default": "3", "List": ["a", "b"], "Stored": "what /path holds"}


@pytest.mark.parametrize("text", ["Resources:\n  A:\n    Type: T\n", "[]", "{}", '{"Resources": []}'])
def test_only_json_with_resources_is_a_template(text: str) -> None:
    with pytest.raises(TemplateError):
        parse(text)


def test_each_type_is_in_the_list_and_can_be_made() -> None:
    assert set(HONOURED) == set(TYPES)
    assert set(NO_EFFECT) <= set(TYPES)


def test_no_property_is_both_honoured_and_without_effect() -> None:
    for resource_type, paths in NO_EFFECT.items():
        assert not paths & HONOURED[resource_type]


@pytest.mark.parametrize(
    ("properties", "unknown"),
    [
        ({"AliasName": "alias/a", "TargetKeyId": "b"}, None),
        ({"AliasName": "alias/a", "Colour": "red"}, "Colour"),
        ({"AliasName": {"Colour": ["red"]}}, "AliasName.Colour"),
        ({"AliasName": {"Ref": "Other"}}, None),
        ({"Colour": []}, "Colour"),
    ],
)
def test_properties_that_are_not_in_the_list_are_named_by_their_path(
    properties: dict[str, Any], unknown: str | None
) -> None:
    reason = refused("AWS::KMS::Alias", properties)

    assert reason == (unknown and f"local AWS does not know the properties {unknown} of AWS::KMS::Alias")


def test_a_subtree_that_is_passed_on_may_hold_anything() -> None:
    policy = {"Statement": [{"Effect": "Allow", "Condition": {"Bool": {"a.b:c": ["true"]}}}]}

    assert refused("AWS::KMS::Key", {"KeyPolicy": json.loads(json.dumps(policy))}) is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"Status": "SUCCESS"}, "Invalid PhysicalResourceId in the response of a custom resource to Create"),
        ({"Status": "SUCCESS", "PhysicalResourceId": 1}, "Invalid PhysicalResourceId"),
        ({"Status": "FAILED"}, "FAILED without a Reason"),
        ({"Status": "FAILED", "Reason": "no room"}, "Received response status .FAILED. .* returned: no room"),
        ({"Status": "DONE", "PhysicalResourceId": "x"}, "Invalid response of a custom resource"),
        ({"Status": "SUCCESS", "PhysicalResourceId": "x", "StackId": None}, "Invalid response of a custom resource"),
        ({"Status": "SUCCESS", "PhysicalResourceId": "x", "Data": {"Long": "x" * 4096}}, "Response object is too long"),
    ],
)
def test_an_answer_that_cloudformation_does_not_take_fails_the_custom_resource(answer: Any, reason: str) -> None:
    same = {"StackId": "a", "RequestId": "b", "LogicalResourceId": "c"}
    with pytest.raises(ResourceError, match=reason):
        made_by({key: value for key, value in {**same, **answer}.items() if value is not None}, "Create")


def test_a_custom_resource_takes_any_property_and_needs_a_function() -> None:
    assert refused("Custom::Thing", {"ServiceToken": "arn", "Any": {"Thing": 1}}) is None
    assert refused("Custom::Thing", {"Any": 1}) == "the property ServiceToken of Custom::Thing is missing"
    assert is_custom("AWS::CloudFormation::CustomResource")
    assert not is_custom("AWS::CloudFormation::WaitCondition")
