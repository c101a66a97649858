"""An item has one text however it is written, another item has another, and a key is the key of the view."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddb_pipeline.dynamodb_json import canonical_item, canonical_key, client_key
from ddb_pipeline_tests.unit.test_change_converter_properties import FOLDER, items, keys


@pytest.fixture(scope="module")
def converter_texts() -> Any:
    import importlib

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("canonical_json").item_texts


def values_for_a_client(value: dict[str, Any], shuffled: random.Random) -> dict[str, Any]:
    [(tag, content)] = value.items()
    if tag == "B":
        return {tag: base64.b64decode(content)}
    if tag == "M":
        return {tag: item_for_a_client(content, shuffled)}
    if tag == "L":
        return {tag: [values_for_a_client(one, shuffled) for one in content]}
    if tag in {"SS", "NS", "BS"}:
        members = [base64.b64decode(one) if tag == "BS" else one for one in content]
        return {tag: shuffled.sample(members, len(members))}
    return value


def item_for_a_client(item: dict[str, Any], shuffled: random.Random) -> dict[str, Any]:
    members = list(item.items())
    shuffled.shuffle(members)
    return {name: values_for_a_client(value, shuffled) for name, value in members}


Texts = Callable[[Any], tuple[str, str]]


@settings(max_examples=300, deadline=None)
@given(item=items, shuffled=st.randoms(use_true_random=False))
def test_what_a_client_reads_is_what_the_view_shows(converter_texts: Texts, item: Any, shuffled: random.Random):
    image = json.loads(converter_texts(item)[0])

    assert canonical_item(item_for_a_client(item, shuffled)) == canonical_item(image)


@settings(max_examples=300, deadline=None)
@given(key=keys, shuffled=st.randoms(use_true_random=False))
def test_a_key_is_that_of_the_view_and_back(converter_texts: Texts, key: Any, shuffled: random.Random):
    read = item_for_a_client(key, shuffled)

    assert canonical_key(read) == converter_texts(key)[0]
    assert client_key(canonical_key(read)) == read


@given(one=items, other=items)
def test_items_that_differ_have_different_texts(converter_texts: Texts, one: Any, other: Any):
    # numbers in the strategy have one text for each value
    same = converter_texts(one)[0] == converter_texts(other)[0]

    assert (canonical_item(one) == canonical_item(other)) is same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"S": ""}, {"B": b""}),
        ({"S": "1"}, {"N": "1"}),
        ({"NULL": True}, {"BOOL": True}),
        ({"L": []}, {"M": {}}),
        ({"SS": ["a"]}, {"L": [{"S": "a"}]}),
        ({"S": "é"}, {"S": "e\u0301"}),
        ({"BOOL": True}, {"BOOL": False}),
        ({"L": [{"N": "1"}, {"N": "2"}]}, {"L": [{"N": "2"}, {"N": "1"}]}),
        ({"N": "1." + 36 * "0" + "1"}, {"N": "1"}),
        ({"S": 'a","b'}, {"SS": ["a", "b"]}),
    ],
)
def test_values_that_look_alike_are_told_apart(one: Any, other: Any):
    assert canonical_item({"a": one}) != canonical_item({"a": other})


@given(digits=st.integers(-(10**38) + 1, 10**38 - 1), exponent=st.integers(-90, 80), zeros=st.integers(0, 5))
def test_a_number_is_its_value_whatever_its_digits(digits: int, exponent: int, zeros: int):
    value = Decimal(digits).scaleb(exponent)
    texts = [str(value), f"{value:f}", f"{Decimal(digits * 10**zeros).scaleb(exponent - zeros)}"]

    assert len({canonical_item({"n": {"N": text}, "s": {"NS": [text]}}) for text in texts}) == 1


def test_minus_nothing_is_nothing():
    assert canonical_item({"n": {"N": "-0"}}) == canonical_item({"n": {"N": "0.00"}})


@pytest.mark.parametrize(
    "value",
    [
        5,
        {},
        {"S": "a", "N": "1"},
        {"S": 5},
        {"N": "x"},
        {"N": "NaN"},
        {"N": "Infinity"},
        {"B": "?"},
        {"X": "a"},
        {"M": 5},
    ],
)
def test_what_is_no_item_is_refused(value: Any):
    with pytest.raises(ValueError, match=r"no |one type|base64|Base64|adding|Expecting"):
        canonical_item({"a": value})


@pytest.mark.parametrize("text", ["", "[]", "5", '{"pk": "x"}', '{"pk": {"B": "?"}}', "[" * 100_000])
def test_a_text_that_is_no_key_is_refused(text: str):
    with pytest.raises(ValueError, match=r"no |one type|base64|Base64|adding|Expecting"):
        client_key(text)
