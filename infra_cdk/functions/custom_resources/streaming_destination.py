"""Lambda function behind `Custom::StreamingDestination`: an existing table streams to the pipeline's stream.

Properties: TableName, StreamArn, Precision, and KeyAttributes as JSON `[{"name": ..., "type": "S" | "N" | "B"}, ...]`.
It enables, changes and disables the table's Kinesis streaming destination and nothing else: no item and no setting
of the table is written. Whatever it finds it takes from there, so that a request may come again, and a resource may be
deleted whose creation failed: only a destination that is the pipeline's own stream is ever touched. An update never
names another table: `ExistingTable` makes a resource of its own for each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from custom_resource import Clock, Context, Event, NotPossibleError, Outcome, answer, client, error_code

ENDED = {"DISABLED", "ENABLE_FAILED"}
"""States of a destination that takes no changes and is in nobody's way (API_KinesisDataStreamDestination.html)."""
DEFAULT_PRECISION = "MILLISECOND"
PROJECT = "ddb-change-analytics"
"""What the name of each of our stacks, and so of its stream, begins with."""


@dataclass(frozen=True)
class Destination:
    """A streaming destination of a table as DynamoDB describes it."""

    status: str = "DISABLED"
    precision: str = DEFAULT_PRECISION
    description: str = ""


def handler(event: Event, context: Context) -> None:
    """Entry point of the function."""
    answer(event, context, lambda request, clock: bring_about(client("dynamodb"), request, clock), stuck)


def stuck(request: Event, reason: str) -> dict[str, str]:
    """A table that may stream on is told as a failure: nothing else in the stack would be in the way, or tell of it."""
    properties = request["ResourceProperties"]
    stack = request["StackId"].split("/")[1]
    return {
        "Status": "FAILED",
        "Reason": f"{reason}. CloudFormation asks no second time. To end the streaming: "
        f"`{_disabling(properties['TableName'], properties['StreamArn'])}`. If the stack was being deleted, "
        "`make destroy` once more does that, and deletes the rest; without it: `aws cloudformation delete-stack "
        f"--stack-name {stack} --retain-resources {request['LogicalResourceId']}`",
    }


def bring_about(dynamodb: Any, request: Event, clock: Clock) -> Outcome:
    """Do what a request of CloudFormation wants.

    Args:
        dynamodb: boto3's DynamoDB client.
        request: The request.
        clock: How much time there is.

    Raises:
        NotPossibleError: The table does not exist, has another key, or streams to somebody else's stream.
        OutOfTimeError: DynamoDB takes longer than this invocation may.
    """
    properties = request["ResourceProperties"]
    table, stream = properties["TableName"], properties["StreamArn"]
    if request["RequestType"] == "Delete":
        disable(dynamodb, table, stream, clock)
        return Outcome(request["PhysicalResourceId"])
    check_table(dynamodb, table, json.loads(properties["KeyAttributes"]))
    # an update to another stream: DynamoDB allows one at a time, so the old one has to go first
    former = (request.get("OldResourceProperties") or {}).get("StreamArn")
    enable(dynamodb, table, stream, properties["Precision"], clock, former=former)
    return Outcome(f"{table} to {stream.rpartition('/')[2]}")


def check_table(dynamodb: Any, table: str, declared: list[Mapping[str, str]]) -> None:
    """Refuse a table that is not there, or whose key is not the declared one: the views would be wrong.

    Raises:
        NotPossibleError: It is such a table.
    """
    try:
        found = dynamodb.describe_table(TableName=table)["Table"]
    except Exception as error:
        if error_code(error) == "ResourceNotFoundException":
            raise NotPossibleError(
                f"there is no table {table} in this account and region: existing_table in pipeline.toml names a table "
                "that is there; without it the stack makes one"
            ) from error
        raise
    types = {item["AttributeName"]: item["AttributeType"] for item in found["AttributeDefinitions"]}
    # DynamoDB lists the partition key first
    has = [f"{key['AttributeName']} ({types[key['AttributeName']]})" for key in found["KeySchema"]]
    wanted = [f"{key['name']} ({key['type']})" for key in declared]
    if has != wanted:
        raise NotPossibleError(
            f"table {table} has the key {', '.join(has)}, and pipeline.toml says {', '.join(wanted)}: correct "
            "partition_key and sort_key there; the table was not changed"
        )


def enable(dynamodb: Any, table: str, stream: str, precision: str, clock: Clock, *, former: str | None = None) -> None:
    """Make the stream the table's active destination.

    Args:
        dynamodb: boto3's DynamoDB client.
        table: Name of the table.
        stream: ARN of the stream.
        precision: Unit of the time of change in the records.
        clock: How much time there is.
        former: ARN of the stream that the pipeline had before, which may be the destination still.

    Raises:
        NotPossibleError: The table streams elsewhere, or DynamoDB cannot enable it.
        OutOfTimeError: It takes longer than this invocation may.
    """
    settings = {"ApproximateCreationDateTimePrecision": precision}
    was_asked = False
    while True:
        found = destinations(dynamodb, table)
        mine = found.get(stream, Destination())
        state = f"streaming from table {table} to {stream} is {mine.status}"
        if is_taken(dynamodb, table, stream, found, former):
            state = f"table {table} is ending its streaming to another stream"
        elif mine.status == "ACTIVE" and mine.precision == precision:
            return
        elif mine.status == "ACTIVE":
            change = {"StreamArn": stream, "UpdateKinesisStreamingConfiguration": settings}
            _ask(dynamodb, table, found, "update_kinesis_streaming_destination", change)
        elif mine.status == "ENABLE_FAILED" and was_asked:
            raise NotPossibleError(f"DynamoDB could not stream table {table} to {stream}: {mine.description}")
        elif mine.status in ENDED:
            change = {"StreamArn": stream, "EnableKinesisStreamingConfiguration": settings}
            _ask(dynamodb, table, found, "enable_kinesis_streaming_destination", change)
            was_asked = True
        clock.pause(state)


def is_taken(dynamodb: Any, table: str, stream: str, found: Mapping[str, Destination], former: str | None) -> bool:
    """Whether the table streams elsewhere at this moment, and will not for long: the former stream is disabled.

    Raises:
        NotPossibleError: It is to stream there on.
    """
    others = {arn: one for arn, one in found.items() if arn != stream and one.status not in ENDED}
    for arn, other in others.items():
        if arn != former and other.status != "DISABLING":
            raise NotPossibleError(
                f"table {table} streams to {arn} already, and DynamoDB streams a table to one Kinesis stream only. "
                f"Nothing was changed. {_advice(table, arn)}"
            )
        if other.status == "ACTIVE":
            _ask(dynamodb, table, found, "disable_kinesis_streaming_destination", {"StreamArn": arn})
    return bool(others)


def _disabling(table: str, arn: str) -> str:
    return f"aws dynamodb disable-kinesis-streaming-destination --table-name {table} --stream-arn {arn}"


def _advice(table: str, arn: str) -> str:
    """What to do about a table that streams to somebody else's stream."""
    disable_it = f"If nothing needs that stream any more, disable it: {_disabling(table, arn)}"
    if f":stream/{PROJECT}-" not in arn:
        return disable_it
    return (
        "That is a stream of this project: if another stage or pipeline has the table, let existing_table name it for "
        f"one of them only, such as {{ prod = ... }}. {disable_it}"
    )


def disable(dynamodb: Any, table: str, stream: str, clock: Clock) -> None:
    """Take the stream away from the table's destinations; one that is none, or a table that is gone, is fine.

    Raises:
        OutOfTimeError: It takes longer than this invocation may.
    """
    while True:
        try:
            found = destinations(dynamodb, table)
        except Exception as error:
            if error_code(error) == "ResourceNotFoundException":
                return
            raise
        mine = found.get(stream, Destination())
        if mine.status in ENDED:
            return
        # a destination can be disabled when it is active and not before
        if mine.status == "ACTIVE":
            _ask(dynamodb, table, found, "disable_kinesis_streaming_destination", {"StreamArn": stream})
        clock.pause(f"streaming from table {table} to {stream} is {mine.status}")


def destinations(dynamodb: Any, table: str) -> dict[str, Destination]:
    """The table's destinations by ARN of their stream."""
    found = dynamodb.describe_kinesis_streaming_destination(TableName=table)["KinesisDataStreamDestinations"]
    return {
        item["StreamArn"]: Destination(
            item["DestinationStatus"],
            item.get("ApproximateCreationDateTimePrecision", DEFAULT_PRECISION),
            item.get("DestinationStatusDescription", "no reason given"),
        )
        for item in found
    }


def _ask(
    dynamodb: Any, table: str, seen: Mapping[str, Destination], operation: str, request: Mapping[str, Any]
) -> None:
    """Change a destination, unless somebody else has changed one since: the caller looks again."""
    try:
        getattr(dynamodb, operation)(TableName=table, **request)
    except Exception as error:
        code = error_code(error)
        if code == "ResourceInUseException":
            return
        if code in {"ValidationException", "LimitExceededException"} and destinations(dynamodb, table) != seen:
            return
        raise
