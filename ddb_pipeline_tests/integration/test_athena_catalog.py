"""Statements of the local Athena about the catalog: SHOW, DESCRIBE, CREATE, DROP, ALTER, MSCK, EXPLAIN."""

from __future__ import annotations

import uuid

import pytest

from ddb_pipeline.change_row import STORAGES
from ddb_pipeline.local_aws.athena import parquet
from ddb_pipeline_tests.local_athena import change, running


@pytest.fixture(scope="module")
def local():
    with running() as found:
        found.run("CREATE OR REPLACE VIEW seen AS SELECT event_id, size_bytes\nFROM changes")
        yield found


@pytest.fixture
def name():
    return f"t_{uuid.uuid4().hex[:8]}"


def done(local, sql):
    found = local.run(sql)
    assert found["Status"]["State"] == "SUCCEEDED", found["Status"]["StateChangeReason"]
    return found


def lines(local, sql):
    """What the statement says, in the API's rows and in the result file alike."""
    found = done(local, sql)
    answer = local.athena.get_query_results(QueryExecutionId=found["QueryExecutionId"])["ResultSet"]
    said = [row["Data"][0]["VarCharValue"] for row in answer["Rows"]]
    location = found["ResultConfiguration"]["OutputLocation"]
    assert location.endswith(".txt")
    stored = local.s3.get_object(Bucket=local.results, Key=location.removeprefix(f"s3://{local.results}/"))
    assert stored["Body"].read().decode() == "".join(f"{line}\n" for line in said)
    assert found["Statistics"]["DataScannedInBytes"] == 0
    return said


def create(local, name, more="PARTITIONED BY (`day` string COMMENT 'of arrival', hour string)"):
    return done(
        local,
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {name} (id bigint, `name` string COMMENT 'it''s', price decimal(10, 2)) "
        f"COMMENT 'a table' {more} ROW FORMAT SERDE '{STORAGES['json'].serialization_library}' "
        f"WITH SERDEPROPERTIES ('ignore.malformed.json' = 'false') LOCATION 's3://{local.raw}/{name}/' "
        "TBLPROPERTIES ('classification'='json', \"owner\"='me');",
    )


# tables


def test_a_table_of_json_lines_is_made_and_read(local, name):
    made = create(local, name, "")
    assert (made["StatementType"], made["SubstatementType"]) == ("DDL", "CREATE_TABLE")
    local.s3.put_object(Bucket=local.raw, Key=f"{name}/one.json", Body=b'{"id": 1, "name": "a", "price": 3}\n')
    assert local.rows(f"SELECT * FROM {name}") == [["1", "a", "3.00"]]
    entry = local.glue.get_table(DatabaseName=local.database, Name=name)["Table"]
    assert (entry["TableType"], entry["Parameters"]["EXTERNAL"], entry["Parameters"]["owner"]) == (
        "EXTERNAL_TABLE", "TRUE", "me",
    )  # fmt: skip
    create(local, name, "")
    again = f"CREATE EXTERNAL TABLE {name} (id int) STORED AS PARQUET LOCATION 's3://{local.raw}/x/'"
    assert "AlreadyExistsException" in local.reason(again)


def test_lines_without_the_only_column_of_a_table_are_nulls(local, name):
    entry = (
        f"(id bigint) ROW FORMAT SERDE '{STORAGES['json'].serialization_library}' LOCATION 's3://{local.raw}/{name}/'"
    )
    done(local, f"CREATE EXTERNAL TABLE {name} {entry}")
    local.s3.put_object(Bucket=local.raw, Key=f"{name}/one.json", Body=b'{}\n{"other": [2]}\n{"id": 3}\n')
    assert local.rows(f"SELECT id FROM {name} ORDER BY id") == [["3"], [None], [None]]


def test_a_table_of_parquet_is_made_written_and_dropped_and_its_objects_stay(local, name):
    done(
        local,
        f"create external table `{local.database}`.`{name}` (`id` int, deep struct<a:int,b:array<map<string,date>>>) "
        f"partitioned by (day string) stored as parquet location 's3://{local.raw}/{name}'",
    )
    done(local, f"INSERT INTO {name} VALUES (1, NULL, '01')")
    assert local.rows(f"SELECT id, day FROM {name}") == [["1", "01"]]
    entry = local.glue.get_table(DatabaseName=local.database, Name=name)["Table"]["StorageDescriptor"]
    assert entry["SerdeInfo"]["SerializationLibrary"] == parquet.SERDE
    done(local, f"DROP TABLE `{name}`")
    assert "TABLE_NOT_FOUND" in local.reason(f"SELECT * FROM {name}")
    assert local.s3.list_objects_v2(Bucket=local.raw, Prefix=f"{name}/")["KeyCount"] == 1
    assert local.reason(f"DROP TABLE {name}") == f"FAILED: SemanticException [Error 10001]: Table not found {name}"
    done(local, f"DROP TABLE IF EXISTS {name}")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("CREATE EXTERNAL TABLE x (a string) LOCATION 's3://b/'", "NOT_SUPPORTED: the SerDe of delimited text"),
        ("CREATE EXTERNAL TABLE x (a string) STORED AS ORC LOCATION 's3://b/'", "NOT_SUPPORTED: STORED AS other than"),
        ("CREATE EXTERNAL TABLE x (a string) STORED AS PARQUET", "SYNTAX_ERROR: the statement ends too early"),
        ("CREATE EXTERNAL TABLE x (a string) STORED AS PARQUET LOCATION '/tmp'", "FAILED: Execution Error"),
        ("CREATE EXTERNAL TABLE x (a uniontype<int>) STORED AS PARQUET LOCATION 's3://b/'", "NOT_SUPPORTED: the type"),
        ("CREATE EXTERNAL TABLE x (a int, A int) STORED AS PARQUET LOCATION 's3://b/'", "FAILED: SemanticException"),
        (
            "CREATE EXTERNAL TABLE x (a int) PARTITIONED BY (d date) STORED AS PARQUET LOCATION 's3://b/'",
            "NOT_SUPPORTED: the type date of partition column d",
        ),
        ("CREATE EXTERNAL TABLE x (a int) CLUSTERED BY (a) INTO 3 BUCKETS", "NOT_SUPPORTED: CLUSTERED BY"),
        ("CREATE EXTERNAL TABLE \"x\" (a int) STORED AS PARQUET LOCATION 's3://b/'", "SYNTAX_ERROR: line 1:23: mis"),
        ("CREATE EXTERNAL TABLE nowhere.x (a int) STORED AS PARQUET LOCATION 's3://b/'", "SCHEMA_NOT_FOUND"),
        ("DROP TABLE seen", "FAILED: SemanticException [Error 10001]: Cannot drop a view with DROP TABLE"),
        ("DROP TABLE x; DROP TABLE y", "SYNTAX_ERROR: line 1:13: mismatched input ';'. Expecting: the end"),
        ("ALTER TABLE changes ADD COLUMNS (a binary)", "NOT_SUPPORTED: the type binary of column a"),
        ("ALTER TABLE changes ADD COLUMNS (event_id int)", "FAILED: SemanticException [Error 10036]: Duplicate"),
        ("ALTER TABLE changes ADD COLUMNS (hour int)", "FAILED: SemanticException [Error 10036]: Duplicate"),
        ("ALTER TABLE changes REPLACE COLUMNS (a int)", "NOT_SUPPORTED: ALTER TABLE other than ADD COLUMNS"),
        ("ALTER TABLE seen ADD COLUMNS (a int)", "FAILED: SemanticException: To alter a view"),
        ("ALTER TABLE changes RENAME TO y", "NOT_SUPPORTED: ALTER TABLE other than ADD COLUMNS"),
    ],
)
def test_what_cannot_be_made_or_changed_is_refused_by_name(local, sql, said):
    assert local.reason(sql).startswith(said)


def test_columns_are_added_behind_the_others(local, name):
    create(local, name)
    for hour, line in (("1", '{"id": 1}'), ("2", '{"id": 2, "extra": "x"}')):
        local.s3.put_object(Bucket=local.raw, Key=f"{name}/day=1/hour={hour}/one.json", Body=f"{line}\n".encode())
    done(local, f"ALTER TABLE {name} ADD PARTITION (day='1', hour='1')")
    done(local, f"ALTER TABLE {name} ADD COLUMNS (extra string COMMENT 'new', more int)")
    done(local, f"ALTER TABLE {name} ADD PARTITION (day='1', hour='2')")
    assert local.rows(f"SELECT * FROM {name} ORDER BY id") == [
        ["1", None, None, None, None, "1", "1"], ["2", None, None, "x", None, "1", "2"],
    ]  # fmt: skip
    assert lines(local, f"SHOW COLUMNS IN {name}") == ["id", "name", "price", "extra", "more", "day", "hour"]
    assert local.glue.get_table(DatabaseName=local.database, Name=name)["Table"]["Parameters"]["owner"] == "me"


# tables about the catalog


def test_the_information_schema_shows_databases_tables_views_and_columns(local, name):
    create(local, name)
    own = f"WHERE table_schema = '{local.database}'"
    tables = local.rows(
        f"SELECT * FROM information_schema.tables {own} AND table_name IN ('{name}', 'seen') ORDER BY 4"
    )
    assert tables == [
        ["awsdatacatalog", local.database, name, "BASE TABLE"], ["awsdatacatalog", local.database, "seen", "VIEW"],
    ]  # fmt: skip
    columns = (
        "SELECT column_name, ordinal_position, is_nullable, data_type FROM awsdatacatalog.information_schema.columns"
    )
    assert local.rows(f"{columns} {own} AND table_name = '{name}' ORDER BY ordinal_position") == [
        ["id", "1", "YES", "bigint"], ["name", "2", "YES", "varchar"], ["price", "3", "YES", "decimal(10,2)"],
        ["day", "4", "YES", "varchar"], ["hour", "5", "YES", "varchar"],
    ]  # fmt: skip
    assert local.rows(f"{columns} {own} AND table_name = 'seen' ORDER BY 2")[1] == ["size_bytes", "2", "YES", "bigint"]
    assert local.rows(f"SELECT view_definition FROM information_schema.views {own}") == [
        ["SELECT event_id, size_bytes\nFROM changes"]
    ]
    schemata = "SELECT schema_name FROM information_schema.schemata WHERE schema_name IN ('{}', 'information_schema')"
    assert sorted(local.rows(schemata.format(local.database))) == sorted([[local.database], ["information_schema"]])
    counted = local.rows("SELECT table_name, count(*) FROM information_schema.columns GROUP BY 1")
    assert ["columns", "8"] in counted
    assert "cannot make a view" in local.reason("CREATE VIEW x AS SELECT * FROM information_schema.tables")
    assert "TABLE_NOT_FOUND" in local.reason("SELECT * FROM information_schema.enabled_roles")
    assert "tables about the catalog" in local.reason("INSERT INTO \"changes$partitions\" VALUES ('1')")


def test_partitions_are_shown_as_a_table(local, name):
    create(local, name)
    shown = f'SELECT * FROM "{name}$partitions" ORDER BY hour DESC'
    assert local.rows(shown) == []
    done(local, f"ALTER TABLE {name} ADD PARTITION (day='1', hour='2') PARTITION (day='1', hour='3')")
    assert local.rows(shown) == [["1", "3"], ["1", "2"]]
    assert local.rows(f'SELECT max(hour) FROM "{local.database}"."{name}$partitions" p WHERE p.day = \'1\'') == [["3"]]
    for other in ("seen", "nothing"):
        assert "TABLE_NOT_FOUND" in local.reason(f'SELECT * FROM "{other}$partitions"')
    done(local, f"ALTER TABLE {name} SET TBLPROPERTIES ('projection.enabled' = 'true')")
    assert "whose partitions are projected" in local.reason(shown)


# partitions


def test_partitions_are_added_shown_and_dropped(local, name):
    create(local, name)
    done(
        local,
        f"ALTER TABLE {name} ADD PARTITION (day = '01', hour = '10') "
        f"PARTITION (hour='11', day='01') LOCATION 's3://{local.raw}/{name}_apart/'",
    )
    local.s3.put_object(Bucket=local.raw, Key=f"{name}_apart/one", Body=b'{"id": 7}')
    assert lines(local, f"SHOW PARTITIONS {name}") == ["day=01/hour=10", "day=01/hour=11"]
    assert local.rows(f"SELECT id, day, hour FROM {name}") == [["7", "01", "11"]]
    assert "Partition already exists" in local.reason(f"ALTER TABLE {name} ADD PARTITION (day='01', hour='10')")
    done(local, f"ALTER TABLE {name} ADD IF NOT EXISTS PARTITION (day='01', hour='10'), PARTITION (day=2, hour='x')")
    done(local, f"ALTER TABLE {name} DROP PARTITION (day='01', hour='10'), PARTITION (day='2', hour='x')")
    assert lines(local, f"SHOW PARTITIONS {name}") == ["day=01/hour=11"]
    assert "Partition not found (day=9/hour=9)" in local.reason(f"ALTER TABLE {name} DROP PARTITION (day=9, hour=9)")
    done(local, f"ALTER TABLE {name} DROP IF EXISTS PARTITION (day=9, hour=9)")
    assert local.reason(f"ALTER TABLE {name} DROP PARTITION (day='01')").startswith("NOT_SUPPORTED: a PARTITION that")
    assert "is not a partitioned table" in local.reason("SHOW PARTITIONS seen")


def test_repair_registers_folders_in_hives_style_and_never_removes_one(local, name):
    create(local, name)
    done(local, f"ALTER TABLE {name} ADD PARTITION (day='99', hour='99')")
    for folder in ("day=01/hour=10", "day=01/hour=x%2Fy", "Day=02/hour=1", "day=03", "day=04/hour=a:b", "05/06"):
        local.s3.put_object(Bucket=local.raw, Key=f"{name}/{folder}/part/one", Body=b'{"id": 1}')
    said = lines(local, f"MSCK REPAIR TABLE {name}")
    assert said == [
        f"Partitions not in metastore:\t{name}:day=01/hour=10\t{name}:day=01/hour=x%2Fy",
        f"Repair: Added partition to metastore {name}:day=01/hour=10",
        f"Repair: Added partition to metastore {name}:day=01/hour=x%2Fy",
    ]
    assert local.rows(f"SELECT day, hour FROM {name} ORDER BY 2") == [["01", "10"], ["01", "x/y"]]
    assert lines(local, f"MSCK REPAIR TABLE {name}") == []
    assert len(lines(local, f"SHOW PARTITIONS {name}")) == 3


# what is shown


def test_databases_tables_views_and_columns_are_listed_and_filtered(local, name):
    create(local, name)
    assert local.database in lines(local, "SHOW DATABASES")
    assert lines(local, f"SHOW SCHEMAS LIKE '{local.database[:6]}*'") == [local.database]
    assert {name, "changes", "seen"} <= set(lines(local, "SHOW TABLES"))
    assert lines(local, f"SHOW TABLES IN {local.database} 'chan*|seen'") == ["changes", "seen"]
    assert lines(local, "SHOW VIEWS LIKE 's*'") == ["seen"]
    assert lines(local, f"SHOW COLUMNS IN {name}") == ["id", "name", "price", "day", "hour"]
    assert lines(local, f"SHOW COLUMNS FROM {name} FROM {local.database}") == ["id", "name", "price", "day", "hour"]
    found = done(local, "SHOW TABLES")
    assert (found["StatementType"], found["SubstatementType"]) == ("UTILITY", "SHOW_TABLES")
    info = local.athena.get_query_results(QueryExecutionId=found["QueryExecutionId"])["ResultSet"]["ResultSetMetadata"]
    assert [(column["Name"], column["Type"]) for column in info["ColumnInfo"]] == [("tab_name", "string")]


def test_a_table_is_described_with_its_partition_columns_twice(local, name):
    create(local, name)
    assert lines(local, f"DESCRIBE {name}") == [
        "id                  \tbigint              \t                    ",
        "name                \tstring              \tit's                ",
        "price               \tdecimal(10,2)       \t                    ",
        "day                 \tstring              \tof arrival          ",
        "hour                \tstring              \t                    ",
        " \t \t ",
        "# Partition Information\t \t ",
        "# col_name          \tdata_type           \tcomment             ",
        " \t \t ",
        "day                 \tstring              \tof arrival          ",
        "hour                \tstring              \t                    ",
    ]
    assert [line.split("\t")[0].strip() for line in lines(local, "DESC seen")] == ["event_id", "size_bytes"]
    assert local.reason("DESCRIBE FORMATTED seen").startswith("NOT_SUPPORTED: DESCRIBE FORMATTED")


def test_the_statement_that_is_shown_makes_the_same_table(local, name):
    create(local, name)
    first = lines(local, f"SHOW CREATE TABLE {name}")
    assert first[0] == f"CREATE EXTERNAL TABLE `{local.database}.{name}`("
    entry = local.glue.get_table(DatabaseName=local.database, Name=name)["Table"]
    done(local, f"DROP TABLE {name}")
    made = "\n".join(first).replace(f"`{local.database}.{name}`", f"`{local.database}`.`{name}`")
    done(local, made)
    again = local.glue.get_table(DatabaseName=local.database, Name=name)["Table"]
    for key in ("StorageDescriptor", "PartitionKeys"):
        assert again[key] == entry[key]
    assert lines(local, "SHOW CREATE VIEW seen") == [
        f'CREATE VIEW "{local.database}"."seen" AS',
        "SELECT event_id, size_bytes",
        "FROM changes",
    ]


def test_properties_are_shown_and_set(local, name):
    create(local, name)
    done(local, f"ALTER TABLE {name} SET TBLPROPERTIES ('owner' = 'you', 'new' = '1')")
    shown = dict(line.split("\t") for line in lines(local, f"SHOW TBLPROPERTIES {name}"))
    assert (shown["owner"], shown["new"], shown["classification"]) == ("you", "1", "json")
    assert lines(local, f"SHOW TBLPROPERTIES {name} ('owner')") == ["you"]
    assert "does not have property" in lines(local, f"SHOW TBLPROPERTIES {name} ('none')")[0]


def test_pyathena_reads_what_is_shown(local):
    with local.pyathena() as connection:
        assert ("changes",) in connection.cursor().execute("SHOW TABLES").fetchall()
        assert connection.cursor().execute("DESCRIBE seen").fetchall()


# databases


def test_databases_are_made_and_dropped(local, name):
    done(local, f"CREATE DATABASE {name} COMMENT 'own' LOCATION 's3://x/' WITH DBPROPERTIES ('a'='b')")
    found = local.glue.get_database(Name=name)["Database"]
    assert (found["Description"], found["LocationUri"], found["Parameters"]) == ("own", "s3://x/", {"a": "b"})
    assert "already exists" in local.reason(f"CREATE SCHEMA {name}")
    done(local, f"CREATE SCHEMA IF NOT EXISTS {name}")
    done(local, f"CREATE EXTERNAL TABLE {name}.t (a int) STORED AS PARQUET LOCATION 's3://{local.raw}/t/'")
    assert f"Database {name} is not empty" in local.reason(f"DROP DATABASE {name}")
    done(local, f"DROP DATABASE {name} CASCADE")
    assert "Database does not exist" in local.reason(f"DROP SCHEMA {name}")
    done(local, f"DROP DATABASE IF EXISTS {name}")


# EXPLAIN


def test_explain_names_columns_and_tables_and_costs_nothing(local):
    local.put([change()], hour="01")
    said = lines(local, "EXPLAIN SELECT s.event_id AS id FROM seen s JOIN changes c ON s.event_id = c.event_id")
    scan = f"    TableScan[table = awsdatacatalog:{local.database}:changes]"
    assert said == ["Output[id:varchar]", scan, scan]
    assert local.reason("EXPLAIN ANALYZE SELECT 1").startswith("NOT_SUPPORTED: EXPLAIN with ANALYZE")
    assert local.reason("EXPLAIN SELECT * FROM nowhere").startswith("TABLE_NOT_FOUND")
    assert local.reason("EXPLAIN DROP VIEW seen").startswith("NOT_SUPPORTED: EXPLAIN of DROP")
    assert "seen" in lines(local, "SHOW VIEWS")
