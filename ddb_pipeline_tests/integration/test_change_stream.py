"""Every change of a table, and nothing else, becomes one change record on its Kinesis stream."""

from __future__ import annotations

import json
import threading
import time
import uuid
from decimal import Decimal

import boto3
import pytest

from ddb_pipeline.local_aws import change_stream
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.streamed_table import ACCOUNT, SORTED, Table, connection, images, make_table, refused


@pytest.fixture
def table(deployed: Deployed) -> Table:
    return make_table(deployed)


def test_a_change_becomes_one_record_of_the_published_shape(table):
    before = time.time_ns() // 1000
    table.put(pk={"S": "ä"}, n={"N": "1.0"})
    after = time.time_ns() // 1000

    [record] = table.new_records()
    change = json.loads(record["Data"])

    assert list(change) == [
        "awsRegion",
        "eventID",
        "eventName",
        "userIdentity",
        "recordFormat",
        "tableName",
        "dynamodb",
        "eventSource",
    ]
    assert change["awsRegion"] == table.dynamodb.meta.region_name
    assert str(uuid.UUID(change["eventID"])) == change["eventID"]
    assert change["userIdentity"] is None
    assert change["tableName"] == table.name
    assert before <= change["dynamodb"].pop("ApproximateCreationDateTime") <= after
    assert change["dynamodb"] == {
        "Keys": {"pk": {"S": "ä"}},
        "NewImage": {"pk": {"S": "ä"}, "n": {"N": "1"}},
        "SizeBytes": 11,
        "ApproximateCreationDateTimePrecision": "MICROSECOND",
    }
    assert b"\n" not in record["Data"]
    assert b", " not in record["Data"]
    assert "ä".encode() in record["Data"]


def test_put_update_and_delete_carry_both_images(table):
    table.put(pk={"S": "a"}, x={"S": "1"})
    table.update("SET x = :x", {":x": {"S": "2"}})
    table.put(pk={"S": "a"}, y={"BOOL": True})
    table.dynamodb.delete_item(TableName=table.name, Key={"pk": {"S": "a"}})

    one, two = {"pk": {"S": "a"}, "x": {"S": "1"}}, {"pk": {"S": "a"}, "x": {"S": "2"}}
    three = {"pk": {"S": "a"}, "y": {"BOOL": True}}
    assert [images(change) for change in table.new_changes()] == [
        ("INSERT", None, one),
        ("MODIFY", one, two),
        ("MODIFY", two, three),
        ("REMOVE", three, None),
    ]


def test_all_ten_types_arrive_as_dynamodb_json(table):
    item = {
        "pk": {"S": "a"},
        "empty": {"S": ""},
        "n": {"N": "-1E-5"},
        "digits": {"N": "12345678901234567890123456789012345678"},
        "b": {"B": b"\x00\xff"},
        "yes": {"BOOL": True},
        "nothing": {"NULL": True},
        "map": {"M": {"m": {"M": {}}, "a.b": {"B": b"x"}, "Üñ\n\u2028": {"L": []}}},
        "list": {"L": [{"N": "1.50"}, {"L": [{"BS": [b"y"]}]}]},
        "ss": {"SS": ["b", "a"]},
        "ns": {"NS": ["2.0", "1"]},
        "bs": {"BS": [b"\x01", b"\x02"]},
    }
    table.put(**item)

    [change] = table.new_changes()
    assert change["dynamodb"]["NewImage"] == {
        **item,
        "n": {"N": "-0.00001"},
        "b": {"B": "AP8="},
        "map": {"M": {"m": {"M": {}}, "a.b": {"B": "eA=="}, "Üñ\n\u2028": {"L": []}}},
        "list": {"L": [{"N": "1.5"}, {"L": [{"BS": ["eQ=="]}]}]},
        "ns": {"NS": ["2", "1"]},
        "bs": {"BS": ["AQ==", "Ag=="]},
    }
    assert table.item() == {
        **item,
        "n": {"N": "-0.00001"},
        "list": {"L": [{"N": "1.5"}, {"L": [{"BS": [b"y"]}]}]},
        "ns": {"NS": ["2", "1"]},
    }


def test_writes_that_change_nothing_send_nothing(table):
    table.put(pk={"S": "a"}, n={"N": "1"}, tags={"SS": ["x", "y"]})
    table.new_changes()

    table.put(pk={"S": "a"}, n={"N": "1.0"}, tags={"SS": ["y", "x"]})
    table.update("SET n = :n", {":n": {"N": "1"}})
    table.update("ADD tags :t", {":t": {"SS": ["x"]}})
    table.update("REMOVE not_there")
    table.update("SET n = n")
    table.dynamodb.update_item(TableName=table.name, Key={"pk": {"S": "a"}})
    table.dynamodb.delete_item(TableName=table.name, Key={"pk": {"S": "nobody"}})

    assert table.new_changes() == []


def test_failed_conditions_send_nothing(table):
    table.put(pk={"S": "a"})
    table.new_changes()
    exists = {"ConditionExpression": "attribute_not_exists(pk)"}
    key = {"TableName": table.name, "Key": {"pk": {"S": "a"}}, **exists}
    failed = "ConditionalCheckFailedException"

    refused(failed, table.dynamodb.put_item, TableName=table.name, Item={"pk": {"S": "a"}, "x": {"S": "1"}}, **exists)
    refused(failed, table.dynamodb.delete_item, **key)
    refused(failed, table.dynamodb.update_item, UpdateExpression="REMOVE x", **key)

    assert table.new_changes() == []


def test_a_failed_update_leaves_the_item_as_it_was(table):
    table.put(pk={"S": "a"}, list={"L": []}, n={"N": "1"})
    before = table.item()
    table.new_changes()

    refused("ValidationException", table.update, "SET z = :z ADD list :n", {":z": {"S": "z"}, ":n": {"N": "1"}})
    refused("ValidationException", table.update, "SET pk = :z", {":z": {"S": "z"}})
    refused("ValidationException", table.update, "SET z = :z", {":z": {"SS": []}})
    refused("ValidationException", table.update, "SET z = :z", {":z": {"N": "abc"}})
    refused("ValidationException", table.update, "SET n = n + :n", {":n": {"N": "0." + "0" * 37 + "1"}})
    refused("ValidationException", table.update, "SET z.y = :z", {":z": {"S": "z"}}, key="new")

    assert table.item() == before
    assert table.item("new") is None
    assert table.new_changes() == []


@pytest.mark.parametrize(
    "value", [{"N": "1" * 39}, {"N": "1_0"}, {"N": "1E126"}, {"SS": []}, {"NS": ["1", "1.0"]}, {"M": {"a": {"SS": []}}}]
)
def test_values_that_dynamodb_refuses_are_refused(table, value):
    refused("ValidationException", table.put, pk={"S": "a"}, x=value)

    assert table.new_changes() == []


def test_arithmetic_keeps_38_digits(table):
    table.put(pk={"S": "a"}, n={"N": "1.5"}, big={"N": "12345678901234567890123456789012345678"})
    table.update("SET n = n + :n, big = big - :one", {":n": {"N": "1E2"}, ":one": {"N": "1"}})
    table.update("ADD n :n", {":n": {"N": "0.5"}})

    assert table.item()["n"] == {"N": "102"}
    assert table.item()["big"] == {"N": "12345678901234567890123456789012345677"}


def test_an_attribute_set_from_another_is_a_copy(table):
    table.put(pk={"S": "a"}, m={"M": {"x": {"N": "1"}}})
    table.update("SET copied = m")
    table.update("SET copied.x = :x", {":x": {"N": "2"}})

    assert table.item()["m"] == {"M": {"x": {"N": "1"}}}
    assert table.new_changes()[-1]["dynamodb"]["NewImage"]["m"] == {"M": {"x": {"N": "1"}}}


def test_attribute_updates_keep_their_types(table):
    table.dynamodb.update_item(
        TableName=table.name,
        Key={"pk": {"S": "a"}},
        AttributeUpdates={
            "yes": {"Action": "PUT", "Value": {"BOOL": True}},
            "b": {"Value": {"B": b"x"}},
            "n": {"Action": "ADD", "Value": {"N": "2.0"}},
        },
    )

    [change] = table.new_changes()
    assert change["eventName"] == "INSERT"
    assert change["dynamodb"]["NewImage"] == {
        "pk": {"S": "a"},
        "yes": {"BOOL": True},
        "b": {"B": "eA=="},
        "n": {"N": "2"},
    }


def test_a_composite_key_is_complete_and_normalised(deployed):
    table = make_table(deployed, SORTED)
    table.put(pk={"S": "a"}, sk={"N": "1.0"}, x={"S": "1"})
    table.put(pk={"S": "a"}, sk={"N": "2"})
    table.dynamodb.update_item(
        TableName=table.name, Key={"pk": {"S": "a"}, "sk": {"N": "01"}}, UpdateExpression="REMOVE x"
    )
    table.dynamodb.delete_item(TableName=table.name, Key={"pk": {"S": "a"}, "sk": {"N": "2.00"}})

    changes = {}
    for change in table.new_changes():
        changes.setdefault(json.dumps(change["dynamodb"]["Keys"]), []).append(change["eventName"])
    assert changes == {
        '{"pk": {"S": "a"}, "sk": {"N": "1"}}': ["INSERT", "MODIFY"],
        '{"pk": {"S": "a"}, "sk": {"N": "2"}}': ["INSERT", "REMOVE"],
    }


def test_a_wrong_key_is_refused(table):
    refused("ValidationException", table.dynamodb.delete_item, TableName=table.name, Key={"pk": {"N": "1"}})
    refused("ValidationException", table.dynamodb.update_item, TableName=table.name, Key={"pk": {"L": []}})


def test_batch_writes_send_one_record_an_item(table):
    table.put(pk={"S": "old"})
    table.new_changes()
    table.dynamodb.batch_write_item(
        RequestItems={
            table.name: [
                {"PutRequest": {"Item": {"pk": {"S": "x"}}}},
                {"PutRequest": {"Item": {"pk": {"S": "y"}}}},
                {"DeleteRequest": {"Key": {"pk": {"S": "old"}}}},
                {"DeleteRequest": {"Key": {"pk": {"S": "nobody"}}}},
            ]
        }
    )

    found = sorted((change["eventName"], change["dynamodb"]["Keys"]["pk"]["S"]) for change in table.new_changes())
    assert found == [("INSERT", "x"), ("INSERT", "y"), ("REMOVE", "old")]


def test_a_refused_batch_writes_nothing(table):
    one, again = {"Item": {"pk": {"S": "a"}}}, {"Item": {"pk": {"S": "a"}, "x": {"S": "1"}}}
    for requests in (
        [{"PutRequest": one}, {"PutRequest": again}],
        [{"PutRequest": one}, {"DeleteRequest": {"Key": {"pk": {"S": "a"}}}}],
        [{"PutRequest": one}, {"PutRequest": {"Item": {"pk": {"S": "b"}, "set": {"SS": []}}}}],
    ):
        refused("ValidationException", table.dynamodb.batch_write_item, RequestItems={table.name: requests})

    assert table.item() is None
    assert table.new_changes() == []


def transaction(table, *operations):
    table.dynamodb.transact_write_items(
        TransactItems=[{kind: {"TableName": table.name, **request}} for kind, request in operations]
    )


def test_a_transaction_sends_its_changes(table):
    table.put(pk={"S": "gone"})
    table.new_changes()
    transaction(
        table,
        ("Put", {"Item": {"pk": {"S": "x"}, "n": {"N": "1.0"}}}),
        ("Delete", {"Key": {"pk": {"S": "gone"}}}),
        (
            "Update",
            {
                "Key": {"pk": {"S": "y"}},
                "UpdateExpression": "SET n = :n",
                "ExpressionAttributeValues": {":n": {"N": "2.0"}},
            },
        ),
        ("ConditionCheck", {"Key": {"pk": {"S": "z"}}, "ConditionExpression": "attribute_not_exists(pk)"}),
    )

    found = sorted((images(change) for change in table.new_changes()), key=str)
    assert found == [
        ("INSERT", None, {"pk": {"S": "x"}, "n": {"N": "1"}}),
        ("INSERT", None, {"pk": {"S": "y"}, "n": {"N": "2"}}),
        ("REMOVE", {"pk": {"S": "gone"}}, None),
    ]


def test_a_failed_transaction_changes_and_sends_nothing(table):
    table.put(pk={"S": "a"}, n={"N": "1"})
    table.new_changes()

    refused(
        "TransactionCanceledException",
        transaction,
        table,
        ("Put", {"Item": {"pk": {"S": "x"}}}),
        ("Delete", {"Key": {"pk": {"S": "a"}}}),
        ("ConditionCheck", {"Key": {"pk": {"S": "z"}}, "ConditionExpression": "attribute_exists(pk)"}),
    )
    refused(
        "ValidationException",
        transaction,
        table,
        ("Put", {"Item": {"pk": {"S": "x"}}}),
        ("Put", {"Item": {"pk": {"S": "y"}, "set": {"SS": []}}}),
    )

    assert table.item() == {"pk": {"S": "a"}, "n": {"N": "1"}}
    assert table.item("x") is None
    assert table.new_changes() == []
    table.update("SET n = :n", {":n": {"N": "2"}})
    assert [change["eventName"] for change in table.new_changes()] == ["MODIFY"]


def test_records_of_an_item_follow_the_order_of_concurrent_writes(table, deployed):
    table.put(pk={"S": "a"}, n={"N": "0"})
    clients = [boto3.client("dynamodb", **connection(deployed)) for _ in range(6)]

    def write(client):
        for _ in range(20):
            client.update_item(
                TableName=table.name,
                Key={"pk": {"S": "a"}},
                UpdateExpression="ADD n :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )

    threads = [threading.Thread(target=write, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    changes = [change["dynamodb"] for change in table.new_changes()]
    assert [Decimal(change["NewImage"]["n"]["N"]) for change in changes] == list(range(121))
    assert [change.get("OldImage") for change in changes[1:]] == [change["NewImage"] for change in changes[:-1]]
    times = [change["ApproximateCreationDateTime"] for change in changes]
    assert times == sorted(times)


def test_a_record_too_large_for_kinesis_is_skipped_and_counted(table):
    table.put(pk={"S": "big"}, x={"L": [{"BOOL": True}] * 100_000})
    table.put(pk={"S": "small"})

    assert [change["dynamodb"]["Keys"]["pk"]["S"] for change in table.new_changes()] == ["small"]
    destination = change_stream.replication(table.name, account_id=ACCOUNT, region=table.dynamodb.meta.region_name)
    assert destination is not None
    assert (destination.replicated, destination.failed_to_replicate) == (1, 1)
