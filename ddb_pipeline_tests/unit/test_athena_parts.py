"""JSON paths, text formats and result files of the local Athena, under any input."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddb_pipeline.local_aws.athena import json_text, results, types, views
from ddb_pipeline.local_aws.athena.casts import text
from ddb_pipeline.local_aws.athena.dialect import first_words, parse_statement, words
from ddb_pipeline.local_aws.athena.engine import connect
from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.json_path import to_pointer
from ddb_pipeline.local_aws.athena.relations import Field
from ddb_pipeline.local_aws.athena.statements import kinds, query_text

NAMES = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=12)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    directory = tmp_path_factory.mktemp("athena")
    return connect(directory, directory / "objects")


@given(
    st.lists(st.sampled_from(["SELECT", "(", "'it''s'", '"a name"', "/* SHOW", "*/", "-- CREATE\n", "a.b", "1.5E0"])),
    st.integers(1, 8),
)
def test_the_first_words_are_those_of_the_whole_statement(parts, count):
    sql = " ".join([*parts, "FROM somewhere_else" * 20, "*/"])
    try:
        expected = [token.text.upper() for token in words(sql)[:count]]
    except QueryFailedError:
        return  # whoever parses it says so

    assert first_words(sql, count) == expected


def path_of(*names):
    quoted = (name.replace("\\", "\\\\").replace('"', '\\"') for name in names)
    return "$" + "".join(f'["{name}"]' for name in quoted)


@settings(max_examples=200, deadline=None)
@given(name=NAMES, other=NAMES, value=NAMES)
def test_any_attribute_name_is_found_by_its_quoted_path(database, name, other, value):
    document = {other: {"S": "the other"}, name: {"S": value}}
    pointer = to_pointer(path_of(name, "S"))
    found = database.execute(
        f"SELECT athena_json_scalar(x, {text(pointer)}) FROM (VALUES (?)) AS t(x)", [json.dumps(document)]
    )
    assert found.fetchone() == (value,)


@pytest.mark.parametrize("path", ["", "a", "$.", "$a", "$[", '$["a]', '$["a\\n"]', "$..a", "$[*]", "$.*", "$['a']"])
def test_a_path_that_trino_is_not_known_to_take_is_refused(path):
    assert to_pointer(path) is None


DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | NAMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(document=DOCUMENTS, spaces=st.booleans(), is_ascii=st.booleans())
def test_what_duckdb_makes_of_json_is_what_python_makes_of_it(database, document, spaces, is_ascii):
    separators = (", ", ": ") if spaces else (",", ":")
    written = json.dumps(document, separators=separators, ensure_ascii=is_ascii, sort_keys=not spaces)
    (parsed,) = database.execute("SELECT athena_json_parse(x) FROM (VALUES (?)) AS t(x)", [written]).fetchall()[0]
    assert parsed == json_text.parse(written)
    assert json.loads(parsed) == document
    if isinstance(document, dict):
        query = "SELECT athena_json_members(x), athena_json_extract(y, ?) FROM (VALUES (?, ?)) AS t(x, y)"
        name = min(document, default="")
        pointer = to_pointer(path_of(name))
        ((members, part),) = database.execute(query, [pointer, parsed, written]).fetchall()
        assert {key: json.loads(value) for key, value in members.items()} == document
        assert part == json_text.extract(written, pointer)


@settings(max_examples=300, deadline=None)
@given(number=st.floats(allow_nan=False))
def test_doubles_keep_their_digits_in_results_and_in_casts(database, number):
    (made,) = database.execute(
        "SELECT athena_double_text(x) FROM (VALUES (CAST(? AS DOUBLE))) AS t(x)", [number]
    ).fetchone()
    assert "E" in made or math.isinf(number)
    assert float(made) == number == float(results.double_text(number))
    if "E" in results.double_text(number):
        assert made == results.double_text(number)


@given(
    rows=st.lists(st.lists(st.none() | st.text(st.characters(blacklist_categories=("Cs",))), min_size=2, max_size=2))
)
@settings(max_examples=100, deadline=None)
def test_a_result_file_gives_back_what_was_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("results") / "rows.csv"
    fields = (Field("a", types.VARCHAR), Field(None, types.VARCHAR))
    results.write_rows(path, fields, [rows])
    found, offset = [], 0
    while offset is not None:
        lines, offset = results.read_rows(path, offset, 3)
        found += lines
    assert found == [["a", "_col1"], *rows]


@pytest.mark.parametrize(
    ("left", "right", "common"),
    [
        ("integer", "bigint", "bigint"),
        ("decimal(3,2)", "integer", "decimal(12,2)"),
        ("decimal(3,2)", "double", "double"),
        ("varchar(3)", "varchar", "varchar"),
        ("date", "timestamp(3)", "timestamp(3)"),
        ("unknown", "json", "json"),
        ("varchar", "integer", None),
        ("boolean", "integer", None),
    ],
)
def test_types_meet_as_in_trino(left, right, common):
    def read(name):
        base, _, numbers = name.partition("(")
        return types.Type(base, tuple(int(n) for n in numbers.rstrip(")").split(",") if n))

    for pair in ((left, right), (right, left)):
        found = types.common_type(*map(read, pair))
        assert (None if found is None else str(found)) == common


def test_a_stored_view_reads_back():
    fields = (Field("a", types.row(("x",), (types.array(types.BIGINT),))), Field("b", types.Type("timestamp", (3,))))
    entry = views.entry("db", "v", "SELECT 'é'", fields)
    view = views.read("db", "v", entry)
    assert (view.sql, view.columns, view.database) == ("SELECT 'é'", fields, "db")
    with pytest.raises(QueryFailedError, match="HIVE_INVALID_VIEW_DATA"):
        views.read("db", "v", {**entry, "ViewOriginalText": "/* Presto View: e30= */"})


def test_the_query_of_a_view_is_kept_as_it_was_written():
    sql = 'CREATE VIEW "as" -- AS\n AS\n  SELECT 1 AS a -- why\n ; '
    assert query_text(sql) == "SELECT 1 AS a"


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("select 1", ("DML", "SELECT")),
        ("WITH a AS (SELECT 1) SELECT * FROM a", ("DML", "SELECT")),
        ("create or replace view v as select 1", ("DDL", "CREATE_VIEW")),
        ("DROP VIEW IF EXISTS v", ("DDL", "DROP_VIEW")),
        ("SHOW TABLES", ("UTILITY", "SHOW_TABLES")),
        ("describe t", ("UTILITY", "DESCRIBE_TABLE")),
        ("/* a */ insert into t select 1", ("DML", "INSERT")),
        ("create table t with (format = 'PARQUET') as\n(select 1 a)", ("DDL", "CREATE_TABLE_AS_SELECT")),
        ("CREATE EXTERNAL TABLE t (a int)", ("DDL", "CREATE_TABLE")),
        ("-- SELECT\nmsck repair table t", ("DDL", "MSCK_TABLE")),
        ("DROP SCHEMA s", ("DDL", "DROP_SCHEMA")),
        ("EXPLAIN SELECT 1", ("UTILITY", "EXPLAIN")),
    ],
)
def test_the_type_of_a_statement_follows_its_first_words(sql, kind):
    assert kinds(sql) == kind


@pytest.mark.parametrize("number", ["1_000", "1abc", "1.5d", "1e5x", "0x1F", "0b1", "0o17"])
def test_a_number_that_would_be_read_as_another_is_refused(number):
    with pytest.raises(QueryFailedError, match="number"):
        parse_statement(f"SELECT {number} FROM t")


@pytest.mark.parametrize("sql", ["SELECT X'1F', 1e5, .5, 5., 1 AS a1, b_1, 1 b", "SELECT 1/* */+2--x\n", "SELECT 'x'y"])
def test_numbers_beside_other_things_are_read(sql):
    assert parse_statement(sql)
