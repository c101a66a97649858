"""Stacks that could not be deleted whole: what is in their way is done here, with the rights of whoever destroys.

CloudFormation deletes the functions that empty the buckets and end the streaming of a user's table whether these came
to their end or not: what failed does not hold back what it needs (aws-cloudformation/cloudformation-coverage-roadmap,
issues 852 and 1508). To ask CloudFormation again then leads nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ddb_pipeline.cli.bucket_emptying import empty_bucket
from ddb_pipeline.cli.console import UserError, console
from ddb_pipeline.cli.deployed_templates import deployed_resource
from ddb_pipeline.cli.described_tables import IN_NOBODYS_WAY, NoTableError, destinations
from ddb_pipeline.cli.place import DeployedStack, Place
from ddb_pipeline.errors import CallAdvice, PipelineError
from ddb_pipeline.names import ComputedNames
from ddb_pipeline.resources.waiting import Waiting

BUCKET, EMPTIED_BUCKET, DESTINATION = "AWS::S3::Bucket", "Custom::EmptiedBucket", "Custom::StreamingDestination"
_ENABLING_SECONDS = 300.0
"""How long a destination is waited for that cannot be disabled yet, as it is only being enabled."""
_DELETION_SECONDS = 65 * 60.0
"""CloudFormation waits an hour for a custom resource."""


@dataclass(frozen=True)
class Remnant:
    """A resource that could not be deleted.

    Attributes:
        logical_id: Its name in the template.
        type: Its type.
        physical_id: What it is.
        reason: Why it could not be deleted, as CloudFormation says it.
    """

    logical_id: str
    type: str
    physical_id: str
    reason: str


def finish_deletion(place: Place, stacks: Mapping[str, DeployedStack]) -> list[str]:
    """Empty buckets and end streaming where the functions of stacks failed to, and delete what is left of the stacks.

    Stacks that failed over something else are left to CloudFormation, which can be asked again.

    Args:
        place: Where the stage is.
        stacks: What is there, by pipeline.

    Returns:
        What is still in the way, a sentence each.
    """
    problems = []
    for pipeline, stack in stacks.items():
        if stack.state == "DELETE_FAILED":
            problems += _finish(place, ComputedNames(pipeline, place.stage).stack)
    return problems


def remnants(place: Place, stack: str) -> list[Remnant]:
    """Return the resources of a stack that could not be deleted.

    Args:
        place: Where the stack is.
        stack: Its name or id.

    Raises:
        PipelineError: CloudFormation cannot be asked.
    """
    with place.explained():
        pages = place.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        return [
            Remnant(
                str(one["LogicalResourceId"]),
                str(one["ResourceType"]),
                str(one.get("PhysicalResourceId", "")),
                str(one.get("ResourceStatusReason", "no reason given")),
            )
            for page in pages
            for one in page["StackResourceSummaries"]
            if one["ResourceStatus"] == "DELETE_FAILED"
        ]


def _finish(place: Place, stack: str) -> list[str]:
    try:
        found = remnants(place, stack)
        if not any(one.type in {BUCKET, EMPTIED_BUCKET, DESTINATION} for one in found):
            return []
        problems = _clear(place, stack, found)
        return problems or _delete(place, stack, [one for one in found if one.type in {EMPTIED_BUCKET, DESTINATION}])
    except (UserError, PipelineError) as error:
        return [str(error)]


def _clear(place: Place, stack: str, found: Sequence[Remnant]) -> list[str]:
    """Do what the functions did not; what cannot be done here either."""
    problems = []
    for one in found:
        try:
            if one.type == BUCKET:
                count = empty_bucket(place, one.physical_id)
                console.print(f"  bucket {one.physical_id} is empty now; {count:,} objects were left in it")
            elif one.type == DESTINATION:
                _end_streaming(place, *_streamed(place, stack, one))
        except (UserError, PipelineError) as error:
            problems.append(str(error))
    return problems


def _streamed(place: Place, stack: str, destination: Remnant) -> tuple[str, str]:
    """The table that a destination is of, and what the name of its stream begins with.

    Its function says both in the name that it gives the destination. One whose function never answered has none; its
    table is the one that was deployed, which `pipeline.toml` may not name any more.

    Raises:
        UserError: Nobody can say.
        PipelineError: CloudFormation cannot be asked.
    """
    table, _, stream = destination.physical_id.partition(" to ")
    if stream:
        return table, stream
    so = (
        "nobody can tell which table it streamed: disable that destination, and delete the stack with `aws "
        f"cloudformation delete-stack --stack-name {stack} --retain-resources {destination.logical_id}`"
    )
    resource = deployed_resource(place, stack, destination.logical_id, so)
    # as CloudFormation makes it of the name in the template
    return str(resource["Properties"]["TableName"]), f"{stack}-ChangeStream"


def _end_streaming(place: Place, table: str, stream: str) -> None:
    """Let a table stream to a stream no more, which may be gone itself.

    Args:
        place: Where both are.
        table: Name of the table.
        stream: What the name of the stream begins with.

    Raises:
        UserError: It streams on, or nobody can say.
        PipelineError: DynamoDB refuses.
    """
    waiting = Waiting(_ENABLING_SECONDS)
    while True:
        try:
            found = destinations(place, table)
        except NoTableError:
            return
        if found is None:
            raise UserError(
                f"whether table {table} still streams to {stream} could not be seen: destroy with credentials that "
                "have dynamodb:DescribeKinesisStreamingDestination and DisableKinesisStreamingDestination on it"
            )
        ours = {
            arn: state
            for arn, state in found.items()
            if arn.rpartition("/")[2].startswith(stream) and state not in IN_NOBODYS_WAY
        }
        if not ours:
            return
        if waiting.is_over:
            states = ", ".join(f"{arn}: {state}" for arn, state in ours.items())
            raise UserError(f"table {table} still streams ({states}), and is not to be stopped: destroy again later")
        for arn, state in ours.items():
            # it can be disabled when it is active and not before
            if state == "ACTIVE":
                _disable(place, table, arn)
        waiting.pause()


def _disable(place: Place, table: str, arn: str) -> None:
    from botocore.exceptions import ClientError

    command = f"aws dynamodb disable-kinesis-streaming-destination --table-name {table} --stream-arn {arn}"
    with place.explained(CallAdvice(denied=f"with credentials that may: `{command}`")):
        try:
            place.client("dynamodb").disable_kinesis_streaming_destination(TableName=table, StreamArn=arn)
        except ClientError as error:
            # somebody else changes the table at this moment
            if error.response.get("Error", {}).get("Code") == "ResourceInUseException":
                return
            raise
    console.print(f"  table {table} streams to {arn} no more")


def _delete(place: Place, stack: str, given_up: Sequence[Remnant]) -> list[str]:
    """Delete what is left of a stack, but for what nobody deletes any more; what is in the way of that.

    Raises:
        UserError: It takes too long.
        PipelineError: CloudFormation refuses.
    """
    client, waiting = place.client("cloudformation"), Waiting(_DELETION_SECONDS, first_seconds=2.0)
    retained = [one.logical_id for one in given_up]
    option = f" --retain-resources {' '.join(retained)}" if retained else ""
    advice = f"with credentials that may: `aws cloudformation delete-stack --stack-name {stack}{option}`"
    console.print(
        f"  stack {stack}: what is left of it is deleted" + (f", without {', '.join(retained)}" if retained else "")
    )
    with place.explained(CallAdvice(denied=advice)):
        # a stack that is gone is found by its id only
        stack_id = client.describe_stacks(StackName=stack)["Stacks"][0]["StackId"]
        client.delete_stack(StackName=stack_id, **({"RetainResources": retained} if retained else {}))
        state = "DELETE_IN_PROGRESS"
        while state == "DELETE_IN_PROGRESS":
            if waiting.is_over:
                raise UserError(f"CloudFormation is still deleting stack {stack}: destroy again when it has ended")
            # before the first look, too: it may show the state before
            waiting.pause()
            state = client.describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"]
    if state == "DELETE_COMPLETE":
        return []
    return [
        f"{one.logical_id} of stack {stack}: {one.reason}"
        + ("; something writes to it: stop that, and destroy again" if one.type == BUCKET else "")
        for one in remnants(place, stack_id)
    ]
