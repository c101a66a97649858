"""When the columns of a partition of JSON go with its table's."""

import pytest

from ddb_pipeline.local_aws.athena.partition_schemas import mismatch


def columns(text):
    return [dict(zip(("Name", "Type"), part.split(), strict=True)) for part in text.split(", ")] if text else []


@pytest.mark.parametrize(
    ("table", "partition"),
    [
        ("a int, b string", "a int, b string"),
        ("a int, b string", "a int"),
        ("a int, b string", "a int, b string, c double"),
        ("a bigint", "a int"),
        ("a struct<X:int>", "A struct<x:int>"),
        ("a int", ""),
    ],
)
def test_they_go_together(table, partition):
    assert mismatch("d.t", columns(table), "day=1", columns(partition)) is None


@pytest.mark.parametrize(
    ("table", "partition"),
    [
        ("a double", "a int"),
        ("a string", "a bigint"),
        ("a int", "a bigint"),
        ("a struct<x:int,y:int>", "a struct<x:int>"),
        ("a int, b string", "b string, a int"),
    ],
)
def test_types_that_differ_fail_as_athena_documents(table, partition):
    own = columns(partition)
    found = mismatch("d.t", columns(table), "day=1", own)
    assert str(found) == (
        "HIVE_PARTITION_SCHEMA_MISMATCH: There is a mismatch between the table and partition schemas. The types are "
        "incompatible and cannot be coerced. The column 'a' in table 'd.t' is declared as type "
        f"'{columns(table)[0]['Type']}', but partition 'day=1' declared column '{own[0]['Name']}' as type "
        f"'{own[0]['Type']}'."
    )


def test_another_name_of_the_same_type_is_refused_with_advice():
    found = mismatch("d.t", columns("a int, b int"), "day=1", columns("b int, a int"))
    assert found.name == "NOT_SUPPORTED"
    assert "InheritFromTable" in str(found)
