"""Tables of JSON with the OpenX SerDe in local Athena: made by hand, read, refused."""

from __future__ import annotations

import bz2
import gzip
import uuid

import pytest

from ddb_pipeline_tests.local_athena import running


@pytest.fixture(scope="module")
def local():
    with running() as found:
        yield found


@pytest.fixture
def table(local):
    """Makes a table of the given columns, with its objects, and names it."""

    def make(columns, objects, properties="", partitioned=""):
        name = f"t_{uuid.uuid4().hex[:8]}"
        for key, body in objects.items():
            local.s3.put_object(Bucket=local.raw, Key=f"{name}/{key}", Body=body)
        given = f"WITH SERDEPROPERTIES ({properties})" if properties else ""
        done = local.run(
            f"CREATE EXTERNAL TABLE {name} ({columns}) {partitioned} ROW FORMAT SERDE "
            f"'org.openx.data.jsonserde.JsonSerDe' {given} LOCATION 's3://{local.raw}/{name}/'"
        )
        assert done["Status"]["State"] == "SUCCEEDED", done["Status"]["StateChangeReason"]
        return name

    return make


def test_objects_are_read_with_their_nested_values(local, table):
    line = (
        '{"ID": 1, "Name": "a", "deep": {"A": 5, "B": [1, 2.5]}, "m": {"k": "v", "n": null}, "price": 1.005, '
        '"at": "2026-01-02 03:04:05.1", "day": "2026-01-02", "ok": true, "l": [{"X": 1}, {}]}'
    )
    columns = (
        "id bigint, name string, deep struct<a:int,b:array<double>>, m map<string,string>, price decimal(10,2), "
        "at timestamp, day date, ok boolean, l array<struct<x:int>>"
    )
    name = table(columns, {"a.json": f'{line}\n{{"id": "2", "name": {{"x": [1, "é"]}}}}\n'})
    assert local.rows(f"SELECT * FROM {name} ORDER BY id") == [
        ["1", "a", "{a=5, b=[1.0, 2.5]}", "{k=v, n=null}", "1.01", "2026-01-02 03:04:05.100", "2026-01-02", "true",
         "[{x=1}, {x=null}]"],
        ["2", '{"x":[1,"é"]}', *[None] * 7],
    ]  # fmt: skip
    assert local.rows(
        f"SELECT deep.b[2], m['k'], x, json_extract_scalar(name, '$.x[1]') FROM {name} "
        "LEFT JOIN UNNEST(l) AS u (x) ON true ORDER BY 1, 3"
    ) == [["2.5", "v", "1", None], ["2.5", "v", None, None], [None, None, None, "é"]]


def test_compression_is_told_by_the_name_as_athena_does(local, table):
    zipped = gzip.compress(b'{"id": 2}\n') + gzip.compress(b'{"id": 3}\n')
    objects = {"a.json": b'{"id": 1}', "b.json.gz": zipped, "c.bz2": bz2.compress(b'{"id": 4}\r\n{"id": 5}\r{"id": 6}')}
    name = table("id int", objects | {"_hidden": b"no json", "empty.json": b""})
    assert local.rows(f'SELECT id, regexp_extract("$path", \'[^/]*$\') FROM {name} ORDER BY id') == [
        ["1", "a.json"], ["2", "b.json.gz"], ["3", "b.json.gz"], ["4", "c.bz2"], ["5", "c.bz2"], ["6", "c.bz2"],
    ]  # fmt: skip
    for body, key, said in [
        (zipped, "d.json", "is gzip, and its name does not end with .gz"),
        (b"\xef\xbb\xbf{}", "e.json", "begins with a byte order mark"),
        (b"{}", "f.json.gz", "HIVE_CURSOR_ERROR: Failed to read file"),
        (zipped[:15], "g.json.gz", "HIVE_CURSOR_ERROR: Failed to read file"),
        (b"{}", "h.snappy", "NOT_SUPPORTED: the format of object"),
        (b'{"id": "\\ud83d"}', "i.json", "half of a surrogate pair"),
    ]:
        own = table("id string", {key: body})
        assert said in local.reason(f"SELECT count(*) FROM {own}")


def test_what_is_wrong_is_said_with_its_place_and_fails_only_queries_that_read_it(local, table):
    name = table("id int, other int", {"a.json": b'{"id": 1, "other": 2}\n{"id": 2, "other": "x"}\n'})
    place = f"in s3://{local.raw}/{name}/a.json, line 2"
    for _ in range(2):
        assert local.rows(f"SELECT id FROM {name} ORDER BY id") == [["1"], ["2"]]
        said = 'HIVE_BAD_DATA: Error parsing field value for field 1 (other): "x" for a integer'
        assert local.reason(f"SELECT sum(other) FROM {name}") == f"{said} {place}"
    broken = table("id int", {"a.json": b'{"id": 1}\n{"id":\n'})
    said = f"HIVE_CURSOR_ERROR: Row is not a valid JSON Object in s3://{local.raw}/{broken}/a.json, line 2"
    assert local.reason(f"SELECT count(*) FROM {broken}") == said
    forgiving = table("id int", {"a.json": b'{"id": 1}\n{"id":\n\n'}, "'ignore.malformed.json' = 'true'")
    assert local.rows(f"SELECT id, count(*) FROM {forgiving} GROUP BY 1 ORDER BY 1") == [["1", "1"], [None, "2"]]


def test_properties_are_honoured_or_refused_by_name(local, table):
    given = "\"case.insensitive\" = \"FALSE\", 'mapping.userid' = 'userId'"
    name = table("userid int, other int", {"a.json": b'{"userId": 1, "Other": 2}'}, given)
    assert local.rows(f"SELECT * FROM {name}") == [["1", None]]
    refused = "CREATE EXTERNAL TABLE x ({}) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' {} LOCATION 's3://b/'"
    for columns, properties, said in [
        ("a int", "WITH SERDEPROPERTIES ('timestamp.formats' = 'y')", "NOT_SUPPORTED: the SerDe property timestamp.fo"),
        ("a binary", "", "NOT_SUPPORTED: the type binary of column a"),
        ("a int", "STORED AS PARQUET", "NOT_SUPPORTED: the input format"),
    ]:
        assert local.reason(refused.format(columns, properties)).startswith(said)
    assert local.reason(f"INSERT INTO {name} VALUES (1, 2)").endswith(
        "which is not Parquet, is not supported by local AWS"
    )


def test_the_same_object_is_read_anew_for_other_columns_and_properties(local, table):
    body = {"a.json": b'{"A": "1"}\n'}
    names = [table("a int", body), table("a string, b int", body), table("a int", body, "'case.insensitive'='false'")]
    assert [local.rows(f"SELECT * FROM {name}") for name in names] == [[["1"]], [["1", None]], [[None]]]


def test_partitions_are_read_pruned_and_held_to_the_table(local, table):
    objects = {f"day={day}/a.json": f'{{"id": {day}, "day": "x"}}\n'.encode() for day in (1, 2)}
    name = table("id bigint", objects, partitioned="PARTITIONED BY (day string)")
    local.run(f"MSCK REPAIR TABLE {name}")
    assert local.rows(f"SELECT id, day FROM {name} ORDER BY 1") == [["1", "1"], ["2", "2"]]
    entry = local.glue.get_partition(DatabaseName=local.database, TableName=name, PartitionValues=["2"])["Partition"]
    storage = entry["StorageDescriptor"] | {"Columns": [{"Name": "id", "Type": "double"}]}
    changed = {"Values": ["2"], "StorageDescriptor": storage}
    local.glue.update_partition(
        DatabaseName=local.database, TableName=name, PartitionValueList=["2"], PartitionInput=changed
    )
    assert local.reason(f"SELECT * FROM {name}").startswith("HIVE_PARTITION_SCHEMA_MISMATCH: There is a mismatch")
    found = local.run(f"SELECT id FROM {name} WHERE day = '1'")
    assert (found["Status"]["State"], found["Statistics"]["DataScannedInBytes"]) == ("SUCCEEDED", 22)
    storage["Columns"][0]["Type"] = "bigint"
    storage["SerdeInfo"]["Parameters"] = {"dots.in.keys": "true"}
    local.glue.update_partition(
        DatabaseName=local.database, TableName=name, PartitionValueList=["2"], PartitionInput=changed
    )
    assert "SerDe properties of partition 'day=2'" in local.reason(f"SELECT * FROM {name}")


def test_many_lines_can_be_stopped(local, table):
    name = table("id int", {"a.json": b'{"id": 1}\n' * 400_000})
    identity = local.start(f"SELECT sum(id) FROM {name}")
    while local.athena.get_query_execution(QueryExecutionId=identity)["QueryExecution"]["Status"]["State"] == "QUEUED":
        pass
    local.athena.stop_query_execution(QueryExecutionId=identity)
    assert local.wait(identity)["Status"]["State"] == "CANCELLED"
    assert local.rows("SELECT 1") == [["1"]]
