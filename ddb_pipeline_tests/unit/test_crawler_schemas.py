"""What a crawler makes of objects: types, exclusions, tables and their partitions."""

import bz2
import gzip
import json

import pytest

from ddb_pipeline.local_aws.crawler.globs import excluder
from ddb_pipeline.local_aws.crawler.grouping import Grouping, by_partition, groups, table_name
from ddb_pipeline.local_aws.crawler.hive_types import columns_of, merged_columns, text
from ddb_pipeline.local_aws.crawler.object_schemas import ObjectSchema, look


def types(*documents):
    columns = {}
    for document in documents:
        columns = merged_columns(columns, columns_of(document))
    return {name: text(type_) for name, type_ in columns.items()}


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([1], "int"),
        ([2**31], "bigint"),
        ([-(2**31)], "int"),
        ([1, 2**31], "bigint"),
        ([2**70], "double"),
        ([1, 1.5], "double"),
        ([True], "boolean"),
        ([True, 1], "string"),
        (["x"], "string"),
        ([None], "string"),
        ([None, 1], "int"),
        ([[]], "array<string>"),
        ([[1], [None, 2.5]], "array<double>"),
        ([{"A": 1}, {"b": "x", "A": 2**40}], "struct<A:bigint,b:string>"),
        ([{"a": 1}, [1]], "string"),
        ([{}], "struct<>"),
    ],
)
def test_the_type_of_a_column_holds_all_its_values(values, type_):
    assert types(*({"c": value} for value in values)) == {"c": type_}


def test_names_are_lower_case_and_an_array_is_a_column():
    assert types({"Id": 1, "ID": "x"}) == {"id": "string"}
    assert types([{"a": 1}]) == {"array": "array<struct<a:int>>"}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_json_is_looked_into_whatever_stands_between_its_documents(pack):
    schema = look(pack(b'{"a":1}{"a":2}\n\n {"a":\n3} {"cut":'))
    assert (schema.classification, schema.records) == ("json", 3)
    assert list(schema.columns) == ["a"]


def test_of_a_long_object_the_beginning_is_looked_at_and_the_rows_are_guessed():
    rows = b"".join(json.dumps({"a": number}).encode() + b"\n" for number in range(200_000))
    schema = look(rows)
    assert abs(schema.records - 200_000) < 10_000


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n", b"{", b"PAR1 broken PAR1", gzip.compress(b"text", mtime=0), b"\xff"]
)
def test_what_is_broken_or_of_another_format_is_nothing(content):
    assert look(content) is None


@pytest.mark.parametrize(
    ("pattern", "name", "is_excluded"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "dir/a.csv", False),
        ("**.csv", "dir/a.csv", True),
        ("dir/**", "dir/deep/a", True),
        ("dir/*", "dir/deep/a", False),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[0-9]*", "1x", True),
        ("[!0-9]*", "1x", False),
        ("*.{csv,tmp}", "a.tmp", True),
        ("*.{csv,tmp}", "a.json", False),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
    ],
)
def test_patterns_exclude(pattern, name, is_excluded):
    assert excluder([pattern])(name) is is_excluded


def schema(*columns, compression="none"):
    return ObjectSchema("json", compression, dict.fromkeys(columns, "int"), columns, 1)


def grouped(objects, prefix="p/", **grouping):
    return {
        group.location: (
            group.partition_keys,
            sorted(by_partition(group.objects, group.location, group.partition_keys)),
        )
        for group in groups(objects, prefix, Grouping(**grouping))
    }


def test_similar_folders_are_partitions():
    ten = [f"c{number}" for number in range(10)]
    objects = {"p/y=1/a": schema(*ten), "p/y=2/a": schema(*ten[:7]), "p/y=3/a": schema(*ten)}
    assert grouped(objects) == {"p/": (("y",), [("1",), ("2",), ("3",)])}
    assert len(grouped({**objects, "p/y=4/a": schema(*ten[:6])})) == 4


def test_folders_without_names_are_numbered():
    objects = {"p/2026/m=1/a": schema("x"), "p/2027/m=2/a": schema("x")}
    assert grouped(objects) == {"p/": (("partition_0", "m"), [("2026", "1"), ("2027", "2")])}
    mixed = {"p/y=1/a": schema("x"), "p/z=1/a": schema("x"), "p/other/a": schema("x")}
    assert grouped(mixed) == {"p/": (("partition_0",), [("other",), ("y=1",), ("z=1",)])}


def test_objects_at_different_depths_are_no_table_together():
    objects = {"p/a": schema("x"), "p/deep/b": schema("x")}
    assert grouped(objects) == {"p/a": ((), [()]), "p/deep/": ((), [()])}


def test_combined_schemas_need_one_format_and_compression_only():
    objects = {"p/y=1/a": schema("a"), "p/y=2/a": schema("b")}
    assert list(grouped(objects)) == ["p/y=1/", "p/y=2/"]
    assert list(grouped(objects, combine=True)) == ["p/"]
    objects["p/y=3/a"] = schema("a", compression="gzip")
    assert list(grouped(objects, combine=True)) == ["p/y=1/", "p/y=2/", "p/y=3/"]


def test_the_level_of_tables_counts_from_the_bucket():
    objects = {"p/a/y=1/x": schema("x"), "p/b/y=1/x": schema("x")}
    assert list(grouped(objects)) == ["p/"]
    assert list(grouped(objects, level=3)) == ["p/a/", "p/b/"]
    assert list(grouped(objects, level=1)) == ["p/"]


@pytest.mark.parametrize(
    ("location", "prefix", "name"),
    [
        ("data/My-Table.1/", "", "my_table_1"),
        ("year=2026/", "raw-", "raw_year_2026"),
        ("", "", "my_bucket"),
        ("x" * 200 + "/", "", "x" * 128),
        ("data/file.json", "", "file_json"),
    ],
)
def test_tables_are_named_by_their_folders(location, prefix, name):
    assert table_name("my-bucket", location, prefix, []) == name


def test_a_long_name_that_is_taken_is_cut_for_its_suffix():
    name = table_name("b", "x" * 200 + "/", "", ["x" * 128])
    assert (len(name), name[95]) == (128, "_")
