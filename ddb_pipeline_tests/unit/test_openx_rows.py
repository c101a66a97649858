"""How a line of JSON becomes a row of an OpenX table, and which lines and values are refused."""

import json

import pytest

from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.hive_types import read_hive_type
from ddb_pipeline.local_aws.athena.openx import syntax
from ddb_pipeline.local_aws.athena.openx.options import Options, read_options
from ddb_pipeline.local_aws.athena.openx.rows import LineError, RowReader
from ddb_pipeline.local_aws.athena.openx.values import is_read
from ddb_pipeline.local_aws.athena.relations import Field


def read(line, options=None, **columns):
    """The row of a line, and what is wrong in it by column."""
    fields = tuple(Field(name, read_hive_type(type_)) for name, type_ in columns.items())
    row, wrong = RowReader(fields, options or Options()).row(line)
    return row, {fields[place - 1].name: f"{error.name}: {error}" for place, error in wrong.items()}


def value(line, type_, options=None):
    row, wrong = read(line, options, c=type_)
    assert wrong == {}
    return row.get("c")


@pytest.mark.parametrize(
    ("line", "type_", "found"),
    [
        ('{"c": 9007199254740993}', "bigint", 9007199254740993),
        ('{"c": "-12"}', "int", -12),
        ('{"c": 127}', "tinyint", 127),
        ('{"c": 1}', "double", 1.0),
        ('{"c": "2.50"}', "double", 2.5),
        ('{"c": 1e400}', "double", "inf"),
        ('{"c": "NaN"}', "double", "nan"),
        ('{"c": 1.005}', "decimal(10,2)", "1.01"),
        ('{"c": "1e3"}', "decimal(10,2)", "1000.00"),
        ('{"c": 12345678901234567890.123456789}', "decimal(38,9)", "12345678901234567890.123456789"),
        ('{"c": true}', "boolean", True),
        ('{"c": "TRUE"}', "boolean", True),
        ('{"c": "x"}', "string", "x"),
        ('{"c": "x\ty\\u00e9"}', "string", "x\tyé"),
        ('{"c": 12}', "string", "12"),
        ('{"c": [-9223372036854775808]}', "string", "[-9223372036854775808]"),
        ('{"c": -1.5}', "string", "-1.5"),
        ('{"c": false}', "string", "false"),
        ('{"c": {"b": [1, null, {"a": true}], "a": "\\"\\n"}}', "string", r'{"b":[1,null,{"a":true}],"a":"\"\n"}'),
        ('{"c": "abcdef"}', "varchar(3)", "abc"),
        ('{"c": "2026-02-28"}', "date", "2026-02-28"),
        ('{"c": "2026-02-28 01:02:03"}', "timestamp", "2026-02-28 01:02:03.000"),
        ('{"c": "2026-02-28T23:59:59.9995Z"}', "timestamp", "2026-03-01 00:00:00.000"),
        ('{"c": [[1], null, []]}', "array<array<int>>", [[1], None, []]),
        ('{"c": 1}', "array<int>", [1]),
        ('{"c": {"x": 1}}', "array<struct<x:int>>", [{"f1": 1}]),
        ('{"c": ""}', "array<string>", None),
        ('{"c": {"k": 1, "l": null}}', "map<string,int>", {"k": 1, "l": None}),
        ('{"c": {"Deep": {"B": 1, "z": 2}}}', "struct<deep:struct<a:int,b:int>>", {"f1": {"f1": None, "f2": 1}}),
        ('{"c": null}', "struct<a:int>", None),
        ("{}", "int", None),
        ('{"C": 1}', "int", 1),
        ('  {"c": 1} and whatever comes', "int", 1),
        ('{"c": 1}{"c": 2}', "int", 1),
        ("", "int", None),
        (" \t\r", "int", None),
    ],
)  # fmt: skip
def test_what_every_version_of_the_serde_reads_alike_is_read(line, type_, found):
    assert value(line, type_) == found
    assert json.dumps(value(line, type_))


@pytest.mark.parametrize(
    ("line", "type_"),
    [
        ('{"c": "abc"}', "int"),
        ('{"c": ""}', "bigint"),
        ('{"c": true}', "int"),
        ('{"c": 9223372036854775808}', "bigint"),
        ('{"c": 1' + "0" * 5000 + "}", "bigint"),
        ('{"c": "abc"}', "double"),
        ('{"c": 100}', "decimal(2,0)"),
        ('{"c": 99.5}', "decimal(2,0)"),
        ('{"c": 1e999999999}', "decimal(38,0)"),
        ('{"c": [1]}', "int"),
        ('{"c": 1}', "struct<a:int>"),
        ('{"c": "x"}', "map<string,int>"),
        ('{"c": "soon"}', "timestamp"),
    ],
)
def test_a_value_that_is_none_of_its_type_to_any_version_is_bad_data(line, type_):
    row, wrong = read(line, c=type_)
    assert row == {}
    assert wrong["c"].startswith("HIVE_BAD_DATA: Error parsing field value for field 0 (c): ")


@pytest.mark.parametrize(
    ("line", "type_"),
    [
        ('{"c": 1.0}', "int"),
        ('{"c": "0x1F"}', "int"),
        ('{"c": "007"}', "int"),
        ('{"c": 300}', "tinyint"),
        ('{"c": " 1"}', "double"),
        ('{"c": 1}', "boolean"),
        ('{"c": "yes"}', "boolean"),
        ('{"c": 1.50}', "string"),
        ('{"c": 1e5}', "string"),
        ('{"c": 123456789012345678901234567890}', "string"),
        ('{"c": 9223372036854775808}', "string"),
        ('{"c": {"A": 1}}', "string"),
        ('{"c": ["</"]}', "string"),
        ('{"c": {"A": 1}}', "map<string,int>"),
        ('{"c": "2026-02-30"}', "date"),
        ('{"c": 20000}', "date"),
        ('{"c": 1700000000}', "timestamp"),
        ('{"c": "2026-02-28T01:02:03"}', "timestamp"),
        ('{"c": "9999-12-31 23:59:59.9999"}', "timestamp"),
        ('{"c": [1]}', "struct<a:int>"),
        ('{"c": ""}', "struct<a:int>"),
    ],
)
def test_a_value_that_versions_read_differently_is_refused(line, type_):
    row, wrong = read(line, c=type_)
    assert row == {}
    assert wrong["c"].startswith("NOT_SUPPORTED: a value of column c is not supported by local AWS: ")


@pytest.mark.parametrize(
    "line",
    ["{", '{"c": 1', '{"c": 1,}', '{"c" 1}', "{broken", '{"c": "x}', '{"c": }', '"c": 1', "}", "no json", "{null: 1}"],
)
def test_a_malformed_line_fails_the_query_or_is_a_row_of_nulls(line):
    with pytest.raises(LineError, match="Row is not a valid JSON Object") as raised:
        read(line, c="int")
    assert raised.value.name == "HIVE_CURSOR_ERROR"
    assert read(line, Options(ignores_malformed=True), c="int") == ({}, {})


@pytest.mark.parametrize(
    "line",
    ["{'c': 1}", "{c: 1}", '{"c" = 1}', '{"c" => [1;,2]}', '{"c": 1 /* one */}', '{"c": 01}', '{"c": NaN}',
     '{"c": "\\x"}', "{# no\n c: {}}"],
)  # fmt: skip
@pytest.mark.parametrize("options", [Options(), Options(ignores_malformed=True)])
def test_what_is_an_object_to_openx_alone_is_refused(line, options):
    assert syntax.is_read(line)
    with pytest.raises(LineError, match="no JSON") as raised:
        read(line, options, c="int")
    assert raised.value.name == "NOT_SUPPORTED"


@pytest.mark.parametrize(("line", "said"), [("[1]", "a JSON array"), ('{"c": ' + "[" * 100_000, "nested this deeply")])
def test_lines_that_nobody_can_tell_are_refused(line, said):
    with pytest.raises(LineError, match=said):
        read(line, Options(ignores_malformed=True), c="int")


@pytest.mark.parametrize("line", ['{"url": 1, "URL": 2}', '{"x": {"a": 1, "a": 1}}', '{"Url": 1, "URL": 2}'])
def test_keys_that_are_the_same_fail_the_query_as_documented(line):
    with pytest.raises(LineError, match=r'Row is not a valid JSON Object - JSONException: Duplicate key "(url|a)"'):
        read(line, Options(ignores_malformed=True), c="int")


def test_keys_that_differ_by_case_are_told_apart_by_mappings():
    options = read_options({"case.insensitive": "FALSE", "mapping.url1": "URL", "mapping.url2": "Url"})
    line = '{"URL": 1, "Url": 2, "url": 3, "Deep": 4, "m": {"A": 5}}'
    row, _ = read(line, options, url1="int", url2="int", url="int", deep="int", m="map<string,int>")
    assert row == {"url1": 1, "url2": 2, "url": 3, "m": {"A": 5}}


def test_a_mapping_is_found_whatever_its_case_and_below_the_first_level():
    options = read_options({"mapping.ts": "Time-Stamp"})
    assert read('{"time-stamp": 1, "ts": 2}', options, ts="int") == ({"ts": 1}, {})
    assert value('{"c": {"TIME-STAMP": 1}}', "struct<ts:int>", options) == {"f1": 1}


def test_dots_in_keys_stand_for_underscores_on_request():
    options = read_options({"dots.in.keys": "true"})
    assert read('{"a.b": 1, "x": {"c.D": 2}}', options, a_b="int", x="struct<c_d:int>") == (
        {"a_b": 1, "x": {"f1": 2}}, {},
    )  # fmt: skip
    assert read('{"a.b": 1}', a_b="int") == ({}, {})
    with pytest.raises(LineError, match='Duplicate key "a_b"'):
        read('{"a.b": 1, "a_b": 2}', options, a_b="int")


def test_misfits_are_null_on_request_where_that_is_sure():
    options = read_options({"use.null.for.invalid.data": "TRUE"})
    row, wrong = read('{"a": "x", "b": 1.5, "c": [1], "d": ["x"]}', options, a="int", b="int", c="int", d="array<int>")
    assert row == {}
    assert {name: error.partition(":")[0] for name, error in wrong.items()} == {
        "b": "NOT_SUPPORTED", "c": "HIVE_BAD_DATA", "d": "HIVE_BAD_DATA",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"timestamp.formats": "yyyy"}, "the SerDe property timestamp.formats of OpenX"),
        ({"explicit.null": "true"}, "the SerDe property explicit.null of OpenX"),
        ({"dots.in.keys": "yes"}, "the value 'yes' of the SerDe property dots.in.keys"),
        ({"dots.in.keys": "true", "mapping.a": "a.b"}, "dots.in.keys together with"),
    ],
)
def test_other_properties_are_refused_by_name(properties, said):
    with pytest.raises(QueryFailedError, match=said):
        read_options(properties)
    assert read_options({"paths": "a,b", "serialization.format": "1"}) == Options()


@pytest.mark.parametrize("type_", ["binary", "map<int,string>", "array<struct<a:binary>>"])
def test_types_that_it_does_not_read(type_):
    assert not is_read(read_hive_type(type_))


def test_many_different_keys_are_read_without_being_remembered():
    fields = (Field("c", read_hive_type("map<string,int>")),)
    rows = RowReader(fields, Options())
    for number in range(12_000):
        assert rows.row(f'{{"c": {{"k{number}": 1}}}}')[0] == {"c": {f"k{number}": 1}}
