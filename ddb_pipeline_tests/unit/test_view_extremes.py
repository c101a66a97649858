"""Keys and items at the edges of what DynamoDB takes, in every view: long numbers, bytes, 400 KB, empty values."""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from ddb_pipeline.baselines import Baseline
from ddb_pipeline.declaration import KeyAttribute
from ddb_pipeline.item_columns import ItemColumn
from ddb_pipeline.local_aws.athena.engine import connect
from ddb_pipeline.view_sql import ViewInputs
from ddb_pipeline_tests.declared import NAMES, pipeline
from ddb_pipeline_tests.unit.test_change_converter_properties import FOLDER
from ddb_pipeline_tests.unit.view_answers import Row, answer

T = 1_767_225_600_000_000
PIPELINE = pipeline(KeyAttribute("🔑.b", "B"), KeyAttribute('n"1', "N"), attribute_changes_depth=3)
BYTES = bytes(range(256))
NUMBERS = ("9" * 38, "-0." + "0" * 100 + "1", "1E+125", "1E-130", "0")
EMPTY = {"s": {"S": ""}, "b": {"B": ""}, "m": {"M": {}}, "l": {"L": []}, "n": {"NULL": True}}
DOTS = {"a.b": {"M": {"c.d": {"M": {"": {"S": "x"}, "$": {"N": "1"}}}}}}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    directory = tmp_path_factory.mktemp("athena")
    return connect(directory, directory / "objects")


@pytest.fixture(scope="module")
def converter() -> Iterator[Any]:
    """The converter's own canonical JSON."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("canonical_json")


def key(number: str) -> dict[str, Any]:
    return {"🔑.b": {"B": base64.b64encode(BYTES).decode()}, 'n"1': {"N": number}}


def change(converter: Any, number: str, old: Any, new: Any, at_us: int, *, expired: bool = False) -> Row:
    """A change row of the item with that number in its key; images are given without the key."""
    texts = [None if image is None else converter.item_texts({**key(number), **image}) for image in (old, new)]
    before, after = (text and text[0] for text in texts)
    old_hash, new_hash = (text and converter.image_hash(text.encode()) for text in (before, after))
    return {
        "event_id": f"{number} {at_us}",
        "event_name": "INSERT" if old is None else "REMOVE" if new is None else "MODIFY",
        "table_name": NAMES.table,
        "changed_at_us": at_us,
        "item_key": converter.item_texts(key(number))[0],
        "old_image": before,
        "new_image": after,
        "old_hash": old_hash,
        "new_hash": new_hash,
        "new_item": texts[1] and texts[1][1],
        "expired_by_ttl": expired,
        "arrived_at_ms": at_us // 1000,
        "shard_id": "shardId-000000000000",
        "sequence_number": "1",
        "year": "2026",
        "month": "01",
        "day": "01",
        "hour": "00",
    }


def test_binary_and_number_keys_are_told_whole_and_keep_items_apart(engine, converter):
    rows = [change(converter, number, None, EMPTY, T) for number in NUMBERS]
    found = answer(engine, "latest_item_state", rows, pipeline=PIPELINE)

    assert {row["n_1"] for row in found} == set(NUMBERS)
    assert {bytes(row["__b"]) for row in found} == {BYTES}
    for row in found:
        assert json.loads(row["image"]) == {**key(row["n_1"]), **EMPTY}
        assert json.loads(row["item"], parse_int=str, parse_float=str) == {
            "🔑.b": base64.b64encode(BYTES).decode(),
            'n"1': row["n_1"],
            "s": "",
            "b": "",
            "m": {},
            "l": [],
            "n": None,
        }


def test_an_item_of_400_kilobytes_goes_through_every_view(engine, converter):
    most = 400_000
    old, new = {"text": {"S": "é" * (most // 2)}}, {"bytes": {"B": base64.b64encode(bytes(most)).decode()}}
    rows = [
        change(converter, "1", None, old, T),
        change(converter, "1", old, new, T + 1),
        change(converter, "2", None, new, T),
        change(converter, "2", new, None, T + 1, expired=True),
    ]
    (state,) = answer(engine, "latest_item_state", rows, pipeline=PIPELINE)
    (gone,) = answer(engine, "deleted_items", rows, pipeline=PIPELINE)
    audit = answer(engine, "attribute_changes", rows, pipeline=PIPELINE)

    assert json.loads(state["image"])["bytes"] == new["bytes"]
    assert json.loads(gone["item"])["bytes"] == new["bytes"]["B"]
    assert gone["expired_by_ttl"]
    of_text = {(row["old_value"], row["new_value"]) for row in audit if row["attribute"] == "text"}
    assert of_text == {(None, json.dumps("é" * (most // 2), ensure_ascii=False))} | {
        (json.dumps("é" * (most // 2), ensure_ascii=False), None)
    }
    assert len(answer(engine, "item_history", rows, pipeline=PIPELINE)) == 4
    assert answer(engine, "change_problems", rows, pipeline=PIPELINE) == []


def test_members_with_dots_and_without_a_name_are_told_by_their_path(engine, converter):
    new = {"a.b": {"M": {"c.d": {"M": {"": {"S": ""}, "$": {"N": "1"}}}}}}
    rows = [change(converter, "1", DOTS, new, T)]
    (row,) = answer(engine, "attribute_changes", rows, pipeline=PIPELINE)
    assert (row["attribute"], row["path"]) == ("a.b", ["a.b", "c.d", ""])
    assert (row["old_value"], row["new_value"]) == ('"x"', '""')


def test_an_old_baseline_shows_its_values_in_columns_that_have_widened_since(engine, converter):
    """A bigint of the baseline, in a column that a later item has made a decimal; and one that is text by now."""
    baseline = Baseline("b", "snapshot", as_of_us=T, margin_us=0)
    columns = (ItemColumn("price", "decimal(38,2)", ("price",)), ItemColumn("code", "varchar", ("code",), ("N", "S")))
    old = change(converter, "1", None, {"price": {"N": "7"}, "code": {"N": "12"}}, T - 5)
    kept = {**old, "event_name": "BASELINE", "old_hash": None, "state_certain": True, "baseline_id": "b"}
    rows = [change(converter, "2", None, {"price": {"N": "7.25"}, "code": {"S": "x"}}, T + 5)]
    found = answer(engine, "latest_item_state", rows, ViewInputs(baseline, columns), [kept], pipeline=PIPELINE)
    assert {(row["n_1"], str(row["price"]), row["code"]) for row in found} == {("1", "7.00", "12"), ("2", "7.25", "x")}


def test_a_time_to_live_delete_behind_a_baseline_is_one_still(engine, converter):
    """The change table has both changes, the baseline has no row: the cut is after them."""
    inputs = ViewInputs(Baseline("b", "snapshot", as_of_us=T + 100, margin_us=0))
    rows = [change(converter, "1", None, EMPTY, T), change(converter, "1", EMPTY, None, T + 1, expired=True)]
    assert answer(engine, "latest_item_state", rows, inputs, pipeline=PIPELINE) == []
    (gone,) = answer(engine, "deleted_items", rows, inputs, pipeline=PIPELINE)
    assert (gone["deleted_at_us"], gone["expired_by_ttl"], gone["n_1"]) == (T + 1, True, "1")
    assert json.loads(gone["image"]) == {**key("1"), **EMPTY}


@pytest.mark.parametrize(("after_us", "name"), [(-1, "old"), (0, "new"), (1, "new")])
def test_as_of_the_very_moment_of_a_snapshot(engine, converter, after_us, name):
    """A snapshot is what was before its moment; the change of that very microsecond counts as of it."""
    old, new = {"name": {"S": "old"}}, {"name": {"S": "new"}}
    rows = [change(converter, "1", None, old, T - 5), change(converter, "1", old, new, T)]
    kept = {**rows[0], "event_name": "BASELINE", "state_certain": True, "baseline_id": "b"}
    baseline = Baseline("b", "snapshot", as_of_us=T, margin_us=0) if after_us >= 0 else None
    inputs = ViewInputs(baseline, as_of_us=T + after_us)
    (row,) = answer(engine, "latest_item_state", rows, inputs, [kept], pipeline=PIPELINE)
    assert json.loads(row["item"])["name"] == name
