"""The local Glue crawler, as boto3 sees it."""

import gzip
import json
import threading
import time
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from ddb_pipeline.local_aws import crawler
from ddb_pipeline.local_aws.crawler import model

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


# What a crawl registers


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
    [b"", b'{"event_id":"1"}\n', gzip.compress(b"a,b\n1,2\n"), b"\x1f\x8bbroken", b"PAR1....PAR1", gzip.compress(b"")],
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


# States and errors


def test_a_crawl_goes_through_the_states_and_last_crawl_appears_at_its_end(glue, names, monkeypatch):
    monkeypatch.setattr(model, "RUNNING_SECONDS", 0.4)
    ready = glue.get_crawler(Name=names)["Crawler"]
    assert ready["State"] == "READY"
    assert ready["CrawlElapsedTime"] == 0
    assert "LastCrawl" not in ready
    before = datetime.now(UTC)
    glue.start_crawler(Name=names)
    time.sleep(0.05)
    running = glue.get_crawler(Name=names)["Crawler"]
    assert running["State"] == "RUNNING"
    assert 0 < running["CrawlElapsedTime"] < 400
    assert "LastCrawl" not in running
    last = wait_until_ready(glue, names)["LastCrawl"]
    assert last["Status"] == "SUCCEEDED"
    assert abs((last["StartTime"] - before).total_seconds()) < 1
    assert (last["LogGroup"], last["LogStream"]) == ("/aws-glue/crawlers", names)
    assert "ErrorMessage" not in last


def test_a_running_crawler_takes_no_second_start_no_change_and_no_deletion(glue, names, monkeypatch):
    monkeypatch.setattr(model, "RUNNING_SECONDS", 0.5)
    glue.start_crawler(Name=names)
    assert error_of(glue.start_crawler, Name=names)["Code"] == "CrawlerRunningException"
    assert error_of(glue.update_crawler, Name=names, Description="x")["Code"] == "CrawlerRunningException"
    assert error_of(glue.delete_crawler, Name=names)["Code"] == "CrawlerRunningException"
    wait_until_ready(glue, names)
    glue.delete_crawler(Name=names)
    assert error_of(glue.get_crawler, Name=names)["Code"] == "EntityNotFoundException"


def test_of_many_starts_at_once_exactly_one_crawls(glue, names, monkeypatch):
    monkeypatch.setattr(model, "RUNNING_SECONDS", 0.5)
    codes = []

    def start():
        try:
            glue.start_crawler(Name=names)
            codes.append("started")
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["CrawlerRunningException"] * 7 + ["started"]
    assert len(glue.list_crawls(CrawlerName=names)["Crawls"]) == 1
    wait_until_ready(glue, names)


def test_a_stopped_crawl_ends_as_stopped_and_cancelled(glue, names, monkeypatch):
    monkeypatch.setattr(model, "RUNNING_SECONDS", 30)
    monkeypatch.setattr(model, "STOPPING_SECONDS", 0.5)
    assert error_of(glue.stop_crawler, Name=names)["Code"] == "CrawlerNotRunningException"
    glue.start_crawler(Name=names)
    glue.stop_crawler(Name=names)
    assert glue.get_crawler(Name=names)["Crawler"]["State"] == "STOPPING"
    assert error_of(glue.stop_crawler, Name=names)["Code"] == "CrawlerStoppingException"
    assert error_of(glue.start_crawler, Name=names)["Code"] == "CrawlerRunningException"
    assert wait_until_ready(glue, names)["LastCrawl"]["Status"] == "CANCELLED"
    assert [run["State"] for run in glue.list_crawls(CrawlerName=names)["Crawls"]] == ["STOPPED"]


def test_stop_ends_every_crawl(glue, names, monkeypatch):
    monkeypatch.setattr(model, "RUNNING_SECONDS", 30)
    glue.start_crawler(Name=names)
    crawler.stop()
    assert glue.get_crawler(Name=names)["Crawler"]["State"] == "READY"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("crawl ")]


@pytest.mark.parametrize("gone", ["table", "database", "bucket"])
def test_a_crawl_without_its_table_database_or_bucket_fails_and_names_it(glue, s3, names, gone):
    if gone == "table":
        glue.delete_table(DatabaseName=names, Name="changes")
    elif gone == "database":
        glue.delete_database(Name=names)
    else:
        s3.delete_bucket(Bucket=names)
    last = crawl(glue, names)["LastCrawl"]
    assert last["Status"] == "FAILED"
    assert ("changes" if gone == "table" else names) in last["ErrorMessage"]
    assert gone in last["ErrorMessage"].lower()
    [run] = glue.list_crawls(CrawlerName=names)["Crawls"]
    assert (run["State"], run["ErrorMessage"]) == ("FAILED", last["ErrorMessage"])


def test_an_unknown_crawler_is_not_found(glue):
    for call, arguments in (
        (glue.start_crawler, {"Name": "nobody"}),
        (glue.stop_crawler, {"Name": "nobody"}),
        (glue.get_crawler, {"Name": "nobody"}),
        (glue.update_crawler, {"Name": "nobody"}),
        (glue.delete_crawler, {"Name": "nobody"}),
        (glue.list_crawls, {"CrawlerName": "nobody"}),
    ):
        assert error_of(call, **arguments)["Code"] == "EntityNotFoundException"


def test_an_update_changes_what_it_names(glue, names):
    glue.update_crawler(Name=names, Description="hours")
    found = glue.get_crawler(Name=names)["Crawler"]
    assert found["Description"] == "hours"
    assert found["Version"] == 2
    assert found["Targets"] == crawler_settings(names)["Targets"]
    [batch] = glue.batch_get_crawlers(CrawlerNames=[names, "nobody"])["Crawlers"]
    assert batch["Name"] == names
    assert names in [crawler["Name"] for crawler in glue.get_crawlers()["Crawlers"]]


# What is refused


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"Targets": {"S3Targets": [{"Path": "s3://bucket/"}]}}, "S3Targets"),
        ({"Targets": {"DynamoDBTargets": [{"Path": "persons"}]}}, "DynamoDBTargets"),
        ({"Targets": {"CatalogTargets": [], "JdbcTargets": []}}, "CatalogTargets"),
        ({"Targets": {"CatalogTargets": [{"DatabaseName": "d", "Tables": ["t"], "EventQueueArn": "q"}]}}, "EventQueue"),
        ({"SchemaChangePolicy": {"UpdateBehavior": "LOG"}}, "DeleteBehavior"),
        ({"SchemaChangePolicy": {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "LOG"}}, "UpdateBehavior"),
        ({"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}}, "Crawl new folders only"),
        ({"RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVENT_MODE"}}, "CRAWL_EVENT_MODE"),
        ({"Schedule": "cron(5 * * * ? *)"}, "Schedule"),
        ({"Classifiers": ["mine"]}, "Classifiers"),
        ({"TablePrefix": "raw_"}, "TablePrefix"),
        ({"LineageConfiguration": {"CrawlerLineageSettings": "ENABLE"}}, "LineageConfiguration"),
        ({"Configuration": "{}"}, "InheritFromTable"),
        ({"Configuration": "not json"}, "Configuration"),
        ({"Configuration": "[]"}, "Configuration"),
        ({"Configuration": json.dumps(CONFIGURATION | {"CreatePartitionIndex": True})}, "CreatePartitionIndex"),
    ],
)
def test_what_the_local_crawler_does_not_do_is_refused_by_name(glue, names, changes, named):
    error = error_of(glue.create_crawler, **crawler_settings(f"{names}-2", **changes))
    assert error["Code"] == "InvalidInputException"
    assert named in error["Message"]
    assert error_of(glue.update_crawler, Name=names, **changes)["Code"] == "InvalidInputException"


def test_a_second_crawler_of_the_same_name_is_refused(glue, names):
    assert error_of(glue.create_crawler, **crawler_settings(names))["Code"] == "AlreadyExistsException"


# History, metrics, log


def test_the_history_has_the_newest_crawl_first_with_its_summary(glue, s3, names):
    crawl(glue, names)
    for hour in range(24):
        key = f"changes/year=2026/month=01/day=02/hour={hour:02}/a.json.gz"
        s3.put_object(Bucket=names, Key=key, Body=ROWS)
    crawl(glue, names)
    newest, oldest = glue.list_crawls(CrawlerName=names)["Crawls"]
    assert newest["State"] == oldest["State"] == "COMPLETED"
    assert oldest["StartTime"] < oldest["EndTime"] < newest["StartTime"] < newest["EndTime"]
    assert newest["CrawlId"] != oldest["CrawlId"]
    assert json.loads(oldest["Summary"]) == {"PARTITION": {"ADD": {"Count": 0}}}
    added = json.loads(newest["Summary"])["PARTITION"]["ADD"]
    assert added["Count"] == 24
    assert added["Details"]["names"][0] == "year=2026/month=01/day=02/hour=00"
    assert len(newest["Summary"]) <= 255


def test_the_history_comes_in_pages(glue, names, monkeypatch):
    monkeypatch.setattr(model, "RUNNING_SECONDS", 0)
    monkeypatch.setattr(model, "STOPPING_SECONDS", 0)
    for _ in range(5):
        crawl(glue, names)
    everything = [run["CrawlId"] for run in glue.list_crawls(CrawlerName=names)["Crawls"]]
    found, token = [], {}
    while True:
        page = glue.list_crawls(CrawlerName=names, MaxResults=2, **token)
        found += [run["CrawlId"] for run in page["Crawls"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert found == everything
    assert len(set(found)) == 5
    assert error_of(glue.list_crawls, CrawlerName=names, NextToken="x")["Code"] == "InvalidInputException"


def test_the_history_can_be_filtered(glue, names):
    crawl(glue, names)
    between = str(int(time.time() * 1000) + 1)
    time.sleep(0.01)
    glue.delete_table(DatabaseName=names, Name="changes")
    crawl(glue, names)
    failed, completed = glue.list_crawls(CrawlerName=names)["Crawls"]

    def ids(field, operator, value):
        filters = [{"FieldName": field, "FilterOperator": operator, "FieldValue": value}]
        return [run["CrawlId"] for run in glue.list_crawls(CrawlerName=names, Filters=filters)["Crawls"]]

    assert ids("CRAWL_ID", "EQ", failed["CrawlId"]) == [failed["CrawlId"]]
    assert ids("CRAWL_ID", "NE", failed["CrawlId"]) == [completed["CrawlId"]]
    assert ids("STATE", "EQ", "COMPLETED") == [completed["CrawlId"]]
    assert ids("START_TIME", "GE", between) == [failed["CrawlId"]]
    assert ids("START_TIME", "LT", between) == [completed["CrawlId"]]
    assert ids("END_TIME", "LE", between) == [completed["CrawlId"]]
    assert ids("START_TIME", "EQ", str(round(failed["StartTime"].timestamp() * 1000))) == [failed["CrawlId"]]
    wrong = [{"FieldName": "START_TIME", "FilterOperator": "GT", "FieldValue": "yesterday"}]
    assert error_of(glue.list_crawls, CrawlerName=names, Filters=wrong)["Code"] == "InvalidInputException"


def test_a_running_crawl_is_in_the_history_and_not_among_those_that_ended(glue, names, monkeypatch):
    monkeypatch.setattr(model, "RUNNING_SECONDS", 0.4)
    glue.start_crawler(Name=names)
    [run] = glue.list_crawls(CrawlerName=names)["Crawls"]
    assert run["State"] == "RUNNING"
    assert "EndTime" not in run
    assert "Summary" not in run
    ended = [{"FieldName": "END_TIME", "FilterOperator": "GT", "FieldValue": "0"}]
    assert glue.list_crawls(CrawlerName=names, Filters=ended)["Crawls"] == []
    wait_until_ready(glue, names)


def test_metrics_tell_how_long_crawls_take(glue, names):
    assert glue.get_crawler_metrics(CrawlerNameList=["nobody"])["CrawlerMetricsList"] == []
    crawl(glue, names)
    crawl(glue, names)
    [metrics] = glue.get_crawler_metrics(CrawlerNameList=[names])["CrawlerMetricsList"]
    assert metrics["CrawlerName"] == names
    assert 0 < metrics["LastRuntimeSeconds"] < 5
    assert 0 < metrics["MedianRuntimeSeconds"] < 5
    assert metrics["StillEstimating"] is False
    assert metrics["TablesCreated"] == metrics["TablesUpdated"] == metrics["TablesDeleted"] == 0
    assert names in [one["CrawlerName"] for one in glue.get_crawler_metrics()["CrawlerMetricsList"]]


def test_the_log_tells_what_was_added_and_what_was_skipped(client, glue, s3, names):
    s3.put_object(Bucket=names, Key=f"changes/{HOUR}/a.json.gz", Body=ROWS)
    s3.put_object(Bucket=names, Key="changes/year=2026/month=01/day=02/hour=04/a.json", Body=b"{}")
    last = crawl(glue, names)["LastCrawl"]
    events = client("logs").get_log_events(logGroupName=last["LogGroup"], logStreamName=last["LogStream"])["events"]
    messages = [event["message"] for event in events]
    assert all(message.startswith(f"[{last['MessagePrefix']}] ") for message in messages)
    assert any(f"Added partition {HOUR}" in message for message in messages)
    assert any("hour=04" in message and "json/none" in message for message in messages)


def test_the_pipelines_own_crawler_resource_follows_a_crawl(client, glue, s3, names):
    from ddb_pipeline.resources.glue_crawler import GlueCrawlerResource

    s3.put_object(Bucket=names, Key=f"changes/{HOUR}/a.json.gz", Body=ROWS)
    result = GlueCrawlerResource().with_client(glue).crawl(names, deadline_seconds=20)
    assert (result.state, result.joined, result.partitions_added) == ("COMPLETED", False, 1)
