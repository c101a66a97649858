"""What an update does with a property, held to the schemas of the resource types; and the plan of an update."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from ddb_pipeline.local_aws.deployment.intrinsic_functions import Made, Scope
from ddb_pipeline.local_aws.deployment.plan import plan
from ddb_pipeline.local_aws.deployment.properties import HONOURED, NO_EFFECT
from ddb_pipeline.local_aws.deployment.stack import Existing
from ddb_pipeline.local_aws.deployment.template import resources_of
from ddb_pipeline.local_aws.deployment.updates import (
    NAMES,
    REPLACED,
    UNCHANGEABLE,
    changed_paths,
    keeps_custom_name,
    replacing,
)

TYPES = sorted(set(HONOURED) - {"AWS::CDK::Metadata"})
# said by the pages of the types, not by their schemas
BY_THE_PAGE = {
    "AWS::DynamoDB::Table": {"KeySchema", "LocalSecondaryIndexes"},
    "AWS::Glue::Database": {"CatalogId", "DatabaseInput.Name"},
    "AWS::Glue::SecurityConfiguration": {"EncryptionConfiguration"},
}


def paths(kind: str) -> set[str]:
    known = HONOURED[kind] | NO_EFFECT.get(kind, frozenset())
    return {path.removesuffix(".*") for path in known}


def is_known(kind: str, path: str) -> bool:
    return any(name == path or name.startswith(f"{path}.") or path.startswith(f"{name}.") for name in paths(kind))


@pytest.mark.parametrize("kind", TYPES)
def test_a_property_that_can_only_be_set_at_creation_replaces_its_resource(kind: str) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    create_only = {
        path.removeprefix("/properties/").replace("/", ".") for path in schema.get("createOnlyProperties", [])
    }
    expected = {path for path in create_only if is_known(kind, path)} | BY_THE_PAGE.get(kind, set())

    assert set(REPLACED.get(kind, ())) == expected


def test_the_lists_name_only_what_local_aws_knows() -> None:
    for listed in (REPLACED, UNCHANGEABLE):
        for kind, found in listed.items():
            assert [path for path in found if not is_known(kind, path)] == []
    assert set(NAMES) <= set(TYPES)
    assert all(is_known(kind, path) for kind, path in NAMES.items())


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ({}, {}, []),
        ({"A": 1}, {"A": 1}, []),
        ({"A": 1}, {"A": 2, "B": 3}, ["A", "B"]),
        ({"A": {"B": 1, "C": [1]}}, {"A": {"B": 1, "C": [2]}}, ["A.C"]),
        ({"A": {"B": 1}}, {}, ["A.B"]),
        ({}, {"A": {"B": {"C": 1}}}, ["A.B.C"]),
        ({"A": [{"B": 1}]}, {"A": [{"B": 1}, {"B": 2}]}, ["A"]),
    ],
)
def test_changed_paths(old: Any, new: Any, changed: list[str]) -> None:
    assert list(changed_paths(old, new)) == changed


def test_editing_an_attribute_definition_replaces_a_table_and_adding_one_does_not() -> None:
    def attributes(*types: str) -> dict[str, Any]:
        names = zip("ab", types, strict=False)
        return {"AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind} for name, kind in names]}

    assert replacing("AWS::DynamoDB::Table", attributes("S"), attributes("S", "N")) == []
    assert replacing("AWS::DynamoDB::Table", attributes("S"), attributes("N")) == ["AttributeDefinitions"]


def test_a_name_that_stays_is_in_the_way_of_a_replacement() -> None:
    old, new = {"ManagedPolicyName": "one", "Path": "/"}, {"ManagedPolicyName": "one", "Path": "/x/"}

    assert keeps_custom_name("AWS::IAM::ManagedPolicy", old, new) == "one"
    assert keeps_custom_name("AWS::IAM::ManagedPolicy", {"Path": "/"}, {"Path": "/x/"}) is None


def parameter(value: Any, **more: Any) -> dict[str, Any]:
    return {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value, **more}}


def planned(old: dict[str, Any], new: dict[str, Any], before: dict[str, Any] | None = None, **scope: Any) -> Any:
    """The plan from a stack of the old resources, each with the physical id `<name>-id`."""
    existing = {}
    view = Scope(values=before or {}, made={})
    parameters = {name: {"Type": "String"} for name in scope}
    for name, resource in resources_of({"Resources": old, "Parameters": parameters}).items():
        made = Made(f"{name}-id", {"Arn": f"arn:{name}", "Value": resource.properties.get("Value"), "Type": "String"})
        resolved = view.resolve(resource.properties)
        view.made[name] = made
        existing[name] = Existing(resource, resolved, made, "CREATE_COMPLETE", datetime.now(tz=UTC))
    document = {"Resources": new, "Parameters": parameters}
    return plan({"Resources": old}, existing, document, Scope(values=scope), lambda kind: kind in HONOURED)


def test_a_plan_lists_what_is_added_changed_and_removed() -> None:
    old = {"Same": parameter("1"), "Changed": parameter("1"), "Gone": parameter("1")}
    new = {"Same": parameter("1"), "Changed": parameter("2"), "Added": parameter("1")}

    found = planned(old, new)

    summary = [(change.action, change.logical_id, change.physical_id, change.replacement) for change in found.changes]
    assert summary == [
        ("Modify", "Changed", "Changed-id", "False"),
        ("Add", "Added", None, None),
        ("Remove", "Gone", "Gone-id", None),
    ]
    (detail,) = found.changes[0].details
    assert (detail.name, detail.recreation, detail.evaluation, detail.source) == (
        "Value",
        "Never",
        "Static",
        "DirectModification",
    )
    assert found.refusals == {}


def test_what_refers_to_a_replaced_resource_changes_with_it() -> None:
    role = {"AssumeRolePolicyDocument": {}}
    old = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {**role, "Path": "/a/"}},
        "Function": {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["Role", "Arn"]}}},
        "Query": {"Type": "AWS::Athena::NamedQuery", "Properties": {"QueryString": {"Fn::Sub": "'${Role}'"}}},
    }
    new = {**old, "Role": {"Type": "AWS::IAM::Role", "Properties": {**role, "Path": "/b/"}}}

    by_name = {change.logical_id: change for change in planned(old, new).changes}

    assert by_name["Role"].replacement == "True"
    assert by_name["Role"].policy_action == "ReplaceAndDelete"
    assert by_name["Function"].replacement == "False"
    (detail,) = by_name["Function"].details
    assert (detail.evaluation, detail.source, detail.cause) == ("Dynamic", "ResourceAttribute", "Role")
    assert by_name["Query"].replacement == "Conditional"
    assert by_name["Query"].details[0].source == "ResourceReference"


def test_a_parameter_is_named_as_the_cause() -> None:
    template = {"One": parameter({"Ref": "Wanted"})}

    (change,) = planned(template, template, {"Wanted": "old"}, Wanted="new").changes

    (detail,) = change.details
    assert (detail.source, detail.cause, detail.evaluation) == ("ParameterReference", "Wanted", "Static")
    assert planned(template, template, {"Wanted": "same"}, Wanted="same").changes == ()


def test_changes_of_policies_and_metadata_alone_are_listed() -> None:
    old, new = {"One": parameter("1")}, {"One": {**parameter("1"), "DeletionPolicy": "Retain", "Metadata": {"a": 1}}}

    (change,) = planned(old, new).changes

    assert change.described()["ResourceChange"]["Scope"] == ["DeletionPolicy", "Metadata"]
    assert change.replacement == "False"


def test_what_cannot_be_done_is_refused_by_the_plan() -> None:
    old = {"Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyUsage": "ENCRYPT_DECRYPT"}}}
    new = {
        "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyUsage": "SIGN_VERIFY"}},
        "Queue": {"Type": "AWS::SQS::Queue"},
    }

    refusals = planned(old, new).refusals

    assert "cannot change KeyUsage of AWS::KMS::Key" in refusals["Key"]
    assert refusals["Queue"] == "local AWS does not make resources of type AWS::SQS::Queue"
