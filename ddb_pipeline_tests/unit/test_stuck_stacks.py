"""`destroy` does itself what the functions of a stack could not: CloudFormation deletes them in any case."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.cli import bucket_emptying, stuck_stacks
from ddb_pipeline.cli.place import DeployedStack, Place
from ddb_pipeline.cli.stuck_stacks import finish_deletion
from ddb_pipeline.names import EMPTIED_TAG
from ddb_pipeline.resources.settings import Connection, Settings
from ddb_pipeline.resources.waiting import Waiting

STACK = "ddb-change-analytics-dev-persons"
STREAM = f"{STACK}-ChangeStreamStream1234-ABC"
ARN = f"arn:aws-cn:kinesis:cn-north-1:111122223333:stream/{STREAM}"
THEIRS = "arn:aws-cn:kinesis:cn-north-1:111122223333:stream/theirs"


def refusal(code: str, operation: str = "Operation") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


class CloudFormation:
    """A stack that could not be deleted whole.

    Args:
        resources: What could not be deleted: logical id to type and physical id.
        then: State of the stack after its next deletion.
        streamed: The table of each destination in the template, by its logical id.
    """

    def __init__(self, resources: dict[str, tuple[str, str]], then: str = "DELETE_COMPLETE", **streamed: str) -> None:
        self.resources, self.then, self.streamed = resources, then, streamed
        self.told: list[dict[str, Any]] = []
        self._states = ["DELETE_FAILED"]

    def get_paginator(self, _operation: str) -> CloudFormation:
        return self

    def paginate(self, **_request: str) -> Iterator[dict[str, Any]]:
        for name, (type_, physical_id) in {"Gone": ("AWS::Lambda::Function", "emptier"), **self.resources}.items():
            yield {
                "StackResourceSummaries": [
                    {
                        "LogicalResourceId": name,
                        "ResourceType": type_,
                        "PhysicalResourceId": physical_id,
                        "ResourceStatus": "DELETE_COMPLETE" if name == "Gone" else "DELETE_FAILED",
                        "ResourceStatusReason": f"{name} is not empty",
                    }
                ]
            }

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        return {"Stacks": [{"StackId": f"arn:{StackName.removeprefix('arn:')}", "StackStatus": state}]}

    def get_template(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        assert StackName == STACK
        found = {name: {"Properties": {"TableName": table}} for name, table in self.streamed.items()}
        return {"TemplateBody": {"Resources": found}}

    def delete_stack(self, **request: Any) -> None:
        self.told.append(request)
        self._states = ["DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS", self.then]


class DynamoDb:
    """Tables with their destinations, which take a look to change their state."""

    def __init__(self, error: str | None = None, **tables: dict[str, str]) -> None:
        self.tables, self.error = tables, error
        self.disabled: list[tuple[str, str]] = []

    def describe_kinesis_streaming_destination(self, TableName: str) -> dict[str, Any]:  # noqa: N803
        if TableName not in self.tables:
            raise refusal("ResourceNotFoundException")
        states = self.tables[TableName]
        found = [{"StreamArn": arn, "DestinationStatus": state} for arn, state in states.items()]
        self.tables[TableName] = {arn: "ACTIVE" if state == "ENABLING" else state for arn, state in states.items()}
        return {"KinesisDataStreamDestinations": found}

    def disable_kinesis_streaming_destination(self, TableName: str, StreamArn: str) -> None:  # noqa: N803
        if self.error is not None:
            raise refusal(self.error, "DisableKinesisStreamingDestination")
        self.disabled.append((TableName, StreamArn))
        self.tables[TableName][StreamArn] = "DISABLING"


class S3:
    """A bucket with objects, of which some S3 does not delete.

    Args:
        names: Keys of the objects.
        tags: Tags of the bucket.
        refuses: Code of each object's error, and how often.
    """

    def __init__(self, *names: str, tags: dict[str, str] | None = None, refuses: tuple[str, int] = ("", 0)) -> None:
        self.names, self.tags = list(names), {EMPTIED_TAG: "true"} if tags is None else tags
        self.code, self.times = refuses
        self.uploads = ["never-completed"]

    def get_bucket_tagging(self, Bucket: str) -> dict[str, Any]:  # noqa: N803, ARG002
        if not self.tags:
            raise refusal("NoSuchTagSet")
        return {"TagSet": [{"Key": key, "Value": value} for key, value in self.tags.items()]}

    def list_object_versions(self, Bucket: str, MaxKeys: int) -> dict[str, Any]:  # noqa: N803
        if Bucket == "gone":
            raise refusal("NoSuchBucket")
        half = MaxKeys // 2
        listed = [{"Key": name, "VersionId": "null"} for name in self.names]
        return {"Versions": listed[:half], "DeleteMarkers": listed[half:MaxKeys]}

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803, ARG002
        keys = [one["Key"] for one in Delete["Objects"]]
        self.times -= 1
        if self.times >= 0:
            return {"Errors": [{"Key": key, "Code": self.code, "Message": "not now"} for key in keys]}
        self.names = [name for name in self.names if name not in keys]
        return {}

    def list_multipart_uploads(self, Bucket: str, MaxUploads: int) -> dict[str, Any]:  # noqa: N803, ARG002
        return {"Uploads": [{"Key": one, "UploadId": "1"} for one in self.uploads]}

    def abort_multipart_upload(self, Bucket: str, Key: str, UploadId: str) -> None:  # noqa: N803, ARG002
        self.uploads.remove(Key)
        # by somebody else in the same moment
        raise refusal("NoSuchUpload")


@dataclasses.dataclass(frozen=True)
class FakePlace(Place):
    clients: Any = None

    def client(self, service: str) -> Any:
        return self.clients[service]


def place(**clients: Any) -> Place:
    return FakePlace(Settings("dev", Connection()), "111122223333", "cn-north-1", clients)


def finish(state: str = "DELETE_FAILED", **clients: Any) -> list[str]:
    return finish_deletion(place(**clients), {"persons": DeployedStack(state, protected=False)})


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No test waits; how long the command would have."""
    found: list[float] = []
    for module in (stuck_stacks, bucket_emptying):
        monkeypatch.setattr(module, "Waiting", lambda seconds, **more: Waiting(seconds, sleep=found.append, **more))
    return found


# --- buckets


def test_a_bucket_that_is_left_is_emptied_and_the_stack_goes_without_what_asked_its_function(monkeypatch, capsys):
    monkeypatch.setattr(bucket_emptying, "PAGE", 4)
    s3 = S3(*"abcdefghij")
    cloudformation = CloudFormation({"Emptied": ("Custom::EmptiedBucket", "raw"), "Raw": ("AWS::S3::Bucket", "raw")})

    assert finish(cloudformation=cloudformation, s3=s3) == []

    assert (s3.names, s3.uploads) == ([], [])
    assert cloudformation.told == [{"StackName": f"arn:{STACK}", "RetainResources": ["Emptied"]}]
    said = " ".join(capsys.readouterr().out.split())
    assert "bucket raw is empty now; 10 objects were left in it" in said
    assert f"stack {STACK}: what is left of it is deleted, without Emptied" in said


def test_nothing_is_given_up_when_only_the_bucket_is_left():
    cloudformation = CloudFormation({"Raw": ("AWS::S3::Bucket", "raw")})
    assert finish(cloudformation=cloudformation, s3=S3("a")) == []
    assert cloudformation.told == [{"StackName": f"arn:{STACK}"}]


@pytest.mark.parametrize("tags", [{}, {"stage": "dev"}, {EMPTIED_TAG: "false"}])
def test_a_bucket_whose_data_is_to_be_kept_is_never_emptied(tags):
    s3, cloudformation = S3("kept", tags=tags), CloudFormation({"Raw": ("AWS::S3::Bucket", "raw")})

    (problem,) = finish(cloudformation=cloudformation, s3=s3)

    assert (s3.names, cloudformation.told) == (["kept"], [])
    assert f"bucket raw holds objects and has no tag {EMPTIED_TAG}" in problem
    assert "`aws s3 rm --recursive s3://raw` before you destroy again" in problem


def test_what_comes_into_such_a_bucket_meanwhile_is_not_deleted_either():
    class Written(S3):
        def list_object_versions(self, Bucket: str, MaxKeys: int) -> dict[str, Any]:  # noqa: N803
            found = super().list_object_versions(Bucket, MaxKeys)
            self.names.append("late")
            return found

    s3 = Written(tags={})
    finish(cloudformation=CloudFormation({"Raw": ("AWS::S3::Bucket", "raw")}), s3=s3)

    assert s3.names == ["late"]


def test_a_bucket_that_is_gone_or_empty_is_in_nobodys_way():
    for bucket, s3 in (("gone", S3(tags={})), ("raw", S3(tags={}))):
        cloudformation = CloudFormation({"Raw": ("AWS::S3::Bucket", bucket)})
        assert finish(cloudformation=cloudformation, s3=s3) == []
        assert len(cloudformation.told) == 1


def test_an_object_that_s3_does_not_delete_now_is_tried_again_and_one_that_it_refuses_is_said(pauses):
    raw = {"Raw": ("AWS::S3::Bucket", "raw")}
    passing, cloudformation = S3("a", refuses=("SlowDown", 3)), CloudFormation(raw)
    assert finish(cloudformation=cloudformation, s3=passing) == []
    assert len(pauses) >= 3

    cloudformation = CloudFormation(raw)
    (problem,) = finish(cloudformation=cloudformation, s3=S3("a", refuses=("AccessDenied", 9)))
    assert "S3 does not delete a of bucket raw (AccessDenied: not now): take away what protects it" in problem
    assert cloudformation.told == []


def test_a_bucket_that_is_written_to_again_is_said():
    cloudformation = CloudFormation({"Raw": ("AWS::S3::Bucket", "raw")}, then="DELETE_FAILED")
    assert finish(cloudformation=cloudformation, s3=S3("a")) == [
        f"Raw of stack {STACK}: Raw is not empty; something writes to it: stop that, and destroy again"
    ]


# --- streaming


@pytest.mark.parametrize("state", ["ACTIVE", "ENABLING", "DISABLING", "DISABLED"])
def test_a_table_streams_no_more_before_its_destination_is_given_up(state):
    dynamodb = DynamoDb(orders={THEIRS: "DISABLED", ARN: state})
    cloudformation = CloudFormation({"Destination": ("Custom::StreamingDestination", f"orders to {STREAM}")})

    assert finish(cloudformation=cloudformation, dynamodb=dynamodb) == []

    assert dynamodb.disabled == ([("orders", ARN)] if state in {"ACTIVE", "ENABLING"} else [])
    assert cloudformation.told == [{"StackName": f"arn:{STACK}", "RetainResources": ["Destination"]}]


def test_a_destination_whose_function_never_answered_is_of_the_table_that_was_deployed():
    # pipeline.toml may name another one since
    unnamed = {"Destination": ("Custom::StreamingDestination", "not-created-1")}
    dynamodb = DynamoDb(orders={ARN: "ACTIVE", THEIRS: "DISABLED"}, renamed={THEIRS: "ACTIVE"})
    cloudformation = CloudFormation(unnamed, Destination="orders")

    assert finish(cloudformation=cloudformation, dynamodb=dynamodb) == []

    assert dynamodb.disabled == [("orders", ARN)]
    assert cloudformation.told == [{"StackName": f"arn:{STACK}", "RetainResources": ["Destination"]}]


def test_a_destination_of_which_the_template_says_nothing_is_not_given_up():
    cloudformation = CloudFormation({"Destination": ("Custom::StreamingDestination", "not-created-1")})

    (problem,) = finish(cloudformation=cloudformation, dynamodb=DynamoDb())

    assert f"look at it with `aws cloudformation get-template --stack-name {STACK}`" in problem
    assert f"delete-stack --stack-name {STACK} --retain-resources Destination`" in problem
    assert cloudformation.told == []


def test_another_stream_of_the_table_is_left_alone_and_a_table_that_is_gone_streams_nowhere():
    destination = {"Destination": ("Custom::StreamingDestination", f"orders to {STREAM}")}
    dynamodb = DynamoDb(orders={THEIRS: "ACTIVE"})
    for found in (dynamodb, DynamoDb()):
        cloudformation = CloudFormation(destination)
        assert finish(cloudformation=cloudformation, dynamodb=found) == []
        assert len(cloudformation.told) == 1
    assert dynamodb.disabled == []


def test_a_table_that_may_stream_on_is_not_given_up():
    destination = {"Destination": ("Custom::StreamingDestination", f"orders to {STREAM}")}
    dynamodb = DynamoDb("AccessDeniedException", orders={ARN: "ACTIVE"})
    cloudformation = CloudFormation(destination)

    (problem,) = finish(cloudformation=cloudformation, dynamodb=dynamodb)

    assert "AWS denies DisableKinesisStreamingDestination" in problem
    assert f"`aws dynamodb disable-kinesis-streaming-destination --table-name orders --stream-arn {ARN}`" in problem
    assert cloudformation.told == []


# --- what else there is


@pytest.mark.parametrize("state", ["CREATE_COMPLETE", "ROLLBACK_FAILED", "DELETE_IN_PROGRESS"])
def test_a_stack_that_no_deletion_failed_of_is_not_touched(state):
    assert finish(state) == []


def test_a_stack_that_failed_over_something_else_is_left_to_cloudformation():
    cloudformation = CloudFormation({"Policy": ("AWS::IAM::ManagedPolicy", "arn:policy")})
    assert finish(cloudformation=cloudformation) == []
    assert cloudformation.told == []


def test_one_problem_does_not_keep_the_rest_from_being_done():
    both = {
        "Raw": ("AWS::S3::Bucket", "raw"),
        "Destination": ("Custom::StreamingDestination", f"orders to {STREAM}"),
    }
    dynamodb, cloudformation = DynamoDb(orders={ARN: "ACTIVE"}), CloudFormation(both)
    problems = finish(cloudformation=cloudformation, dynamodb=dynamodb, s3=S3("a", refuses=("AccessDenied", 9)))
    assert len(problems) == 1
    assert (dynamodb.disabled, cloudformation.told) == ([("orders", ARN)], [])


def test_whoever_may_not_delete_the_stack_is_told_the_command():
    cloudformation = CloudFormation({"Emptied": ("Custom::EmptiedBucket", "raw")})

    def denied(**_request: Any) -> None:
        raise refusal("AccessDenied", "DeleteStack")

    cloudformation.delete_stack = denied  # type: ignore[method-assign]
    (problem,) = finish(cloudformation=cloudformation)
    assert f"`aws cloudformation delete-stack --stack-name {STACK} --retain-resources Emptied`" in problem
