"""An item is the same whichever request wrote it and whichever one reads it, and what DynamoDB refuses is not there."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.streamed_table import SORTED, Table, make_table, refused

ITEM_BYTES = 400 * 1024

KEY = {"pk": {"S": "a"}}
ITEM = {
    **KEY,
    "b": {"B": b"\x00\xff"},
    "n": {"N": "7"},
    "bs": {"BS": [b"x", b"y"]},
    "map": {"M": {"tags": {"L": [{"N": "1.5"}, {"NULL": True}, {"B": b""}]}}},
}


@pytest.fixture
def table(deployed: Deployed) -> Table:
    return make_table(deployed)


def put(table, item, **more):
    return table.dynamodb.put_item(TableName=table.name, Item=item, **more)


def batch(table, *requests):
    return table.dynamodb.batch_write_item(RequestItems={table.name: list(requests)})


def put_request(**attributes):
    return {"PutRequest": {"Item": attributes}}


WRITES = {
    "a plain put": put,
    "a put that returns": lambda table, item: put(table, item, ReturnValues="ALL_OLD"),
    "a put on a condition": lambda table, item: put(table, item, ConditionExpression="attribute_not_exists(pk)"),
    "a batch": lambda table, item: batch(table, put_request(**item)),
    "a transaction": lambda table, item: table.dynamodb.transact_write_items(
        TransactItems=[{"Put": {"TableName": table.name, "Item": item}}]
    ),
    "an update": lambda table, item: table.dynamodb.update_item(
        TableName=table.name,
        Key=KEY,
        UpdateExpression="SET b = :b, n = :n, bs = :bs, #map = :map",
        ExpressionAttributeNames={"#map": "map"},
        ExpressionAttributeValues={f":{name}": value for name, value in item.items() if name != "pk"},
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_every_request_stores_the_same_item(table, write):
    write(table, {**ITEM, "n": {"N": "07.0"}})

    [change] = table.new_changes()
    assert change["dynamodb"]["NewImage"] == {
        **KEY,
        "b": {"B": "AP8="},
        "n": {"N": "7"},
        "bs": {"BS": ["eA==", "eQ=="]},
        "map": {"M": {"tags": {"L": [{"N": "1.5"}, {"NULL": True}, {"B": ""}]}}},
    }
    assert table.item() == ITEM


def test_every_request_reads_the_same_item(table):
    put(table, ITEM)
    put(table, {"pk": {"S": "b"}, "b": {"B": b"\x00"}})
    values = {":b": {"B": b"\x00\xff"}, ":x": {"B": b"x"}}
    name = {"TableName": table.name}

    found = table.dynamodb.scan(
        **name, FilterExpression="b = :b AND contains(bs, :x)", ExpressionAttributeValues=values
    )
    assert found["Items"] == [ITEM]
    found = table.dynamodb.query(
        **name, KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": "a"}}
    )
    assert found["Items"] == [ITEM]
    found = table.dynamodb.get_item(**name, Key=KEY, ProjectionExpression="b, n")
    assert found["Item"] == {"b": ITEM["b"], "n": ITEM["n"]}
    before = put(
        table,
        KEY,
        ReturnValues="ALL_OLD",
        ConditionExpression="b = :b",
        ExpressionAttributeValues={":b": values[":b"]},
    )
    assert before["Attributes"] == ITEM


def test_what_a_reader_is_given_is_not_the_item_itself(table):
    put(table, ITEM)
    for _ in range(2):
        table.update("REMOVE #map.tags[0]", ExpressionAttributeNames={"#map": "map"}, key="a")
        table.update("SET n = n + :one", {":one": {"N": "1"}})

    changes = [change["dynamodb"] for change in table.new_changes()]
    assert [change["NewImage"]["n"]["N"] for change in changes] == ["7", "7", "8", "8", "9"]
    assert [change["OldImage"] for change in changes[1:]] == [change["NewImage"] for change in changes[:-1]]
    assert table.item()["map"] == {"M": {"tags": {"L": [{"B": b""}]}}}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"x": {"S": "no key"}}, "Missing the key pk in the item"),
        ({"pk": {"B": b"a"}}, "Type mismatch for key pk expected: S actual: B"),
        ({"pk": {"S": ""}}, "cannot contain an empty string value. Key: pk"),
        ({"pk": {"S": "x" * 2049}}, "Size of hashkey has exceeded the maximum size limit"),
        ({"pk": {"S": "b"}, "x": {"S": "x" * ITEM_BYTES}}, "Item size has exceeded the maximum allowed size"),
        ({"pk": {"S": "b"}, "x": {"N": "1e999"}}, "Number overflow"),
    ],
)
def test_what_is_no_item_is_refused_with_the_whole_batch(table, item, message):
    with pytest.raises(table.dynamodb.exceptions.ClientError, match=message):
        put(table, item)
    with pytest.raises(table.dynamodb.exceptions.ClientError, match=message):
        batch(table, put_request(**KEY), put_request(**item))

    assert table.dynamodb.scan(TableName=table.name)["Count"] == 0
    assert table.new_changes() == []


def test_the_largest_item_has_400_kib_names_and_keys_included(table):
    largest = {**KEY, "x": {"S": "x" * (ITEM_BYTES - len("pk") - len("a") - len("x"))}}
    put(table, largest)
    refused("ValidationException", put, table, {**largest, "y": {"NULL": True}})

    assert table.item() == largest


def test_a_sort_key_is_checked_and_normalised_too(deployed):
    table = make_table(deployed, SORTED)

    refused("ValidationException", put, table, KEY)
    refused("ValidationException", put, table, {**KEY, "sk": {"S": "1"}})
    batch(table, put_request(**KEY, sk={"N": "1.0"}), put_request(**KEY, sk={"N": "2"}))
    refused("ValidationException", batch, table, put_request(**KEY, sk={"N": "3"}), put_request(**KEY, sk={"N": "3.0"}))
    assert sorted(change["dynamodb"]["Keys"]["sk"]["N"] for change in table.new_changes()) == ["1", "2"]


def test_a_batch_has_25_requests_at_most(table):
    requests = [put_request(pk={"S": str(number)}) for number in range(26)]

    refused("ValidationException", batch, table, *requests)
    batch(table, *requests[:25])
    assert len(table.new_changes()) == 25


def test_a_batch_tells_what_it_consumed_only_if_it_is_asked(table):
    requests = {table.name: [put_request(**KEY)]}

    assert "ConsumedCapacity" not in table.dynamodb.batch_write_item(RequestItems=requests)
    answer = table.dynamodb.batch_write_item(RequestItems=requests, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"] == [{"TableName": table.name, "CapacityUnits": 1.0}]
    assert answer["UnprocessedItems"] == {}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ('{"S": 5}', "SerializationException"),
        ('{"S": "\\ud800"}', "SerializationException"),
        ('{"SS": [1]}', "SerializationException"),
        ('{"BOOL": "x"}', "SerializationException"),
        ('{"B": "?"}', "SerializationException"),
        ('{"M": {"a": {"L": {}}}}', "SerializationException"),
        ('{"X": "x"}', "ValidationException"),
        ('{"S": null}', "ValidationException"),
        ('{"S": "x", "N": "1"}', "ValidationException"),
        ('"x"', "ValidationException"),
    ],
)
def test_a_value_that_no_sdk_sends_is_refused(deployed, table, value, code):
    """Sent as JSON: the SDKs look at values themselves."""
    item = f'{{"pk": {{"S": "a"}}, "x": {value}}}'
    for operation, content in (
        ("PutItem", f'{{"TableName": "{table.name}", "Item": {item}}}'),
        ("BatchWriteItem", f'{{"RequestItems": {{"{table.name}": [{{"PutRequest": {{"Item": {item}}}}}]}}}}'),
    ):
        scope = f"local/20260101/{table.dynamodb.meta.region_name}/dynamodb/aws4_request"
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}",
        }
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(deployed.endpoint, content.encode(), headers), timeout=10)
        assert caught.value.code == 400
        assert json.load(caught.value)["__type"].rpartition("#")[2] == code

    assert table.new_changes() == []


def test_tables_with_indexes_and_streams_of_their_own_get_batches_too(deployed):
    dynamodb = deployed.client("dynamodb")
    dynamodb.create_table(
        TableName="indexed",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "area")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-area",
                "KeySchema": [{"AttributeName": "area", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    try:
        table = Table(dynamodb, None, "indexed", "")
        for no_key in ({"S": ""}, {"NULL": True}):
            refused("ValidationException", batch, table, put_request(**KEY), put_request(pk={"S": "b"}, area=no_key))
            refused("ValidationException", put, table, {**KEY, "area": no_key})
        assert table.item() is None
        batch(table, put_request(**KEY, area={"S": "north"}))

        found = dynamodb.query(
            TableName="indexed",
            IndexName="by-area",
            KeyConditionExpression="area = :area",
            ExpressionAttributeValues={":area": {"S": "north"}},
        )
        assert found["Items"] == [{**KEY, "area": {"S": "north"}}]
        streams = deployed.client("dynamodbstreams")
        [stream] = streams.list_streams(TableName="indexed")["Streams"]
        [shard] = streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]
        iterator = streams.get_shard_iterator(
            StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        [record] = streams.get_records(ShardIterator=iterator)["Records"]
        assert record["dynamodb"]["NewImage"]["area"] == {"S": "north"}
    finally:
        dynamodb.delete_table(TableName="indexed")
