"""A crawl of a catalog table: new hours become partitions that inherit from it."""

import gzip
import json
import threading

import duckdb
import pytest
from botocore.exceptions import ClientError

from ddb_pipeline_tests.integration.crawler.conftest import COLUMNS, HOUR, ROWS, crawl, folders, partitions, table_input


def test_a_new_hour_becomes_a_partition_that_inherits_from_the_table(glue, s3, names):
    s3.put_object(Bucket=names, Key=f"changes/{HOUR}/stream-1-2026-01-02-03-04-05-a.json.gz", Body=ROWS)
    table_before = glue.get_table(DatabaseName=names, Name="changes")["Table"]
    crawl(glue, names)
    [partition] = partitions(glue, names)
    expected = table_input(names)["StorageDescriptor"] | {"Location": f"s3://{names}/changes/{HOUR}/"}
    assert partition["Values"] == ["2026", "01", "02", "03"]
    assert partition["StorageDescriptor"] == expected
    assert partition["Parameters"] == {"classification": "json", "compressionType": "gzip", "typeOfData": "file"}
    assert glue.get_table(DatabaseName=names, Name="changes")["Table"] == table_before


def test_a_second_crawl_adds_only_what_is_new(glue, s3, names):
    s3.put_object(Bucket=names, Key=f"changes/{HOUR}/a.json.gz", Body=ROWS)
    crawl(glue, names)
    created = partitions(glue, names)[0]["CreationTime"]
    s3.put_object(Bucket=names, Key=f"changes/{HOUR}/b.json.gz", Body=ROWS)
    s3.put_object(Bucket=names, Key="changes/year=2026/month=01/day=02/hour=04/a.json.gz", Body=ROWS)
    crawl(glue, names)
    assert folders(glue, names) == [["2026", "01", "02", "03"], ["2026", "01", "02", "04"]]
    assert partitions(glue, names)[0]["CreationTime"] == created


@pytest.mark.parametrize(
    "key",
    [
        "changes/a.json.gz",
        "changes/year=2026/month=01/day=02/a.json.gz",
        f"changes/{HOUR}/minute=04/a.json.gz",
        "changes/2026/01/02/03/a.json.gz",
        "changes/month=01/year=2026/day=02/hour=03/a.json.gz",
        "changes/year=2026/month=01/day=02/hour=/a.json.gz",
        f"changes/{HOUR}/_temporary",
        f"changes/{HOUR}/.hidden.json.gz",
        "changes/_year=2026/month=01/day=02/hour=03/a.json.gz",
        f"changes/{HOUR}/",
        f"changes-of-others/{HOUR}/a.json.gz",
        f"errors/processing-failed/{HOUR}/a.json.gz",
    ],
)
def test_what_is_no_hour_of_the_table_is_passed_over(glue, s3, names, key):
    s3.put_object(Bucket=names, Key=key, Body=ROWS)
    assert crawl(glue, names)["LastCrawl"]["Status"] == "SUCCEEDED"
    assert partitions(glue, names) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"event_id":"1"}\n',
        gzip.compress(b"a,b\n1,2\n", mtime=0),
        b"\x1f\x8bbroken",
        b"PAR1....PAR1",
        gzip.compress(b"", mtime=0),
    ],
)
def test_objects_of_another_format_or_compression_are_passed_over(glue, s3, names, content):
    s3.put_object(Bucket=names, Key=f"changes/{HOUR}/a", Body=content)
    assert crawl(glue, names)["LastCrawl"]["Status"] == "SUCCEEDED"
    assert partitions(glue, names) == []


def test_one_fitting_object_among_others_is_enough(glue, s3, names):
    for name, content in (("a", b""), ("b", b"text"), ("c", ROWS)):
        s3.put_object(Bucket=names, Key=f"changes/{HOUR}/{name}", Body=content)
    crawl(glue, names)
    assert folders(glue, names) == [["2026", "01", "02", "03"]]


def test_a_deleted_object_makes_no_partition(glue, s3, names):
    s3.put_bucket_versioning(Bucket=names, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=names, Key=f"changes/{HOUR}/a.json.gz", Body=ROWS)
    s3.delete_object(Bucket=names, Key=f"changes/{HOUR}/a.json.gz")
    crawl(glue, names)
    assert partitions(glue, names) == []


def test_a_table_without_compression_type_gets_no_partitions(glue, s3, names):
    glue.update_table(
        DatabaseName=names, TableInput=table_input(names, Parameters={"EXTERNAL": "TRUE", "classification": "json"})
    )
    s3.put_object(Bucket=names, Key=f"changes/{HOUR}/a.json.gz", Body=ROWS)
    crawl(glue, names)
    assert partitions(glue, names) == []


def test_partitions_follow_a_table_that_changed_and_keep_their_place(glue, s3, names):
    s3.put_object(Bucket=names, Key=f"changes/{HOUR}/a.json.gz", Body=ROWS)
    crawl(glue, names)
    changed = table_input(names)
    changed["StorageDescriptor"]["Columns"] = [*COLUMNS, {"Name": "size_bytes", "Type": "bigint"}]
    glue.update_table(DatabaseName=names, TableInput=changed)
    crawl(glue, names)
    [partition] = partitions(glue, names)
    assert [column["Name"] for column in partition["StorageDescriptor"]["Columns"]][-1] == "size_bytes"
    assert partition["StorageDescriptor"]["Location"] == f"s3://{names}/changes/{HOUR}/"
    [last, _] = glue.list_crawls(CrawlerName=names)["Crawls"]
    assert json.loads(last["Summary"])["PARTITION"]["UPDATE"]["Count"] == 1


def test_hours_that_arrive_while_readers_read_and_writers_write(glue, s3, names):
    stop = threading.Event()
    failures = []

    def read():
        while not stop.is_set():
            try:
                partitions(glue, names)
            except ClientError as error:
                failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for hour in range(24):
        key = f"changes/year=2026/month=01/day=02/hour={hour:02}/a.json.gz"
        s3.put_object(Bucket=names, Key=key, Body=ROWS)
        if hour % 6 == 5:
            crawl(glue, names)
    stop.set()
    reader.join()
    assert failures == []
    assert len(folders(glue, names)) == 24


def test_folders_of_parquet_become_partitions_of_a_parquet_table(glue, s3, names, tmp_path):
    glue.update_table(
        DatabaseName=names,
        TableInput=table_input(names, Parameters={"classification": "parquet", "compressionType": "none"}),
    )
    duckdb.sql("SELECT 'a' AS event_id").write_parquet(str(tmp_path / "a.parquet"))
    s3.put_object(Bucket=names, Key=f"changes/{HOUR}/a.parquet", Body=(tmp_path / "a.parquet").read_bytes())
    s3.put_object(Bucket=names, Key="changes/year=2026/month=01/day=02/hour=04/a.json.gz", Body=ROWS)
    crawl(glue, names)
    assert folders(glue, names) == [["2026", "01", "02", "03"]]
