"""The views' SQL as text: quoting, columns, and that any engine of Trino's dialect can read it."""

import dataclasses
import re

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp
from sqlglot.tokens import TokenType

from ddb_pipeline.baselines import Baseline
from ddb_pipeline.declaration import KeyAttribute
from ddb_pipeline.item_columns import ItemColumn
from ddb_pipeline.sql_text import json_path, quote_identifier, quote_literal
from ddb_pipeline.view_sql import (
    NOTHING_KNOWN,
    ViewInputs,
    create_view_statement,
    key_column_names,
    select_statement,
    views,
)
from ddb_pipeline_tests.declared import NAMES, pipeline
from ddb_pipeline_tests.unit.view_answers import hours_read, tables_read

PERSONS = pipeline(KeyAttribute("pk", "S"))
T = 1_767_225_600_000_000  # 2026-01-01, in microseconds
BASELINE = Baseline("it's", "snapshot", as_of_us=T + 3_600_000_000, margin_us=3_600_000_000 + 1)
INPUTS = {
    "alone": NOTHING_KNOWN,
    "as of a moment": ViewInputs(as_of_us=T),
    "since a moment": ViewInputs(as_of_us=T + 1, since_us=T),
    "baseline": ViewInputs(BASELINE),
    "two formats": ViewInputs(BASELINE, other_change_table="the_other_change_table"),
    "all": ViewInputs(BASELINE, (ItemColumn("first_name", "varchar", ("person", "first name")),), BASELINE.as_of_us),
}
VIEWS = [
    pytest.param(view, inputs, id=f"{view.name}, {name}")
    for name, inputs in INPUTS.items()
    for view in views(PERSONS, inputs)
]
STATE_VIEWS = {"latest_item_state", "deleted_items", "change_problems"}
"""Those that ask what an item is: they read the baseline too."""


def change_tables(inputs):
    return ["the_change_table", *([inputs.other_change_table] if inputs.other_change_table else [])]


@pytest.mark.parametrize(("view", "inputs"), VIEWS)
def test_a_view_reads_each_table_once(view, inputs):
    statement = sqlglot.parse_one(create_view_statement(view, PERSONS, NAMES, inputs), dialect="athena")
    tables = [table.sql("athena") for table in statement.expression.find_all(exp.Table) if table.db]
    baselines = ['"the_database"."baselines"'] * (inputs.baseline is not None and view.name in STATE_VIEWS)
    changes = [f'"the_database"."{name}"' for name in change_tables(inputs)]
    assert sorted(tables) == [*baselines, *changes]
    # Trino scans a common table expression again for every reference to it
    names = [table.name for table in statement.expression.find_all(exp.Table) if not table.db]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("view", "inputs"), VIEWS)
@pytest.mark.parametrize("depth", [1, 3])
def test_the_plan_reads_each_table_once(view, inputs, depth):
    # local Athena computes a common table expression anew wherever it is named, as Trino does
    declared = dataclasses.replace(PERSONS, attribute_changes_depth=depth)
    baselines = ["baselines"] * (inputs.baseline is not None and view.name in STATE_VIEWS)
    assert sorted(tables_read(view.name, inputs, pipeline=declared)) == [*baselines, *change_tables(inputs)]


@pytest.mark.parametrize(("view", "inputs"), VIEWS)
def test_every_column_is_cast_and_declared(view, inputs):
    select = sqlglot.parse_one(create_view_statement(view, PERSONS, NAMES, inputs), dialect="athena").expression
    produced = {column.alias: column.this for column in select.selects}
    assert tuple(produced) == tuple(column.name for column in view.columns)
    for column in view.columns:
        assert isinstance(produced[column.name], exp.Cast)
        assert produced[column.name].to.sql("athena").lower() == column.type


def conditions(view, inputs):
    """What the view asks of the rows of each table, as text."""
    select = sqlglot.parse_one(select_statement(view, PERSONS, NAMES, inputs), dialect="athena")
    found = {}
    for table in select.find_all(exp.Table):
        if table.db:
            where = table.parent_select.args["where"].this
            parts = where.flatten() if isinstance(where, exp.And) else [where]
            found[table.name] = {part.sql("athena") for part in parts}
    return found


def test_a_baseline_bounds_what_the_state_reads_by_hours_that_athena_can_leave_out():
    (view,) = [view for view in views(PERSONS) if view.name == "latest_item_state"]
    assert conditions(view, INPUTS["all"]) == {
        "the_change_table": {
            "table_name = 'the_table'",
            "year >= '2025'",
            "CONCAT(year, month, day, hour) >= '2025123122'",
            f"changed_at_us >= {T - 1}",
            f"changed_at_us <= {BASELINE.as_of_us}",
        },
        "baselines": {"baseline_id = 'it''s'", "table_name = 'the_table'"},
    }


def test_a_baseline_bounds_what_is_read_of_both_formats():
    hours = hours_read("latest_item_state", INPUTS["two formats"])
    assert len(hours["the_change_table"]) == 2
    assert hours["the_change_table"] == hours["the_other_change_table"]


def test_the_other_views_read_the_whole_history():
    for view in views(PERSONS):
        if view.name != "latest_item_state":
            expected = {
                "attribute_changes": {"table_name = 'the_table'", "new_hash IS DISTINCT FROM old_hash"},
                "change_problems": {"TRUE"},
            }.get(view.name, {"table_name = 'the_table'"})
            assert conditions(view, INPUTS["baseline"])["the_change_table"] == expected


def test_a_baseline_of_later_than_the_moment_is_refused():
    with pytest.raises(ValueError, match=r"was taken at .*, after the moment"):
        ViewInputs(BASELINE, as_of_us=BASELINE.as_of_us - 1)


def test_only_changes_of_the_pipelines_own_table_count():
    names = dataclasses.replace(NAMES, table="it's")
    for view in views(PERSONS):
        assert "table_name = 'it''s'" in create_view_statement(view, PERSONS, names)


@pytest.mark.parametrize(
    ("keys", "columns"),
    [
        (["pk"], ["pk"]),
        (["PK", "Sort-Key"], ["pk", "sort_key"]),
        (["Id", "ID"], ["id", "key_id"]),
        (["item", "key_item"], ["key_item", "key_key_item"]),
        (["ключ", "🔑"], ["____", "_"]),
    ],
)
def test_key_attributes_get_column_names_that_athena_takes(keys, columns):
    declared = pipeline(*(KeyAttribute(name, "S") for name in keys))
    assert list(key_column_names(declared)) == columns


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40), st.sampled_from("SNB"))
def test_no_attribute_name_breaks_out_of_the_statement(name, key_type):
    declared, harmless = (pipeline(KeyAttribute(key, key_type)) for key in (name, "pk"))
    statement = create_view_statement(views(declared)[0], declared, NAMES)
    tokens = sqlglot.tokenize(statement, read="athena")
    usual = sqlglot.tokenize(create_view_statement(views(harmless)[0], harmless, NAMES), read="athena")
    assert [token.token_type for token in tokens] == [token.token_type for token in usual]
    assert json_path(name, key_type) in [token.text for token in tokens if token.token_type == TokenType.STRING]


@given(st.text(max_size=40))
def test_quoted_text_is_one_token_of_the_same_content(text):
    assert sqlglot.parse_one(f"SELECT {quote_literal(text)}", dialect="athena").selects[0].this == text


@given(st.text(alphabet=st.characters(exclude_characters="\0"), min_size=1, max_size=40))
def test_a_quoted_identifier_is_one_name(name):
    assert sqlglot.parse_one(f"SELECT {quote_identifier(name)}", dialect="athena").selects[0].name == name


@pytest.mark.parametrize(
    ("name", "path"),
    [("a", '$["a"]'), ("a.b", '$["a.b"]'), ('a"b', r'$["a\"b"]'), ("a\\b", r'$["a\\b"]'), ("", '$[""]')],
)
def test_json_paths_escape_what_trinos_tokenizer_escapes_and_nothing_else(name, path):
    assert json_path(name) == path


def test_the_views_stay_far_below_athenas_limit():
    for view in views(PERSONS):
        assert len(create_view_statement(view, PERSONS, NAMES).encode()) < 20_000


def test_no_placeholder_is_left():
    for view in views(PERSONS):
        assert not re.search(r"\$\{", create_view_statement(view, PERSONS, NAMES))
