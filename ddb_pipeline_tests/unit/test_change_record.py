"""A change record has the shape and the sizes that DynamoDB gives it."""

import json

import pytest

from ddb_pipeline.local_aws.change_stream.change_record import Change
from ddb_pipeline.local_aws.change_stream.images import Image

NEW = {"Message": {"S": "New item!"}, "Id": {"N": "101"}}
CHANGED = {"Message": {"S": "This item has changed"}, "Id": {"N": "101"}}


def change(old, new, **more):
    old, new = (None if one is None else Image.of(one) for one in (old, new))
    return Change("eu-west-1", "messages", Image.of({"Id": {"N": "101"}}), old, new, 1721011165891550, **more)


@pytest.mark.parametrize(
    ("old", "new", "event_name", "size"),
    [(None, NEW, "INSERT", 26), (NEW, CHANGED, "MODIFY", 59), (CHANGED, None, "REMOVE", 38)],
)
def test_size_bytes_are_those_of_the_example_in_dynamodbs_guide(old, new, event_name, size):
    assert change(old, new).event_name == event_name
    assert change(old, new).size_bytes == size


def test_a_record_has_all_fields_in_their_order_and_no_others():
    record = change(NEW, CHANGED).to_record("f89436e0-627d-4d37-9879-42f86249aa83", "MICROSECOND")

    assert record == (
        b'{"awsRegion":"eu-west-1","eventID":"f89436e0-627d-4d37-9879-42f86249aa83","eventName":"MODIFY",'
        b'"userIdentity":null,"recordFormat":"application/json","tableName":"messages","dynamodb":'
        b'{"ApproximateCreationDateTime":1721011165891550,"Keys":{"Id":{"N":"101"}},'
        b'"NewImage":{"Message":{"S":"This item has changed"},"Id":{"N":"101"}},'
        b'"OldImage":{"Message":{"S":"New item!"},"Id":{"N":"101"}},"SizeBytes":59,'
        b'"ApproximateCreationDateTimePrecision":"MICROSECOND"},"eventSource":"aws:dynamodb"}'
    )


def test_milliseconds_are_written_when_the_precision_says_so():
    dynamodb = json.loads(change(None, NEW).to_record("id", "MILLISECOND"))["dynamodb"]

    assert dynamodb["ApproximateCreationDateTime"] == 1721011165891
    assert dynamodb["ApproximateCreationDateTimePrecision"] == "MILLISECOND"
    assert "OldImage" not in dynamodb


def test_text_stays_utf8():
    assert "ü€😀".encode() in change(None, {"a": {"S": "ü€😀"}}).to_record("id", "MILLISECOND")


def test_a_time_to_live_delete_names_dynamodb_as_the_user():
    record = json.loads(change(NEW, None, expired=True).to_record("id", "MILLISECOND"))

    assert record["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


def test_the_partition_key_looks_like_dynamodbs_and_depends_on_the_item_alone():
    inserted, removed = change(None, NEW).partition_key, change(CHANGED, None).partition_key

    assert inserted == removed
    assert len(inserted) == 32
    assert set(inserted) <= set("0123456789ABCDEF")
