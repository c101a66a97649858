"""The local Athena as boto3 and PyAthena see it: states, pages, results, tables, views, errors."""

from __future__ import annotations

import base64
import json
import time
import uuid
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from pyathena.cursor import DictCursor
from pyathena.error import OperationalError

from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.local_aws import athena
from ddb_pipeline.local_aws.athena import kept
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.view_sql import create_view_statement, views
from ddb_pipeline_tests.local_athena import change, running


@pytest.fixture(scope="module")
def local():
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def changes(local):
    """Two registered hours with two changes each, one hour that no crawl has found, one hidden object."""
    sizes = [
        local.put([change(event_name="INSERT", size_bytes=1), change(event_name="MODIFY", size_bytes=2)], hour="10"),
        local.put([change(event_name="REMOVE", expired_by_ttl=True), change(event_name="REMOVE")], hour="11"),
    ]
    local.put([change()], hour="12", register=False)
    local.put(["not json"], hour="11", name="_hidden")
    return sizes


def test_a_query_succeeds_with_header_types_statistics_and_result_file(local):
    found = local.run("SELECT 1 AS One, 'a' b, CAST(NULL AS bigint) c, 1.5 d, true e, ARRAY[1,NULL] f, X'6162' g")
    identity = found["QueryExecutionId"]
    assert (found["StatementType"], found["SubstatementType"], found["WorkGroup"]) == ("DML", "SELECT", local.group)
    assert found["ResultConfiguration"]["OutputLocation"] == f"s3://{local.results}/out/{identity}.csv"
    assert found["Statistics"]["DataScannedInBytes"] == 0
    assert found["EngineVersion"]["EffectiveEngineVersion"] == "Athena engine version 3"
    answer = local.athena.get_query_results(QueryExecutionId=identity)["ResultSet"]
    assert [cell.get("VarCharValue") for cell in answer["Rows"][0]["Data"]] == [
        "one", "b", "c", "d", "e", "f", "g",
    ]  # fmt: skip
    assert answer["Rows"][1]["Data"] == [
        {"VarCharValue": "1"}, {"VarCharValue": "a"}, {}, {"VarCharValue": "1.5"}, {"VarCharValue": "true"},
        {"VarCharValue": "[1, null]"}, {"VarCharValue": "61 62"},
    ]  # fmt: skip
    types = [column["Type"] for column in answer["ResultSetMetadata"]["ColumnInfo"]]
    assert types == ["integer", "varchar", "bigint", "decimal", "boolean", "array", "varbinary"]
    stored = local.s3.get_object(Bucket=local.results, Key=f"out/{identity}.csv")
    assert stored["Body"].read().decode() == (
        '"one","b","c","d","e","f","g"\n"1","a",,"1.5","true","[1, null]","61 62"\n'
    )
    assert (stored["ServerSideEncryption"], stored["SSEKMSKeyId"]) == ("aws:kms", "alias/own")
    assert local.s3.head_object(Bucket=local.results, Key=f"out/{identity}.csv.metadata")["ContentLength"] > 0


def test_pages_of_a_result_hold_every_row_once(local):
    identity = local.start("SELECT n, 'a\nb\"c,' || CAST(n AS varchar) t FROM UNNEST(sequence(1, 2500)) AS s(n)")
    local.wait(identity)
    pages = local.athena.get_paginator("get_query_results").paginate(
        QueryExecutionId=identity, PaginationConfig={"PageSize": 999}
    )
    rows = [row["Data"] for page in pages for row in page["ResultSet"]["Rows"]]
    assert [cell["VarCharValue"] for cell in rows[0]] == ["n", "t"]
    assert [[c["VarCharValue"] for c in row] for row in rows[1:]] == [[str(n), f'a\nb"c,{n}'] for n in range(1, 2501)]


def test_pyathena_reads_values_with_their_python_types(local):
    moment = "TIMESTAMP '2026-01-02 03:04:05.678'"
    with local.pyathena() as connection:
        query = f"SELECT 1, 2 IS NULL, DATE '2026-01-02', {moment}, NULL, CAST('' AS varchar), 1.50, ARRAY[1, 2]"
        cursor = connection.cursor().execute(query)
        assert cursor.fetchone() == (
            1, False, date(2026, 1, 2), datetime.fromisoformat("2026-01-02 03:04:05.678"), None, "", Decimal("1.50"),
            [1, 2],
        )  # fmt: skip
        assert cursor.data_scanned_in_bytes == 0
        assert connection.cursor(DictCursor).execute("SELECT 1 a, 'x' b").fetchall() == [{"a": 1, "b": "x"}]
        formatted = connection.cursor().execute("SELECT %(text)s || 'b'", {"text": "it's"}).fetchall()
        assert formatted == [("it'sb",)]
        with pytest.raises(OperationalError, match="TABLE_NOT_FOUND"):
            connection.cursor().execute("SELECT * FROM nowhere")


def test_only_registered_partitions_are_read_and_only_selected_ones_are_billed(local, changes):
    everything = "SELECT event_name, count(*) FROM changes GROUP BY 1 ORDER BY 1"
    assert local.rows(everything) == [["INSERT", "1"], ["MODIFY", "1"], ["REMOVE", "2"]]
    assert local.run(everything)["Statistics"]["DataScannedInBytes"] == sum(changes)
    pruned = "SELECT hour, sum(size_bytes) FROM changes WHERE year = '2026' AND hour < '11' GROUP BY hour"
    assert local.rows(pruned) == [["10", "3"]]
    assert local.run(pruned)["Statistics"]["DataScannedInBytes"] == changes[0]
    none = local.run("SELECT * FROM changes WHERE hour = '23'")
    assert none["Statistics"]["DataScannedInBytes"] == 0
    qualified = f'SELECT C."HOUR" FROM "AwsDataCatalog"."{local.database}"."changes" c WHERE EXPIRED_BY_TTL'
    assert local.rows(qualified) == [["11"]]


def test_a_deleted_object_is_not_read_whether_its_bucket_keeps_versions_or_not(local):
    local.make_table("versioned")
    local.put([json.dumps({"event_id": "kept"})], table="versioned", name="kept")
    local.s3.put_bucket_versioning(Bucket=local.raw, VersioningConfiguration={"Status": "Enabled"})
    local.put([json.dumps({"event_id": "deleted"})], table="versioned", name="deleted")
    local.s3.delete_object(Bucket=local.raw, Key="versioned/year=2026/month=01/day=02/hour=00/deleted.json.gz")

    assert local.rows("SELECT event_id FROM versioned") == [["kept"]]


def test_an_object_that_arrives_later_is_read_by_the_next_query(local):
    local.make_table("growing")
    assert local.rows("SELECT count(*) FROM growing") == [["0"]]
    local.put([change()], table="growing")
    assert local.rows("SELECT count(*) FROM growing") == [["1"]]
    local.put([change(), change()], table="growing")
    assert local.rows("SELECT count(*) FROM growing") == [["3"]]


def test_a_query_asked_again_parses_the_objects_that_are_new_and_no_other(local, monkeypatch):
    local.make_table("asked_again")
    local.put([change(size_bytes=1)], table="asked_again")
    local.put([change(size_bytes=2)], table="asked_again")
    parsed = []

    def counted(table, paths, spelled, file_column):
        parsed.extend(paths)
        return json_sql(table, paths, spelled, file_column)

    json_sql = kept.json_sql
    monkeypatch.setattr(kept, "json_sql", counted)
    query = 'SELECT sum(size_bytes), count(DISTINCT "$path"), max(hour) FROM asked_again'
    assert local.rows(query) == [["3", "2", "00"]]
    assert len(parsed) == 2
    assert local.rows(query) == [["3", "2", "00"]]
    local.put([change(size_bytes=4)], table="asked_again")
    assert local.rows(query) == [["7", "3", "00"]]
    assert len(parsed) == 3


def test_an_object_that_cannot_be_kept_fails_the_queries_that_read_its_value(local):
    local.make_table("out_of_range")
    local.put([json.dumps({"event_id": "e", "row_version": 2**40})], table="out_of_range")
    assert local.rows("SELECT event_id FROM out_of_range") == [["e"]]
    assert "1099511627776" in local.reason("SELECT row_version FROM out_of_range")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"row_version": ', "Row is not a valid JSON Object in s3://"),
        ('["an array"]', "Row is not a valid JSON Object in s3://"),
        ('{"size_bytes": "twelve"}', "a value of 'size_bytes' in s3://"),
        ('{"new_image": {"pk": {"S": "x"}}}', "is an object or array, the column is varchar"),
    ],
)
def test_a_line_that_the_serde_could_not_read_fails_and_names_the_object(local, line, said):
    name = f"broken_{uuid.uuid4().hex[:6]}"
    local.make_table(name)
    local.put([change(), line], table=name)
    reason = local.reason(f"SELECT count(*) FROM {name}")
    assert reason.startswith("HIVE_CURSOR_ERROR: ")
    assert said in reason
    assert f"s3://{local.raw}/{name}/" in reason


def test_names_in_the_data_are_matched_whatever_their_case(local):
    local.make_table("cased")
    local.put(['{"Event_Name": "INSERT", "SIZE_BYTES": 3}'], table="cased")
    assert local.rows("SELECT event_name, size_bytes FROM cased") == [["INSERT", "3"]]
    local.put(['{"event_name": "INSERT"}'], table="cased")
    assert "column event_name is spelled" in local.reason("SELECT event_name FROM cased")


def test_a_view_is_stored_as_athena_stores_it_and_can_be_queried(local, changes):
    created = local.run(
        "CREATE OR REPLACE VIEW Counted AS\nSELECT hour, CAST(count(*) AS bigint) AS Total, "
        "CAST(ROW(1, 'x') AS ROW(a bigint, b varchar)) r, TIMESTAMP '2026-01-01 00:00:00.000' t, ARRAY['a'] l, 'abc' s "
        "FROM changes GROUP BY hour;"
    )
    assert created["Status"]["State"] == "SUCCEEDED", created["Status"]
    assert (created["StatementType"], created["SubstatementType"]) == ("DDL", "CREATE_VIEW")
    stored = local.glue.get_table(DatabaseName=local.database, Name="counted")["Table"]
    assert stored["TableType"] == "VIRTUAL_VIEW"
    assert stored["Parameters"] == {"presto_view": "true", "comment": "Presto View"}
    assert stored["ViewExpandedText"] == "/* Presto View */"
    assert [(c["Name"], c["Type"]) for c in stored["StorageDescriptor"]["Columns"]] == [
        ("hour", "string"), ("total", "bigint"), ("r", "struct<a:bigint,b:string>"), ("t", "timestamp"),
        ("l", "array<varchar(1)>"), ("s", "varchar(3)"),
    ]  # fmt: skip
    content = json.loads(base64.b64decode(stored["ViewOriginalText"].split()[3]))
    assert (content["catalog"], content["schema"]) == ("awsdatacatalog", local.database)
    assert content["originalSql"].startswith("SELECT hour")
    assert not content["originalSql"].endswith(";")
    assert [c["type"] for c in content["columns"]] == [
        "varchar", "bigint", "row(a bigint, b varchar)", "timestamp(3)", "array(varchar(1))", "varchar(3)",
    ]  # fmt: skip
    assert local.rows("SELECT total, r.b, r, t FROM counted ORDER BY hour LIMIT 1") == [
        ["2", "x", "{a=1, b=x}", "2026-01-01 00:00:00.000"]
    ]
    local.run("CREATE VIEW on_top AS SELECT sum(total) AS n FROM counted")
    assert local.rows("SELECT n FROM on_top") == [["4"]]
    assert "already exists" in local.reason("CREATE VIEW on_top AS SELECT 1 AS n")
    assert local.run("DROP VIEW on_top")["Status"]["State"] == "SUCCEEDED"
    assert "does not exist" in local.reason("DROP VIEW on_top")
    assert local.run("DROP VIEW IF EXISTS on_top")["Status"]["State"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT current_timestamp AS t", "Unsupported Hive type: timestamp(3) with time zone"),
        ("SELECT json_parse('1') AS t", "Unsupported Hive type: json"),
        ("SELECT NULL AS t", "Column type is unknown: t"),
        ("SELECT TIMESTAMP '2026-01-01 00:00:00.000000' AS t", "Unsupported Hive type: timestamp(6)"),
        ("SELECT 1 AS a, 2 AS A", "Column name 'a' specified more than once"),
        ("SELECT 1", "Column name not specified at position 1"),
        ("SELECT * FROM bad_view", "TABLE_NOT_FOUND"),
    ],
)
def test_athena_refuses_such_a_view_and_stores_nothing(local, query, said):
    assert said in local.reason(f"CREATE OR REPLACE VIEW bad_view AS {query}")
    with pytest.raises(local.glue.exceptions.EntityNotFoundException):
        local.glue.get_table(DatabaseName=local.database, Name="bad_view")


def test_a_view_cannot_read_itself(local):
    local.run("CREATE VIEW own AS SELECT 1 AS a")
    assert "recursive view" in local.reason("CREATE OR REPLACE VIEW own AS SELECT * FROM own")


def test_a_view_whose_table_changed_is_stale(local):
    local.run("CREATE OR REPLACE VIEW base_of AS SELECT 1 AS a")
    local.run("CREATE OR REPLACE VIEW star_of AS SELECT * FROM base_of")
    local.run("CREATE OR REPLACE VIEW base_of AS SELECT 'x' AS a")
    assert local.reason("SELECT * FROM star_of").startswith("VIEW_IS_STALE: line 1:15: ")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT * FROM nowhere", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.{db}.nowhere' does not exist"),
        ("SELECT a FROM other_db.t", "SCHEMA_NOT_FOUND: line 1:15: Schema 'other_db' does not exist"),
        ("SELECT\n  nothing FROM changes", "COLUMN_NOT_FOUND: line 2:3: Column 'nothing' cannot be resolved"),
        ("SELECT 1/0", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT CAST('x' AS bigint)", "INVALID_CAST_ARGUMENT: Cannot cast 'x' to BIGINT"),
        ("SELECT FROM WHERE", "SYNTAX_ERROR: "),
        ("SELECT 1; SELECT 2", "SYNTAX_ERROR: Only one sql statement is allowed. Got: 2"),
        ("-- comment\nUNLOAD (SELECT 1) TO 's3://x/' WITH (format = 'JSON')", "NOT_SUPPORTED: format 'JSON'"),
        ("INSERT INTO changes SELECT * FROM changes", "NOT_SUPPORTED: line 1:13: INSERT INTO table changes, which is"),
        ('SELECT "$file_size" FROM changes', 'NOT_SUPPORTED: line 1:8: the hidden column "$file_size"'),
        ("SELECT * FROM read_csv('/etc/passwd')", "NOT_SUPPORTED: "),
        ("SELECT * FROM '/etc/passwd'", ""),
        ("COPY (SELECT 1) TO '/tmp/x'", "NOT_SUPPORTED: "),
        ("ATTACH '/tmp/x'", "SYNTAX_ERROR: "),
        ("PRAGMA version", "NOT_SUPPORTED: "),
        ("SELECT getenv('HOME')", "FUNCTION_NOT_FOUND: line 1:8: Function 'getenv'"),
        ("SELECT * FROM duckdb_settings", "TABLE_NOT_FOUND"),
        ("SELECT * FROM information_schema.roles", "TABLE_NOT_FOUND"),
    ],
)  # fmt: skip
def test_a_wrong_or_unknown_query_fails_with_athenas_kind_of_error(local, sql, said):
    assert local.reason(sql).startswith(said.replace("{db}", local.database))


def test_values_are_a_query(local):
    assert local.rows("VALUES (1, 'a'), (2, 'b'), (3, NULL) ORDER BY 1 DESC LIMIT 2") == [["3", None], ["2", "b"]]


def test_what_duckdb_does_not_have_is_no_internal_error(local):
    correlated = "SELECT (1, 2) IN (SELECT x, t.a FROM (VALUES 1) u (x)) FROM (VALUES 1) t (a)"
    assert local.reason(correlated).startswith("NOT_SUPPORTED: Correlated IN")


def test_tables_of_other_formats_are_refused_by_name(local):
    local.make_table("lines", serde="org.apache.hadoop.hive.serde2.OpenCSVSerde")
    assert "the SerDe of table lines is org.apache.hadoop.hive.serde2.OpenCSVSerde" in local.reason(
        "SELECT * FROM lines"
    )


def test_the_same_request_token_starts_one_query(local):
    token = uuid.uuid4().hex
    first = local.start("SELECT 1", ClientRequestToken=token)
    assert local.start("SELECT 1", ClientRequestToken=token) == first
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        local.start("SELECT 2", ClientRequestToken=token)


def test_a_running_query_is_really_interrupted(local):
    numbers = "UNNEST(sequence(1, 10000))"
    endless = f"SELECT count(*) FROM {numbers} a(x), {numbers} b(y), {numbers} c(z) WHERE x % 7 = y % 11 + z % 13"
    identity = local.start(endless)
    while local.athena.get_query_execution(QueryExecutionId=identity)["QueryExecution"]["Status"]["State"] == "QUEUED":
        time.sleep(0.02)
    time.sleep(0.3)
    started = time.monotonic()
    local.athena.stop_query_execution(QueryExecutionId=identity)
    assert local.wait(identity)["Status"]["State"] == "CANCELLED"
    assert time.monotonic() - started < 5
    assert local.rows("SELECT 1") == [["1"]]


def test_requests_that_are_wrong_are_refused_at_once(local):
    for call, said in (
        (lambda: local.start("SELECT 1", group="nobody"), "WorkGroup nobody is not found"),
        (lambda: local.start("SELECT 1", group="primary"), "No output location provided"),
        (lambda: local.athena.get_query_execution(QueryExecutionId="none"), "QueryExecution none was not found"),
        (lambda: local.athena.get_work_group(WorkGroup="nobody"), "WorkGroup nobody is not found"),
    ):
        with pytest.raises(ClientError, match=said):
            call()


def test_a_missing_results_bucket_fails_the_query(local):
    request = {"ResultConfiguration": {"OutputLocation": "s3://no-such-results/"}}
    assert "Unable to verify/create output bucket no-such-results" in local.reason(
        "SELECT 1", group="primary", **request
    )


def test_executions_are_listed_newest_first_and_described_in_batches(local):
    ids = [local.start("SELECT 1") for _ in range(3)]
    for identity in ids:
        local.wait(identity)
    listed = local.athena.list_query_executions(WorkGroup=local.group, MaxResults=2)
    assert listed["QueryExecutionIds"] == [ids[2], ids[1]]
    assert local.athena.list_query_executions(WorkGroup=local.group, NextToken=listed["NextToken"], MaxResults=1)[
        "QueryExecutionIds"
    ] == [ids[0]]
    batch = local.athena.batch_get_query_execution(QueryExecutionIds=[ids[0], "none"])
    assert [one["QueryExecutionId"] for one in batch["QueryExecutions"]] == [ids[0]]
    assert [one["QueryExecutionId"] for one in batch["UnprocessedQueryExecutionIds"]] == ["none"]


def test_databases_and_tables_come_from_the_glue_catalog(local):
    names = [d["Name"] for d in local.athena.list_databases(CatalogName="AwsDataCatalog")["DatabaseList"]]
    assert local.database in names
    table = local.athena.get_table_metadata(
        CatalogName="AwsDataCatalog", DatabaseName=local.database, TableName="changes"
    )
    assert [column["Name"] for column in table["TableMetadata"]["PartitionKeys"]] == ["year", "month", "day", "hour"]


def test_the_projects_views_run_over_real_rows(local):
    """Insert, modify, a repeat, two changes in one instant, a delete: the table then holds `a` (2) and `b` (1)."""
    pipeline = load_declaration(Path(__file__).parents[2] / "pipeline.toml").pipelines["persons"]
    local.make_table("told")
    fields = dict.fromkeys(PublishedNames.__dataclass_fields__, "x")
    names = PublishedNames(**{**fields, "database": local.database, "change_table": "told", "table": "persons"})

    def told(key, at, old, new, **values):
        def image(n):
            return None if n is None else json.dumps({"pk": {"S": key}, "n": {"N": str(n)}})

        return change(
            event_name="INSERT" if old is None else "REMOVE" if new is None else "MODIFY", changed_at_us=at,
            item_key=json.dumps({"pk": {"S": key}}), table_name="persons", new_image=image(new), old_image=image(old),
            new_hash=None if new is None else f"{key}{new}", old_hash=None if old is None else f"{key}{old}",
            new_item=None if new is None else json.dumps({"pk": key, "n": new}), expired_by_ttl=False, arrived_at_ms=at,
            shard_id="s", sequence_number=str(at), **values,
        )  # fmt: skip

    first, repeated = 1_700_000_000_000_000, {"event_id": "again"}
    local.put(
        [
            told("a", first + 1, 1, 2, **repeated), told("a", first, None, 1), told("a", first + 1, 1, 2, **repeated),
            told('b"\\é', first, 0, 1), told('b"\\é', first, None, 0),
            told("c", first, None, 1), told("c", first + 2, 1, None),
        ],
        table="told",
    )  # fmt: skip
    for view in views(pipeline):
        made = local.run(create_view_statement(view, pipeline, names))
        assert made["Status"]["State"] == "SUCCEEDED", made["Status"]["StateChangeReason"]
        stored = local.glue.get_table(DatabaseName=local.database, Name=view.name)["Table"]
        content = json.loads(base64.b64decode(stored["ViewOriginalText"].split()[3]))
        assert [(c["name"], c["type"]) for c in content["columns"]] == [(c.name, c.type) for c in view.columns]
    state = (
        "SELECT pk, json_extract_scalar(item, '$.n'), changed_at_us, state_certain FROM latest_item_state ORDER BY pk"
    )
    assert local.rows(state) == [["a", "2", str(first + 1), "true"], ['b"\\é', "1", str(first), "true"]]
    counts = "SELECT event_name, sum(changes), sum(distinct_items) FROM change_counts GROUP BY 1 ORDER BY 1"
    assert local.rows(counts) == [["INSERT", "3", "3"], ["MODIFY", "2", "2"], ["REMOVE", "1", "1"]]


def test_queries_run_again_after_stop(local):
    athena.stop()
    assert local.rows("SELECT count(*) FROM changes WHERE hour = 'none'") == [["0"]]
