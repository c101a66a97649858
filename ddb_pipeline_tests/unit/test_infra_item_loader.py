"""The item loader: what it plans, what it counts, and which events it refuses."""

import importlib
import json
import random
import uuid
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

FOLDER = Path(__file__).parents[2] / "infra_cdk" / "functions" / "item_loader"


@pytest.fixture(scope="module")
def function():
    """The modules as Lambda loads them: the function's folder is the import path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        names = ("item_loader", "operations", "persons")
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})


def keys(function, *types):
    return [function.operations.KeyAttribute(f"key{number}", key_type) for number, key_type in enumerate(types)]


def plan(function, size, seed, *types):
    return list(function.operations.plan(size, random.Random(seed), keys(function, *(types or ("S",)))))


@pytest.fixture
def table(monkeypatch, function):
    """A table of DynamoDB's imitation, and the function's environment."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("TABLE_NAME", "persons")
    monkeypatch.setenv("KEY_ATTRIBUTES", json.dumps([{"name": "pk", "type": "S"}]))
    with mock_aws():
        function.item_loader._table.cache_clear()
        yield boto3.resource("dynamodb").create_table(
            TableName="persons",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        function.item_loader._table.cache_clear()


def items(table):
    return {item["pk"]: item for item in table.scan()["Items"]}


def test_the_same_seed_gives_the_same_plan(function):
    assert plan(function, 50, 7) == plan(function, 50, 7)
    assert plan(function, 50, 7) != plan(function, 50, 8)


def test_every_third_insert_is_followed_by_an_update_and_every_tenth_by_a_delete(function):
    kinds = Counter(operation.kind for operation in plan(function, 100, 1))
    assert kinds == {"put": 100, "update": 33, "delete": 10}


def test_updates_and_deletes_are_of_items_that_are_there_and_updates_change_them(function):
    there = {}
    for operation in plan(function, 500, 3):
        key = operation.key["key0"]
        if operation.kind == "put":
            assert key not in there
        else:
            assert key in there
        if operation.kind == "update":
            assert operation.person != there[key]
        if operation.kind == "delete":
            del there[key]
        else:
            there[key] = operation.person


def test_a_person_has_names_gender_title_and_a_job(function):
    for operation in plan(function, 200, 5):
        if operation.person is not None:
            assert set(operation.person) == {"last_name", "first_name", "gender", "title", "job"}
            assert set(operation.person["job"]) == {"descriptor", "area", "type"}
            assert operation.person["last_name"]
            assert operation.person["first_name"]


def test_keys_have_the_types_that_the_table_declares(function):
    for operation in plan(function, 50, 2, "S", "N"):
        assert uuid.UUID(operation.key["key0"]).version == 4
        assert 0 <= operation.key["key1"] < 10**38
    assert all(isinstance(operation.key["key0"], bytes) for operation in plan(function, 50, 2, "B"))


def test_a_key_named_person_leaves_the_person_another_name(function):
    attribute = function.operations.KeyAttribute
    assert function.item_loader.person_attribute([attribute("pk", "S")]) == "person"
    assert function.item_loader.person_attribute([attribute("person", "S"), attribute("person_", "N")]) == "person__"


def test_the_answer_counts_what_became_of_the_table(function, table):
    assert function.item_loader.handler({"batchSize": 20, "seed": 1}, None) == {
        "inserted": 20,
        "updated": 6,
        "deleted": 2,
    }
    assert len(items(table)) == 18
    assert set(next(iter(items(table).values()))) == {"pk", "person"}


def test_without_a_seed_the_persons_are_others_each_time(function, table):
    for _ in range(2):
        assert function.item_loader.handler({"batchSize": 5}, None)["inserted"] == 5
    assert len(items(table)) == 10


def test_a_seed_used_again_is_counted_as_what_it_does(function, table):
    """Items still there are written over: an update where they differ, nothing where they are the same."""
    first = function.item_loader.handler({"batchSize": 9, "seed": 4}, None)
    before = items(table)
    again = function.item_loader.handler({"batchSize": 9, "seed": 4}, None)
    assert first == {"inserted": 9, "updated": 3, "deleted": 0}
    assert again["inserted"] == 0
    # each changed item is put back to its first state, then changed again
    assert again["updated"] >= 3
    assert items(table) == before


def test_a_put_of_the_same_item_and_a_delete_of_none_count_nothing(function, table):
    operation = function.operations.Operation
    person = function.persons.new_person(random.Random(1))
    operations = [
        operation("put", {"pk": "a"}, person),
        operation("put", {"pk": "a"}, person),
        operation("update", {"pk": "a"}, person),
        operation("delete", {"pk": "a"}, None),
        operation("delete", {"pk": "a"}, None),
        operation("update", {"pk": "a"}, person),
    ]
    assert function.item_loader.load(table, operations, "person") == {"inserted": 2, "updated": 0, "deleted": 1}


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({}, "batchSize must be a whole number from 1 to 10000, found None"),
        ({"batchSize": 0}, "found 0"),
        ({"batchSize": 10_001}, "found 10001"),
        ({"batchSize": "10"}, "found '10'"),
        ({"batchSize": True}, "found True"),
        ({"batchSize": 1.5}, "found 1.5"),
        ({"batchSize": 1, "seed": "x"}, "seed must be a whole number, found 'x'"),
        ({"batchSize": 1, "batchsize": 2}, "unknown in the event: batchsize; known are batchSize and seed"),
        ([], "the event must be an object such as"),
        (None, "the event must be an object such as"),
        ({"batchSize": "9" * 10_000}, "found '999"),
    ],
)
def test_a_wrong_event_gets_an_error_that_says_what_is_right(function, event, message):
    with pytest.raises(function.item_loader.EventError) as caught:
        function.item_loader.handler(event, None)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 200
