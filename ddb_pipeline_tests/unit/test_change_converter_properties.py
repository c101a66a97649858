"""The converter against items, orders and bytes that nobody thought of."""

import base64
import importlib
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddb_pipeline import change_row
from ddb_pipeline_tests.unit.value_strategies import values_of

FOLDER = Path(__file__).parents[2] / "infra_cdk" / "functions" / "change_converter"
COLUMN_NAMES = [column.name for column in change_row.COLUMNS]


@pytest.fixture(scope="module", autouse=True)
def handler():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("change_converter").handler


# Items as DynamoDB holds them

texts = st.text(max_size=20)  # no surrogates: DynamoDB's text is UTF-8
names = st.one_of(st.sampled_from(["S", "N", "M", "a", "A", "a.b", 'x"y', "$", "", "é", "\U0001f600"]), texts)
numbers = st.builds(
    lambda digits, exponent: str(Decimal(digits).scaleb(exponent).normalize()),
    st.integers(-(10**38) + 1, 10**38 - 1),
    st.integers(-90, 80),
)
binaries = st.binary(max_size=12).map(lambda content: base64.b64encode(content).decode())
values = values_of(names=names, texts=texts, numbers=numbers, binaries=binaries, most=4)
items = st.dictionaries(names, values, max_size=6)
keys = st.dictionaries(
    names.filter(bool),
    st.one_of(st.builds(dict, S=texts), st.builds(dict, N=numbers), st.builds(dict, B=binaries)),
    min_size=1,
    max_size=2,
)


@st.composite
def changes(draw):
    event_name = draw(st.sampled_from(["INSERT", "MODIFY", "REMOVE"]))
    microseconds = draw(st.integers(10**15, 4 * 10**15))
    precision = draw(st.sampled_from(["MICROSECOND", "MILLISECOND", None]))
    dynamodb = {
        "ApproximateCreationDateTime": microseconds // 1000 if precision == "MILLISECOND" else microseconds,
        "Keys": draw(keys),
        "SizeBytes": draw(st.integers(0, 800_000)),
    }
    if precision is not None:
        dynamodb["ApproximateCreationDateTimePrecision"] = precision
    if event_name != "REMOVE":
        dynamodb["NewImage"] = draw(items)
    if event_name != "INSERT":
        dynamodb["OldImage"] = draw(items)
    return {
        "awsRegion": "eu-central-1",
        "eventID": draw(st.uuids().map(str)),
        "eventName": event_name,
        "userIdentity": draw(st.sampled_from([None, {"type": "Service", "principalId": "dynamodb.amazonaws.com"}])),
        "recordFormat": "application/json",
        "tableName": "persons",
        "dynamodb": dynamodb,
        "eventSource": "aws:dynamodb",
    }


def line_of(handler, record, *, ascii_only=True):
    data = json.dumps(record, ensure_ascii=ascii_only).encode()
    event = {"records": [{"recordId": "1", "data": base64.b64encode(data).decode(), "kinesisRecordMetadata": {}}]}
    [answer] = handler(event, None)["records"]
    assert answer["result"] == "Ok"
    return base64.b64decode(answer["data"])


def with_sorted_sets(value):
    """DynamoDB's sets have no order: the row has one."""
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(content := next(iter(value.values())), list):
            [tag] = value
            if tag in {"SS", "NS", "BS"} and all(isinstance(element, str) for element in content):
                return {tag: sorted(content, key=str.encode)}
        return {name: with_sorted_sets(content) for name, content in value.items()}
    if isinstance(value, list):
        return [with_sorted_sets(element) for element in value]
    return value


def plain(value):
    [(tag, content)] = value.items()
    if tag in {"N", "NS"}:
        return Decimal(content) if tag == "N" else sorted(map(Decimal, content))
    if tag == "M":
        return {name: plain(inner) for name, inner in content.items()}
    if tag == "L":
        return [plain(inner) for inner in content]
    if tag in {"SS", "BS"}:
        return sorted(content, key=str.encode)
    return None if tag == "NULL" else content


def same(expected, found):
    """Equality that takes a set of numbers for what it is, and tells true from 1."""
    if isinstance(expected, list) and expected and all(isinstance(element, Decimal) for element in expected):
        return sorted(expected) == sorted(found)
    if isinstance(expected, dict):
        return expected.keys() == found.keys() and all(same(expected[name], found[name]) for name in expected)
    if isinstance(expected, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    return type(expected) is type(found) and expected == found


@given(record=changes())
def test_the_dynamodb_json_can_be_rebuilt_from_the_row(handler, record):
    row = json.loads(line_of(handler, record))
    change = record["dynamodb"]
    assert list(row) == COLUMN_NAMES
    assert json.loads(row["item_key"]) == change["Keys"]
    for column, field in (("new_image", "NewImage"), ("old_image", "OldImage")):
        rebuilt = None if row[column] is None else json.loads(row[column])
        assert rebuilt == with_sorted_sets(change.get(field))
    exact = change["ApproximateCreationDateTime"] * (1000 if row["time_precision"] == "MILLISECOND" else 1)
    assert row["changed_at_us"] == exact
    assert row["expired_by_ttl"] == (record["eventName"] == "REMOVE" and record["userIdentity"] is not None)


@given(item=items)
def test_the_plain_item_says_the_same_as_the_image(handler, item):
    row = json.loads(line_of(handler, insert(item)))
    found = json.loads(row["new_item"], parse_float=Decimal, parse_int=Decimal)
    assert same({name: plain(value) for name, value in item.items()}, found)


@given(item=items, data=st.data())
def test_the_order_of_names_and_sets_does_not_change_the_row(handler, item, data):
    assert line_of(handler, insert(shuffled(item, data)), ascii_only=False) == line_of(handler, insert(item))


@given(first=items, second=items)
def test_two_images_have_one_hash_exactly_if_they_are_the_same_state(handler, first, second):
    hashes = [json.loads(line_of(handler, insert(item)))["new_hash"] for item in (first, second)]
    assert (hashes[0] == hashes[1]) == (with_sorted_sets(first) == with_sorted_sets(second))


def insert(item):
    return {
        "awsRegion": "eu-central-1",
        "eventID": "e",
        "eventName": "INSERT",
        "tableName": "persons",
        "dynamodb": {"ApproximateCreationDateTime": 1721011165891, "Keys": {"pk": {"S": "x"}}, "NewImage": item},
    }


def shuffled(value, data):
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in {"SS", "NS", "BS"} and isinstance(next(iter(value.values())), list):
            [(tag, content)] = value.items()
            return {tag: data.draw(st.permutations(content))}
        return {name: shuffled(value[name], data) for name in data.draw(st.permutations(list(value)))}
    if isinstance(value, list):
        return [shuffled(element, data) for element in value]
    return value


# Anything at all

json_documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=10,
)


@st.composite
def damaged_changes(draw):
    """A change record with one value, anywhere, replaced by another."""
    record = draw(changes())
    place = record
    while True:
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], (dict, list)) and place[key] and draw(st.booleans()):
            place = place[key]
            continue
        place[key] = draw(json_documents)
        return json.dumps(record).encode()


anything = st.one_of(
    st.binary(max_size=60), json_documents.map(lambda value: json.dumps(value).encode()), damaged_changes()
)


@settings(max_examples=300)
@given(batch=st.lists(anything, max_size=6))
def test_every_record_is_answered_once_whatever_its_bytes(handler, batch):
    event = {
        "records": [{"recordId": f"id-{n}", "data": base64.b64encode(data).decode()} for n, data in enumerate(batch)]
    }
    answers = handler(event, None)["records"]
    assert [answer["recordId"] for answer in answers] == [record["recordId"] for record in event["records"]]
    for answer, data in zip(answers, batch, strict=True):
        content = base64.b64decode(answer["data"], validate=True)
        if answer["result"] == "Ok":
            row = json.loads(content, parse_constant=pytest.fail)
            assert list(row) == COLUMN_NAMES
            assert content.count(b"\n") == 1
        else:
            assert answer["result"] == "ProcessingFailed"
            assert content == data
