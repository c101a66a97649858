"""Which partitions a query of the local Athena reads: conditions, projected partitions."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from ddb_pipeline.change_row import STORAGES
from ddb_pipeline_tests.local_athena import running

HOURS = ("00", "01", "02", "10")


@pytest.fixture(scope="module")
def local():
    with running() as found:
        found.sizes = {hour: found.put([json.dumps({"event_id": f"e{hour}"})], hour=hour) for hour in HOURS}
        yield found


def read(local, sql):
    """Hours that a query over `changes` scanned, told by the bytes."""
    found = local.run(sql)
    assert found["Status"]["State"] == "SUCCEEDED", found["Status"]["StateChangeReason"]
    return found["Statistics"]["DataScannedInBytes"]


@pytest.mark.parametrize(
    ("condition", "hours"),
    [
        ("hour = '01'", ["01"]),
        ("year >= '2026' AND concat(year, month, day, hour) >= '2026010202'", ["02", "10"]),
        ("year || month || day || hour BETWEEN '2026010200' AND '2026010201'", ["00", "01"]),
        ("hour IN ('00', '10') AND event_id <> ''", ["00", "10"]),
        ("NOT (hour < '02')", ["02", "10"]),
        ("hour = '00' OR hour = '10'", ["00", "10"]),
        ("hour = '00' OR event_id = 'e10'", ["00", "01", "02", "10"]),
        ("CAST(hour AS bigint) = 10", ["10"]),
        ("hour LIKE '1%'", ["10"]),
        ("hour IS NULL", []),
        ("(year, hour) IN (('2026', '00'), ('2026', '10'))", ["00", "10"]),
        ("hour = '00' OR rand() < 0.0", ["00", "01", "02", "10"]),
        ("hour = (SELECT '01')", ["00", "01", "02", "10"]),
    ],
)
def test_conditions_on_partition_columns_alone_leave_partitions_out(local, condition, hours):
    assert read(local, f"SELECT count(*) FROM changes WHERE {condition}") == sum(local.sizes[hour] for hour in hours)


def test_each_side_of_a_union_and_of_a_join_is_pruned_by_its_own_condition(local):
    sides = "SELECT event_id FROM changes WHERE hour = '00' UNION ALL SELECT event_id FROM changes WHERE hour = '10'"
    assert read(local, sides) == local.sizes["00"] + local.sizes["10"]
    joined = "SELECT a.event_id FROM changes a, changes b WHERE a.hour = '00' AND b.hour = '01'"
    assert read(local, joined) == local.sizes["00"] + local.sizes["01"]


@pytest.mark.parametrize(
    ("sql", "hours"),
    [
        ("SELECT * FROM (SELECT event_id, hour AS h FROM changes) WHERE h = '01'", ["01"]),
        ("SELECT * FROM seen WHERE h = '01' AND event_id <> ''", ["01"]),
        ("SELECT * FROM on_seen WHERE h = '01'", ["01"]),
        ("WITH w AS (SELECT * FROM changes) SELECT 1 FROM w WHERE w.hour = '01'", ["01"]),
        ("SELECT * FROM (SELECT hour FROM changes UNION ALL SELECT 'x') WHERE hour = '01'", ["01"]),
        (
            ("SELECT * FROM (SELECT hour FROM changes WHERE hour > '00' UNION SELECT hour FROM changes) "
            "WHERE hour IN ('00', '10')"),
            ["10", "00", "10"],
        ),
        ("SELECT * FROM (SELECT hour, count(*) AS n FROM changes GROUP BY hour) WHERE hour = '10'", ["10"]),
        ("SELECT * FROM (SELECT hour, count(*) AS n FROM changes GROUP BY ROLLUP (hour)) WHERE hour = '10'", HOURS),
        ("SELECT * FROM (SELECT DISTINCT hour FROM changes) WHERE hour = '10'", ["10"]),
        ("SELECT * FROM (SELECT hour FROM changes ORDER BY 1) WHERE hour = '10'", ["10"]),
        ("SELECT * FROM changes a JOIN changes b ON a.hour = b.hour AND b.hour = '10' AND a.hour < '02'",
         ["00", "01", "10"]),
        ("SELECT * FROM changes a LEFT JOIN changes b ON a.hour = b.hour AND b.hour = '10' WHERE a.hour = '00'",
         ["00", "10"]),
        ("SELECT h, e FROM changes CROSS JOIN UNNEST(ARRAY[1]) AS u(e) CROSS JOIN (SELECT '1' AS h) WHERE hour = '00'",
         ["00"]),
        # these may not be pruned
        ("SELECT * FROM (SELECT hour FROM changes ORDER BY 1 LIMIT 2) WHERE hour = '10'", HOURS),
        ("SELECT * FROM (SELECT hour, row_number() OVER (ORDER BY hour) AS n FROM changes) WHERE hour = '10'", HOURS),
        ("SELECT * FROM (SELECT upper(hour) AS hour FROM changes) WHERE hour = '10'", HOURS),
        ("SELECT * FROM (SELECT max(hour) AS hour FROM changes) WHERE hour = '10'", HOURS),
        ("SELECT * FROM (SELECT hour FROM changes EXCEPT SELECT 'x') WHERE hour = '10'", HOURS),
        ("SELECT * FROM (SELECT 'a' AS a) LEFT JOIN changes ON true WHERE hour IS NULL", HOURS),
        ("SELECT * FROM changes a LEFT JOIN (SELECT 'a' AS b) ON a.hour = '00' AND b = 'a'", HOURS),
    ],
)  # fmt: skip
def test_conditions_reach_the_tables_below_views_unions_and_joins(local, sql, hours):
    local.run("CREATE OR REPLACE VIEW seen AS SELECT event_id, hour AS h FROM changes")
    local.run("CREATE OR REPLACE VIEW on_seen AS SELECT h FROM seen WHERE h < '03'")
    assert read(local, sql) == sum(local.sizes[hour] for hour in hours)


def test_a_total_counts_all_partitions_whatever_is_asked_of_its_null(local):
    totals = (
        "SELECT * FROM (SELECT hour, count(*) AS n FROM changes GROUP BY ROLLUP (hour)) WHERE coalesce(hour, '') = ''"
    )
    assert local.rows(totals) == [[None, "4"]]


def test_what_is_left_out_changes_no_answer(local):
    """Every query over the partitioned table, and over the same rows without partitions."""
    local.run("CREATE TABLE plain AS SELECT event_id, year, month, day, hour FROM changes")
    for sql in (
        "SELECT a.hour, b.hour FROM {t} a LEFT JOIN {t} b ON a.hour = b.hour AND b.hour = '10' WHERE b.hour IS NULL",
        "SELECT a.hour, b.hour FROM {t} a RIGHT JOIN {t} b ON a.hour = b.hour AND a.hour = '10' WHERE b.hour > '00'",
        "SELECT a.hour, b.hour FROM {t} a FULL JOIN {t} b ON a.hour = b.hour AND b.hour = '10' WHERE a.hour IS NULL",
        "SELECT a.hour, b.hour FROM {t} a LEFT JOIN {t} b ON a.hour = '00' AND b.hour = '10'",
        "SELECT hour FROM (SELECT hour FROM {t} ORDER BY hour DESC LIMIT 2) WHERE hour < '10'",
        "SELECT hour, n FROM (SELECT hour, count(*) OVER () AS n FROM {t}) WHERE hour = '01'",
        "SELECT hour FROM (SELECT hour FROM {t} EXCEPT SELECT hour FROM {t} WHERE hour = '01') WHERE hour < '02'",
        (
            "SELECT h FROM (SELECT coalesce(b.hour, 'none') AS h FROM {t} a LEFT JOIN {t} b ON b.hour = '10' "
            "AND a.hour = b.hour) WHERE h = 'none'"
        ),
        "SELECT hour FROM {t} a LEFT JOIN {t} b USING (hour) WHERE hour = '01'",
        "SELECT a.hour FROM {t} a WHERE EXISTS (SELECT 1 FROM {t} b WHERE b.hour = a.hour AND a.hour = '01')",
        "SELECT hour FROM (SELECT hour FROM {t} WHERE hour = '01' UNION ALL SELECT 'z') WHERE hour > '00'",
    ):
        plain, pruned = (sorted(local.rows(sql.format(t=table)), key=str) for table in ("plain", "changes"))
        assert plain == pruned, sql


# projection


def make(local, columns, location=None, **parameters):
    name = f"p_{uuid.uuid4().hex[:8]}"
    storage = {
        "Columns": [{"Name": "id", "Type": "bigint"}],
        "Location": f"s3://{local.raw}/{location or name}/",
        "InputFormat": STORAGES["json"].input_format,
        "OutputFormat": STORAGES["json"].output_format,
        "SerdeInfo": {"SerializationLibrary": STORAGES["json"].serialization_library},
    }
    own = {"projection.enabled": "true", **{key.replace("__", "."): value for key, value in parameters.items()}}
    local.glue.create_table(
        DatabaseName=local.database,
        TableInput={
            "Name": name, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage, "Parameters": own,
            "PartitionKeys": [{"Name": column, "Type": "string"} for column in columns],
        },
    )  # fmt: skip
    return name


def put(local, table, *folders):
    for number, folder in enumerate(folders, 1):
        line = json.dumps({"id": number})
        local.s3.put_object(Bucket=local.raw, Key=f"{table}/{folder}/one.json", Body=line.encode())


def test_firehoses_own_folders_are_read_up_to_now(local):
    now = datetime.now(UTC)
    table = make(
        local,
        ["datehour"],
        **{
            "projection.datehour.type": "date",
            "projection.datehour.format": "yyyy/MM/dd/HH",
            "projection.datehour.range": "2021/01/01/00,NOW",
            "projection.datehour.interval": "1",
            "projection.datehour.interval.unit": "HOURS",
            "storage.location.template": f"s3://{local.raw}/firehose/${{datehour}}/",
        },
    )
    present, next_hour = now.strftime("%Y/%m/%d/%H"), (now + timedelta(hours=2)).strftime("%Y/%m/%d/%H")
    put(local, "firehose", "2020/12/31/23", "2021/01/01/00", "2024/02/29/13", present, next_hour)
    assert local.rows(f"SELECT id, datehour FROM {table} ORDER BY id") == [
        ["2", "2021/01/01/00"], ["3", "2024/02/29/13"], ["4", present],
    ]  # fmt: skip
    some = f"SELECT id FROM {table} WHERE datehour >= '2024/02/29/00' AND datehour < '2024/03/01/00'"
    assert local.rows(some) == [["3"]]
    assert local.run(some)["Statistics"]["DataScannedInBytes"] == len('{"id": 3}')


def test_enum_integer_and_date_are_combined_and_registered_partitions_do_not_count(local):
    table = make(
        local,
        ["kind", "number", "month"],
        **{
            "projection.kind.type": "enum", "projection.kind.values": "a,b c",
            "projection.number.type": "integer", "projection.number.range": "8,12", "projection.number.interval": "2",
            "projection.number.digits": "3",
            "projection.month.type": "date", "projection.month.format": "yyyy-MM",
            "projection.month.range": "2025-11,2026-02",
        },
    )  # fmt: skip
    put(
        local, table, "kind=a/number=008/month=2025-11", "kind=b c/number=012/month=2026-02",
        "kind=c/number=008/month=2025-11", "kind=a/number=009/month=2025-11", "kind=a/number=8/month=2025-11",
    )  # fmt: skip
    local.run(f"ALTER TABLE {table} ADD PARTITION (kind='c', number='008', month='2025-11')")
    assert local.rows(f"SELECT * FROM {table} ORDER BY id") == [
        ["1", "a", "008", "2025-11"], ["2", "b c", "012", "2026-02"],
    ]  # fmt: skip
    assert local.rows(f"SELECT id FROM {table} WHERE kind || number = 'a008' AND month > '2025'") == [["1"]]


def test_a_range_can_be_relative_to_now_at_both_ends(local):
    now = datetime.now(UTC)
    table = make(
        local,
        ["day"],
        **{
            "projection.day.type": "date", "projection.day.format": "yyyyMMdd",
            "projection.day.range": "NOW-2DAYS, NOW + 1 DAY",
        },
    )  # fmt: skip
    days = [(now + timedelta(days=count)).strftime("%Y%m%d") for count in range(-3, 3)]
    put(local, table, *(f"day={day}" for day in days))
    assert [row[1] for row in local.rows(f"SELECT * FROM {table} ORDER BY id")] == days[1:5]


def test_hours_of_ten_years_are_pruned_in_a_moment(local):
    parts = {
        column: {"type": "integer", "range": range_, "digits": "2"}
        for column, range_ in (("year", "2016,2030"), ("month", "1,12"), ("day", "1,31"), ("hour", "0,23"))
    }
    parameters = {f"projection.{c}.{key}": value for c, own in parts.items() for key, value in own.items()}
    table = make(local, list(parts), **parameters)
    put(local, table, "year=2026/month=11/day=26/hour=10", "year=2026/month=11/day=26/hour=11")
    condition = "year >= '2026' AND month = '11' AND concat(year, month, day, hour) >= '2026112611'"
    assert local.rows(f"SELECT hour FROM {table} WHERE {condition}") == [["11"]]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "HIVE_METASTORE_ERROR: Table {db}.{table} is configured for partition projection, but the following"),
        ({"type": "injected"}, "NOT_SUPPORTED: the type injected of projection.c of table"),
        ({"type": "enum"}, "HIVE_METASTORE_ERROR: table {db}.{table} lacks projection.c.values"),
        ({"type": "integer", "range": "1"}, "HIVE_METASTORE_ERROR: projection.c.range of table {db}.{table} is '1'"),
        ({"type": "integer", "range": "a,b"}, "HIVE_METASTORE_ERROR: projection.c.range"),
        ({"type": "integer", "range": "0,9", "interval": "0"}, "HIVE_METASTORE_ERROR: projection.c.interval"),
        ({"type": "integer", "range": "0,9999999"}, "NOT_SUPPORTED: a range of more than 1000000 values"),
        ({"type": "date", "range": "2020,NOW"}, "HIVE_METASTORE_ERROR: table {db}.{table} lacks projection.c.format"),
        ({"type": "date", "range": "2020,NOW", "format": "yyyy"}, "HIVE_METASTORE_ERROR: table {db}.{table} lacks"),
        ({"type": "date", "range": "x,NOW", "format": "yyyy-MM"}, "HIVE_METASTORE_ERROR: projection.c.range"),
        ({"type": "date", "range": "2020,NOW", "format": "uuuu"}, "NOT_SUPPORTED: the letters uuuu in the format"),
        (
            {"type": "date", "range": "2020,NOW", "format": "yyyy", "interval.unit": "AGES"},
            "NOT_SUPPORTED: the interval unit AGES",
        ),
    ],
)
def test_a_projection_that_cannot_be_is_refused(local, parameters, said):
    table = make(local, ["c"], **{f"projection.c.{name}": value for name, value in parameters.items()})
    reason = local.reason(f"SELECT * FROM {table}")
    assert reason.replace("line 1:15: ", "").startswith(said.format(db=local.database, table=table))


def test_a_template_must_name_every_column(local):
    table = make(
        local,
        ["a"],
        **{"projection.a.type": "enum", "projection.a.values": "x", "storage.location.template": "s3://b/"},
    )
    assert "must be in S3 and name every partition column" in local.reason(f"SELECT * FROM {table}")


def test_nothing_is_inserted_into_a_projected_table(local):
    table = make(local, ["a"], **{"projection.a.type": "enum", "projection.a.values": "x"})
    assert "whose partitions are projected" in local.reason(f"INSERT INTO {table} VALUES (1, 'x')")
