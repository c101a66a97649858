"""Format conversion: Parquet by the columns of a Glue table, and a document for each record that does not fit."""

from __future__ import annotations

import base64
import json

import duckdb
import pytest

from ddb_pipeline.local_aws import delivery
from ddb_pipeline_tests.integration.delivery.conftest import ROLE, wait_until

COLUMNS = [("id", "bigint"), ("name", "string"), ("price", "decimal(10,2)"), ("tags", "array<string>")]


@pytest.fixture
def table(path):
    """A catalog table that is the schema."""
    glue = path.deployed.client("glue")
    glue.create_database(DatabaseInput={"Name": path.name})
    glue.create_table(DatabaseName=path.name, TableInput=table_input(COLUMNS))
    yield path.name
    glue.delete_database(Name=path.name)


def table_input(columns):
    return {
        "Name": "rows",
        "StorageDescriptor": {"Columns": [{"Name": name, "Type": type_} for name, type_ in columns]},
        "PartitionKeys": [{"Name": "hour", "Type": "string"}],
    }


def conversion(database, deserializer=None, **serializer):
    return {
        "SchemaConfiguration": {"RoleARN": ROLE, "DatabaseName": database, "TableName": "rows"},
        "InputFormatConfiguration": {"Deserializer": deserializer or {"OpenXJsonSerDe": {}}},
        "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": serializer}},
    }


def create(path, database, **settings):
    path.create(
        function=None,
        **{
            "CompressionFormat": "UNCOMPRESSED",
            "FileExtension": "",
            "BufferingHints": {"IntervalInSeconds": 0, "SizeInMBs": 64},
            "DataFormatConversionConfiguration": conversion(database),
            **settings,
        },
    )


def rows(path, tmp_path):
    """Rows of all objects, in the objects' order of time, and DuckDB's types of their columns."""
    found, types = [], []
    for number, body in enumerate(path.objects("changes/").values()):
        file = tmp_path / f"{number}.parquet"
        file.write_bytes(body)
        result = duckdb.sql(f"FROM read_parquet('{file}')")
        types = [str(type_) for type_ in result.types]
        found += result.fetchall()
    return found, types


def test_rows_are_written_as_parquet_with_the_types_of_the_table(path, table, tmp_path):
    create(path, table)
    path.put(
        json.dumps({"ID": 1, "Name": "a", "price": 1.25, "tags": ["x", None], "other": 1}),
        json.dumps({"id": "9223372036854775807", "name": {"a": 1}, "price": "99999999.99"}) + "\n",
        '{"id":3}{"id":4}',
    )
    assert delivery.wait_until_delivered(10)

    found, types = rows(path, tmp_path)
    assert types == ["BIGINT", "VARCHAR", "DECIMAL(10,2)", "VARCHAR[]"]
    assert [(row[0], row[1], None if row[2] is None else str(row[2]), row[3]) for row in sorted(found)] == [
        (1, "a", "1.25", ["x", None]),
        (3, None, None, None),
        (4, None, None, None),
        (9223372036854775807, '{"a":1}', "99999999.99", None),
    ]
    assert all(key.endswith(".parquet") for key in path.objects("changes/"))


def test_a_record_that_does_not_fit_gets_a_document_and_the_others_are_delivered(path, table, tmp_path):
    create(path, table)
    misfits = ['{"id":"x"}', "no json", '{"id":1.5}', '{"price":1000000000}', "[1]", '{"id":true}']
    path.put('{"id":1}', *misfits, '{"id":2}')
    assert delivery.wait_until_delivered(10)

    assert sorted(row[0] for row in rows(path, tmp_path)[0]) == [1, 2]
    documents = path.failures("format-conversion-failed")
    assert [base64.b64decode(one["rawData"]).decode() for one in documents] == misfits
    assert {one["ErrorCode"] for one in documents} == {
        "DataFormatConversion.MalformedData",
        "DataFormatConversion.ParseError",
    }
    assert set(documents[0]) == {
        "attemptsMade",
        "arrivalTimestamp",
        "ErrorCode",
        "ErrorMessage",
        "attemptEndingTimestamp",
        "rawData",
        "sequenceNumber",
        "subSequenceNumber",
        "dataCatalogTable",
    }
    place = documents[0]["dataCatalogTable"]
    assert (place["databaseName"], place["tableName"], place["versionId"]) == (table, "rows", "1")
    assert place["catalogArn"] == f"arn:aws:glue:{place['region']}:{place['catalogId']}:catalog"
    counts = path.counts()
    assert (counts.read, counts.delivered, counts.failed) == (8, 2, 6)


def test_a_table_that_changes_is_followed(path, table, tmp_path):
    create(path, table)
    path.put('{"id":1,"size":5}')
    assert delivery.wait_until_delivered(10)
    glue = path.deployed.client("glue")
    glue.update_table(DatabaseName=table, TableInput=table_input([("id", "int"), ("size", "smallint")]))
    path.put('{"id":2,"size":5}')
    assert delivery.wait_until_delivered(10)
    assert sorted(row[:2] for row in rows(path, tmp_path)[0]) == [(1, None), (2, 5)]


def test_without_its_table_every_record_gets_a_document(path, table):
    create(path, table)
    path.deployed.client("glue").delete_table(DatabaseName=table, Name="rows")
    path.put('{"id":1}')
    assert delivery.wait_until_delivered(10)

    [document] = path.failures("format-conversion-failed")
    assert document["ErrorCode"] == "DataFormatConversion.EntityNotFound"
    assert path.objects("changes/") == {}


def test_the_function_comes_before_the_conversion(path, table, tmp_path):
    create(path, table)
    path.delete()
    wait_until(lambda: path.name not in path.names())
    path.create(
        "echo",
        CompressionFormat="UNCOMPRESSED",
        FileExtension=".parq",
        BufferingHints={"IntervalInSeconds": 0, "SizeInMBs": 64},
        DataFormatConversionConfiguration=conversion(table, {"HiveJsonSerDe": {}}, Compression="GZIP"),
    )
    path.put('{"id":1}', "drop", "fail", '{"id":"2"}')
    assert delivery.wait_until_delivered(10)

    assert [row[0] for row in rows(path, tmp_path)[0]] == [1]
    assert [base64.b64decode(one["rawData"]) for one in path.failures()] == [b"fail"]
    # Hive's deserializer takes no text for a number
    assert len(path.failures("format-conversion-failed")) == 1
    assert all(key.endswith(".parq") for key in path.objects("changes/"))
