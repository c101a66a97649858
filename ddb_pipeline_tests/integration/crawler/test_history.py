"""Crawls of the past: ListCrawls, metrics and the log."""

import json
import time

from ddb_pipeline.local_aws.crawler import model
from ddb_pipeline_tests.integration.crawler.conftest import HOUR, ROWS, crawl, error_of, wait_until_ready


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
