"""Schedules of crawlers: when they start, and how they are started, stopped and changed."""

from datetime import UTC, datetime

from moto.glue.models import glue_backends

from ddb_pipeline.local_aws.crawler import model, scheduler
from ddb_pipeline_tests.deployed import wait_until
from ddb_pipeline_tests.integration.crawler.conftest import crawler_settings, error_of, wait_until_ready

NOON = datetime(2026, 1, 5, 12, 15, tzinfo=UTC)


def schedule(glue, name):
    return glue.get_crawler(Name=name)["Crawler"].get("Schedule")


def test_a_crawler_starts_when_its_schedule_says_so(glue, names):
    glue.update_crawler(Name=names, Schedule="cron(15 12 * * ? *)")
    scheduler.start_due(NOON.replace(minute=16))
    assert glue.list_crawls(CrawlerName=names)["Crawls"] == []
    scheduler.start_due(NOON)
    wait_until_ready(glue, names)
    assert len(glue.list_crawls(CrawlerName=names)["Crawls"]) == 1


def test_a_crawler_that_runs_is_passed_over(glue, names, monkeypatch):
    monkeypatch.setattr(model, "RUNNING_SECONDS", 0.3)
    glue.update_crawler(Name=names, Schedule="cron(15 12 * * ? *)")
    scheduler.start_due(NOON)
    scheduler.start_due(NOON)
    wait_until_ready(glue, names)
    assert len(glue.list_crawls(CrawlerName=names)["Crawls"]) == 1


def test_the_clock_is_looked_at_without_anybody_asking(glue, names, monkeypatch):
    minutes = []
    scheduler.stop()
    monkeypatch.setattr(scheduler, "_SECONDS", 0.05)
    monkeypatch.setattr(scheduler, "start_due", minutes.append)
    glue.update_crawler(Name=names, Schedule="cron(15 12 * * ? *)")
    wait_until(lambda: minutes, "the clock was looked at")
    scheduler.stop()
    assert abs((datetime.now(UTC) - minutes[0]).total_seconds()) < 5


def test_a_schedule_is_stopped_started_and_changed(glue, names):
    other = f"{names}-2"
    glue.create_crawler(**crawler_settings(other, Schedule="cron(0 6 ? * MON-FRI *)"))
    assert schedule(glue, other) == {"ScheduleExpression": "cron(0 6 ? * MON-FRI *)", "State": "SCHEDULED"}
    assert error_of(glue.start_crawler_schedule, CrawlerName=other)["Code"] == "SchedulerRunningException"
    glue.stop_crawler_schedule(CrawlerName=other)
    assert schedule(glue, other)["State"] == "NOT_SCHEDULED"
    assert error_of(glue.stop_crawler_schedule, CrawlerName=other)["Code"] == "SchedulerNotRunningException"
    scheduler.start_due(datetime(2026, 1, 5, 6, 0, tzinfo=UTC))
    assert glue.list_crawls(CrawlerName=other)["Crawls"] == []
    glue.start_crawler_schedule(CrawlerName=other)
    glue.update_crawler_schedule(CrawlerName=other, Schedule="cron(0 7 1 1 ? 2030)")
    assert schedule(glue, other) == {"ScheduleExpression": "cron(0 7 1 1 ? 2030)", "State": "SCHEDULED"}
    wrong = error_of(glue.update_crawler_schedule, CrawlerName=other, Schedule="cron(0 7 * * * *)")
    assert wrong["Code"] == "InvalidInputException"


def test_a_crawler_without_a_schedule_has_none_to_start(glue, names):
    assert schedule(glue, names) is None
    assert error_of(glue.start_crawler_schedule, CrawlerName=names)["Code"] == "NoScheduleException"
    assert error_of(glue.start_crawler_schedule, CrawlerName="nobody")["Code"] == "EntityNotFoundException"


def test_a_crawler_that_goes_on_in_another_process_keeps_its_schedule(client, glue, names, monkeypatch):
    minutes = []
    glue.update_crawler(Name=names, Schedule="cron(15 12 * * ? *)")
    scheduler.stop()
    monkeypatch.setattr(scheduler, "_SECONDS", 0.05)
    monkeypatch.setattr(scheduler, "start_due", minutes.append)
    backend = glue_backends["123456789012"][glue.meta.region_name]
    backend.local_crawler(names).resume()
    wait_until(lambda: minutes, "the clock was looked at")
    scheduler.stop()
