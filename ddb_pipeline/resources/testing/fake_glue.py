"""A played AWS Glue with one crawler, behind a real `GlueCrawlerResource`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from ddb_pipeline.resources.glue_crawler import GlueCrawlerResource
from ddb_pipeline.resources.testing.fake_client import FakeClient, refusal

START = datetime(2026, 3, 5, 12, tzinfo=UTC)
"""The time at second 0."""


class _RunningError(ClientError):
    pass


class _NotRunningError(ClientError):
    pass


class _StoppingError(ClientError):
    pass


class _NotFoundError(ClientError):
    pass


class FakeGlue(FakeClient):
    """Plays one crawler as Glue's documentation has it: a crawl takes a while, and is listed a moment after its start.

    Attributes:
        crawler: Name of the crawler; there is no other.
        starts: How often a crawl was started through the resource.
        stops: How often one was stopped.
    """

    def __init__(
        self,
        crawler: str = "crawler",
        *,
        seconds: float = 60,
        end: str = "COMPLETED",
        error: str | None = None,
        partitions_added: int | None = 1,
        dpu_hours: float = 0.1,
        listed_after: float = 3,
        stopping: float = 5,
    ) -> None:
        """No crawl has run yet.

        Args:
            crawler: Name of the crawler.
            seconds: How long a crawl takes.
            end: How crawls end: COMPLETED, FAILED or STOPPED.
            error: Glue's message when a crawl fails.
            partitions_added: What the summary says; None: there is no summary.
            dpu_hours: DPU hours of a crawl.
            listed_after: How many seconds after its start a crawl is in the history.
            stopping: How many seconds after a crawl the crawler is not ready yet.
        """
        super().__init__()
        self.exceptions = SimpleNamespace(
            CrawlerRunningException=_RunningError,
            CrawlerNotRunningException=_NotRunningError,
            CrawlerStoppingException=_StoppingError,
            EntityNotFoundException=_NotFoundError,
        )
        self.crawler, self.seconds, self.end, self.error = crawler, seconds, end, error
        self.partitions_added, self.dpu_hours = partitions_added, dpu_hours
        self.listed_after, self.stopping = listed_after, stopping
        self.starts = self.stops = 0
        self._crawls: list[dict[str, Any]] = []

    def resource(self, **settings: Any) -> GlueCrawlerResource:
        """Return a resource whose Glue this is.

        Args:
            settings: Settings of the resource, such as `dpu_hour_dollars`.
        """
        return self.behind(GlueCrawlerResource, settings)

    def begin(self, at: float | None = None) -> str:
        """Let somebody else start a crawl.

        Args:
            at: Second at which it began, also one that has passed; now by default.

        Returns:
            Its id: crawl-0, crawl-1 and so on, in the order of the calls.
        """
        at = self.now if at is None else at
        crawl = {"id": f"crawl-{len(self._crawls)}", "start": at, "end": at + self.seconds, "state": self.end}
        self._crawls.append(crawl)
        return str(crawl["id"])

    @property
    def state(self) -> str:
        """State of the crawler: READY, RUNNING or STOPPING."""
        if any(crawl["start"] <= self.now < crawl["end"] for crawl in self._crawls):
            return "RUNNING"
        if any(crawl["end"] <= self.now < crawl["end"] + self.stopping for crawl in self._crawls):
            return "STOPPING"
        return "READY"

    # --- operations of boto3's client, with boto3's names

    def start_crawler(self, Name: str) -> dict[str, Any]:  # noqa: N803
        """StartCrawler."""
        self._answer(Name)
        if self.state != "READY":
            raise refusal("CrawlerRunningException", "it has already started", _RunningError)
        self.starts += 1
        self.begin()
        return {}

    def stop_crawler(self, Name: str) -> dict[str, Any]:  # noqa: N803
        """StopCrawler."""
        self._answer(Name)
        if self.state == "STOPPING":
            raise refusal("CrawlerStoppingException", "it is stopping", _StoppingError)
        if self.state == "READY":
            raise refusal("CrawlerNotRunningException", "it is not running", _NotRunningError)
        self.stops += 1
        for crawl in self._crawls:
            if crawl["end"] > self.now:
                crawl["end"], crawl["state"] = self.now, "STOPPED"
        return {}

    def get_crawler(self, Name: str) -> dict[str, Any]:  # noqa: N803
        """GetCrawler: its state, and nothing else."""
        self._answer(Name)
        return {"Crawler": {"Name": Name, "State": self.state}}

    def list_crawls(self, CrawlerName: str, MaxResults: int) -> dict[str, Any]:  # noqa: N803
        """ListCrawls: newest first."""
        self._answer(CrawlerName)
        listed = [crawl for crawl in reversed(self._crawls) if crawl["start"] + self.listed_after <= self.now]
        return {"Crawls": [self._history(crawl) for crawl in listed[:MaxResults]]}

    def _answer(self, name: str) -> None:
        self.refuse_if_told()
        if name != self.crawler:
            raise refusal("EntityNotFoundException", f"no crawler {name}", _NotFoundError)

    def _history(self, crawl: dict[str, Any]) -> dict[str, Any]:
        history = {
            "CrawlId": crawl["id"],
            "StartTime": START + timedelta(seconds=crawl["start"]),
            "State": "RUNNING",
            "LogGroup": "/aws-glue/crawlers",
            "LogStream": self.crawler,
            "MessagePrefix": crawl["id"],
        }
        if crawl["end"] <= self.now:
            end = START + timedelta(seconds=crawl["end"])
            history |= {"State": crawl["state"], "EndTime": end, "DPUHour": self.dpu_hours}
            if crawl["state"] == "FAILED" and self.error:
                history["ErrorMessage"] = self.error
            if crawl["state"] == "COMPLETED" and self.partitions_added is not None:
                history["Summary"] = json.dumps({"PARTITION": {"ADD": {"Count": self.partitions_added}}})
        return history
