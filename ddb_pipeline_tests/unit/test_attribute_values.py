"""Attribute values are what DynamoDB would keep, compare and count."""

import pytest

from ddb_pipeline.local_aws.change_stream.attribute_values import (
    InvalidValueError,
    normalised,
    normalised_number,
    same_image,
)
from ddb_pipeline.local_aws.change_stream.images import Image
from ddb_pipeline.local_aws.change_stream.legacy_updates import as_update_expression


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("1", "1"),
        ("1.0", "1"),
        ("00042", "42"),
        ("-0", "0"),
        ("0.000", "0"),
        ("1.5E2", "150"),
        ("+7", "7"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-1e-3", "-0.001"),
        ("1.00000000000000007629769841092E+50", "100000000000000007629769841092000000000000000000000"),
        ("1" * 38, "1" * 38),
        ("1" * 38 + "000", "1" * 38 + "000"),
        ("9.9999999999999999999999999999999999999E+125", "9" * 38 + "0" * 88),
        ("1E-130", "0." + "0" * 129 + "1"),
    ],
)
def test_numbers_come_back_as_plain_digits_without_idle_zeros(sent, kept):
    assert normalised_number(sent) == kept


@pytest.mark.parametrize(
    "sent",
    ["", " 1", "1 ", "1_0", "abc", "NaN", "Infinity", "0x1", "1e", "\u0661", "1" * 39, "1E126", "1E-131", "1e99999999"],
)
def test_what_is_no_dynamodb_number_is_refused(sent):
    with pytest.raises(InvalidValueError):
        normalised_number(sent)


def nested(levels):
    value = {"S": "x"}
    for _ in range(levels):
        value = {"L": [value]}
    return value


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"S": "a", "N": "1"},
        {"SS": []},
        {"NS": ["1", "1.0"]},
        {"BS": [b"a", b"a"]},
        {"NULL": False},
        {"M": {"a": {"N": "x"}}},
        {"L": [{"SS": []}]},
        {"L": [{"M": {"": {"S": "moto's answers would lose it"}}}]},
        nested(33),
    ],
)
def test_what_dynamodb_would_refuse_is_refused(value):
    with pytest.raises(InvalidValueError):
        normalised(value)


def test_values_are_normalised_at_every_depth_and_else_left_alone():
    sent = {
        "M": {"list": {"L": [{"N": "1.0"}, nested(29)]}, "set": {"NS": ["2.50"]}, " ": {"S": ""}, "b": {"B": "AA=="}}
    }
    kept = {"M": {"list": {"L": [{"N": "1"}, nested(29)]}, "set": {"NS": ["2.5"]}, " ": {"S": ""}, "b": {"B": b"\0"}}}

    assert normalised(sent) == kept


def test_images_hold_binary_as_base64_at_every_depth():
    held = {"set": {"BS": [b"x", b"y"]}, "map": {"M": {"b": {"B": b"\x00\xff"}}}, "list": {"L": [{"B": "AA=="}]}}

    assert Image.of(held).attributes() == {
        "set": {"BS": ["eA==", "eQ=="]},
        "map": {"M": {"b": {"B": "AP8="}}},
        "list": {"L": [{"B": "AA=="}]},
    }


def test_order_in_sets_means_nothing_and_order_in_lists_everything():
    assert same_image({"a": {"SS": ["x", "y"]}}, {"a": {"SS": ["y", "x"]}})
    assert not same_image({"a": {"L": [{"S": "x"}, {"S": "y"}]}}, {"a": {"L": [{"S": "y"}, {"S": "x"}]}})


def test_equal_content_of_another_type_is_another_item():
    assert not same_image({"a": {"S": "1"}}, {"a": {"N": "1"}})
    assert not same_image({"a": {"SS": ["1"]}}, {"a": {"NS": ["1"]}})
    assert not same_image({"a": {"BOOL": True}}, {"a": {"NULL": True}})
    assert not same_image({}, None)
    assert same_image(None, None)


def test_sizes_are_those_of_dynamodbs_documentation():
    assert Image.of({"é": {"S": "é"}}).size == 4
    assert Image.of({"a": {"BOOL": True}, "b": {"NULL": True}}).size == 4
    assert Image.of({"a": {"B": "AAAA"}}).size == 4
    assert Image.of({"a": {"N": "0"}}).size == 2
    assert Image.of({"a": {"N": "-27"}}).size == 4
    assert Image.of({"a": {"L": []}}).size == 4
    assert Image.of({"a": {"M": {"b": {"S": "xy"}}}}).size == 1 + 3 + 1 + 1 + 2
    assert Image.of({"a": {"SS": ["xy", "z"]}}).size == 4


def test_attribute_updates_become_an_update_expression():
    expression, names, values = as_update_expression(
        {
            "a": {"Value": {"BOOL": True}},
            "b c": {"Action": "ADD", "Value": {"N": "1.0"}},
            "d": {"Action": "DELETE"},
            "e": {"Action": "DELETE", "Value": {"SS": ["x"]}},
            "f": {"Action": "PUT", "Value": {"S": "y"}},
        }
    )

    assert expression == (
        "SET #attribute0 = :value0, #attribute4 = :value4 ADD #attribute1 :value1 "
        "REMOVE #attribute2 DELETE #attribute3 :value3"
    )
    assert list(names.values()) == ["a", "b c", "d", "e", "f"]
    assert values[":value1"] == {"N": "1"}


def test_an_attribute_update_without_its_value_is_refused():
    with pytest.raises(InvalidValueError, match="attribute a"):
        as_update_expression({"a": {"Action": "PUT"}})
