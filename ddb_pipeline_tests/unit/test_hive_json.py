"""Objects of Hive JSON tables: what is seen in their bytes, and what a parser finds in them."""

from __future__ import annotations

import gzip
import itertools
import json
import math

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from ddb_pipeline.local_aws.athena import kept
from ddb_pipeline.local_aws.athena.engine import connect
from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.hive_json import layout, objects
from ddb_pipeline.local_aws.athena.relations import Field, Table
from ddb_pipeline.local_aws.athena.types import BIGINT, BOOLEAN, VARCHAR
from ddb_pipeline_tests.local_athena import change

TABLE = Table("db", "t", (Field("name", VARCHAR), Field("size", BIGINT), Field("is_new", BOOLEAN)), (), ())

# strings that look like the end of one and what may follow it
HOSTILE = st.text(st.sampled_from('ab":{}[],\\ \t\n.1é\U0001f600'), max_size=8)
SMALL, LARGE = st.integers(-999, 999), st.integers(-(2**70), 2**70)
TEXT = HOSTILE | HOSTILE.map(lambda text: json.dumps({text: text}))
FLAT = TEXT | LARGE | st.none() | st.booleans()
NESTED = st.lists(FLAT, max_size=2) | st.dictionaries(HOSTILE, FLAT, max_size=2)
# most columns are such as can be seen, a few are not
COLUMN = st.sampled_from([*[TEXT, TEXT | st.none(), SMALL, SMALL | st.booleans()] * 5, FLAT, FLAT | NESTED])
NAME = st.sampled_from([*["a", "b", "name_of_some_length", "é", ""] * 3, None]).flatmap(
    lambda name: HOSTILE if name is None else st.just(name)
)
SEPARATORS = [(",", ":"), (", ", ": "), (" , ", ": "), (",", " :"), (",", ":  "), (",\t", ":\t")]
FRACTIONS = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def given_lines(draw):
    names = draw(st.lists(NAME, max_size=4, unique=True))
    columns = draw(st.lists(COLUMN, min_size=len(names), max_size=len(names)))
    rows = draw(st.lists(st.tuples(*columns), min_size=1, max_size=4))
    members = [dict(zip(names, row, strict=True)) for row in rows]
    if draw(st.sampled_from([False] * 9 + [True])):
        members.append({**members[0], "fraction": draw(FRACTIONS)})
    separators = SEPARATORS[draw(st.sampled_from([0] * 8 + [1] * 8 + [2, 3, 4, 5]))]
    is_ascii = draw(st.booleans())
    return [json.dumps(row, separators=separators, ensure_ascii=is_ascii) for row in members]


class Number(str):
    """A whole number as it was written."""

    __slots__ = ()


def parsed(lines):
    """Names and kinds of values by Python's own parser."""
    members = [member for line in lines for member in json.loads(line, parse_int=Number).items()]
    return frozenset((name, kind(value)) for name, value in members)


def kind(value):
    if isinstance(value, Number):
        if not -(2**63) <= int(value) < 2**64:
            return "DOUBLE"
        return "BIGINT" if value.startswith("-") else "UBIGINT"
    kinds = {str: "VARCHAR", bool: "BOOLEAN", float: "DOUBLE", type(None): "NULL", dict: "OBJECT", list: "ARRAY"}
    return kinds[type(value)]


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return connect(tmp_path_factory.mktemp("athena"), tmp_path_factory.getbasetemp())


@pytest.fixture
def keep(database, tmp_path):
    """Keeps lines as an object; gives its rows, or the failure."""
    known, numbers = objects.KeptObjects(), itertools.count()

    def keep_lines(*lines, ending="\n"):
        path = tmp_path / f"{next(numbers)}.json.gz"
        path.write_bytes(gzip.compress(ending.join([*lines, ""]).encode()))
        try:
            reading = known.keep(database, TABLE, {path: "s3://b/k"}, lambda: False)
        except QueryFailedError as error:
            return str(error)
        (kept_path,) = reading.paths.values()
        assert kept_path.suffix == ".parquet"
        return database.execute("SELECT c1, c2, c3 FROM read_parquet(?)", [str(kept_path)]).fetchall()

    return keep_lines


@settings(max_examples=300, deadline=None)
@given(lines=given_lines(), piece=st.sampled_from([1, 7, 1 << 16]))
def test_what_is_seen_in_the_bytes_is_what_a_parser_finds(lines, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "_PIECE", piece)
        found = layout.kinds("".join(f"{line}\n" for line in lines).encode())
    event("seen" if found is not None else "left to the parser")
    assert found in (None, parsed(lines))


@settings(max_examples=50, deadline=None)
@given(lines=given_lines())
def test_what_the_parser_of_objects_finds_is_what_another_finds(database, tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("lines") / "lines.json"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    assert objects.parse_kinds(database, {path: "s3://b/k"}) == {path: parsed(lines)}


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_the_layout_of_change_rows_is_seen_whatever_text_is_in_them(separators):
    document = {"a\\": [{"b": 1.5, 'c"': 'd": {'}, "\\"], "e : f": math.pi}
    image = json.dumps({"pk": {"S": json.dumps(document)}})
    rows = [json.loads(change(new_image=image, old_image=old, size_bytes=5)) for old in (None, image)]
    lines = [json.dumps(row, separators=separators) for row in rows]
    assert layout.kinds("".join(f"{line}\n" for line in lines).encode()) == parsed(lines)


@pytest.mark.parametrize(
    "line",
    [
        '{"name": {"b": 1}, "size": 1}',
        '{"name": [1], "size": 1}',
        '{"name": "x", "size": 1.5}',
        '{"name": "x", "size": 1e5}',
        '{"name": "x", "size": nan}',
        '{"name": "x", "size": 1234567890123456789012}',
        '{"name": "x", "name": "y"}',
        '{"name" : "x", "size": 1}',
        '{"name": "x", "size":\t1}',
        '{"na\\u006de": "x", "size": 1}',
        '{"a\\\\": "x", "size": 1}',
        '{":a": "x", "size": 1}',
        '{"name": ":x", "size": 1}',
        '{"name":"",":":""}',
        ' {"name": "x", "size": 1}',
        '["name", {"size": 1}]',
        '"name": 1',
        "{}",
        "1",
        "",
    ],
)
def test_lines_that_are_not_plainly_flat_objects_of_one_layout_are_left_to_a_parser(line):
    assert layout.kinds(f"{line}\n{line}\n".encode()) is None
    other = '{"name": "x", "size": 1}'
    assert layout.kinds(f"{other}\n{line}\n{other}\n".encode()) is None


@pytest.mark.parametrize(
    ("lines", "rows"),
    [
        (['{"name": "x", "size": 1, "is_new": true}'] * 3, [("x", 1, True)] * 3),
        (['{"is_new": false, "SIZE": -0, "Name": "a\\"\\u00e9"}'], [('a"é', 0, False)]),
        (['{"name": 5, "other": "y"}', '{"name": true, "other": "y"}'], [("5", None, None), ("true", None, None)]),
        (['{"name": null}', '{"size": 2}', "{}"], [(None, None, None), (None, 2, None), (None, None, None)]),
        (['{"name": "x", "other": {"size": "y"}}'], [("x", None, None)]),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n"])
def test_lines_are_rows(keep, lines, rows, ending):
    assert keep(*lines, ending=ending) == rows


def test_an_object_of_many_blocks_is_kept_whole(keep, monkeypatch):
    monkeypatch.setattr(objects, "_BLOCK_BYTES", 50)
    lines = [f'{{"name": "{"x" * (number % 120)}", "size": {number}, "is_new": true}}' for number in range(50)]
    rows = [("x" * (number % 120), number, True) for number in range(50)]
    assert keep(*lines) == rows
    assert keep(*lines, lines[0], ending="\n")[-1] == rows[0]


def test_a_line_that_is_not_looked_at_for_its_length_is_read_all_the_same(keep, monkeypatch):
    monkeypatch.setattr(kept, "MOST_LINE_BYTES", 1_000_000)
    monkeypatch.setattr(layout, "kinds", None)
    assert keep(f'{{"name": "{"x" * 3_000_000}"}}') == [("x" * 3_000_000, None, None)]


def test_what_cannot_be_unpacked_is_refused(database, tmp_path):
    for number, content in enumerate([b"no gzip", gzip.compress(b'{"name": "x"}\n' * 1000)[:-20]]):
        path = tmp_path / f"broken-{number}.json.gz"
        path.write_bytes(content)
        with pytest.raises(QueryFailedError, match="HIVE_CURSOR_ERROR: Row is not a valid JSON Object"):
            objects.KeptObjects().keep(database, TABLE, {path: "s3://b/k"}, lambda: False)
        assert not list(tmp_path.glob("*.parquet"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"name": "x", "size": 1', "HIVE_CURSOR_ERROR: Row is not a valid JSON Object in s3://b/k, line"),
        ('{"name": "x", "size": 1}}', "HIVE_CURSOR_ERROR: Row is not a valid JSON Object in s3://b/k, line"),
        ('{"name": "x", "size": 01}', "HIVE_CURSOR_ERROR: Row is not a valid JSON Object in s3://b/k, line"),
        ('{"name": "x", "size": -}', "HIVE_CURSOR_ERROR: Row is not a valid JSON Object in s3://b/k, line"),
        ('{"name": "x", "is_new": tru}', "HIVE_CURSOR_ERROR: Row is not a valid JSON Object in s3://b/k, line"),
        ('{"name": "x"}{"name": "y"}', "HIVE_CURSOR_ERROR: Row is not a valid JSON Object in s3://b/k, line"),
        ('{"name": "x"}, {"name": "y"}', "HIVE_CURSOR_ERROR: Row is not a valid JSON Object in s3://b/k, line"),
        ('{"name": "x\\ud800"}', "HIVE_CURSOR_ERROR: Row is not a valid JSON Object in s3://b/k, line"),
        ('[{"name": "x"}]', "HIVE_CURSOR_ERROR: Row is not a valid JSON Object in s3://b/k"),
        ('"name"', "HIVE_CURSOR_ERROR: Row is not a valid JSON Object in s3://b/k"),
        ("null", "HIVE_CURSOR_ERROR: Row is not a valid JSON Object in s3://b/k"),
        ('{"size": "1"}', "HIVE_CURSOR_ERROR: a value of 'size' in s3://b/k is varchar, the column is bigint"),
        ('{"size": true}', "HIVE_CURSOR_ERROR: a value of 'size' in s3://b/k is boolean, the column is bigint"),
        ('{"size": 1.0}', "HIVE_CURSOR_ERROR: a value of 'size' in s3://b/k is a fraction, the column is bigint"),
        ('{"name": 1.5}', "HIVE_CURSOR_ERROR: a value of 'name' in s3://b/k is a fraction, the column is varchar"),
        ('{"is_new": 1}', "HIVE_CURSOR_ERROR: a value of 'is_new' in s3://b/k is a whole number"),
        ('{"is_new": "true"}', "HIVE_CURSOR_ERROR: a value of 'is_new' in s3://b/k is varchar"),
        ('{"name": {}}', "HIVE_CURSOR_ERROR: a value of 'name' in s3://b/k is an object or array"),
        ('{"NAME": "x", "name": "y"}', "NOT_SUPPORTED: column name is spelled 'NAME' and 'name' in the objects"),
    ],
)
def test_what_the_serde_does_not_read_is_refused_also_where_all_lines_have_one_layout(keep, line, said):
    assert keep(line, line).startswith(said)
    assert keep('{"name": "first"}', line).startswith(said)
