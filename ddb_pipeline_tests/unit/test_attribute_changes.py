"""`attribute_changes`: exactly the attributes that changed, under any name, of any type, as deep as is asked for."""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from ddb_pipeline.local_aws.athena.engine import connect
from ddb_pipeline_tests.unit.test_change_converter_properties import FOLDER, items, names, values
from ddb_pipeline_tests.unit.view_answers import NAMES, PERSONS, answer

Item = dict[str, Any]
KEY = '{"pk":{"S":"1"}}'


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    directory = tmp_path_factory.mktemp("athena")
    return connect(directory, directory / "objects")


@pytest.fixture(scope="module")
def texts():
    """The converter's own: an item's canonical DynamoDB JSON, and its plain JSON."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("canonical_json").item_texts


def row(texts, old: Item | None, new: Item | None, event: str = "e") -> dict[str, Any]:
    images = [None if item is None else texts(item)[0] for item in (old, new)]
    return {
        "event_id": event,
        "event_name": "INSERT" if old is None else "REMOVE" if new is None else "MODIFY",
        "table_name": NAMES.table,
        "changed_at_us": 1_767_225_600_000_000,
        "item_key": KEY,
        "old_image": images[0],
        "new_image": images[1],
        "old_hash": images[0],  # as different as the images are
        "new_hash": images[1],
        "expired_by_ttl": False,
    }


def audit(engine, rows, depth=1):
    """What the view says of some change rows: by path, the old and the new value with their types."""
    pipeline = dataclasses.replace(PERSONS, attribute_changes_depth=depth)
    found = answer(engine, "attribute_changes", rows, pipeline=pipeline)
    paths = [tuple(one["path"]) for one in found]
    assert len(paths) == len(set(paths))
    assert [path[0] for path in paths] == [one["attribute"] for one in found]
    return {
        tuple(one["path"]): (one["old_type"], digits(one["old_value"]), one["new_type"], digits(one["new_value"]))
        for one in found
    }


def digits(plain: str | None) -> Any:
    """A JSON value whose numbers stay text, digit by digit; how text is escaped is the engine's own affair."""
    return None if plain is None else json.loads(plain, parse_int=Digits, parse_float=Digits)


class Digits(str):
    """A number's text; it is not the string of that text."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digits) and str(self) == str(other)

    __hash__ = str.__hash__


def expected(texts, old: Item, new: Item, depth: int, above: tuple[str, ...] = ()) -> Iterator[Any]:
    """The same, from the items themselves."""
    for name in old.keys() | new.keys():
        pair = [item.get(name) for item in (old, new)]
        shown = [None if value is None else texts({"x": value}) for value in pair]
        if shown[0] == shown[1]:
            continue
        if len(above) + 1 < depth and all(value is not None and "M" in value for value in pair):
            yield from expected(texts, pair[0]["M"], pair[1]["M"], depth, (*above, name))
        else:
            told = [
                (None, None) if value is None else (next(iter(value)), digits(plain[1])["x"])
                for value, plain in zip(pair, shown, strict=True)
            ]
            yield (*above, name), (*told[0], *told[1])


@st.composite
def two_items(draw):
    """Two items that have much in common."""
    old, new = draw(items), draw(items)
    common = draw(st.dictionaries(names, values, max_size=4))
    return {**old, **common}, {**new, **common}


@settings(max_examples=30, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(two_items(), st.integers(1, 3))
@example(({"a": {"M": {"b": {"M": {}}}}}, {"a": {"M": {"b": {"M": {"": {"N": "1"}}}}}}), 3)
@example(({"M": {"M": {"M": {"S": "x"}}}}, {"M": {"M": {"M": {"NULL": True}}}}), 2)
def test_the_changed_attributes_and_no_others_are_told_with_both_values(engine, texts, pair, depth):
    old, new = pair
    found = audit(engine, [row(texts, old, new)], depth)
    assert found == dict(expected(texts, old, new, depth))


def test_an_insert_and_a_delete_change_every_attribute(engine, texts):
    item = {"pk": {"S": "1"}, "tags": {"SS": ["b", "a"]}}
    shown = {("pk",): ("S", "1"), ("tags",): ("SS", ["a", "b"])}
    nothing = (None, None)
    assert audit(engine, [row(texts, None, item)]) == {path: (*nothing, *value) for path, value in shown.items()}
    assert audit(engine, [row(texts, item, None)]) == {path: (*value, *nothing) for path, value in shown.items()}


def test_the_order_of_a_set_and_of_names_is_no_change(engine, texts):
    old = {"tags": {"SS": ["a", "b"]}, "m": {"M": {"x": {"N": "1"}, "y": {"N": "2"}}}, "n": {"N": "1"}}
    new = {"m": {"M": {"y": {"N": "2"}, "x": {"N": "1"}}}, "tags": {"SS": ["b", "a"]}, "n": {"N": "2"}}
    assert audit(engine, [row(texts, old, new)], 3) == {("n",): ("N", Digits("1"), "N", Digits("2"))}


@pytest.mark.parametrize(
    ("old", "new"), [({"N": "1"}, {"S": "1"}), ({"NULL": True}, None), ({"S": ""}, {"NULL": True})]
)
def test_the_type_belongs_to_the_value(engine, texts, old, new):
    items = [{"pk": {"S": "1"}, **({} if value is None else {"a": value})} for value in (old, new)]
    (told,) = audit(engine, [row(texts, *items)]).values()
    assert (told[0], told[2]) == tuple(None if value is None else next(iter(value)) for value in (old, new))


def test_a_map_is_shown_whole_at_the_depth_and_by_its_members_below(engine, texts):
    old = {"person": {"M": {"name": {"S": "Ito"}, "job": {"M": {"area": {"S": "Data"}}}}}}
    new = {"person": {"M": {"name": {"S": "Ito"}, "job": {"M": {"area": {"S": "Law"}}}}}}
    jobs = [{"area": "Data"}, {"area": "Law"}]
    persons = [{"job": job, "name": "Ito"} for job in jobs]
    change = [row(texts, old, new)]
    assert audit(engine, change, 1) == {("person",): ("M", persons[0], "M", persons[1])}
    assert audit(engine, change, 2) == {("person", "job"): ("M", jobs[0], "M", jobs[1])}
    assert audit(engine, change, 3) == {("person", "job", "area"): ("S", "Data", "S", "Law")}


def test_a_repeated_record_is_told_once_and_a_change_of_nothing_not_at_all(engine, texts):
    change = row(texts, {"a": {"N": "1"}}, {"a": {"N": "2"}})
    nothing = row(texts, {"a": {"N": "2"}}, {"a": {"N": "2"}}, "other")
    assert audit(engine, [change, change, nothing]) == {("a",): ("N", Digits("1"), "N", Digits("2"))}
