"""A crawl of an S3 path: tables, columns and partitions of what lies below it, and what becomes of them later."""

import gzip
import json

import duckdb
import pytest

from ddb_pipeline_tests.integration.crawler.conftest import crawl, crawler_settings

UPDATE = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DEPRECATE_IN_DATABASE"}


@pytest.fixture
def target(glue, s3, names):
    """Makes and runs crawlers of `data/` in this test's bucket."""
    glue.delete_table(DatabaseName=names, Name="changes")

    class Target:
        name = f"{names}-s3"

        def put(self, key, *rows, compress=False):
            body = "".join(json.dumps(row) + "\n" for row in rows).encode()
            s3.put_object(Bucket=names, Key=f"data/{key}", Body=gzip.compress(body) if compress else body)

        def delete(self, key):
            s3.delete_object(Bucket=names, Key=f"data/{key}")

        def create(self, configuration=None, target=None, **settings):
            given = crawler_settings(
                self.name,
                Targets={"S3Targets": [{"Path": f"s3://{names}/data/", **(target or {})}]},
                DatabaseName=names,
                SchemaChangePolicy=UPDATE,
                Configuration=json.dumps({"Version": 1.0, **(configuration or {})}),
            )
            glue.create_crawler(**{**given, **settings})

        def crawl(self):
            return crawl(glue, self.name)["LastCrawl"]

        def tables(self):
            return {table["Name"]: table for table in glue.get_tables(DatabaseName=names)["TableList"]}

        def columns(self, table):
            columns = self.tables()[table]["StorageDescriptor"]["Columns"]
            return {column["Name"]: column["Type"] for column in columns}

        def partitions(self, table):
            found = glue.get_partitions(DatabaseName=names, TableName=table)["Partitions"]
            return {tuple(partition["Values"]): partition for partition in found}

    return Target()


def test_json_in_hive_folders_becomes_a_table_with_partitions(target, names):
    rows = [{"Id": 1, "name": "a", "nested": {"Deep": [1, 2.5]}, "none": None}, {"Id": 2**40, "ok": True}]
    target.put("year=2026/Month=01/a.json", *rows)
    target.put("year=2026/Month=02/a.json", *rows)
    target.create()
    assert target.crawl()["Status"] == "SUCCEEDED"

    [table] = target.tables().values()
    descriptor = table["StorageDescriptor"]
    assert table["Name"] == "data"
    assert target.columns("data") == {
        "id": "bigint",
        "name": "string",
        "nested": "struct<Deep:array<double>>",
        "none": "string",
        "ok": "boolean",
    }
    assert [key["Name"] for key in table["PartitionKeys"]] == ["year", "month"]
    assert {key["Type"] for key in table["PartitionKeys"]} == {"string"}
    assert descriptor["Location"] == f"s3://{names}/data/"
    assert descriptor["SerdeInfo"]["SerializationLibrary"] == "org.openx.data.jsonserde.JsonSerDe"
    assert descriptor["SerdeInfo"]["Parameters"] == {"paths": "Id,name,nested,none,ok"}
    parameters = table["Parameters"]
    assert {key: parameters[key] for key in ("classification", "compressionType", "typeOfData", "objectCount")} == {
        "classification": "json",
        "compressionType": "none",
        "typeOfData": "file",
        "objectCount": "2",
    }
    assert parameters["recordCount"] == "4"
    assert parameters["UPDATED_BY_CRAWLER"] == target.name
    assert parameters["partition_filtering.enabled"] == "true"
    partition = target.partitions("data")["2026", "02"]
    assert partition["StorageDescriptor"]["Location"] == f"s3://{names}/data/year=2026/Month=02/"
    assert partition["Parameters"]["objectCount"] == "1"


def test_parquet_becomes_a_table_with_its_types(target, s3, names, tmp_path):
    file = tmp_path / "a.parquet"
    sql = (
        "SELECT 1::BIGINT AS Big, 2::INTEGER AS i, 1.5::DECIMAL(10,2) AS d, 'x' AS s, true AS b, "
        "DATE '2026-01-01' AS day, TIMESTAMP '2026-01-01 00:00:00' AS at, [1] AS l, {'a': 1} AS st, "
        "MAP {'k': 1.5::DOUBLE} AS m, 'x'::BLOB AS bin"
    )
    duckdb.sql(sql).write_parquet(str(file))
    s3.put_object(Bucket=names, Key="data/2026/01/a.parquet", Body=file.read_bytes())
    target.create()
    target.crawl()

    assert target.columns("data") == {
        "big": "bigint",
        "i": "int",
        "d": "decimal(10,2)",
        "s": "string",
        "b": "boolean",
        "day": "date",
        "at": "timestamp",
        "l": "array<int>",
        "st": "struct<a:int>",
        "m": "map<string,double>",
        "bin": "binary",
    }
    table = target.tables()["data"]
    assert [key["Name"] for key in table["PartitionKeys"]] == ["partition_0", "partition_1"]
    assert list(target.partitions("data")) == [("2026", "01")]
    assert (table["Parameters"]["classification"], table["Parameters"]["recordCount"]) == ("parquet", "1")
    serde = table["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"]
    assert serde == "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"


def test_folders_of_other_columns_are_tables_of_their_own_unless_they_are_combined(target):
    target.put("sales-2026/a.json", {"id": 1, "price": 1})
    target.put("people/a.json", {"name": "a", "city": "b"})
    target.create()
    target.crawl()
    assert sorted(target.tables()) == ["people", "sales_2026"]


def test_combined_they_are_one(target):
    target.put("sales-2026/a.json", {"id": 1, "price": 1})
    target.put("people/a.json", {"name": "a", "city": "b"})
    target.create({"Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"}}, TablePrefix="raw_")
    target.crawl()
    assert list(target.tables()) == ["raw_data"]
    assert sorted(target.columns("raw_data")) == ["city", "id", "name", "price"]
    assert sorted(target.partitions("raw_data")) == [("people",), ("sales-2026",)]


def test_the_table_level_can_be_fixed(target):
    for table in ("a", "b"):
        target.put(f"{table}/day=1/x.json", {"id": 1})
    target.create({"Grouping": {"TableLevelConfiguration": 3}})
    target.crawl()
    assert sorted(target.tables()) == ["a", "b"]
    assert list(target.partitions("a")) == [("1",)]


def test_a_name_that_is_taken_gets_a_suffix(target, glue, names):
    glue.create_table(DatabaseName=names, TableInput={"Name": "data"})
    target.put("a.json", {"id": 1})
    target.create()
    target.crawl()
    [other] = set(target.tables()) - {"data"}
    assert other.startswith("data_")
    assert len(other) == len("data_") + 32


def test_folders_of_another_compression_are_tables_of_their_own(target):
    target.put("plain/a.json", {"id": 1})
    target.put("packed/a.json.gz", {"id": 1}, compress=True)
    target.create()
    target.crawl()
    assert sorted(target.tables()) == ["packed", "plain"]
    packed = target.tables()["packed"]
    assert packed["Parameters"]["compressionType"] == "gzip"
    assert packed["StorageDescriptor"]["Compressed"]


def test_what_is_excluded_hidden_or_of_no_known_format_makes_nothing(target, client, s3, names):
    target.put("a/x.json", {"id": 1})
    target.put("a/x.tmp", {"other": 1})
    target.put("b/deep/y.json", {"other": 1})
    target.put("_temporary/z.json", {"other": 1})
    s3.put_object(Bucket=names, Key="data/c/x.csv", Body=b"a,b\n")
    target.create(target={"Exclusions": ["b/**", "**.tmp"]})
    last = target.crawl()
    assert target.columns("data") == {"id": "int"}
    events = client("logs").get_log_events(logGroupName=last["LogGroup"], logStreamName=last["LogStream"])["events"]
    assert any("data/c/x.csv" in event["message"] for event in events)


def test_more_tables_than_the_threshold_fail_the_crawl_and_write_nothing(target):
    target.put("a/x.json", {"id": 1})
    target.put("b/x.json", {"other": 1})
    target.create({"CrawlerOutput": {"Tables": {"TableThreshold": 1}}})
    last = target.crawl()
    assert last["Status"] == "FAILED"
    assert "is greater than the table threshold value provided: 1" in last["ErrorMessage"]
    assert target.tables() == {}


def test_the_sample_size_bounds_what_is_looked_at(target):
    target.put("a.json", {"id": 1})
    target.put("b.json", {"id": 1, "more": 1})
    target.create(target={"SampleSize": 1})
    target.crawl()
    assert target.columns("data") == {"id": "int"}
    assert target.tables()["data"]["Parameters"]["objectCount"] == "2"


# A second crawl


def test_a_second_crawl_of_the_same_changes_nothing(target, glue):
    target.put("day=1/a.json", {"id": 1})
    target.create()
    target.crawl()
    before = target.tables()["data"]["VersionId"]
    target.crawl()
    assert target.tables()["data"]["VersionId"] == before
    [second, first] = glue.list_crawls(CrawlerName=target.name)["Crawls"]
    assert json.loads(first["Summary"])["TABLE"]["ADD"] == {"Count": 1, "Details": {"names": ["data"]}}
    assert json.loads(second["Summary"]) == {"PARTITION": {"ADD": {"Count": 0}}}
    [metrics] = glue.get_crawler_metrics(CrawlerNameList=[target.name])["CrawlerMetricsList"]
    assert (metrics["TablesCreated"], metrics["TablesUpdated"]) == (1, 0)


def test_a_table_follows_its_data_and_partitions_keep_their_own_columns(target):
    target.put("day=1/a.json", {"id": 1, "b": 1, "c": 1, "d": 1})
    target.create()
    target.crawl()
    target.put("day=2/a.json", {"id": 2**40, "b": "x", "c": 1, "d": 1, "e": 1})
    target.crawl()
    assert target.columns("data") == {"id": "bigint", "b": "string", "c": "int", "d": "int", "e": "int"}
    columns = target.partitions("data")["1",]["StorageDescriptor"]["Columns"]
    assert [column["Type"] for column in columns] == ["int"] * 4


def test_partitions_inherit_from_the_table_where_they_are_told_to(target):
    target.put("day=1/a.json", {"id": 1, "b": 1, "c": 1})
    target.create({"CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}})
    target.crawl()
    target.put("day=2/a.json", {"id": 1, "b": 1, "c": 1, "d": 1})
    target.crawl()
    table = target.tables()["data"]["StorageDescriptor"]["Columns"]
    assert [one["StorageDescriptor"]["Columns"] for one in target.partitions("data").values()] == [table, table]


def test_new_columns_can_be_merged_into_a_table_that_keeps_the_others(target):
    target.put("a.json", {"id": 1, "b": 1, "c": 1, "gone": 1})
    target.create({"CrawlerOutput": {"Tables": {"AddOrUpdateBehavior": "MergeNewColumns"}}})
    target.crawl()
    target.put("a.json", {"id": "text", "b": 1, "c": 1, "new": 1})
    target.crawl()
    assert target.columns("data") == {"id": "int", "b": "int", "c": "int", "gone": "int", "new": "int"}


def test_logged_changes_leave_the_table_alone_and_add_partitions(target):
    target.put("day=1/a.json", {"id": 1, "b": 1, "c": 1})
    target.create(SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"})
    target.crawl()
    target.put("day=2/a.json", {"id": 1, "b": 1, "c": 1, "d": 1})
    target.delete("day=1/a.json")
    target.crawl()
    assert target.columns("data") == {"id": "int", "b": "int", "c": "int"}
    assert sorted(target.partitions("data")) == [("1",), ("2",)]


@pytest.mark.parametrize(
    ("behavior", "tables", "deprecated"),
    [("LOG", ["a", "b"], []), ("DELETE_FROM_DATABASE", ["a"], []), ("DEPRECATE_IN_DATABASE", ["a", "b"], ["b"])],
)
def test_a_table_whose_data_is_gone(target, behavior, tables, deprecated):
    target.put("a/x.json", {"id": 1})
    target.put("b/x.json", {"other": 1})
    target.create(SchemaChangePolicy={"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": behavior})
    target.crawl()
    target.delete("b/x.json")
    # another file keeps the folder `a` from becoming the table of the whole path
    target.put("c/x.json", {"third": 1})
    target.crawl()
    assert sorted(set(target.tables()) - {"c"}) == tables
    marked = [name for name, table in target.tables().items() if "DEPRECATED_BY_CRAWLER" in table["Parameters"]]
    assert marked == deprecated


def test_a_partition_whose_data_is_gone_is_deleted_where_that_is_wanted(target):
    target.put("day=1/a.json", {"id": 1})
    target.put("day=2/a.json", {"id": 1})
    target.create(SchemaChangePolicy={**UPDATE, "DeleteBehavior": "DELETE_FROM_DATABASE"})
    target.crawl()
    target.delete("day=1/a.json")
    target.crawl()
    assert list(target.partitions("data")) == [("2",)]


def test_new_folders_only_leaves_what_was_crawled(target):
    target.put("day=1/a.json", {"id": 1, "b": 1, "c": 1})
    target.create(
        SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"},
        RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"},
    )
    target.crawl()
    target.put("day=1/b.json", {"id": 1, "late": 1})
    target.put("day=2/a.json", {"id": 1, "b": 1, "c": 1, "d": 1})
    target.put("day=3/a.json.gz", {"id": 1, "b": 1, "c": 1}, compress=True)
    target.crawl()
    assert target.columns("data") == {"id": "int", "b": "int", "c": "int"}
    assert sorted(target.partitions("data")) == [("1",), ("2",)]
    assert target.partitions("data")["1",]["Parameters"]["objectCount"] == "1"
    columns = target.partitions("data")["2",]["StorageDescriptor"]["Columns"]
    assert [column["Name"] for column in columns] == ["id", "b", "c"]


def test_a_missing_database_or_bucket_fails_the_crawl(target, glue, s3, names):
    target.put("a.json", {"id": 1})
    target.create(DatabaseName="nowhere")
    last = target.crawl()
    assert last["Status"] == "FAILED"
    assert "nowhere" in last["ErrorMessage"]
    glue.update_crawler(Name=target.name, Targets={"S3Targets": [{"Path": f"s3://{names}-gone/"}]})
    assert f"{names}-gone" in target.crawl()["ErrorMessage"]


def test_new_folders_go_to_the_table_that_they_lie_in_and_others_make_new_ones(target):
    target.put("a/day=1/x.json", {"id": 1, "price": 1})
    target.put("b/day=1/x.json", {"name": "a"})
    target.create(
        SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"},
        RecrawlPolicy={"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"},
        Configuration=json.dumps({"Grouping": {"TableLevelConfiguration": 3}}),
    )
    target.crawl()
    for table in "abc":
        target.put(f"{table}/day=2/x.json", {"id": 1, "price": 1})
    target.crawl()
    assert sorted(target.tables()) == ["a", "b", "c"]
    assert [sorted(target.partitions(table)) for table in "abc"] == [[("1",), ("2",)], [("1",), ("2",)], [("2",)]]


def test_what_is_not_said_has_its_default(target, glue):
    target.create()
    glue.delete_crawler(Name=target.name)
    settings = crawler_settings(target.name, Targets={"S3Targets": [{"Path": "s3://b/"}]}, DatabaseName="d")
    for name in ("SchemaChangePolicy", "RecrawlPolicy", "Configuration"):
        del settings[name]
    glue.create_crawler(**settings)
    found = glue.get_crawler(Name=target.name)["Crawler"]
    assert found["SchemaChangePolicy"] == UPDATE
    assert found["RecrawlPolicy"] == {"RecrawlBehavior": "CRAWL_EVERYTHING"}
