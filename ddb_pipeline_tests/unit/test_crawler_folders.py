"""Which objects a local crawl takes for hours of a table."""

import bz2
import gzip
import json

import pytest

from ddb_pipeline.local_aws.crawler.folders import Location, objects_by_partition, partition_values, stored_as
from ddb_pipeline.local_aws.crawler.model import Crawl

KEYS = ("year", "month", "day", "hour")


@pytest.mark.parametrize(
    ("uri", "location"),
    [
        ("s3://bucket/changes/", Location("bucket", "changes/")),
        ("s3://bucket/changes", Location("bucket", "changes/")),
        ("s3://bucket/a/b//", Location("bucket", "a/b/")),
        ("s3://bucket/", Location("bucket", "")),
        ("s3://bucket", Location("bucket", "")),
        ("s3a://bucket/x/", Location("bucket", "x/")),
        ("https://bucket/x/", None),
        ("bucket/x", None),
        ("s3://", None),
        ("", None),
    ],
)
def test_a_location_is_read(uri, location):
    assert Location.parse(uri) == location


def test_folder_names_compare_as_glue_keeps_them_and_values_stay_as_they_are():
    assert partition_values("c/Year=2026/month=1/day=a=b/hour=%3A/x", "c/", KEYS) == ("2026", "1", "a=b", "%3A")


def test_a_table_at_the_root_of_its_bucket():
    location = Location("bucket", "")
    assert objects_by_partition(["hour=2/b", "hour=1/a", "hour=2/a", "x"], location.prefix, ["hour"]) == {
        ("1",): ["hour=1/a"],
        ("2",): ["hour=2/a", "hour=2/b"],
    }
    assert location.folder(["hour"], ["1"]) == "s3://bucket/hour=1/"


@pytest.mark.parametrize(
    ("content", "stored"),
    [
        (b'{"a":1}\n', ("json", "none")),
        (b'\n  [{"a":1}]', ("json", "none")),
        (gzip.compress(b'{"a":1}\n' * 100_000, mtime=0), ("json", "gzip")),
        (gzip.compress(b'{"a":1}\n' * 100_000, mtime=0)[:200], ("json", "gzip")),
        (bz2.compress(b'{"a":1}\n'), ("json", "bzip2")),
        (b"PAR1\x00", ("parquet", "none")),
        (b"a,b\n", ("unknown", "none")),
        (b"", ("unknown", "none")),
        (b"\x1f\x8b", ("unknown", "gzip")),
        (b"\x1f\x8b\xff\xff\xff\xff\xff\xff\xff\xff\xff", ("unknown", "gzip")),
        (b"BZhello", ("unknown", "bzip2")),
    ],
)
def test_format_and_compression_are_told_by_content(content, stored):
    assert stored_as(content) == stored


def test_a_summary_is_json_that_fits_however_much_was_added():
    crawl = Crawl("crawler")
    for added, updated in ((0, 0), (1, 0), (3, 2), (5000, 5000)):
        crawl.findings.added = [f"year=2026/month=01/day=02/hour={hour:02}" for hour in range(added)]
        crawl.findings.updated = [f"é{hour}" for hour in range(updated)]
        summary = json.loads(crawl.summary)["PARTITION"]
        assert len(crawl.summary) <= 255
        assert summary["ADD"]["Count"] == added
        assert summary.get("UPDATE", {"Count": 0})["Count"] == updated
