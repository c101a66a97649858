"""The converter, as Firehose calls it: which row a change record becomes, and what is refused."""

import base64
import hashlib
import importlib
import json
import logging
from pathlib import Path

import pytest

from ddb_pipeline import change_row

FOLDER = Path(__file__).parents[2] / "infra_cdk" / "functions" / "change_converter"

TEN_TYPES = {
    "pk": {"S": "person-1"},
    "text": {"S": ""},
    "number": {"N": "-12.50"},
    "binary": {"B": "3q2+7w=="},
    "no_bytes": {"B": ""},
    "yes": {"BOOL": True},
    "no": {"BOOL": False},
    "nothing": {"NULL": True},
    "map": {"M": {"z": {"S": "last"}, "a": {"M": {}}}},
    "list": {"L": [{"N": "2"}, {"S": "one"}, {"L": []}]},
    "texts": {"SS": ["b", "a", "é", "Z"]},
    "numbers": {"NS": ["10", "9", "-1"]},
    "binaries": {"BS": ["/w==", "AA=="]},
}


@pytest.fixture(scope="module", autouse=True)
def handler():
    """The function as Lambda loads it: its folder is the import path."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("change_converter").handler


@pytest.fixture
def convert(handler):
    """Send records through the handler; returns one answer per record."""

    def send(*records, metadata=None):
        event = {"records": [firehose_record(f"id-{n}", record, metadata) for n, record in enumerate(records)]}
        answers = handler(event, None)["records"]
        assert [answer["recordId"] for answer in answers] == [record["recordId"] for record in event["records"]]
        return answers

    return send


@pytest.fixture
def row_of(convert):
    """The row of one record that must convert."""

    def row(record, **arguments):
        [answer] = convert(record, **arguments)
        assert answer["result"] == "Ok"
        line = base64.b64decode(answer["data"])
        assert line.endswith(b"}\n")
        assert line.count(b"\n") == 1
        return json.loads(line)

    return row


@pytest.fixture
def refusal_of(convert, caplog):
    """The logged reason of one record that must be refused; it must come back unchanged."""

    def reason(record):
        caplog.clear()
        [answer] = convert(record)
        assert answer["result"] == "ProcessingFailed"
        assert base64.b64decode(answer["data"]) == as_bytes(record)
        [logged] = caplog.records
        assert logged.levelno == logging.WARNING
        return logged.getMessage()

    return reason


def as_bytes(record):
    return record if isinstance(record, bytes) else json.dumps(record).encode()


def firehose_record(record_id, record, metadata=None):
    return {
        "recordId": record_id,
        "approximateArrivalTimestamp": 1721011166000,
        "data": base64.b64encode(as_bytes(record)).decode(),
        "kinesisRecordMetadata": {
            "shardId": "shardId-000000000003",
            "partitionKey": "68406A366BD60300C59F519142163A14",
            "approximateArrivalTimestamp": 1721011165999,
            "sequenceNumber": "49546986683135544286507457936321625675700192471156785154",
            "subsequenceNumber": "",
        }
        if metadata is None
        else metadata,
    }


def change(event_name="INSERT", new=None, old=None, **fields):
    """A change record as DynamoDB writes it; `fields` replace what is in `dynamodb`, None takes a field away."""
    dynamodb = {
        "ApproximateCreationDateTime": 1721011165891550,
        "ApproximateCreationDateTimePrecision": "MICROSECOND",
        "Keys": {"pk": {"S": "person-1"}},
        "SizeBytes": 137,
    }
    if event_name in {"INSERT", "MODIFY"}:
        dynamodb["NewImage"] = {"pk": {"S": "person-1"}} if new is None else new
    if event_name in {"MODIFY", "REMOVE"}:
        dynamodb["OldImage"] = {"pk": {"S": "person-1"}} if old is None else old
    dynamodb |= fields
    return {
        "awsRegion": "eu-central-1",
        "eventID": "f89436e0-627d-4d37-9879-42f86249aa83",
        "eventName": event_name,
        "userIdentity": None,
        "recordFormat": "application/json",
        "tableName": "persons",
        "dynamodb": {name: value for name, value in dynamodb.items() if value is not None},
        "eventSource": "aws:dynamodb",
    }


# The row


def test_the_row_of_an_insert(row_of):
    image = '{"age":{"N":"36"},"pk":{"S":"person-1"}}'
    assert row_of(change(new={"pk": {"S": "person-1"}, "age": {"N": "36"}})) == {
        "row_version": 1,
        "event_id": "f89436e0-627d-4d37-9879-42f86249aa83",
        "event_name": "INSERT",
        "table_name": "persons",
        "aws_region": "eu-central-1",
        "changed_at_us": 1721011165891550,
        "time_precision": "MICROSECOND",
        "item_key": '{"pk":{"S":"person-1"}}',
        "new_image": image,
        "old_image": None,
        "new_hash": hashlib.sha256(image.encode()).hexdigest()[:32],
        "old_hash": None,
        "new_item": '{"age":36,"pk":"person-1"}',
        "expired_by_ttl": False,
        "user_identity": None,
        "size_bytes": 137,
        "arrived_at_ms": 1721011165999,
        "shard_id": "shardId-000000000003",
        "sequence_number": "49546986683135544286507457936321625675700192471156785154",
    }


@pytest.mark.parametrize("event_name", ["INSERT", "MODIFY", "REMOVE"])
def test_every_row_has_the_columns_of_the_contract_in_order(row_of, event_name):
    assert list(row_of(change(event_name))) == [column.name for column in change_row.COLUMNS]


def test_the_values_have_the_types_of_the_contract(row_of):
    row = row_of(change("MODIFY", SizeBytes=1))
    python_types = {"int": int, "bigint": int, "string": str, "boolean": bool}
    for column in change_row.COLUMNS:
        assert row[column.name] is None or type(row[column.name]) is python_types[column.type]


def test_a_modify_has_both_images_and_a_remove_only_the_old_one(row_of):
    old = {"pk": {"S": "person-1"}, "v": {"N": "1"}}
    modify = row_of(change("MODIFY", new={"pk": {"S": "person-1"}, "v": {"N": "2"}}, old=old))
    remove = row_of(change("REMOVE", old=old))
    assert json.loads(modify["old_image"]) == old
    assert modify["old_image"] == remove["old_image"]
    assert modify["old_hash"] == remove["old_hash"] != modify["new_hash"]
    assert (remove["new_image"], remove["new_hash"], remove["new_item"]) == (None, None, None)


def test_all_ten_types_are_written_canonically(row_of):
    assert row_of(change(new=TEN_TYPES))["new_image"] == (
        '{"binaries":{"BS":["/w==","AA=="]},"binary":{"B":"3q2+7w=="},'
        '"list":{"L":[{"N":"2"},{"S":"one"},{"L":[]}]},'
        '"map":{"M":{"a":{"M":{}},"z":{"S":"last"}}},'
        '"no":{"BOOL":false},"no_bytes":{"B":""},"nothing":{"NULL":true},"number":{"N":"-12.50"},'
        '"numbers":{"NS":["-1","10","9"]},"pk":{"S":"person-1"},"text":{"S":""},'
        '"texts":{"SS":["Z","a","b","é"]},"yes":{"BOOL":true}}'
    )


def test_all_ten_types_are_readable_without_their_tags(row_of):
    assert json.loads(row_of(change(new=TEN_TYPES))["new_item"]) == {
        "pk": "person-1",
        "text": "",
        "number": -12.5,
        "binary": "3q2+7w==",
        "no_bytes": "",
        "yes": True,
        "no": False,
        "nothing": None,
        "map": {"z": "last", "a": {}},
        "list": [2, "one", []],
        "texts": ["Z", "a", "b", "é"],
        "numbers": [-1, 10, 9],
        "binaries": ["/w==", "AA=="],
    }


def test_names_are_sorted_by_their_utf8_bytes(row_of):
    # UTF-16 order would put the emoji before U+FF21
    names = ["\U0001f600", "\uff21", "é", "z", "Z", "a.b", "a-b", 'quo"te', "", "line\nbreak", "back\\slash"]
    image = row_of(change(new={name: {"S": ""} for name in names}))["new_image"]
    assert list(json.loads(image)) == sorted(names, key=str.encode)


def test_text_stays_unescaped_utf8_and_the_row_one_line(convert):
    name = "Zoë 王\u2028\u0085\r\n\t\x00\x7f"
    [answer] = convert(change(new={name: {"S": name}}))
    line = base64.b64decode(answer["data"])
    assert "Zoë 王\u2028\u0085".encode() in line
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    assert json.loads(json.loads(line)["new_image"]) == {name: {"S": name}}


@pytest.mark.parametrize(
    "number",
    [
        "0",
        "-1",
        "0.1",
        "12345678901234567890123456789012345678",
        "0.00000000000000000000000000000000000001",
        "-99999999999999999999.999999999999999999",
        "1E+125",
        "9.9999999999999999999999999999999999999E+125",
        "-1E-130",
        "1e5",
        "1.50",
    ],
)
def test_a_number_keeps_every_digit(row_of, number):
    row = row_of(change(new={"n": {"N": number}, "s": {"NS": [number]}}))
    assert row["new_image"] == f'{{"n":{{"N":"{number}"}},"s":{{"NS":["{number}"]}}}}'
    assert row["new_item"] == f'{{"n":{number},"s":[{number}]}}'


@pytest.mark.parametrize(
    ("number", "as_json"),
    [("+7", "7"), ("007", "7"), ("-00.50", "-0.50"), (".5", "0.5"), ("5.", "5"), ("+.5E3", "0.5E3"), ("00", "0")],
)
def test_a_number_that_is_no_json_number_gets_the_least_change(row_of, number, as_json):
    row = row_of(change(new={"n": {"N": number}}))
    assert json.loads(row["new_image"]) == {"n": {"N": number}}
    assert row["new_item"] == f'{{"n":{as_json}}}'


def test_composite_keys_of_other_types_make_another_item_key(row_of):
    keys = [{"sk": {"N": "1"}, "pk": {"S": "x"}}, {"pk": {"S": "x"}, "sk": {"S": "1"}}, {"pk": {"S": "x"}}]
    assert [row_of(change(Keys=key))["item_key"] for key in keys] == [
        '{"pk":{"S":"x"},"sk":{"N":"1"}}',
        '{"pk":{"S":"x"},"sk":{"S":"1"}}',
        '{"pk":{"S":"x"}}',
    ]


# Time


@pytest.mark.parametrize(
    ("time", "precision", "microseconds", "kept"),
    [
        (1721011165891550, "MICROSECOND", 1721011165891550, "MICROSECOND"),
        (1721011165891, "MILLISECOND", 1721011165891000, "MILLISECOND"),
        (1721011165891550, None, 1721011165891550, "MICROSECOND"),
        (1721011165891, None, 1721011165891000, "MILLISECOND"),
        (10**14, None, 10**14, "MICROSECOND"),
        (10**14 - 1, None, (10**14 - 1) * 1000, "MILLISECOND"),
    ],
)
def test_time_is_in_microseconds_whatever_the_record_had(row_of, time, precision, microseconds, kept):
    row = row_of(change(ApproximateCreationDateTime=time, ApproximateCreationDateTimePrecision=precision))
    assert (row["changed_at_us"], row["time_precision"]) == (microseconds, kept)


@pytest.mark.parametrize("time", [1721011165, 1721011165.5, "1721011165891", True, -1, 2**63])
def test_a_time_that_dynamodb_does_not_write_is_refused(refusal_of, time):
    record = change(ApproximateCreationDateTime=time, ApproximateCreationDateTimePrecision=None)
    assert "ApproximateCreationDateTime" in refusal_of(record)


@pytest.mark.parametrize(
    ("arrival", "milliseconds"),
    [
        (1721011165999, 1721011165999),
        (1721011165999.0, 1721011165999),
        ("1721011165999", 1721011165999),
        ("2012-04-23T18:25:43.511Z", 1335205543511),
        ("2012-04-23T20:25:43.511+02:00", 1335205543511),
        ("2012-04-23T18:25:43.511", 1335205543511),
        ("1510112160000", 1510112160000),
        ("soon", 1721011166000),
        (None, 1721011166000),
    ],
)
def test_arrival_is_read_as_number_or_text_else_that_of_firehose_counts(row_of, arrival, milliseconds):
    assert row_of(change(), metadata={"approximateArrivalTimestamp": arrival})["arrived_at_ms"] == milliseconds


def test_a_record_without_kinesis_metadata_has_nulls_there(row_of):
    row = row_of(change(), metadata={})
    assert (row["shard_id"], row["sequence_number"]) == (None, None)


# Time to live


@pytest.mark.parametrize(
    "identity",
    [
        {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
        {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"},
    ],
)
def test_a_delete_by_time_to_live_is_marked_in_either_key_case(row_of, identity):
    row = row_of(change("REMOVE") | {"userIdentity": identity})
    assert row["expired_by_ttl"] is True
    assert json.loads(row["user_identity"]) == identity


@pytest.mark.parametrize(
    ("event_name", "identity"),
    [
        ("REMOVE", None),
        ("REMOVE", {"type": "Service", "principalId": "replication.dynamodb.amazonaws.com"}),
        ("REMOVE", {"type": "IAMUser", "principalId": "dynamodb.amazonaws.com"}),
        ("REMOVE", "Service"),
        ("MODIFY", {"type": "Service", "principalId": "dynamodb.amazonaws.com"}),
    ],
)
def test_nothing_else_is_a_delete_by_time_to_live(row_of, event_name, identity):
    row = row_of(change(event_name) | {"userIdentity": identity})
    assert row["expired_by_ttl"] is False


# What is refused


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"dynamodb":{}}',
        b'{"Records":[]}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"9" * 10_000,
        json.dumps(change()).encode("utf-16"),
        json.dumps(change()).encode() + b"\n{}",
        json.dumps(change()).encode().replace(b'"eventName"', b'"eventID": "x", "eventName"'),
        json.dumps(change()).encode().replace(b'{"S": "person-1"}', b'{"S": "a", "S": "b"}'),
    ],
)
def test_what_is_not_a_change_record_is_refused(refusal_of, data):
    refusal_of(data)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eventID", None),
        ("eventID", ""),
        ("eventID", 7),
        ("eventName", "UPSERT"),
        ("eventName", ["INSERT"]),
        ("tableName", None),
        ("awsRegion", {}),
        ("dynamodb", []),
        ("eventSource", "aws:kinesis"),
    ],
)
def test_a_record_with_a_wrong_field_is_refused(refusal_of, name, value):
    refusal_of(change() | {name: value})


@pytest.mark.parametrize(
    "keys",
    [
        None,
        {},
        [],
        {"pk": {"BOOL": True}},
        {"pk": "person-1"},
        {"a": {"S": "1"}, "b": {"S": "2"}, "c": {"S": "3"}},
    ],
)
def test_a_record_without_proper_keys_is_refused(refusal_of, keys):
    refusal_of(change(Keys=keys))


@pytest.mark.parametrize(
    "record",
    [
        change("INSERT", NewImage=None),
        change("INSERT", OldImage={"pk": {"S": "x"}}),
        change("MODIFY", OldImage=None),
        change("MODIFY", NewImage=None),
        change("REMOVE", OldImage=None),
        change("REMOVE", NewImage={"pk": {"S": "x"}}),
        change("INSERT", NewImage=["pk"]),
    ],
)
def test_images_must_fit_the_kind_of_change(refusal_of, record):
    assert "Image" in refusal_of(record) or "map" in refusal_of(record)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"S": "a", "N": "1"},
        {"X": "a"},
        {"s": "a"},
        "text",
        None,
        [],
        {"S": 1},
        {"S": None},
        {"N": 1},
        {"N": ""},
        {"N": "."},
        {"N": "-"},
        {"N": "1,5"},
        {"N": "NaN"},
        {"N": "Infinity"},
        {"N": "0x1F"},
        {"N": "1\n"},
        {"N": "٣"},
        {"B": "not base64!"},
        {"B": "QQ"},
        {"B": 1},
        {"BOOL": "true"},
        {"BOOL": 1},
        {"NULL": False},
        {"NULL": None},
        {"M": []},
        {"M": {"a": "b"}},
        {"L": {}},
        {"L": ["b"]},
        {"SS": []},
        {"SS": "ab"},
        {"SS": [1]},
        {"SS": ["a", "a"]},
        {"NS": ["a"]},
        {"NS": [1]},
        {"BS": ["?"]},
    ],
)
def test_an_attribute_value_that_dynamodb_does_not_have_is_refused(refusal_of, value):
    refusal_of(change(new={"a": value}))
    refusal_of(change("REMOVE", old={"a": {"M": {"b": {"L": [value]}}}}))


@pytest.mark.parametrize("constant", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_are_refused_also_where_the_row_does_not_look(refusal_of, constant):
    assert "not JSON" in refusal_of(change() | {"newField": constant})


def test_a_field_that_the_row_has_no_column_for_stops_nothing(row_of):
    assert row_of(change(NewField=[1.5]) | {"newField": {"a": None}}) == row_of(change())


def test_half_a_surrogate_pair_is_refused(refusal_of):
    whole = json.dumps(change(new={"a": {"S": "\U0001f600"}})).encode()
    assert b"\\ud83d\\ude00" in whole
    for half in (whole.replace(b"\\ude00", b""), whole.replace(b'"a"', b'"\\ud800"')):
        assert "UTF-8" in refusal_of(half)


def test_as_deep_as_dynamodb_goes_is_converted_and_absurdly_deep_is_refused(convert):
    def nested(levels):
        value = {"S": "bottom"}
        for _ in range(levels):
            value = {"L": [{"M": {"a": value}}]}
        return change(new={"a": value})

    answers = convert(nested(16), nested(200), change())
    assert [answer["result"] for answer in answers] == ["Ok", "ProcessingFailed", "Ok"]


def test_a_deep_user_identity_is_refused_and_not_the_batch(convert):
    deep = (
        json.dumps(change()).encode().replace(b'"userIdentity": null', b'"userIdentity": ' + b"[" * 5000 + b"]" * 5000)
    )
    huge = json.dumps(change()).encode().replace(b'"userIdentity": null', b'"userIdentity": 1e999')
    answers = convert(deep, huge, change())
    assert [answer["result"] for answer in answers][1:] == ["ProcessingFailed", "Ok"]


def test_the_log_names_the_place_in_the_stream_and_no_content_of_the_item(convert, caplog):
    convert(change(new={"secret-name": {"N": "secret-value"}}), change())
    [logged] = caplog.records
    message = logged.getMessage()
    assert "id-0" in message
    assert "an N is not a number" in message
    assert "49546986683135544286507457936321625675700192471156785154" in message
    assert "secret" not in message
    assert "\n" not in message


# Firehose's contract


def test_one_wrong_record_does_not_fail_its_neighbours(convert):
    answers = convert(change(), b"\xff", change("REMOVE"))
    assert [answer["result"] for answer in answers] == ["Ok", "ProcessingFailed", "Ok"]
    assert all(set(answer) == {"recordId", "result", "data"} for answer in answers)


@pytest.mark.parametrize("data", ["%%%", "QQ", "é", None, 5])
def test_data_that_is_not_base64_is_refused(handler, data):
    answers = handler({"records": [{"recordId": "1", "data": data}, {"recordId": "2"}]}, None)["records"]
    assert [(answer["recordId"], answer["result"]) for answer in answers] == [
        ("1", "ProcessingFailed"),
        ("2", "ProcessingFailed"),
    ]


def test_an_empty_batch_has_an_empty_answer(handler):
    assert handler({"records": []}, None) == {"records": []}


def with_text_of(length):
    # the text is in the row twice: in new_image and in new_item
    return change(new={"pk": {"S": "person-1"}, "text": {"S": "x" * length}})


def test_a_row_that_would_pass_the_limit_fails_alone(convert, caplog):
    answers = convert(with_text_of(10), with_text_of(2_500_000), with_text_of(10))
    assert [answer["result"] for answer in answers] == ["Ok", "ProcessingFailed", "Ok"]
    assert answers[1]["data"], "there is room to hand the original back"
    assert "does not fit" in caplog.records[0].getMessage()
    assert len(json.dumps({"records": answers})) < 5_500_000


def test_of_many_rows_the_fewest_fail(convert):
    answers = convert(with_text_of(1_000_000), *[with_text_of(200_000)] * 6, with_text_of(10))
    assert [answer["result"] for answer in answers] == ["ProcessingFailed"] + ["Ok"] * 7
    assert len(json.dumps({"records": answers})) < 5_500_000


def test_the_response_stays_below_the_limit_when_nothing_converts(handler):
    records = [{"recordId": str(n), "data": "A" * 1_000_000} for n in range(8)]
    answers = handler({"records": records}, None)["records"]
    assert {answer["result"] for answer in answers} == {"ProcessingFailed"}
    assert [answer["data"] for answer in answers] == ["A" * 1_000_000] * 5 + [""] * 3
    assert len(json.dumps({"records": answers})) < 5_500_000
