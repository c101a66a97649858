"""Which JSON fits which column, by deserializer."""

import json

import pytest

from ddb_pipeline.local_aws.athena.hive_types import read_hive_type
from ddb_pipeline.local_aws.delivery.conversion_settings import Deserializer
from ddb_pipeline.local_aws.delivery.json_rows import MisfitError, RowReader, Schema

OPENX, HIVE = Deserializer("OpenX"), Deserializer("Hive")


def read(content, type_, deserializer=OPENX, column="c"):
    reader = RowReader(Schema({column: read_hive_type(type_)}, "1"), deserializer)
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return [json.loads(line)[column] for line in reader.lines(data).splitlines()]


@pytest.mark.parametrize(
    ("value", "type_", "written"),
    [
        (b'{"c":9007199254740993}', "bigint", 9007199254740993),
        (b'{"c":127}', "tinyint", 127),
        (b'{"c":0.1}', "double", 0.1),
        (b'{"c":1}', "double", 1.0),
        (b'{"c":1.005}', "decimal(10,2)", "1.01"),
        (b'{"c":12345678901234567890.123456789}', "decimal(38,9)", "12345678901234567890.123456789"),
        (b'{"c":-0.5}', "decimal(3,0)", "-1"),
        (b'{"c":1.50}', "string", "1.50"),
        (b'{"c":true}', "string", "true"),
        (b'{"c":"abcdef"}', "varchar(3)", "abc"),
        (b'{"c":false}', "boolean", False),
        (b'{"c":"2026-02-28"}', "date", "2026-02-28"),
        (b'{"c":"2026-02-28 01:02:03.123456789"}', "timestamp", "2026-02-28 01:02:03.123456"),
        (b'{"c":{"A":1,"b":null}}', "struct<a:int,b:string,d:int>", {"a": 1, "b": None, "d": None}),
        (b'{"c":[[1],null]}', "array<array<int>>", [[1], None]),
        (b'{"c":null}', "int", None),
        (b"{}", "int", None),
    ],
)
@pytest.mark.parametrize("deserializer", [OPENX, HIVE], ids=["OpenX", "Hive"])
def test_values_that_fit_either_deserializer(value, type_, written, deserializer):
    assert read(value, type_, deserializer) == [written]


@pytest.mark.parametrize(
    ("value", "type_", "written"),
    [
        ("12", "int", 12),
        ("1e3", "double", 1000.0),
        ("true", "boolean", True),
        ({"A": [1.50]}, "string", '{"a":[1.5]}'),
        (1_700_000_000_123, "timestamp", "2023-11-14 22:13:20.123000"),
    ],
)
def test_what_openx_takes_and_hive_does_not(value, type_, written):
    assert read({"c": value}, type_) == [written]
    with pytest.raises(MisfitError):
        read({"c": value}, type_, HIVE)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (b'{"c":128}', "tinyint"),
        (b'{"c":9223372036854775808}', "bigint"),
        (b'{"c":1.0}', "int"),
        (b'{"c":true}', "int"),
        (b'{"c":"x"}', "double"),
        (b'{"c":"NaN"}', "double"),
        (b'{"c":"Infinity"}', "decimal(5,1)"),
        (b'{"c":1e400}', "decimal(38,0)"),
        (b'{"c":99.95}', "decimal(3,1)"),
        (b'{"c":1}', "boolean"),
        (b'{"c":"2026-02-30"}', "date"),
        (b'{"c":"2026-02-28"}', "timestamp"),
        (b'{"c":1e999999999}', "decimal(3,1)"),
        (b'{"c":{}}', "array<int>"),
        (b'{"c":[]}', "struct<a:int>"),
    ],
)
def test_values_that_fit_no_column_of_the_type(value, type_):
    with pytest.raises(MisfitError) as error:
        read(value, type_)
    assert error.value.code == "DataFormatConversion.MalformedData"


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"[]", b'{"c":1', b'{"c":NaN}', b'{"c":1},{"c":2}', b'"c"', b"\xff", b'{"c":1,"C":2}', b"[" * 100_000],
)
def test_what_is_no_json_object_is_malformed(data):
    with pytest.raises(MisfitError) as error:
        read(data, "int")
    assert error.value.code == "DataFormatConversion.ParseError"


def test_objects_may_follow_each_other():
    assert read(b' {"c":1}{"c":2}\n\n{"c":3}\n', "int") == [1, 2, 3]


def test_keys_are_compared_as_the_deserializer_says():
    exact = Deserializer("OpenX", case_insensitive=False)
    assert read({"C": 1}, "int", exact) == [None]
    assert read({"C": 1}, "int") == [1]
    mapped = Deserializer("OpenX", keys={"ts": "Timestamp"})
    assert read({"timestamp": 1}, "bigint", mapped, column="ts") == [1]
    dotted = Deserializer("OpenX", dots_to_underscores=True)
    assert read({"a.b": 1}, "int", dotted, column="a_b") == [1]


def test_map_keys_are_put_into_lower_case_by_openx_alone():
    assert read({"c": {"Key": 1}}, "map<string,int>") == [{"key": 1}]
    assert read({"c": {"Key": 1}}, "map<string,int>", HIVE) == [{"Key": 1}]
    assert read({"C": 1}, "int", HIVE) == [1]


def test_hive_reads_timestamps_in_milliseconds_where_it_is_told_so():
    assert read({"c": 1000}, "timestamp", Deserializer("Hive", timestamps_in_milliseconds=True)) == [
        "1970-01-01 00:00:01"
    ]
