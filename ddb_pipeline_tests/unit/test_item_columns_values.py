"""Values in their columns: items that nobody thought of, looked at by the query, shown by the views' SQL."""

from __future__ import annotations

import base64
import dataclasses
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.declared_columns import COLUMN_TYPES
from ddb_pipeline.item_columns import ItemColumn, item_column_expression
from ddb_pipeline.item_columns.discovery import discovery_statement, mark_of, observations, rows_of_hours
from ddb_pipeline.item_columns.expressions import HOLDS, decimal_scale, shown_types
from ddb_pipeline.item_columns.fit import misfit_statement, misfits
from ddb_pipeline.item_columns.learning import item_columns, learn
from ddb_pipeline.item_columns.memory import EMPTY
from ddb_pipeline.local_aws.athena.dialect import parse_statement
from ddb_pipeline.local_aws.athena.engine import connect
from ddb_pipeline.local_aws.athena.query import QueryCompiler
from ddb_pipeline.sql_text import quote_identifier, quote_literal
from ddb_pipeline_tests.declared import pipeline
from ddb_pipeline_tests.unit.value_strategies import values_of

STARTED = datetime(2026, 1, 2, tzinfo=UTC)
PIPELINE = pipeline()
Value = dict[str, Any]
Image = dict[str, Value]

texts = st.text(max_size=12)
# a statement cannot hold NUL: an attribute of such a name gets no column
names = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12) | st.sampled_from(
    ["S", "N", "M", "L", "a", "A", "a.b", 'x"y', "x'y", "$", "\\", "é", "🔑", "NULL", "\n\t"]
)
numbers = st.builds(
    lambda digits, exponent, plain: format(Decimal(digits).scaleb(exponent), "f" if plain else "E"),
    st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-999, 999),
    st.integers(-45, 40) | st.just(0),
    st.booleans(),
)
binaries = st.binary(max_size=8).map(lambda content: base64.b64encode(content).decode())
values = values_of(names=names, texts=texts, numbers=numbers, binaries=binaries, most=3, in_order=True)
images = st.dictionaries(names.filter(bool), values, min_size=1, max_size=4)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    directory = tmp_path_factory.mktemp("athena")
    return connect(directory, directory / "objects")


def ask(engine: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    relation = QueryCompiler(sql, None, STARTED, lambda _database, _name: None).compile(parse_statement(sql))
    return engine.execute(relation.sql).fetchall()


def table(some: list[Image]) -> str:
    """The images as rows, as SQL."""
    rows = [
        quote_literal(json.dumps(image, ensure_ascii=False, sort_keys=True, separators=(",", ":"))) for image in some
    ]
    return f"(VALUES {', '.join(f'({row}, {quote_literal(str(number))})' for number, row in enumerate(rows))})"


def view(some: list[Image], columns: tuple[ItemColumn, ...]) -> str:
    selected = [
        f"CAST({item_column_expression(column, 'image')} AS {column.type}) AS {quote_identifier(column.name)}"
        for column in columns
    ]
    return f"(SELECT {', '.join([*selected, 'image', 'item_key'])} FROM {table(some)} AS state (image, item_key))"


def looked_at(
    engine: duckdb.DuckDBPyConnection, some: list[Image], pipeline: Pipeline = PIPELINE
) -> tuple[ItemColumn, ...]:
    depth = pipeline.item_column_depth
    statement = discovery_statement(f"{table(some)} AS changes (new_image, item_key)", ["true"], depth)
    found = observations(ask(engine, statement), depth)
    return item_columns(learn(EMPTY, found, pipeline, ("item", "image", "item_key"), "now").memory, pipeline)


def shown(value: Value, column_type: str) -> Any:
    """What a column of the type shows of a DynamoDB value."""
    [(tag, content)] = value.items()
    if tag == "NULL":
        return None
    if column_type == "bigint":
        return int(content)
    if decimal_scale(column_type) is not None:
        return Decimal(content)
    if column_type == "varbinary":
        return base64.b64decode(content)
    if column_type in {"boolean", "array(varchar)"} or tag in {"S", "N", "B"}:
        return content
    return str(content).lower() if tag == "BOOL" else digits_kept(plain(value))


def plain(value: Value) -> str:
    """A value as JSON: numbers with their own digits, sets as arrays."""
    [(tag, content)] = value.items()
    if tag == "N":
        return str(content)
    if tag == "NULL":
        return "null"
    if tag == "L":
        return f"[{','.join(map(plain, content))}]"
    if tag == "NS":
        return f"[{','.join(content)}]"
    if tag == "M":
        return f"{{{','.join(f'{json.dumps(name)}:{plain(member)}' for name, member in content.items())}}}"
    return json.dumps(content)


def digits_kept(text: str) -> Any:
    return json.loads(text, parse_int=str, parse_float=str)


def value_at(image: Image, path: tuple[str, ...]) -> Value | None:
    value: Value | None = image.get(path[0])
    for name in path[1:]:
        value = value["M"].get(name) if value is not None and "M" in value else None
    return value


@given(st.lists(images, min_size=1, max_size=4), st.integers(1, 3))
@settings(deadline=None, max_examples=40)
@example([{"a": {"M": {"M": {"M": {"L": {"L": [{"S": '"}]}}'}, {"NULL": True}, {"NS": ["1", "2.50"]}]}}}}}}], 1)
@example([{"a": {"N": "1"}}, {"a": {"N": "1.50"}}, {"a": {"N": "-2E+20"}}], 1)
@example([{"a": {"S": "x"}}, {"a": {"M": {"b": {"N": "1"}}}}, {"a": {"M": {}}}, {"a": {"L": []}}], 2)
@example([{"n": {"N": "9223372036854775807"}}, {"m": {"N": "-99999999999999999999999999999999999999"}}], 1)
@example(
    [{"n": {"N": "0." + "0" * 37 + "1"}}, {"m": {"N": "9" * 38}}, {"x": {"N": "1E+125"}}, {"y": {"N": "1E-130"}}], 1
)
def test_after_a_look_every_value_is_in_its_column_with_all_its_digits(engine, some, depth):
    pipeline = dataclasses.replace(PIPELINE, item_column_depth=depth)
    columns = looked_at(engine, some, pipeline)
    if not columns:
        return
    selected = ", ".join(quote_identifier(column.name) for column in columns)
    rows = ask(engine, f"SELECT {selected} FROM {view(some, columns)} AS state ORDER BY item_key")
    for image, row in zip(some, rows, strict=True):
        for column, found in zip(columns, row, strict=True):
            value = value_at(image, column.path)
            expected = None if value is None else shown(value, column.type)
            if isinstance(found, str) and not isinstance(expected, str):
                assert digits_kept(found) == expected, (column, value)
            else:
                assert (type(found), found) == (type(expected), expected), (column, value)
    (counts,) = ask(engine, misfit_statement(f"{view(some, columns)} AS state", columns))
    assert misfits(columns, counts) == []


@given(images, st.sampled_from([*COLUMN_TYPES, "decimal(38,2)", "decimal(38,38)"]))
@settings(deadline=None, max_examples=25)
def test_a_declared_column_shows_a_value_whole_or_not_at_all_and_never_fails(engine, image, column_type):
    columns = tuple(ItemColumn(f"c{number}", column_type, (name,)) for number, name in enumerate(image))
    selected = ", ".join(column.name for column in columns)
    (row,) = ask(engine, f"SELECT {selected} FROM {view([image], columns)} AS state")
    (counts,) = ask(engine, misfit_statement(f"{view([image], columns)} AS state", columns))
    hidden = {found.column.name for found in misfits(columns, counts)}
    for column, found in zip(columns, row, strict=True):
        value = image[column.path[0]]
        [tag] = value
        assert (column.name in hidden) == (found is None and tag != "NULL")
        if found is not None:
            assert tag in shown_types(column)
            expected = shown(value, column_type)
            assert (
                found if isinstance(expected, str) or not isinstance(found, str) else digits_kept(found)
            ) == expected
        elif tag in shown_types(column):
            assert decimal_scale(column_type) is not None or column_type == "bigint"


@pytest.mark.parametrize(
    ("number", "column_type", "value"),
    [
        ("1.5", "decimal(38,0)", None),
        ("1.5", "decimal(38,1)", Decimal("1.5")),
        ("1.55", "decimal(38,1)", None),
        ("9" * 38, "decimal(38,0)", Decimal("9" * 38)),
        ("9" * 37, "decimal(38,2)", None),
        ("9" * 36 + ".99", "decimal(38,2)", Decimal("9" * 36 + ".99")),
        ("-0." + "9" * 38, "decimal(38,38)", Decimal("-0." + "9" * 38)),
        ("1", "decimal(38,38)", None),
        ("1E+3", "decimal(38,0)", Decimal(1000)),
        ("1.25E+1", "decimal(38,1)", Decimal("12.5")),
        ("125E-3", "decimal(38,3)", Decimal("0.125")),
        ("125e-3", "decimal(38,2)", None),
        ("1E+38", "decimal(38,0)", None),
        ("9223372036854775807", "bigint", 2**63 - 1),
        ("9223372036854775808", "bigint", None),
        ("-9223372036854775808", "bigint", -(2**63)),
        ("1.0", "bigint", None),
        ("1E+3", "bigint", None),
    ],
)
def test_a_number_that_does_not_fit_is_null_never_rounded(engine, number, column_type, value):
    (row,) = ask(engine, f"SELECT a FROM {view([{'a': {'N': number}}], (ItemColumn('a', column_type, ('a',)),))} AS s")
    assert row == (value,)


def test_misfits_are_counted_with_keys():
    columns = (ItemColumn("a", "bigint", ("a",)), ItemColumn("b", "bigint", ("b",)), ItemColumn("c", "bigint", ("c",)))
    found = misfits(columns, [1, "k", "k", 0, None, None, 5, "k", "z"])
    assert [(one.column.name, one.count, one.examples) for one in found] == [("c", 5, ("k", "z")), ("a", 1, ("k",))]


@given(st.lists(names, min_size=1, max_size=3).map(tuple), st.sampled_from([*COLUMN_TYPES, "decimal(38,7)"]))
def test_no_name_of_an_attribute_breaks_out_of_the_statement(path, column_type):
    def tokens(of: tuple[str, ...]) -> list[Any]:
        column = ItemColumn("a", column_type, of)
        sql = f"SELECT {item_column_expression(column, 'image')}, {misfit_statement('v', (column,))}"
        return [token.token_type for token in sqlglot.tokenize(sql, read="athena")]

    assert tokens(path) == tokens(tuple("x" for _name in path))


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_query_reads_its_table_once(depth):
    tree = sqlglot.parse_one(discovery_statement('"d"."changes"', ["year = '2026'"], depth), dialect="athena")
    assert len([found for found in tree.find_all(exp.Table) if found.db]) == 1
    names = [found.name for found in tree.find_all(exp.Table) if not found.db]
    assert len(names) == len(set(names)), "Trino scans a common table expression again for every reference to it"


def test_hours_are_named_one_by_one_so_that_no_other_is_read():
    hours = [
        datetime(2026, 1, 31, 23, tzinfo=UTC),
        datetime(2026, 2, 1, 0, tzinfo=UTC),
        datetime(2026, 2, 1, 5, tzinfo=UTC),
    ]
    assert rows_of_hours(reversed(hours)) == (
        "((year = '2026' AND month = '01' AND day = '31' AND hour IN ('23')) "
        "OR (year = '2026' AND month = '02' AND day = '01' AND hour IN ('00', '05')))"
    )


def test_every_type_that_can_be_declared_is_one_that_columns_have():
    for column_type in COLUMN_TYPES:
        assert shown_types(ItemColumn("a", column_type, ("a",)))
    assert set(HOLDS) - {"decimal"} <= set(COLUMN_TYPES)
    with pytest.raises(ValueError, match="no type of a column"):
        shown_types(ItemColumn("a", "decimal(38,39)", ("a",)))


def test_a_query_over_hours_that_got_an_object_is_another_query():
    """A step that is tried again would find the old query by its text, which never saw the object."""
    one, other = datetime(2026, 1, 31, 22, tzinfo=UTC), datetime(2026, 1, 31, 23, tzinfo=UTC)
    before = mark_of([one], {one: "1-10-5"})

    assert before == mark_of([one], {one: "1-10-5", other: "1-10-5"})
    assert len({before, mark_of([one], {one: "2-20-6"}), mark_of([one], {}), mark_of([one, other], {})}) == 4
    statement = discovery_statement('"d"."changes"', ["year = '2026'"], 1)
    assert sqlglot.parse_one(statement + before, dialect="athena").sql(comments=False) == sqlglot.parse_one(
        statement, dialect="athena"
    ).sql(comments=False)
