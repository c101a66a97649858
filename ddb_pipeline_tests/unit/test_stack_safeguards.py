"""What is deployed decides what may be deployed over it, and whether it can be destroyed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.place import DeployedStack, Place, undeclared_stacks
from ddb_pipeline.cli.stack_safeguards import (
    release_never_made,
    require_as_declared,
    require_detached,
    require_same_key,
    require_whole,
)
from ddb_pipeline.declaration import Declaration, load_declaration
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.resources.settings import Connection, Settings
from ddb_pipeline_tests.conftest import REPOSITORY

MADE, GIVEN, OTHER = (f"arn:aws:kms:eu-central-1:111122223333:key/{name}" for name in ("made", "given", "other"))


class Pages:
    """A client whose lists have the pages that they are told."""

    def __init__(self, *pages: dict[str, Any], error: Exception | None = None) -> None:
        self._pages, self._error = pages, error

    def get_paginator(self, _operation: str) -> Pages:
        return self

    def paginate(self, **_request: str) -> Iterator[dict[str, Any]]:
        if self._error:
            raise self._error
        yield from self._pages


@dataclasses.dataclass(frozen=True)
class FakePlace(Place):
    pages: Any = None

    def client(self, service: str) -> Any:
        return {"cloudformation": self.pages, "iam": self.pages}[service]


def place(*pages: dict[str, Any], error: Exception | None = None) -> Place:
    return FakePlace(Settings("dev", Connection()), "111122223333", "eu-central-1", Pages(*pages, error=error))


def with_key(arn: str | None) -> Declaration:
    own = load_declaration(REPOSITORY / "pipeline.toml")
    return dataclasses.replace(own, stages={"dev": dataclasses.replace(own.stages["dev"], encryption_key=arn)})


def resources(*types: str) -> dict[str, Any]:
    return {"StackResourceSummaries": [{"ResourceType": one, "PhysicalResourceId": "made"} for one in types]}


@pytest.mark.parametrize(
    ("deployed", "declared", "said"),
    [
        (MADE, None, None),
        (GIVEN, GIVEN, None),
        (MADE, GIVEN, "declare the stage without encryption_key again"),
        (GIVEN, None, f'declare the stage with encryption_key = "{GIVEN}" again'),
        (GIVEN, OTHER, f'declare the stage with encryption_key = "{GIVEN}" again'),
    ],
)
def test_the_key_of_a_deployed_stage_is_not_exchanged(deployed, declared, said):
    pages = [resources("AWS::S3::Bucket"), resources(*(["AWS::KMS::Key"] if deployed == MADE else []))]
    stacks = {"persons": DeployedStack("CREATE_COMPLETE", protected=False, outputs={"KeyArn": deployed})}

    if said is None:
        require_same_key(with_key(declared), place(*pages), stacks)
    else:
        with pytest.raises(UserError, match=said) as raised:
            require_same_key(with_key(declared), place(*pages), stacks)
        assert "nothing was deployed" in str(raised.value)


def test_a_stage_that_was_never_deployed_whole_may_have_any_key():
    require_same_key(with_key(GIVEN), place(), {})
    require_same_key(with_key(GIVEN), place(), {"persons": DeployedStack("ROLLBACK_COMPLETE", protected=False)})


def test_a_stack_that_was_never_deployed_whole_is_protected_no_more_so_that_the_cdk_can_make_it_anew(capsys):
    class CloudFormation:
        def __init__(self) -> None:
            self.told: list[dict[str, Any]] = []

        def update_termination_protection(self, **request: Any) -> None:
            self.told.append(request)

    client = CloudFormation()
    here = FakePlace(Settings("prod", Connection()), "111122223333", "eu-central-1", client)

    release_never_made(
        here,
        {
            "rolled_back": DeployedStack("ROLLBACK_COMPLETE", protected=True),
            "loose": DeployedStack("ROLLBACK_COMPLETE", protected=False),
            "whole": DeployedStack("UPDATE_ROLLBACK_COMPLETE", protected=True),
        },
    )

    name = "ddb-change-analytics-prod-rolled-back"
    assert client.told == [{"StackName": name, "EnableTerminationProtection": False}]
    assert f"{name} was never deployed whole (ROLLBACK_COMPLETE)" in " ".join(capsys.readouterr().out.split())
    # nor does it keep anybody from destroying it
    require_as_declared(
        load_declaration(REPOSITORY / "pipeline.toml"),
        here,
        {"persons": DeployedStack("ROLLBACK_COMPLETE", protected=False)},
    )


class Deployed:
    """CloudFormation, with what becomes of table and buckets in the deployed template."""

    def __init__(self, table: str, *buckets: str) -> None:
        self._table, self._buckets = table, buckets

    def get_template(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        assert StackName == "ddb-change-analytics-prod-persons"
        buckets = [{"Type": "AWS::S3::Bucket", "DeletionPolicy": policy} for policy in self._buckets]
        function = {"Type": "AWS::Lambda::Function"}
        table = {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": self._table}
        return {"TemplateBody": {"Resources": dict(enumerate([function, table, *buckets]))}}


def prod(*policies: str) -> Place:
    return FakePlace(Settings("prod", Connection()), "111122223333", "eu-central-1", Deployed(*policies))


def test_what_was_deployed_with_keep_data_and_is_deleted_in_part_may_go_to_the_end_for_its_data_stays():
    declaration = load_declaration(REPOSITORY / "pipeline.toml")
    half = {"persons": DeployedStack("DELETE_FAILED", protected=False, outputs={"Raw": "b"})}

    require_as_declared(declaration, prod("Retain", "RetainExceptOnCreate", "RetainExceptOnCreate"), half)

    for policies in (("Retain", "RetainExceptOnCreate", "Delete"), ("Delete", "Retain", "Retain")):
        with pytest.raises(UserError, match="persons was deployed without keep_data, and is deleted in part"):
            require_as_declared(declaration, prod(*policies), half)


def test_a_template_that_cannot_be_read_keeps_nothing():
    declaration = load_declaration(REPOSITORY / "pipeline.toml")
    here = prod("Retain")
    here.client("cloudformation").get_template = lambda StackName: {"TemplateBody": "Resources: {}"}  # noqa: ARG005, N803

    with pytest.raises(UserError, match="nothing was destroyed"):
        require_as_declared(declaration, here, {"persons": DeployedStack("DELETE_FAILED", False, {"Raw": "b"})})


def test_what_was_never_made_and_could_not_be_deleted_whole_keeps_nobody_from_destroying_it():
    declaration = load_declaration(REPOSITORY / "pipeline.toml")
    never, once = (
        {"persons": DeployedStack("DELETE_FAILED", protected=False, outputs=outputs)} for outputs in ({}, {"Raw": "b"})
    )

    require_as_declared(declaration, prod("Delete"), never)
    with pytest.raises(
        UserError, match=r"deleted in part \(DELETE_FAILED\).*set keep_data = false and confirm_data_loss"
    ):
        require_as_declared(declaration, prod("Delete", "Delete"), once)
    for half in (never, once):
        with pytest.raises(UserError, match=r"persons could not be deleted whole .*`make destroy STAGE=dev` goes on"):
            require_whole(place(), half)
    require_whole(place(), {"persons": DeployedStack("ROLLBACK_FAILED", protected=False)})


def test_a_policy_that_somebody_has_is_said_before_anything_goes_with_who_and_how_it_is_taken_away():
    outputs = {"PipelinePolicyArn": "arn:one", "RawBucket": "b", "PipelineUpkeepPolicyArn": "arn:two"}
    stacks = {"persons": DeployedStack("CREATE_COMPLETE", protected=False, outputs=outputs)}
    nobody: dict[str, Any] = {"PolicyRoles": [], "PolicyUsers": [], "PolicyGroups": []}

    require_detached(place(nobody), stacks)
    held = place(nobody | {"PolicyRoles": [{"RoleName": "dagster"}]}, nobody | {"PolicyUsers": [{"UserName": "ci"}]})
    with pytest.raises(UserError, match="are attached, and IAM deletes none that is; nothing was destroyed") as raised:
        require_detached(held, stacks)

    assert str(raised.value).splitlines()[1:] == [
        f"  aws iam detach-{words} --policy-arn {arn}"
        for arn in ("arn:one", "arn:two")
        for words in ("role-policy --role-name dagster", "user-policy --user-name ci")
    ]


@pytest.mark.parametrize(("code", "said"), [("NoSuchEntity", ""), ("AccessDenied", "could not be seen")])
def test_a_policy_that_is_gone_or_cannot_be_looked_at_is_no_obstacle(code, said, capsys):
    stacks = {"persons": DeployedStack("DELETE_FAILED", protected=False, outputs={"PipelinePolicyArn": "arn:one"})}
    error = ClientError({"Error": {"Code": code, "Message": "no"}}, "ListEntitiesForPolicy")

    require_detached(place(error=error), stacks)

    assert said in capsys.readouterr().out.replace("\n", " ")


def test_whoever_may_not_deploy_is_not_sent_to_the_policies_of_dagster():
    error = ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "DescribeStacks")

    with pytest.raises(PipelineError, match=r"denies DescribeStacks .* not you: .*credentials that may deploy"):
        undeclared_stacks(with_key(None), place(error=error))


def test_the_stacks_of_a_stage_are_found_by_their_tags_though_the_file_does_not_declare_them():
    def stack(name: str, stage: str, project: str = "ddb-change-analytics") -> dict[str, Any]:
        return {"StackName": name, "Tags": [{"Key": "project", "Value": project}, {"Key": "stage", "Value": stage}]}

    first = [stack("ddb-change-analytics-dev-persons", "dev"), stack("ddb-change-analytics-prod-gone", "prod")]
    second = [
        stack("ddb-change-analytics-dev-gone", "dev"),
        stack("other", "dev", "other"),
        {"StackName": "CDKToolkit"},
    ]

    found = undeclared_stacks(with_key(None), place({"Stacks": first}, {"Stacks": second}))

    assert found == ["ddb-change-analytics-dev-gone"]
