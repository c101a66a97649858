"""Streaming destinations of a table: their states, and what is refused in which of them, in AWS's words."""

from __future__ import annotations

import pytest

from ddb_pipeline.local_aws.change_stream import destinations
from ddb_pipeline_tests.deployed import Deployed, wait_until
from ddb_pipeline_tests.streamed_table import SORTED, Table, make_table, refused

MICROSECOND = {"ApproximateCreationDateTimePrecision": "MICROSECOND"}
WRONG_STATE = "Table is not in a valid state to enable Kinesis Streaming Destination: "
CANNOT_ENABLE = (
    f"{WRONG_STATE}EnableKinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE operation."
)
CANNOT_DISABLE = f"{WRONG_STATE}KinesisStreamingDestination must be ACTIVE to perform DISABLE operation."


@pytest.fixture
def table(deployed: Deployed, monkeypatch) -> Table:
    # long enough to be seen on a busy machine
    monkeypatch.setattr(destinations, "TRANSITION_SECONDS", 0.6)
    return make_table(deployed, precision=None)


def where(table: Table, stream_arn: str | None = None) -> dict[str, str]:
    return {"TableName": table.name, "StreamArn": stream_arn or table.stream_arn}


def enable(table, stream_arn=None, **more):
    return table.dynamodb.enable_kinesis_streaming_destination(**where(table, stream_arn), **more)


def update(table, configuration=MICROSECOND, stream_arn=None):
    return table.dynamodb.update_kinesis_streaming_destination(
        **where(table, stream_arn), UpdateKinesisStreamingConfiguration=configuration
    )


def disable(table, stream_arn=None, **more):
    return table.dynamodb.disable_kinesis_streaming_destination(**where(table, stream_arn), **more)


def described(table):
    found = table.dynamodb.describe_kinesis_streaming_destination(TableName=table.name)
    return found["KinesisDataStreamDestinations"]


def wait_for(table, status, stream_arn=None):
    arn = stream_arn or table.stream_arn
    wait_until(lambda: table.destinations()[arn] == status, f"the destination is {status}")


def test_a_destination_is_updated_in_place(table):
    assert described(table) == [{"StreamArn": table.stream_arn, "DestinationStatus": "ACTIVE"}]
    table.put(pk={"S": "1"})
    answer = update(table)
    assert (answer["DestinationStatus"], answer["UpdateKinesisStreamingConfiguration"]) == ("UPDATING", MICROSECOND)
    [destination] = described(table)
    assert destination == {"StreamArn": table.stream_arn, "DestinationStatus": "UPDATING", **MICROSECOND}
    wait_for(table, "ACTIVE")
    table.put(pk={"S": "2"})

    changes = sorted(table.new_changes(), key=lambda change: change["dynamodb"]["Keys"]["pk"]["S"])
    precisions = [change["dynamodb"]["ApproximateCreationDateTimePrecision"] for change in changes]
    assert precisions == ["MILLISECOND", "MICROSECOND"]
    assert [len(str(change["dynamodb"]["ApproximateCreationDateTime"])) for change in changes] == [13, 16]


def test_a_disabled_destination_gets_nothing_until_it_is_enabled_again(table):
    update(table)
    wait_for(table, "ACTIVE")
    assert disable(table)["DestinationStatus"] == "DISABLING"
    table.put(pk={"S": "unseen"})
    wait_for(table, "DISABLED")
    answer = enable(table)
    assert answer["DestinationStatus"] == "ENABLING"
    assert answer["EnableKinesisStreamingConfiguration"] == {}
    wait_for(table, "ACTIVE")
    table.put(pk={"S": "seen"})

    assert described(table) == [{"StreamArn": table.stream_arn, "DestinationStatus": "ACTIVE"}]
    assert [change["dynamodb"]["Keys"]["pk"]["S"] for change in table.new_changes()] == ["seen"]


def test_one_destination_at_a_time(table, deployed):
    other = make_table(deployed).stream_arn

    assert refused("ValidationException", enable, table) == CANNOT_ENABLE
    assert refused("ValidationException", enable, table, other) == CANNOT_ENABLE
    disable(table)
    assert refused("ValidationException", enable, table, other) == CANNOT_ENABLE, "while DISABLING"
    wait_for(table, "DISABLED")
    enable(table, other)
    assert refused("ValidationException", enable, table) == CANNOT_ENABLE, "while ENABLING"
    wait_for(table, "ACTIVE", other)
    assert table.destinations() == {table.stream_arn: "DISABLED", other: "ACTIVE"}


def test_a_destination_on_its_way_takes_no_request(table):
    update(table)
    message = refused("ValidationException", update, table, {"ApproximateCreationDateTimePrecision": "MILLISECOND"})
    assert message == (
        f"{WRONG_STATE}Kinesis streaming is not in ACTIVE state. Updates are only allowed in ACTIVE state. "
        f"TableName: {table.name}, kdsArn: {table.stream_arn}"
    )
    assert refused("ValidationException", disable, table) == CANNOT_DISABLE
    wait_for(table, "ACTIVE")
    disable(table)
    assert refused("ValidationException", disable, table) == CANNOT_DISABLE


def test_updates_that_change_nothing_are_refused(table):
    table_id = table.dynamodb.describe_table(TableName=table.name)["Table"]["TableId"]
    message = refused("ValidationException", update, table, {"ApproximateCreationDateTimePrecision": "MILLISECOND"})
    assert message == (
        "Invalid Request: Precision is already set to the desired value of MILLISECOND for tableId: "
        f"{table_id}, kdsArn: {table.stream_arn}"
    )
    assert "cannot be null or contain only null values" in refused("ValidationException", update, table, {})


def test_a_stream_that_does_not_exist_makes_a_failed_destination(table):
    disable(table)
    wait_for(table, "DISABLED")
    nowhere = table.stream_arn + "x"
    assert enable(table, nowhere)["DestinationStatus"] == "ENABLING"
    wait_for(table, "ENABLE_FAILED", nowhere)

    failed = {one["StreamArn"]: one for one in described(table)}[nowhere]
    assert failed["DestinationStatusDescription"] == "User does not have a permission to use kinesis stream"
    assert refused("ValidationException", disable, table, nowhere) == CANNOT_DISABLE
    enable(table)
    wait_for(table, "ACTIVE")
    assert table.destinations() == {table.stream_arn: "ACTIVE", nowhere: "ENABLE_FAILED"}


def test_unknown_tables_are_told(table):
    call = table.dynamodb.enable_kinesis_streaming_destination
    refused("ResourceNotFoundException", call, TableName="nowhere", StreamArn=table.stream_arn)


def test_a_table_made_anew_has_no_destination(table):
    table.dynamodb.delete_table(TableName=table.name)
    table.dynamodb.create_table(
        TableName=table.name,
        KeySchema=SORTED[:1],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    table.put(pk={"S": "a"})

    found = table.dynamodb.describe_kinesis_streaming_destination(TableName=table.name)
    assert found["KinesisDataStreamDestinations"] == []
    assert table.new_changes() == []
