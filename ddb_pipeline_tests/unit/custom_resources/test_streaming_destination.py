"""The function that streams an existing table: what it does to the table, and what it refuses."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.names import PROJECT
from ddb_pipeline_tests.unit.custom_resources.dynamodb import ENDED, FORMER, THEIRS, DynamoDb
from ddb_pipeline_tests.unit.custom_resources.requests import (
    KEY,
    OURS,
    LambdaContext,
    request,
)


def bring_about(functions, dynamodb, event, clock):
    return functions.streaming_destination.bring_about(dynamodb, event, clock)


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize(
    "before",
    [{}, {"ours": "DISABLED"}, {"theirs": "DISABLED"}, {"theirs": "ENABLE_FAILED"}, {"ours": "ENABLE_FAILED"}],
)
def test_creating_enables_the_destination_with_microseconds_and_waits_until_it_is_active(
    functions, clock, before, steps
):
    dynamodb = DynamoDb(steps=steps, **before)
    outcome = bring_about(functions, dynamodb, request(), clock)

    assert dynamodb.calls == [("enable", "orders", OURS)]
    assert dynamodb.statuses()[OURS] == "ACTIVE"
    assert dynamodb.tables["orders"][OURS]["ApproximateCreationDateTimePrecision"] == "MICROSECOND"
    assert outcome.physical_id == "orders to ours"


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_request_that_comes_again_changes_nothing(functions, clock, kind):
    dynamodb = DynamoDb()
    first = bring_about(functions, dynamodb, request(), clock)
    again = bring_about(functions, dynamodb, request(kind, old={}, physical_id=first.physical_id), clock)

    assert again == first
    assert dynamodb.calls == [("enable", "orders", OURS)]


def test_a_request_that_comes_again_while_the_first_is_at_work_waits_with_it(functions, clock):
    dynamodb = DynamoDb(ours="ENABLING")
    dynamodb.tables["orders"][OURS]["ApproximateCreationDateTimePrecision"] = "MICROSECOND"
    dynamodb._ways["orders", OURS] = [3, "ACTIVE"]

    assert bring_about(functions, dynamodb, request(), clock).physical_id == "orders to ours"
    assert dynamodb.calls == []


def test_a_destination_of_milliseconds_gets_microseconds(functions, clock):
    dynamodb = DynamoDb(ours="ACTIVE")
    bring_about(functions, dynamodb, request(), clock)

    assert dynamodb.calls == [("update", "orders", OURS)]
    assert dynamodb.tables["orders"][OURS]["ApproximateCreationDateTimePrecision"] == "MICROSECOND"


@pytest.mark.parametrize("status", ["ENABLING", "ACTIVE", "UPDATING"])
def test_a_table_that_streams_elsewhere_is_refused_by_that_stream_and_left_alone(functions, clock, status):
    dynamodb = DynamoDb(theirs=status)
    with pytest.raises(functions.custom_resource.NotPossibleError) as caught:
        bring_about(functions, dynamodb, request(), clock)

    assert str(caught.value) == (
        f"table orders streams to {THEIRS} already, and DynamoDB streams a table to one Kinesis stream only. Nothing "
        "was changed. If nothing needs that stream any more, disable it: aws dynamodb "
        f"disable-kinesis-streaming-destination --table-name orders --stream-arn {THEIRS}"
    )
    assert dynamodb.calls == []

    # CloudFormation deletes what it could not create, and that is not theirs
    outcome = bring_about(functions, dynamodb, request("Delete", physical_id="not-created-request-1"), clock)
    assert outcome.physical_id == "not-created-request-1"
    assert dynamodb.statuses() == {THEIRS: status}


def test_a_table_that_another_stage_streams_is_first_of_all_that_stages(functions, clock):
    theirs = f"arn:aws:kinesis:eu-west-1:111122223333:stream/{PROJECT}-prod-orders-ChangeStreamStream1-x"
    dynamodb = DynamoDb()
    dynamodb.tables["orders"][theirs] = {"StreamArn": theirs, "DestinationStatus": "ACTIVE"}
    with pytest.raises(functions.custom_resource.NotPossibleError) as caught:
        bring_about(functions, dynamodb, request(), clock)

    assert (
        "Nothing was changed. That is a stream of this project: if another stage or pipeline has the table, let "
        "existing_table name it for one of them only, such as { prod = ... }. If nothing needs that stream any more"
    ) in str(caught.value)
    assert functions.streaming_destination.PROJECT == PROJECT


def test_a_destination_that_somebody_is_taking_away_is_waited_for(functions, clock):
    dynamodb = DynamoDb(theirs="ACTIVE")
    dynamodb.disable_kinesis_streaming_destination("orders", THEIRS)
    bring_about(functions, dynamodb, request(), clock)

    assert dynamodb.statuses() == {THEIRS: "DISABLED", OURS: "ACTIVE"}


def test_what_dynamodb_cannot_enable_is_told_with_its_reason_and_deleted_without_a_call(functions, clock):
    dynamodb = DynamoDb()
    dynamodb.fails = {OURS}
    with pytest.raises(
        functions.custom_resource.NotPossibleError, match=r"could not stream table orders .* no permission"
    ):
        bring_about(functions, dynamodb, request(), clock)

    bring_about(functions, dynamodb, request("Delete", physical_id="x"), clock)
    assert dynamodb.calls == [("enable", "orders", OURS)]


def test_an_update_to_another_stream_disables_the_former_first(functions, clock):
    dynamodb = DynamoDb(former="ACTIVE")
    outcome = bring_about(functions, dynamodb, request("Update", old={"StreamArn": FORMER}, physical_id="x"), clock)

    assert dynamodb.calls == [("disable", "orders", FORMER), ("enable", "orders", OURS)]
    assert dynamodb.statuses() == {FORMER: "DISABLED", OURS: "ACTIVE"}
    assert outcome.physical_id == "orders to ours"
    # the clean-up deletes what was replaced, which is gone by then
    bring_about(functions, dynamodb, request("Delete", StreamArn=FORMER, physical_id="orders to former"), clock)
    assert dynamodb.statuses() == {FORMER: "DISABLED", OURS: "ACTIVE"}


def test_an_update_that_is_taken_back_goes_the_whole_way_back(functions, clock):
    dynamodb = DynamoDb(former="ACTIVE")
    bring_about(functions, dynamodb, request("Update", old={"StreamArn": FORMER}, physical_id="x"), clock)
    dynamodb.tables["orders"][FORMER]["ApproximateCreationDateTimePrecision"] = "MICROSECOND"
    back = request("Update", StreamArn=FORMER, old={"StreamArn": OURS}, physical_id="orders to ours")

    assert bring_about(functions, dynamodb, back, clock).physical_id == "orders to former"
    assert dynamodb.statuses() == {FORMER: "ACTIVE", OURS: "DISABLED"}
    bring_about(functions, dynamodb, request("Delete", physical_id="orders to ours"), clock)
    assert dynamodb.statuses() == {FORMER: "ACTIVE", OURS: "DISABLED"}


def test_a_destination_whose_creation_failed_after_it_was_asked_for_is_taken_back(functions):
    dynamodb = DynamoDb(steps=5)
    no_time = functions.custom_resource.Clock(LambdaContext(900, 30), time.time() + 60)
    with pytest.raises(functions.custom_resource.OutOfTimeError):
        bring_about(functions, dynamodb, request(), no_time)
    assert dynamodb.statuses() == {OURS: "ENABLING"}

    # CloudFormation deletes what could not be created, under the name that the failure gave it
    clock = functions.custom_resource.Clock(LambdaContext(), time.time() + 60)
    bring_about(functions, dynamodb, request("Delete", physical_id="not-created-request-1"), clock)
    assert dynamodb.statuses() == {OURS: "DISABLED"}


@pytest.mark.parametrize("status", ["ACTIVE", "ENABLING", "UPDATING", "DISABLING", "DISABLED", "ENABLE_FAILED"])
def test_deleting_waits_until_the_destination_is_disabled(functions, clock, status):
    dynamodb = DynamoDb(ours=status)
    settled = {"ENABLING": "ACTIVE", "UPDATING": "ACTIVE", "DISABLING": "DISABLED"}.get(status)
    if settled:
        dynamodb._ways["orders", OURS] = [2, settled]
    bring_about(functions, dynamodb, request("Delete", physical_id="x"), clock)

    assert dynamodb.statuses()[OURS] in ENDED
    expected = [] if status in {"DISABLING", *ENDED} else [("disable", "orders", OURS)]
    assert dynamodb.calls == expected


def test_deleting_is_done_when_the_table_is_gone(functions, clock):
    outcome = bring_about(functions, DynamoDb(tables=()), request("Delete", physical_id="x"), clock)
    assert outcome.physical_id == "x"


def test_a_table_that_is_not_there_is_named(functions, clock):
    with pytest.raises(functions.custom_resource.NotPossibleError, match="there is no table missing in this account"):
        bring_about(functions, DynamoDb(), request(TableName="missing"), clock)


@pytest.mark.parametrize(
    "declared",
    [KEY[:1], [KEY[1], KEY[0]], [{"name": "id", "type": "S"}, KEY[1]], [{"name": "Id", "type": "B"}, KEY[1]]],
)
def test_a_table_of_another_key_is_refused_before_anything_is_changed(functions, clock, declared):
    dynamodb = DynamoDb()
    with pytest.raises(functions.custom_resource.NotPossibleError, match=r"has the key id \(B\), line \(N\), and"):
        bring_about(functions, dynamodb, request(KeyAttributes=json.dumps(declared)), clock)
    assert dynamodb.calls == []


@pytest.mark.parametrize("code", ["ResourceInUseException", "ValidationException", "LimitExceededException"])
def test_a_request_that_another_invocation_has_overtaken_looks_again(functions, clock, code):
    dynamodb = DynamoDb(steps=1)
    enable = dynamodb.enable_kinesis_streaming_destination

    def overtaken(**call):
        enable(**call)
        raise dynamodb._error(code, "somebody was faster")

    dynamodb.enable_kinesis_streaming_destination = overtaken
    assert bring_about(functions, dynamodb, request(), clock).physical_id == "orders to ours"


def test_a_refusal_that_nobody_else_is_the_reason_of_is_told(functions, clock):
    dynamodb = DynamoDb()

    def refused(**call):
        raise dynamodb._error("ValidationException", "One or more parameter values were invalid")

    dynamodb.enable_kinesis_streaming_destination = refused
    with pytest.raises(ClientError, match="parameter values were invalid"):
        bring_about(functions, dynamodb, request(), clock)


def test_a_destination_that_takes_too_long_is_told_with_its_state(functions):
    clock = functions.custom_resource.Clock(LambdaContext(900, 900, 30), time.time() + 60)
    with pytest.raises(functions.custom_resource.OutOfTimeError, match=r"streaming from table orders .* is ENABLING"):
        bring_about(functions, DynamoDb(steps=100), request(), clock)


def test_a_table_that_may_stream_on_is_told_as_a_failure_with_what_works_when_the_function_is_gone(functions):
    event = request("Delete") | {"StackId": "arn:aws:cloudformation:eu-west-1:111122223333:stack/the-stack/1f2e"}
    told = functions.streaming_destination.stuck(event, "streaming from table orders to ours is DISABLING")

    assert told["Status"] == "FAILED"
    assert told["Reason"] == (
        "streaming from table orders to ours is DISABLING. CloudFormation asks no second time. To end the streaming: "
        f"`aws dynamodb disable-kinesis-streaming-destination --table-name orders --stream-arn {OURS}`. If the stack "
        "was being deleted, `make destroy` once more does that, and deletes the rest; without it: "
        "`aws cloudformation delete-stack --stack-name the-stack --retain-resources Thing`"
    )
