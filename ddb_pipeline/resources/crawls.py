"""A crawl as Glue's history tells of it (API ListCrawls): what it did, what it cost, and where its log is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ddb_pipeline.errors import AwsError
from ddb_pipeline.resources.console import log_page
from ddb_pipeline.resources.prices import CRAWL_BILLED_SECONDS_AT_LEAST

LOG_GROUP = "/aws-glue/crawlers"
"""Where Glue logs a crawl when its history does not say (Glue developer guide, "Crawler run logs")."""


class CrawlError(AwsError):
    """A crawl failed, was stopped by someone else, took longer than its deadline, or could not be started.

    Attributes:
        crawl_id: Glue's id of the crawl; None: none was started or joined.
    """

    def __init__(
        self,
        message: str,
        crawl_id: str | None = None,
        *,
        links: Mapping[str, str] | None = None,
        transient: bool = False,
    ) -> None:
        super().__init__(message, links=links, transient=transient)
        self.crawl_id = crawl_id


@dataclass(frozen=True)
class CrawlResult:
    """A crawl that completed.

    Attributes:
        crawler: Name of the crawler.
        crawl_id: Glue's id of the crawl.
        joined: True when the crawl was running already and was only waited for, whoever had started it.
        state: COMPLETED.
        started_at: When Glue started it.
        seconds: How long Glue says that it ran; None when Glue does not say.
        dpu_hours: DPU hours that it used; None when Glue does not say.
        estimated_dollars: What it costs by the resource's price of a DPU hour; None when Glue gives no DPU hours.
        partitions_added: Partitions that Glue says it added; None when its summary does not say.
        summary: Glue's own summary, JSON text whose keys AWS does not document; None when there is none.
        log_group: CloudWatch log group of the crawl.
        log_stream: CloudWatch log stream of the crawl.
        log_url: The crawl's log in the AWS console.
    """

    crawler: str
    crawl_id: str
    joined: bool
    state: str
    started_at: datetime | None
    seconds: float | None
    dpu_hours: float | None
    estimated_dollars: float | None
    partitions_added: int | None
    summary: str | None
    log_group: str | None
    log_stream: str | None
    log_url: str

    def metadata(self) -> dict[str, Any]:
        """Return what Dagster shows of the crawl; what Glue does not say is left out."""
        from dagster import MetadataValue

        values = {
            "crawler": self.crawler,
            "crawl_id": self.crawl_id,
            "crawl_joined": self.joined,
            "crawl_seconds": self.seconds,
            "crawl_dpu_hours": self.dpu_hours,
            "crawl_estimated_dollars": self.estimated_dollars,
            "crawl_partitions_added": self.partitions_added,
            "crawl_summary": self.summary,
            "crawl_log": f"{self.log_group}, stream {self.log_stream}" if self.log_group else None,
            "crawl_log_in_console": MetadataValue.url(self.log_url),
        }
        return {name: value for name, value in values.items() if value is not None}


def result_of(
    crawl: Mapping[str, Any], crawler: str, *, joined: bool, region: str, dpu_hour_dollars: float
) -> CrawlResult:
    """Read a crawl of the history.

    Args:
        crawl: API shape CrawlerHistory.
        crawler: Name of its crawler.
        joined: Whether it ran already.
        region: Region of the crawler.
        dpu_hour_dollars: Price of a DPU hour.
    """
    started, ended = crawl.get("StartTime"), crawl.get("EndTime")
    seconds = (ended - started).total_seconds() if started and ended else None
    dpu_hours = crawl.get("DPUHour")
    billed = billed_dpu_hours(dpu_hours, seconds)
    return CrawlResult(
        crawler=crawler,
        crawl_id=str(crawl["CrawlId"]),
        joined=joined,
        state=str(crawl["State"]),
        started_at=started,
        seconds=seconds,
        dpu_hours=dpu_hours,
        estimated_dollars=None if billed is None else round(billed * dpu_hour_dollars, 4),
        partitions_added=partitions_added(crawl.get("Summary")),
        summary=crawl.get("Summary"),
        log_group=crawl.get("LogGroup"),
        log_stream=crawl.get("LogStream"),
        log_url=log_address(crawl, crawler, region),
    )


def billed_dpu_hours(dpu_hours: float | None, seconds: float | None) -> float | None:
    """Return the DPU hours that are billed for a crawl: those of ten minutes at least.

    AWS documents that minimum (Glue pricing), but not whether `DPUHour` has it in it already: it is taken to be what
    was used, so that the estimate of a short crawl is rather too high than too low.

    Args:
        dpu_hours: DPU hours by Glue's history.
        seconds: How long the crawl ran.
    """
    if dpu_hours is None or not seconds:
        return dpu_hours
    return dpu_hours * max(1.0, CRAWL_BILLED_SECONDS_AT_LEAST / seconds)


def log_address(crawl: Mapping[str, Any], crawler: str, region: str) -> str:
    """Return where the AWS console shows a crawl's log; its events begin with the crawl's id."""
    prefix = crawl.get("MessagePrefix") or crawl["CrawlId"]
    return log_page(region, crawl.get("LogGroup") or LOG_GROUP, crawl.get("LogStream") or crawler, str(prefix))


def failure_of(crawl: Mapping[str, Any], crawler: str, region: str) -> CrawlError:
    """Return the error of a crawl that did not complete, with Glue's own reason and the way to its log."""
    stopped = crawl.get("State") == "STOPPED"
    reason = crawl.get("ErrorMessage") or (
        "somebody stopped it: run this again" if stopped else "Glue gives no reason: its log may"
    )
    log = f"{crawl.get('LogGroup') or LOG_GROUP}, stream {crawl.get('LogStream') or crawler}"
    return CrawlError(
        f"crawl {crawl['CrawlId']} of crawler {crawler} {crawl.get('State')}: {reason}: its log is in CloudWatch {log}",
        str(crawl["CrawlId"]),
        links={"crawl_log": log_address(crawl, crawler, region)},
    )


def partitions_added(summary: str | None) -> int | None:
    """Find the number of added partitions in a crawl's summary.

    AWS gives the summary as JSON text of at most 255 characters (botocore: glue CrawlerHistory.Summary) but
    documents none of its keys, and long ones may be cut off: anything unexpected gives None, never an error.

    Args:
        summary: The summary as Glue gives it.
    """
    try:
        content = json.loads(summary or "")
    except ValueError:
        return None
    added = _member(_member(content, "partition"), "add")
    count = _member(added, "count") if isinstance(added, Mapping) else added
    return count if isinstance(count, int) and not isinstance(count, bool) else None


def _member(content: Any, name: str) -> Any:
    """The first member whose name begins so, in whatever case; JSON text in JSON is opened."""
    if isinstance(content, str):
        try:
            content = json.loads(content)
        except ValueError:
            return None
    if not isinstance(content, Mapping):
        return None
    return next((value for key, value in content.items() if str(key).lower().startswith(name)), None)
