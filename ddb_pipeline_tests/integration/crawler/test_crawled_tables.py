"""What a crawl of an S3 path makes can be asked in SQL, from the first object to PyAthena's rows."""

import gzip
import json
from datetime import date
from decimal import Decimal

import duckdb
import pytest
from pyathena import connect
from pyathena.error import OperationalError

from ddb_pipeline.local_aws import athena
from ddb_pipeline_tests.integration.crawler.conftest import REGION, crawl, crawler_settings

INHERIT = {"CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}}


@pytest.fixture(scope="module", autouse=True)
def local_athena():
    athena.install()
    yield
    athena.stop()


@pytest.fixture
def crawled(glue, s3, names):
    """Crawls `data/` of this test's bucket, and asks what became of it."""
    glue.delete_table(DatabaseName=names, Name="changes")

    class Crawled:
        def put(self, key, body):
            s3.put_object(Bucket=names, Key=f"data/{key}", Body=body)

        def put_json(self, key, *rows):
            body = "".join(json.dumps(row) + "\n" for row in rows).encode()
            self.put(key, gzip.compress(body) if key.endswith(".gz") else body)

        def crawl(self, configuration=None):
            own = {
                "Targets": {"S3Targets": [{"Path": f"s3://{names}/data/"}]},
                "DatabaseName": names,
                "SchemaChangePolicy": {
                    "UpdateBehavior": "UPDATE_IN_DATABASE",
                    "DeleteBehavior": "DEPRECATE_IN_DATABASE",
                },
                "Configuration": json.dumps({"Version": 1.0, **(configuration or {})}),
            }
            glue.create_crawler(**crawler_settings(f"{names}-s3", **own))
            self.crawl_again()

        def crawl_again(self):
            assert crawl(glue, f"{names}-s3")["LastCrawl"]["Status"] == "SUCCEEDED"

        def ask(self, sql):
            with connect(
                schema_name=names,
                s3_staging_dir=f"s3://{names}/results/",
                endpoint_url=glue.meta.endpoint_url,
                region_name=REGION,
                aws_access_key_id="local",
                aws_secret_access_key="local",
                poll_interval=0.05,
            ) as connection:
                return connection.cursor().execute(sql).fetchall()

    return Crawled()


def test_json_in_folders_is_asked_by_partition_and_by_nested_field(crawled):
    orders = [
        {"orderId": 1, "Customer": {"Name": "Ada", "tags": ["new", "vip"]}, "total": 10, "note": None},
        {"orderId": 2**40, "Customer": {"Name": "Bo"}, "total": 2.5, "note": 7, "items": [{"sku": "x", "n": 2}]},
    ]
    crawled.put_json("year=2026/month=01/a.json.gz", *orders)
    crawled.put_json("year=2026/month=02/a.json.gz", orders[1])
    crawled.crawl(INHERIT)
    asked = (
        "SELECT orderid, customer.name, total, note, items[1].sku, year, month FROM data WHERE month = '01' ORDER BY 1"
    )
    assert crawled.ask(asked) == [
        (1, "Ada", 10.0, None, None, "2026", "01"),
        (2**40, "Bo", 2.5, 7, "x", "2026", "01"),
    ]
    assert len(crawled.ask("SELECT * FROM data")[0]) == len(("orderid", "customer", "total", "note", "items", "y", "m"))
    assert crawled.ask(
        "SELECT customer.name, tag, sum(total) FROM data LEFT JOIN UNNEST(customer.tags) AS t (tag) ON true "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    ) == [("Ada", "new", 10.0), ("Ada", "vip", 10.0), ("Bo", None, 5.0)]
    assert crawled.ask("SHOW PARTITIONS data") == [("year=2026/month=01",), ("year=2026/month=02",)]


def test_a_later_crawl_adds_columns_to_what_is_asked(crawled):
    crawled.put_json("day=1/a.json", {"id": 1, "a": 1, "b": 1})
    crawled.crawl()
    assert crawled.ask("SELECT * FROM data") == [(1, 1, 1, "1")]
    crawled.put_json("day=2/a.json", {"id": 2, "a": 1, "b": 1, "name": "b"})
    crawled.crawl_again()
    assert crawled.ask("SELECT id, name, day FROM data ORDER BY id") == [(1, None, "1"), (2, "b", "2")]


def test_partitions_of_other_types_fail_as_on_aws_until_they_inherit_from_the_table(crawled, glue, names):
    crawled.put_json("day=1/a.json", {"id": 1})
    crawled.put_json("day=2/a.json", {"id": 2.5})
    crawled.crawl()
    with pytest.raises(OperationalError, match="HIVE_PARTITION_SCHEMA_MISMATCH"):
        crawled.ask("SELECT id FROM data")
    glue.update_crawler(Name=f"{names}-s3", Configuration=json.dumps({"Version": 1.0, **INHERIT}))
    crawled.crawl_again()
    assert crawled.ask("SELECT sum(id) FROM data") == [(3.5,)]


def test_a_single_object_and_a_text_that_is_sometimes_an_object(crawled):
    crawled.put_json("a.json", {"id": 1, "detail": {"kind": "x"}}, {"id": 2, "detail": "none"})
    crawled.crawl()
    found = "SELECT id, coalesce(json_extract_scalar(detail, '$.kind'), detail) FROM data ORDER BY id"
    assert crawled.ask(found) == [(1, "x"), (2, "none")]


def test_parquet_in_folders_is_asked_with_its_types(crawled, tmp_path):
    for day in (1, 2):
        file = tmp_path / f"{day}.parquet"
        duckdb.sql(
            f"SELECT {day}::BIGINT AS Id, 1.5::DECIMAL(10,2) AS price, 'x' AS Name, true AS ok, "
            "DATE '2026-01-02' AS born, TIMESTAMP '2026-01-02 03:04:05.678' AS at, [1, 2] AS numbers, "
            "{'A': 1, 'b': 'y'} AS deep, MAP {'k': 1.5::DOUBLE} AS m, 2.5::DOUBLE AS d, 'x'::BLOB AS bin"
        ).write_parquet(str(file))
        crawled.put(f"day={day}/a.parquet", file.read_bytes())
    crawled.crawl()
    [row] = crawled.ask("SELECT id, price, name, ok, born, CAST(at AS varchar), d, bin, day FROM data WHERE day = '2'")
    assert row == (
        2, Decimal("1.50"), "x", True, date(2026, 1, 2), "2026-01-02 03:04:05.678", 2.5, b"x", "2",
    )  # fmt: skip
    nested = "SELECT sum(id), max(numbers[2]), min(deep.a), min(deep.b), max(m['k']) FROM data"
    assert crawled.ask(nested) == [(3, 2, 1, "y", 1.5)]


def test_floats_of_32_bits_are_read_compared_and_cast(crawled, tmp_path):
    file = tmp_path / "a.parquet"
    rows = "(0.1), (16777216), (1e-10), ('NaN'), (3.4028235e38), (NULL)"
    duckdb.sql(f"SELECT x::FLOAT AS x, [x::FLOAT] AS xs FROM (VALUES {rows}) t (x)").write_parquet(str(file))
    crawled.put("a.parquet", file.read_bytes())
    crawled.crawl()
    shown = crawled.ask("SELECT x FROM data ORDER BY x")
    assert [str(x) for (x,) in shown] == ["1e-10", "0.1", "16777216.0", "3.4028235e+38", "nan", "None"]
    counted = "SELECT count(x), count_if(x = x), min(x), max(CAST(x AS double)) FILTER (WHERE x = x) FROM data"
    assert crawled.ask(counted) == [(5, 4, 1e-10, 3.4028234663852886e38)]
    same = "SELECT xs FROM data WHERE CAST(x AS double) > 0.1 AND x = xs[1] ORDER BY x LIMIT 1"
    assert crawled.ask(same) == [([0.1],)]
    for computed, said in [("x + 1", "NOT_SUPPORTED"), ("x > 0.1", "NOT_SUPPORTED"), ("sum(x)", "FUNCTION_NOT_FOUND")]:
        with pytest.raises(OperationalError, match=said):
            crawled.ask(f"SELECT {computed} FROM data")
