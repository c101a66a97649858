"""The Glue crawler resource against a scripted Glue: its own crawl is followed, whatever else runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from dagster import DagsterExecutionInterruptedError

from ddb_pipeline.errors import NotDeployedError
from ddb_pipeline.resources.glue_crawler import CrawlError, GlueCrawlerResource, partitions_added

START = datetime(2026, 3, 5, 12, tzinfo=UTC)


class _RunningError(ClientError):
    pass


class _NotRunningError(ClientError):
    pass


class _StoppingError(ClientError):
    pass


class _NotFoundError(ClientError):
    pass


class Glue:
    """Behaves as Glue's documentation says, on a clock of its own: a crawl takes a while, and is listed late."""

    exceptions = SimpleNamespace(
        CrawlerRunningException=_RunningError,
        CrawlerNotRunningException=_NotRunningError,
        CrawlerStoppingException=_StoppingError,
        EntityNotFoundException=_NotFoundError,
    )

    def __init__(
        self, seconds: float = 60, listed_after: float = 3, stopping: float = 5, end: str = "COMPLETED"
    ) -> None:
        self.now = 0.0
        self.seconds, self.listed_after, self.stopping, self.end = seconds, listed_after, stopping, end
        self.crawls: list[dict[str, Any]] = []
        self.starts = self.stops = 0
        self.throttle = 0
        self.on_sleep: Callable[[], None] = lambda: None

    def resource(self) -> GlueCrawlerResource:
        return GlueCrawlerResource().with_client(self, clock=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += max(seconds, 0.001)
        self.on_sleep()

    def begin(self, at: float | None = None) -> str:
        at = self.now if at is None else at
        self.crawls.append(
            {"id": f"crawl-{len(self.crawls)}", "start": at, "end": at + self.seconds, "state": self.end}
        )
        return str(self.crawls[-1]["id"])

    def _state(self) -> str:
        if any(crawl["start"] <= self.now < crawl["end"] for crawl in self.crawls):
            return "RUNNING"
        if any(crawl["end"] <= self.now < crawl["end"] + self.stopping for crawl in self.crawls):
            return "STOPPING"
        return "READY"

    def _throttle(self, operation: str) -> None:
        if self.throttle:
            self.throttle -= 1
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slower"}}, operation)

    def start_crawler(self, Name: str) -> None:  # noqa: N803
        self._throttle("StartCrawler")
        if Name != "crawler":
            raise _NotFoundError({"Error": {"Code": "EntityNotFoundException"}}, "StartCrawler")
        if self._state() != "READY":
            raise _RunningError({"Error": {"Code": "CrawlerRunningException"}}, "StartCrawler")
        self.starts += 1
        self.begin()

    def stop_crawler(self, Name: str) -> None:  # noqa: N803
        assert Name == "crawler"
        if self._state() != "RUNNING":
            raise _NotRunningError({"Error": {"Code": "CrawlerNotRunningException"}}, "StopCrawler")
        self.stops += 1
        for crawl in self.crawls:
            if crawl["end"] > self.now:
                crawl["end"], crawl["state"] = self.now, "STOPPED"

    def get_crawler(self, Name: str) -> dict[str, Any]:  # noqa: N803
        assert Name == "crawler"
        return {"Crawler": {"State": self._state()}}

    def list_crawls(self, CrawlerName: str, MaxResults: int) -> dict[str, Any]:  # noqa: N803
        if CrawlerName != "crawler":
            raise _NotFoundError({"Error": {"Code": "EntityNotFoundException"}}, "ListCrawls")
        self._throttle("ListCrawls")
        listed = [crawl for crawl in reversed(self.crawls) if crawl["start"] + self.listed_after <= self.now]
        return {"Crawls": [self._history(crawl) for crawl in listed[:MaxResults]]}

    def _history(self, crawl: dict[str, Any]) -> dict[str, Any]:
        history = {"CrawlId": crawl["id"], "StartTime": START + timedelta(seconds=crawl["start"]), "State": "RUNNING"}
        if crawl["end"] <= self.now:
            end = START + timedelta(seconds=crawl["end"])
            history |= {"State": crawl["state"], "EndTime": end, "DPUHour": 0.1, "LogGroup": "/g", "LogStream": "s"}
            if crawl["state"] == "FAILED":
                history["ErrorMessage"] = "the role may not read the bucket"
        return history


def test_a_crawl_is_started_and_waited_for():
    glue = Glue()

    result = glue.resource().crawl("crawler")

    assert (result.crawl_id, result.state, result.joined) == ("crawl-0", "COMPLETED", False)
    assert (result.seconds, result.dpu_hours) == (60, 0.1)
    assert glue._state() == "READY"


def test_an_earlier_crawl_is_not_taken_for_ours():
    glue = Glue()
    glue.begin(at=-1000)

    assert glue.resource().crawl("crawler").crawl_id == "crawl-1"


def test_a_running_crawl_is_joined():
    glue = Glue()
    glue.begin(at=-20)

    result = glue.resource().crawl("crawler")

    assert (result.crawl_id, result.joined, glue.starts) == ("crawl-0", True, 0)


def test_a_crawler_that_is_just_stopping_is_waited_for_and_started():
    glue = Glue()
    glue.begin(at=-62)

    result = glue.resource().crawl("crawler")

    assert (result.crawl_id, result.joined) == ("crawl-1", False)


def test_a_crawl_that_runs_but_is_not_listed_yet_is_joined_once_it_is():
    glue = Glue(listed_after=30)
    glue.begin(at=-1)

    result = glue.resource().crawl("crawler")

    assert (result.crawl_id, result.joined, glue.starts) == ("crawl-0", True, 0)


def test_of_two_new_crawls_the_first_is_ours():
    glue = Glue(seconds=1, listed_after=30, stopping=0)

    def somebody_else_starts_one() -> None:
        if glue.now > 5 and len(glue.crawls) == 1:
            glue.begin()

    glue.on_sleep = somebody_else_starts_one

    assert glue.resource().crawl("crawler").crawl_id == "crawl-0"


def test_throttling_is_waited_out():
    glue = Glue()
    glue.throttle = 5

    assert glue.resource().crawl("crawler").crawl_id == "crawl-0"
    assert glue.starts == 1


def test_throttling_beyond_the_deadline_stops_our_crawl():
    glue = Glue(seconds=10_000)

    def throttled() -> None:
        glue.throttle = 1000 if glue.now > 20 else 0

    glue.on_sleep = throttled

    with pytest.raises(CrawlError, match="waited 100 s for list_crawls to be accepted"):
        glue.resource().crawl("crawler", deadline_seconds=100)
    assert glue.stops == 1


def test_a_failed_crawl_raises_glues_reason_and_where_its_log_is():
    with pytest.raises(CrawlError, match=r"the role may not read the bucket.*/g, stream s") as caught:
        Glue(end="FAILED").resource().crawl("crawler")

    assert not caught.value.transient


def test_a_crawl_stopped_by_someone_else_raises():
    glue = Glue()

    def somebody_stops_it() -> None:
        if glue.now > 20:
            glue.on_sleep = lambda: None
            glue.stop_crawler("crawler")

    glue.on_sleep = somebody_stops_it

    with pytest.raises(CrawlError, match="STOPPED: it was stopped"):
        glue.resource().crawl("crawler")


def test_a_crawler_that_does_not_exist_is_named():
    with pytest.raises(NotDeployedError, match=r"no Glue crawler other: bring it back .*--revert-drift"):
        Glue().resource().crawl("other")


def test_at_the_deadline_our_crawl_is_stopped():
    glue = Glue(seconds=10_000)

    with pytest.raises(CrawlError, match="waited 100 s for crawl crawl-0"):
        glue.resource().crawl("crawler", deadline_seconds=100)

    assert glue.stops == 1
    assert glue.now == pytest.approx(100, abs=1)


def test_at_the_deadline_a_joined_crawl_goes_on():
    glue = Glue(seconds=10_000)
    glue.begin(at=-20)

    with pytest.raises(CrawlError):
        glue.resource().crawl("crawler", deadline_seconds=100)

    assert glue.stops == 0


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, DagsterExecutionInterruptedError])
@pytest.mark.parametrize(("joined", "stops"), [(False, 1), (True, 0)])
def test_an_interrupt_stops_what_was_started_here_and_nothing_else(
    interrupt: type[BaseException], joined: bool, stops: int
):
    glue = Glue()
    if joined:
        glue.begin(at=-20)

    def interrupted() -> None:
        if glue.now > 10:
            raise interrupt

    glue.on_sleep = interrupted

    with pytest.raises(interrupt):
        glue.resource().crawl("crawler")
    assert glue.stops == stops


def test_polls_grow_rarer_and_stay_bounded():
    glue = Glue(seconds=3000)
    pauses: list[float] = []
    before = [0.0]

    def note() -> None:
        pauses.append(glue.now - before[0])
        before[0] = glue.now

    glue.on_sleep = note
    glue.resource().crawl("crawler", deadline_seconds=4000)

    assert pauses[0] < 0.3
    assert max(pauses) <= 15
    assert len(pauses) < 600


@pytest.mark.parametrize(
    ("summary", "added"),
    [
        (None, None),
        ("", None),
        ("cut off {", None),
        ("[]", None),
        ("{}", None),
        ('{"TABLE": {"UPDATE": {"Count": 1}}}', None),
        ('{"PARTITION": {"ADD": {"Count": 3}}}', 3),
        ('{"partitions": {"added": 2}}', 2),
        ('{"PARTITION": "{\\"ADD\\": {\\"Count\\": 4}}"}', 4),
        ('{"PARTITION": {"ADD": {"Count": "many"}}}', None),
        ('{"PARTITION": {"ADD": true}}', None),
    ],
)
def test_a_summary_is_read_as_far_as_it_is_understood(summary: str | None, added: int | None):
    assert partitions_added(summary) == added
