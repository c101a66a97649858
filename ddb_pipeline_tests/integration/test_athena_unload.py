"""UNLOAD of the local Athena: a query's rows as objects in S3, without a table."""

from __future__ import annotations

import uuid

import pytest
from pyathena.pandas.cursor import PandasCursor

from ddb_pipeline_tests.local_athena import running


@pytest.fixture(scope="module")
def local():
    with running() as found:
        yield found


@pytest.fixture
def name():
    return f"t_{uuid.uuid4().hex[:8]}"


def test_unload_writes_a_querys_rows_without_a_table(local, name):
    to = f"s3://{local.raw}/{name}"
    sql = f"UNLOAD (SELECT 1 AS id, ')' AS text, ARRAY[1.5] AS numbers) TO '{to}' WITH (format = 'PARQUET')"
    found = local.run(sql)
    assert found["Status"]["State"] == "SUCCEEDED", found["Status"]["StateChangeReason"]
    assert (found["StatementType"], found["SubstatementType"]) == ("DML", "UNLOAD")
    manifest = found["Statistics"]["DataManifestLocation"].removeprefix(f"s3://{local.results}/")
    [written] = local.s3.get_object(Bucket=local.results, Key=manifest)["Body"].read().decode().split()
    assert written.startswith(f"{to}/")
    definition = "id int, text string, numbers array<decimal(2,1)>"
    assert local.run(f"CREATE EXTERNAL TABLE {name} ({definition}) STORED AS PARQUET LOCATION '{to}/'")
    assert local.rows(f"SELECT * FROM {name}") == [["1", ")", "[1.5]"]]
    assert local.reason(sql).startswith("HIVE_PATH_ALREADY_EXISTS: Target directory")


def test_unload_parts_its_objects_by_columns(local, name):
    properties = "format = 'parquet', compression = 'snappy', partitioned_by = ARRAY['day', 'kind']"
    query = "SELECT x, day, kind FROM (VALUES (1, 'a', 'k'), (2, 'b', 'k')) t (x, day, kind) WHERE x > ?"
    found = local.run(f"UNLOAD ({query}) TO 's3://{local.raw}/{name}/' WITH ({properties});", ExecutionParameters=["0"])
    assert found["Status"]["State"] == "SUCCEEDED", found["Status"]["StateChangeReason"]
    listed = local.s3.list_objects_v2(Bucket=local.raw, Prefix=f"{name}/")["Contents"]
    assert sorted(one["Key"].rpartition("/")[0] for one in listed) == [f"{name}/day=a/kind=k", f"{name}/day=b/kind=k"]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UNLOAD (SELECT 1 a) TO 's3://b/x/' WITH (format = 'JSON')", "NOT_SUPPORTED: format 'JSON' with compression"),
        ("UNLOAD (SELECT 1 a) TO 's3://b/x/'", "NOT_SUPPORTED: format '' with compression"),
        (
            "UNLOAD (SELECT 1 a) TO 's3://b/x/' WITH (format = 'PARQUET', field_delimiter = ',')",
            "NOT_SUPPORTED: the property field_delimiter of UNLOAD",
        ),
        ("UNLOAD (SELECT 1 a) TO 's3://nowhere-at-all/x/' WITH (format = 'PARQUET')", "HIVE_FILESYSTEM_ERROR"),
        ("UNLOAD (SELECT 1 a) TO '/tmp' WITH (format = 'PARQUET')", "INVALID_TABLE_PROPERTY"),
        ("UNLOAD (SELECT 1) TO 's3://b/x/' WITH (format = 'PARQUET')", "MISSING_COLUMN_NAME"),
        ("UNLOAD (DROP TABLE changes) TO 's3://b/x/' WITH (format = 'PARQUET')", "NOT_SUPPORTED: UNLOAD of DROP"),
        ("UNLOAD SELECT 1 a TO 's3://b/x/'", "SYNTAX_ERROR: UNLOAD needs a query in brackets"),
        ("UNLOAD (SELECT 1 a", "SYNTAX_ERROR"),
        ("UNLOAD (SELECT 1 a) TO 's3://b/x/' WITH (format = 'PARQUET') x", "SYNTAX_ERROR: line 1:62: mismatched input"),
        (
            "UNLOAD (SELECT 'x' d, 1 a) TO 's3://b/x/' WITH (format = 'PARQUET', partitioned_by = ARRAY['d'])",
            "HIVE_COLUMN_ORDER_MISMATCH",
        ),
    ],
)
def test_what_cannot_be_unloaded_is_said(local, sql, said):
    assert local.reason(sql).startswith(said)


def test_pyathena_reads_what_it_has_unloaded(local, monkeypatch):
    # the client that reads the objects is told by the environment alone
    monkeypatch.setenv("AWS_ENDPOINT_URL", local.endpoint)
    staging = f"s3://{local.results}/staging/"
    with local.pyathena(
        s3_staging_dir=staging, cursor_class=PandasCursor, cursor_kwargs={"unload": True, "engine": "pyarrow"}
    ) as made:
        assert made.cursor().execute("SELECT 1 AS id, 'x' AS name").fetchall() == [(1, "x")]
