"""Attributes as columns of the views: the statements, the preview, and what the asset says about them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlglot
from sqlglot import exp

from ddb_pipeline.assets.item_attributes import attribute_text, new_columns, views_with_columns, widened_columns
from ddb_pipeline.assets.views import PREVIEW_ATTRIBUTES, preview_of
from ddb_pipeline.item_columns import ItemColumn
from ddb_pipeline.item_columns.learning import item_columns, learn
from ddb_pipeline.item_columns.memory import EMPTY
from ddb_pipeline.item_columns.types import Observation
from ddb_pipeline.view_sql import ViewInputs, create_view_statement, views
from ddb_pipeline_tests.declared import NAMES, pipeline

MOST_BYTES = 200_000
PERSONS = pipeline(max_item_columns=500)
WITH_COLUMNS = ("latest_item_state", "deleted_items")


def columns_of(*observations: Observation) -> tuple[ItemColumn, ...]:
    taken = [column.name for view in views(PERSONS) for column in view.columns]
    return item_columns(learn(EMPTY, observations, PERSONS, taken, "now").memory, PERSONS)


def test_the_views_of_items_have_attributes_as_columns():
    assert views_with_columns(PERSONS) == frozenset(WITH_COLUMNS)


@pytest.mark.parametrize("name", WITH_COLUMNS)
def test_a_view_as_large_as_it_gets_stays_within_athenas_limit(name):
    columns = columns_of(*[Observation((f"{'é' * 400}{number}",), "L", 1) for number in range(500)])
    inputs = ViewInputs(item_columns=columns)
    (view,) = [one for one in views(PERSONS, inputs) if one.name == name]
    size = len(create_view_statement(view, PERSONS, NAMES, inputs).encode())
    assert 150_000 < size <= MOST_BYTES


@pytest.mark.parametrize("name", WITH_COLUMNS)
def test_every_attributes_column_is_cast_and_declared_whatever_it_is_called(name):
    hostile = [
        "item",
        "image",
        "deleted_at",
        "pk_",
        "select",
        "a.b",
        "A.B",
        "'",
        '"',
        "\\",
        "${table}",
        "$",
        "\n",
        "🔑",
    ]
    types = ["S", "N", "B", "BOOL", "L", "SS", "NS", "BS"]
    found = [Observation((attribute,), types[number % len(types)], 1, 3, 2) for number, attribute in enumerate(hostile)]
    inputs = ViewInputs(item_columns=columns_of(*found, Observation(("m", ""), "S", 1)))
    assert len(inputs.item_columns) == len(hostile) + 1
    (view,) = [one for one in views(PERSONS, inputs) if one.name == name]
    select = sqlglot.parse_one(create_view_statement(view, PERSONS, NAMES, inputs), dialect="athena").expression
    produced = {column.alias: column.this for column in select.selects}
    assert tuple(produced) == tuple(column.name for column in view.columns)
    for column in inputs.item_columns:
        assert isinstance(produced[column.name], exp.Cast)
        assert produced[column.name].to.sql("athena").lower().replace(" ", "") == column.type


def test_the_preview_has_as_many_attributes_as_people_look_through():
    columns = columns_of(*[Observation((f"a{number:03}",), "S", 1) for number in range(PREVIEW_ATTRIBUTES + 5)])
    inputs = ViewInputs(item_columns=columns)
    (view,) = [one for one in views(PERSONS, inputs) if one.name == "latest_item_state"]
    assert len(preview_of(view, inputs).columns) == len(view.columns) - 5
    assert preview_of(view, ViewInputs()) == view


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("name",), "name"),
        (("first name",), "first name"),
        (("address", "city"), "address.city"),
        (("a.b",), '["a.b"]'),
        (("a", ""), '["a", ""]'),
        (("[x",), '["[x"]'),
        (("line\nfeed",), '["line\\nfeed"]'),
        (("größe",), "größe"),
    ],
)
def test_an_attribute_is_written_as_pipeline_toml_takes_it(path, text):
    assert attribute_text(path) == text


def test_what_is_new_and_what_widened_is_said():
    old = (ItemColumn("a", "bigint", ("a",), ("N",)), ItemColumn("b", "varchar", ("b",), ("S",)))
    wider = replace(old[0], type="decimal(38,2)")
    both = replace(old[1], dynamodb_types=("N", "S"))
    declared = ItemColumn("c", "boolean", ("c",))
    assert new_columns(old, (*old, declared)) == ["c boolean"]
    assert widened_columns(old, (wider, both, declared)) == [
        "a: bigint of N -> decimal(38,2) of N",
        "b: varchar of S -> varchar of N and S",
    ]
    assert widened_columns(old, old) == []
