"""Parquet tables of the local Athena: read by name, written by INSERT INTO and CREATE TABLE AS."""

from __future__ import annotations

import io
import threading
import time
import uuid
from pathlib import Path

import duckdb
import pytest

from ddb_pipeline.change_row import STORAGES
from ddb_pipeline.local_aws.athena import parquet
from ddb_pipeline_tests.local_athena import running

ITEMS = [("id", "bigint"), ("name", "string")]
DAYS = [("year", "string"), ("day", "string")]


@pytest.fixture(scope="module")
def local():
    with running() as found:
        found.make_group("free", EnforceWorkGroupConfiguration=False)
        yield found


@pytest.fixture
def make(local):
    def made(columns=ITEMS, keys=(), serde=parquet.SERDE):
        name = f"t_{uuid.uuid4().hex[:8]}"
        storage = {
            "Columns": [{"Name": column, "Type": type_} for column, type_ in columns],
            "Location": f"s3://{local.raw}/{name}/",
            "InputFormat": parquet.INPUT_FORMAT,
            "OutputFormat": parquet.OUTPUT_FORMAT,
            "SerdeInfo": {"SerializationLibrary": serde},
        }
        local.glue.create_table(
            DatabaseName=local.database,
            TableInput={
                "Name": name, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage,
                "PartitionKeys": [{"Name": column, "Type": type_} for column, type_ in keys],
            },
        )  # fmt: skip
        return name

    return made


def put(local, table, select, tmp):
    """Store the rows of a DuckDB query as a Parquet object; return its size."""
    path = f"{tmp}/{uuid.uuid4().hex}.parquet"
    duckdb.connect().execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    body = Path(path).read_bytes()
    local.s3.put_object(Bucket=local.raw, Key=f"{table}/{uuid.uuid4().hex}", Body=body)
    return len(body)


def objects(local, table):
    listed = local.s3.list_objects_v2(Bucket=local.raw, Prefix=f"{table}/")
    return [found["Key"] for found in listed.get("Contents", [])]


def partitions(local, table):
    pages = local.glue.get_paginator("get_partitions").paginate(DatabaseName=local.database, TableName=table)
    return {tuple(p["Values"]): p["StorageDescriptor"]["Location"] for page in pages for p in page["Partitions"]}


# reading


def test_columns_are_matched_by_name_and_missing_ones_are_null(local, make, tmp_path):
    table = make()
    put(local, table, "SELECT 'a' AS NAME, 1::INTEGER AS Id, true AS other", tmp=tmp_path)
    put(local, table, "SELECT 2::BIGINT AS id", tmp=tmp_path)

    assert local.rows(f"SELECT * FROM {table} ORDER BY id") == [["1", "a"], ["2", None]]
    assert local.rows(f"SELECT count(*) FROM {table}") == [["2"]]


def test_every_type_that_is_read_arrives_as_its_trino_type(local, make, tmp_path):
    columns = [
        ("b", "boolean"), ("t", "tinyint"), ("d", "double"), ("m", "decimal(10,2)"), ("day", "date"),
        ("moment", "timestamp"), ("zoned", "timestamp"), ("raw", "binary"), ("short", "varchar(2)"),
        ("bytes", "string"), ("list", "array<int>"), ("pairs", "map<string,bigint>"),
        ("deep", "struct<a:int,missing:string,l:array<struct<x:double>>>"),
    ]  # fmt: skip
    table = make(columns)
    put(
        local,
        table,
        "SELECT true b, 7::TINYINT t, 1.5::DOUBLE d, 12.34::DECIMAL(10,2) m, DATE '2026-01-02' AS day, "
        "TIMESTAMP '2026-01-02 03:04:05.678' moment, TIMESTAMPTZ '2026-01-02 03:04:05+00' zoned, 'ab'::BLOB raw, "
        "'long' short, 'text'::BLOB bytes, [1, NULL] list, MAP {'k': 5} pairs, "
        "{'L': [{'x': 0.5::DOUBLE}], 'A': 3} deep",
        tmp=tmp_path,
    )
    assert local.rows(f"SELECT * FROM {table}") == [
        [
            "true", "7", "1.5", "12.34", "2026-01-02", "2026-01-02 03:04:05.678", "2026-01-02 03:04:05.000", "61 62",
            "lo", "text", "[1, null]", "{k=5}", "{a=3, missing=null, l=[{x=0.5}]}",
        ]
    ]  # fmt: skip
    assert local.rows(f"SELECT deep.l[1].x FROM {table}") == [["0.5"]]


def test_a_column_of_another_type_fails_and_names_object_and_both_types(local, make, tmp_path):
    table = make()
    put(local, table, "SELECT 'x' AS id", tmp=tmp_path)
    reason = local.reason(f"SELECT id FROM {table}")
    assert reason.startswith(f"HIVE_BAD_DATA: Field id's type VARCHAR in parquet file s3://{local.raw}/{table}/")
    assert reason.endswith("is incompatible with type bigint defined in table schema")


def test_what_is_no_parquet_fails_and_names_the_object(local, make):
    table = make()
    local.s3.put_object(Bucket=local.raw, Key=f"{table}/broken", Body=b"PAR1 nothing of the kind")
    assert f"HIVE_CURSOR_ERROR: Failed to read Parquet file: s3://{local.raw}/{table}/broken" in local.reason(
        f"SELECT id FROM {table}"
    )


def test_only_the_columns_that_are_read_are_billed(local, make, tmp_path):
    table = make()
    size = put(
        local, table, "SELECT range AS id, repeat(md5(range::VARCHAR), 4) AS name FROM range(5000)", tmp=tmp_path
    )

    def scanned(sql):
        return local.run(sql)["Statistics"]["DataScannedInBytes"]

    narrow, wide = scanned(f"SELECT sum(id) FROM {table}"), scanned(f"SELECT * FROM {table}")
    assert 0 < narrow < wide / 5
    assert wide <= size
    assert scanned(f"SELECT count(*) FROM {table}") == 0


def test_identical_objects_in_two_partitions_are_each_read_once(local):
    local.make_table("twins")
    for hour in ("01", "02"):
        local.put(['{"event_id": "same"}'], hour=hour, table="twins", name="one")
        local.put(['{"event_id": "same"}'], hour=hour, table="twins", name="two")
    assert local.rows("SELECT hour, count(*) FROM twins GROUP BY 1 ORDER BY 1") == [["01", "2"], ["02", "2"]]
    assert local.rows("SELECT count(*) FROM twins") == [["4"]]


def test_the_path_of_each_row_can_be_asked_for_and_is_no_part_of_a_star(local, make):
    table = make(keys=DAYS)
    local.run(f"INSERT INTO {table} VALUES (1, 'a', '2026', '01'), (2, 'b', '2026', '02')")
    found = local.rows(f'SELECT id, "$path" FROM {table} ORDER BY 1')
    paths = {f"s3://{local.raw}/{key}" for key in objects(local, table)}
    assert {path for _, path in found} == paths
    assert local.rows(f"SELECT * FROM {table} WHERE \"$path\" = '{found[1][1]}'") == [["2", "b", "2026", "02"]]


# INSERT INTO


def test_rows_are_added_to_a_table_without_partitions(local, make):
    table = make()
    found = local.run(f"INSERT INTO {table} SELECT n, 'x' FROM UNNEST(sequence(1, 3)) AS s(n)")
    assert (found["Status"]["State"], found["StatementType"], found["SubstatementType"]) == (
        "SUCCEEDED", "DML", "INSERT",
    )  # fmt: skip
    local.run(f"INSERT INTO {table} (name) VALUES ('y')")

    assert local.rows(f"SELECT * FROM {table} ORDER BY id") == [["1", "x"], ["2", "x"], ["3", "x"], [None, "y"]]
    answer = local.athena.get_query_results(QueryExecutionId=found["QueryExecutionId"])
    assert (answer["UpdateCount"], answer["ResultSet"]["Rows"]) == (3, [])
    location = f"s3://{local.results}/out/{found['QueryExecutionId']}"
    assert found["ResultConfiguration"]["OutputLocation"] == location
    assert found["Statistics"]["DataManifestLocation"] == f"{location}-manifest.csv"
    manifest = local.s3.get_object(Bucket=local.results, Key=f"out/{found['QueryExecutionId']}-manifest.csv")
    (written,) = manifest["Body"].read().decode().splitlines()
    assert written.removeprefix(f"s3://{local.raw}/") in objects(local, table)
    moment, number, tail = written.rsplit("/", 1)[1].split("_", 2)
    assert (len(moment), len(number), len(tail.split("_")[0])) == (8, 6, 5)


def test_new_partitions_are_registered_and_known_ones_are_added_to_where_they_are(local, make):
    table = make(keys=DAYS)
    elsewhere = f"s3://{local.raw}/{table}_elsewhere/"
    storage = local.glue.get_table(DatabaseName=local.database, Name=table)["Table"]["StorageDescriptor"]
    local.glue.create_partition(
        DatabaseName=local.database, TableName=table,
        PartitionInput={"Values": ["2026", "01"], "StorageDescriptor": {**storage, "Location": elsewhere}},
    )  # fmt: skip
    local.run(f"INSERT INTO {table} VALUES (1, 'a', '2026', '01'), (2, 'b', '2026', 'x/y=%'), (3, 'c', NULL, '')")
    assert objects(local, table) == []

    local.run(f"INSERT INTO {table} VALUES (1, 'a', '2026', '01'), (2, 'b', '2026', 'x/y=%'), (3, 'c', NULL, '02')")
    assert len(objects(local, f"{table}_elsewhere")) == 1
    assert partitions(local, table) == {
        ("2026", "01"): elsewhere,
        ("2026", "x/y=%"): f"s3://{local.raw}/{table}/year=2026/day=x%2Fy%3D%25",
        ("__HIVE_DEFAULT_PARTITION__", "02"): f"s3://{local.raw}/{table}/year=__HIVE_DEFAULT_PARTITION__/day=02",
    }
    assert local.rows(f"SELECT * FROM {table} ORDER BY id") == [
        ["1", "a", "2026", "01"], ["2", "b", "2026", "x/y=%"], ["3", "c", None, "02"],
    ]  # fmt: skip
    assert local.rows(f"SELECT id FROM {table} WHERE year IS NULL") == [["3"]]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("SELECT 1", "TYPE_MISMATCH: line 1:13: Insert query has mismatched column types: Table: [big"),
        ("SELECT 'a', 'b', '1', '2'", "TYPE_MISMATCH"),
        ("SELECT n, 'a', '1', CAST(n AS varchar) FROM UNNEST(sequence(1, 101)) AS s(n)", "HIVE_TOO_MANY_OPEN_PAR"),
        ("SELECT 1, 'a', '1', 'é'", "HIVE_INVALID_PARTITION_VALUE"),
        ("SELECT 1 / (n - 2), 'a', '1', '2' FROM UNNEST(sequence(1, 2)) AS s(n)", "DIVISION_BY_ZERO"),
    ],
)  # fmt: skip
def test_nothing_of_a_failed_insert_is_visible(local, make, values, said):
    table = make(keys=DAYS)
    assert local.reason(f"INSERT INTO {table} {values}").startswith(said)
    assert objects(local, table) == []
    assert partitions(local, table) == {}


def test_a_hundred_partitions_can_be_written_at_once(local, make):
    table = make(keys=DAYS)
    local.run(f"INSERT INTO {table} SELECT n, 'a', '1', CAST(n AS varchar) FROM UNNEST(sequence(1, 100)) AS s(n)")
    assert len(partitions(local, table)) == 100
    assert local.rows(f"SELECT count(*), sum(id) FROM {table} WHERE day = CAST(id AS varchar)") == [["100", "5050"]]


def test_nothing_of_a_cancelled_insert_is_visible(local, make):
    table = make()
    numbers = "UNNEST(sequence(1, 10000))"
    identity = local.start(
        f"INSERT INTO {table} SELECT x + y + z, 'a' FROM {numbers} a(x), {numbers} b(y), {numbers} c(z)"
    )
    time.sleep(0.7)
    local.athena.stop_query_execution(QueryExecutionId=identity)
    assert local.wait(identity)["Status"]["State"] == "CANCELLED"
    assert objects(local, table) == []


def test_inserts_that_run_at_once_lose_nothing(local, make):
    table = make(keys=DAYS)

    def add(number):
        local.run(f"INSERT INTO {table} VALUES ({number}, 'a', '2026', '01'), ({number}, 'a', '2026', '{number}')")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(10, 14)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert local.rows(f"SELECT count(*), count(DISTINCT id) FROM {table}") == [["8", "4"]]
    assert len(partitions(local, table)) == 5


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("INSERT INTO nowhere SELECT 1", "TABLE_NOT_FOUND: line 1:13: Table 'awsdatacatalog.{db}.no"),
        ("INSERT INTO {table} (id, nothing) SELECT 1, 2", "COLUMN_NOT_FOUND: line 1:13: Insert column"),
        ("INSERT INTO {table} (id, ID) SELECT 1, 2", "DUPLICATE_COLUMN_NAME: line 1:13: Insert col"),
        ("INSERT INTO seen SELECT 1", "NOT_SUPPORTED: line 1:13: Inserting into views is not supported"),
        ("INSERT INTO changes SELECT 1", "NOT_SUPPORTED: line 1:13: INSERT INTO table changes, which is not Parquet,"),
        ("INSERT OVERWRITE TABLE {table} SELECT 1, 'a'", "NOT_SUPPORTED"),
        ("WITH q AS (SELECT 1 a) INSERT INTO {table} SELECT a, 'b' FROM q", "NOT_SUPPORTED"),
    ],
)  # fmt: skip
def test_an_insert_that_cannot_be_is_refused(local, make, sql, said):
    local.run("CREATE OR REPLACE VIEW seen AS SELECT 1 AS a")
    table = make()
    assert local.reason(sql.replace("{table}", table)).startswith(said.replace("{db}", local.database))


def test_rows_and_arrays_keep_the_names_of_their_fields(local, make):
    table = make([("r", "struct<first:int,second:array<struct<x:string>>>"), ("m", "map<string,struct<y:int>>")])
    local.run(
        f"INSERT INTO {table} SELECT "
        "CAST(ROW(1, ARRAY[ROW('a')]) AS ROW(first integer, second ARRAY(ROW(x varchar)))), NULL"
    )
    (key,) = objects(local, table)
    body = local.s3.get_object(Bucket=local.raw, Key=key)["Body"].read()
    assert io.BytesIO(body).read(4) == b"PAR1"
    assert local.rows(f"SELECT r.second[1].x, r, m FROM {table}") == [["a", "{first=1, second=[{x=a}]}", None]]


def test_a_prepared_statement_can_write(local, make):
    table = make()
    local.run(f"PREPARE adding FROM INSERT INTO {table} SELECT 1, 'a' WHERE 1 = ?")
    found = local.run("EXECUTE adding USING 1")
    assert (found["SubstatementType"], found["ResultConfiguration"]["OutputLocation"][-36:]) == (
        "INSERT", found["QueryExecutionId"],
    )  # fmt: skip
    assert local.rows(f"SELECT * FROM {table}") == [["1", "a"]]


# CREATE TABLE AS


def test_the_default_database_is_there_when_something_is_put_into_it(local):
    found = local.run("CREATE TABLE default.made_there AS SELECT 1 AS id")
    assert found["Status"]["State"] == "SUCCEEDED", found["Status"]
    assert local.rows("SELECT id FROM default.made_there") == [["1"]]


def test_a_place_whose_objects_were_all_deleted_is_empty(local):
    location = f"s3://{local.raw}/again/"
    local.s3.put_bucket_versioning(Bucket=local.raw, VersioningConfiguration={"Status": "Enabled"})
    local.s3.put_object(Bucket=local.raw, Key="again/one", Body=b"x")
    local.s3.delete_object(Bucket=local.raw, Key="again/one")
    made = local.run(f"CREATE TABLE again WITH (external_location = '{location}') AS SELECT 1 AS id", group="free")
    assert made["Status"]["State"] == "SUCCEEDED", made["Status"]


def test_a_table_is_made_of_a_query_where_the_workgroup_keeps_results(local):
    found = local.run("CREATE TABLE made AS SELECT 1 AS id, 'a' AS name, TIMESTAMP '2026-01-01 00:00:00.000' AS at")
    identity = found["QueryExecutionId"]
    assert (found["StatementType"], found["SubstatementType"]) == ("DDL", "CREATE_TABLE_AS_SELECT")
    assert local.rows("SELECT * FROM made") == [["1", "a", "2026-01-01 00:00:00.000"]]
    entry = local.glue.get_table(DatabaseName=local.database, Name="made")["Table"]
    assert entry["StorageDescriptor"]["Location"] == f"s3://{local.results}/out/tables/{identity}"
    assert [(c["Name"], c["Type"]) for c in entry["StorageDescriptor"]["Columns"]] == [
        ("id", "int"), ("name", "varchar(1)"), ("at", "timestamp"),
    ]  # fmt: skip
    assert "TABLE_ALREADY_EXISTS" in local.reason("CREATE TABLE made AS SELECT 2 AS id")
    assert local.run("CREATE TABLE IF NOT EXISTS made AS SELECT 2 AS id")["Status"]["State"] == "SUCCEEDED"
    assert local.rows("SELECT count(*) FROM made") == [["1"]]


def test_a_table_is_made_with_partitions_at_a_place_of_its_own(local):
    properties = (
        f"format = 'parquet', external_location = 's3://{local.raw}/placed', partitioned_by = ARRAY['day'], "
        "write_compression = 'SNAPPY'"
    )
    query = "SELECT n AS id, CAST(n % 2 AS varchar) AS day FROM UNNEST(sequence(1, 4)) AS s(n)"
    found = local.run(f"CREATE TABLE placed WITH ({properties}) AS {query}", group="free")
    assert found["Status"]["State"] == "SUCCEEDED", found["Status"]
    assert set(partitions(local, "placed").values()) == {f"s3://{local.raw}/placed/day={day}" for day in "01"}
    assert local.rows("SELECT sum(id) FROM placed WHERE day = '0'") == [["6"]]

    again = f"CREATE TABLE placed_again WITH (external_location = 's3://{local.raw}/placed/') AS SELECT 1 AS id"
    assert local.reason(again, group="free").startswith("HIVE_PATH_ALREADY_EXISTS: Target directory for table")
    local.run(
        f"CREATE TABLE empty WITH (external_location = 's3://{local.raw}/empty/') AS {query} WITH NO DATA", group="free"
    )
    assert local.rows("SELECT * FROM empty") == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("WITH (external_location = 's3://{raw}/new/') AS SELECT 1 AS id", "INVALID_TABLE_PROPERTY: The Create Table"),
        ("WITH (format = 'ORC') AS SELECT 1 AS id", "NOT_SUPPORTED: format ORC"),
        ("WITH (bucketed_by = ARRAY['id'], bucket_count = 2) AS SELECT 1 AS id", "NOT_SUPPORTED: the property buc"),
        ("WITH (table_type = 'ICEBERG', is_external = false) AS SELECT 1 AS id", "NOT_SUPPORTED: the property is_ext"),
        ("WITH (partitioned_by = ARRAY['a']) AS SELECT 'x' AS a, 1 AS id", "HIVE_COLUMN_ORDER_MISMATCH"),
        ("WITH (partitioned_by = ARRAY['z']) AS SELECT 'x' AS a, 1 AS id", "INVALID_TABLE_PROPERTY: Partition colum"),
        ("WITH (partitioned_by = ARRAY['id']) AS SELECT 'x' AS a, 1 AS id", "NOT_SUPPORTED: the partition column id"),
        ("WITH (partitioned_by = ARRAY['id']) AS SELECT 1 AS id", "INVALID_TABLE_PROPERTY: Table contains only"),
        ("AS SELECT 1", "MISSING_COLUMN_NAME"),
        ("AS SELECT NULL AS a", "COLUMN_TYPE_UNKNOWN"),
        ("AS SELECT 1 AS a, 2 AS A", "DUPLICATE_COLUMN_NAME"),
        ("AS SELECT current_timestamp AS t", "NOT_SUPPORTED: Invalid column type for column t: Unsupported Hive type"),
        ("(a integer) AS SELECT 1", ""),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_made_is_refused_and_leaves_nothing(local, statement, said):
    assert local.reason(f"CREATE TABLE never {statement.replace('{raw}', local.raw)}").startswith(said)
    with pytest.raises(local.glue.exceptions.EntityNotFoundException):
        local.glue.get_table(DatabaseName=local.database, Name="never")
    assert objects(local, "new") == []


def test_tables_of_other_formats_are_refused_by_name(local, make):
    table = make(serde=STORAGES["json"].serialization_library)
    assert "the input format of table" in local.reason(f"SELECT * FROM {table}")
