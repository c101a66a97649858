"""States of a crawler as boto3 sees them, and the errors of each."""

import threading
import time
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.local_aws import crawler
from ddb_pipeline.local_aws.crawler import model
from ddb_pipeline_tests.integration.crawler.conftest import crawl, crawler_settings, error_of, wait_until_ready


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
