"""The views' SQL as text: quoting, columns, and that any engine of Trino's dialect can read it."""

import dataclasses
import re
from datetime import date

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp
from sqlglot.tokens import TokenType

from ddb_pipeline.declaration import KeyAttribute, Pipeline
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.sql_text import json_path, quote_identifier, quote_literal
from ddb_pipeline.view_sql import create_view_statement, key_column_names, views


def pipeline(*keys: KeyAttribute) -> Pipeline:
    return Pipeline(
        name="persons",
        partition_key=keys[0],
        sort_key=keys[1] if len(keys) > 1 else None,
        time_to_live_attribute=None,
        start_date=date(2026, 1, 1),
        crawl_schedule="5 * * * *",
        views_schedule="30 6 * * *",
    )


NAMES = PublishedNames(**{field.name: f"the_{field.name}" for field in dataclasses.fields(PublishedNames)})
PERSONS = pipeline(KeyAttribute("pk", "S"))


@pytest.mark.parametrize("view", views(PERSONS), ids=lambda view: view.name)
def test_a_view_reads_the_change_table_once(view):
    statement = sqlglot.parse_one(create_view_statement(view, PERSONS, NAMES), dialect="athena")
    tables = [table for table in statement.expression.find_all(exp.Table) if table.db]
    assert [table.sql("athena") for table in tables] == ['"the_database"."the_change_table"']
    # Trino scans a common table expression again for every reference to it
    names = [table.name for table in statement.expression.find_all(exp.Table) if not table.db]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("view", views(PERSONS), ids=lambda view: view.name)
def test_every_column_is_cast_and_declared(view):
    select = sqlglot.parse_one(create_view_statement(view, PERSONS, NAMES), dialect="athena").expression
    produced = {column.alias: column.this for column in select.selects}
    assert tuple(produced) == tuple(column.name for column in view.columns)
    for column in view.columns:
        assert isinstance(produced[column.name], exp.Cast)
        assert produced[column.name].to.sql("athena").lower() == column.type


def test_only_changes_of_the_pipelines_own_table_count():
    names = dataclasses.replace(NAMES, table="it's")
    for view in views(PERSONS):
        assert "WHERE table_name = 'it''s'" in create_view_statement(view, PERSONS, names)


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
