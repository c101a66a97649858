"""A local Glue of the crawler's tests, and what they do with it."""

import gzip
import json
import time

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from ddb_pipeline.local_aws import crawler

REGION = "eu-central-1"
CONFIGURATION = {
    "Version": 1.0,
    "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}},
    "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas"},
}
COLUMNS = [{"Name": "event_id", "Type": "string"}, {"Name": "changed_at_us", "Type": "bigint"}]
PARTITION_KEYS = [{"Name": name, "Type": "string"} for name in ("year", "month", "day", "hour")]
ROWS = gzip.compress(b'{"event_id":"1","changed_at_us":1}\n')
HOUR = "year=2026/month=01/day=02/hour=03"


@pytest.fixture(scope="module")
def client():
    """Makes clients of a local AWS of this module's own; nothing of the user's AWS settings is read."""
    crawler.install()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()

    def make(service):
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=f"http://{host}:{port}",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )

    yield make
    crawler.stop()
    server.stop()


@pytest.fixture
def glue(client):
    return client("glue")


@pytest.fixture
def s3(client):
    return client("s3")


@pytest.fixture
def names(request, glue, s3):
    """A database with the table `changes`, a bucket and a crawler of this test's own."""
    name = request.node.name.split("[")[0].replace("_", "-")[-40:].strip("-") + f"-{time.monotonic_ns()}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    glue.create_database(DatabaseInput={"Name": name})
    glue.create_table(DatabaseName=name, TableInput=table_input(name))
    glue.create_crawler(**crawler_settings(name))
    return name


def table_input(bucket, **changes):
    return {
        "Name": "changes",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "json", "compressionType": "gzip", "typeOfData": "file"},
        "PartitionKeys": PARTITION_KEYS,
        "StorageDescriptor": {
            "Location": f"s3://{bucket}/changes/",
            "Columns": COLUMNS,
            "Compressed": True,
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {"SerializationLibrary": "org.apache.hive.hcatalog.data.JsonSerDe"},
        },
    } | changes


def crawler_settings(name, **changes):
    return {
        "Name": name,
        "Role": "arn:aws:iam::123456789012:role/crawler",
        "Targets": {"CatalogTargets": [{"DatabaseName": name, "Tables": ["changes"]}]},
        "SchemaChangePolicy": {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"},
        "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVERYTHING"},
        "Configuration": json.dumps(CONFIGURATION),
    } | changes


def wait_until_ready(glue, name):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = glue.get_crawler(Name=name)["Crawler"]
        if found["State"] == "READY":
            return found
        time.sleep(0.01)
    raise AssertionError(f"crawler {name} is still {found['State']}")


def crawl(glue, name):
    glue.start_crawler(Name=name)
    return wait_until_ready(glue, name)


def partitions(glue, name):
    return glue.get_partitions(DatabaseName=name, TableName="changes")["Partitions"]


def folders(glue, name):
    return sorted(partition["Values"] for partition in partitions(glue, name))


def error_of(call, **arguments):
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return raised.value.response["Error"]
