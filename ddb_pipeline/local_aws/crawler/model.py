"""A local crawler and its crawls: states, history, background threads.

States as in the Glue API: READY, RUNNING, STOPPING and READY again; `LastCrawl` tells of the last crawl that has
ended, so that it can be an older one than the crawl just started.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from moto.glue.exceptions import CrawlerNotRunningException, CrawlerRunningException, GlueClientError
from moto.glue.models import FakeCrawler
from moto.logs.models import logs_backends

from ddb_pipeline.local_aws.crawler.catalog_writer import Policy, tables_by_location, write_catalog
from ddb_pipeline.local_aws.crawler.configuration import Configuration
from ddb_pipeline.local_aws.crawler.s3_target import look_around
from ddb_pipeline.local_aws.crawler.scheduler import (
    NoScheduleError,
    SchedulerNotRunningError,
    SchedulerRunningError,
    watch,
)
from ddb_pipeline.local_aws.crawler.work import CrawlFailedError, Findings, crawl_table

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.crawler.backend import LocalGlueBackend

RUNNING_SECONDS = 0.1
"""Shortest time in state RUNNING: a client can see it, and a second start meets it. AWS takes about a minute."""
STOPPING_SECONDS = 0.05
"""Time in state STOPPING after a crawl has ended."""

LOG_GROUP = "/aws-glue/crawlers"
_LONGEST_SUMMARY = 255
_LONGEST_NAMES = 200
_STOP_DEADLINE_SECONDS = 10

# LastCrawlStatus of a CrawlerHistoryState (botocore: glue)
_LAST_CRAWL_STATUS = {"COMPLETED": "SUCCEEDED", "STOPPED": "CANCELLED", "FAILED": "FAILED"}

_running: dict[threading.Thread, threading.Event] = {}
_running_lock = threading.Lock()


class CrawlerStoppingError(GlueClientError):
    """StopCrawler on a crawler that is stopping already."""

    def __init__(self, name: str) -> None:
        super().__init__("CrawlerStoppingException", f"Crawler with name {name} is already stopping")


@dataclass(eq=False)
class Crawl:
    """One run of a crawler."""

    crawler_name: str
    crawl_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    state: str = "RUNNING"
    error_message: str | None = None
    findings: Findings = field(default_factory=Findings)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def seconds(self) -> float:
        """How long it ran, or runs already."""
        return ((self.ended_at or datetime.now(UTC)) - self.started_at).total_seconds()

    @property
    def summary(self) -> str:
        """What changed, as JSON of at most 255 characters; the names of folders only as far as they fit.

        AWS documents the limit (botocore: glue CrawlerHistory.Summary) but not the names of the members.
        """
        found = self.findings
        changes = (
            ("TABLE", "ADD", found.tables_added),
            ("TABLE", "UPDATE", found.tables_updated),
            ("TABLE", "DELETE", found.tables_deleted),
            ("PARTITION", "ADD", found.added),
            ("PARTITION", "UPDATE", found.updated),
            ("PARTITION", "DELETE", found.deleted),
        )
        summary: dict[str, dict[str, Any]] = {"PARTITION": {"ADD": {"Count": 0}}}
        for kind, change, names in changes:
            if names:
                summary.setdefault(kind, {})[change] = {"Count": len(names)}
        for kind, change, names in changes:
            for end in range(1, min(len(names), _LONGEST_NAMES) + 1):
                details = {"Count": len(names), "Details": {"names": names[:end]}}
                longer = {**summary, kind: {**summary[kind], change: details}}
                if len(_text(longer)) > _LONGEST_SUMMARY:
                    break
                summary = longer
        return _text(summary)

    def log_place(self) -> dict[str, str]:
        """The members that say where the crawl's log is."""
        return {"LogGroup": LOG_GROUP, "LogStream": self.crawler_name, "MessagePrefix": self.crawl_id}

    def as_history(self) -> dict[str, Any]:
        """API shape CrawlerHistory."""
        history: dict[str, Any] = {
            "CrawlId": self.crawl_id,
            "State": self.state,
            "StartTime": self.started_at,
            "DPUHour": 0.0,
            **self.log_place(),
        }
        if self.ended_at:
            history["EndTime"] = self.ended_at
        if self.error_message:
            history["ErrorMessage"] = self.error_message
        if self.state == "COMPLETED":
            history["Summary"] = self.summary
        return history

    def as_last_crawl(self) -> dict[str, Any]:
        """API shape LastCrawlInfo."""
        last = {"Status": _LAST_CRAWL_STATUS[self.state], "StartTime": self.started_at, **self.log_place()}
        if self.error_message:
            last["ErrorMessage"] = self.error_message
        return last


class LocalCrawler(FakeCrawler):
    """A crawler on catalog tables or S3. Its backend's lock guards it."""

    backend: LocalGlueBackend

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.history: list[Crawl] = []
        self.is_scheduled = bool(self.schedule)
        # URIs of the folders that earlier crawls of S3 targets saw; None before the first one
        self.crawled_folders: set[str] | None = None
        self._state = "READY"
        self._last_crawl: Crawl | None = None

    @property
    def status(self) -> str:
        """State as in the Glue API."""
        return self._state

    def as_dict(self) -> dict[str, Any]:
        """API shape Crawler."""
        with self.backend.lock:
            description = super().as_dict()
            busy = self._state != "READY"
            description["CrawlElapsedTime"] = int(self.history[-1].seconds * 1000) if busy else 0
            if self.schedule:
                state = "SCHEDULED" if self.is_scheduled else "NOT_SCHEDULED"
                description["Schedule"] = {"ScheduleExpression": self.schedule, "State": state}
            if self._last_crawl:
                description["LastCrawl"] = self._last_crawl.as_last_crawl()
        return description

    def metrics(self) -> dict[str, Any]:
        """API shape CrawlerMetrics."""
        with self.backend.lock:
            seconds = [crawl.seconds for crawl in self.history if crawl.ended_at]
            busy = self._state != "READY"
            left = max(0.0, median(seconds) - self.history[-1].seconds) if busy and seconds else 0.0
            return {
                "CrawlerName": self.name,
                "TimeLeftSeconds": left,
                "StillEstimating": busy and not seconds,
                "LastRuntimeSeconds": seconds[-1] if seconds else 0.0,
                "MedianRuntimeSeconds": median(seconds) if seconds else 0.0,
                "TablesCreated": sum(len(crawl.findings.tables_added) for crawl in self.history),
                "TablesUpdated": sum(len(crawl.findings.tables_updated) for crawl in self.history),
                "TablesDeleted": sum(len(crawl.findings.tables_deleted) for crawl in self.history),
            }

    def resume(self) -> None:
        """Go on in another process: a crawl that ran has failed, and the schedule is looked at again."""
        if self._state != "READY":
            self._state, self._last_crawl = "READY", self.history[-1]
            self._last_crawl.state, self._last_crawl.error_message = "FAILED", "Local AWS ended while it ran"
            self._last_crawl.ended_at = datetime.now(UTC)
        if self.schedule:
            watch()

    def refuse_while_running(self) -> None:
        """Raise CrawlerRunningException unless the crawler is ready."""
        if self._state != "READY":
            raise CrawlerRunningException(f"Crawler with name {self.name} has already started")

    def start_schedule(self) -> None:
        """StartCrawlerSchedule."""
        with self.backend.lock:
            if not self.schedule:
                raise NoScheduleError(self.name)
            if self.is_scheduled:
                raise SchedulerRunningError(self.name)
            self.is_scheduled = True

    def stop_schedule(self) -> None:
        """StopCrawlerSchedule. A crawl that runs goes on."""
        with self.backend.lock:
            if not self.schedule or not self.is_scheduled:
                raise SchedulerNotRunningError(self.name)
            self.is_scheduled = False

    def start_crawler(self) -> None:
        """StartCrawler."""
        with self.backend.lock:
            self.refuse_while_running()
            crawl = Crawl(self.name)
            self.history.append(crawl)
            self._state = "RUNNING"
            thread = threading.Thread(target=self._run, args=(crawl,), name=f"crawl {crawl.crawl_id}", daemon=True)
            with _running_lock:
                _running[thread] = crawl.stopped
            thread.start()

    def stop_crawler(self) -> None:
        """StopCrawler."""
        with self.backend.lock:
            if self._state == "STOPPING":
                raise CrawlerStoppingError(self.name)
            if self._state != "RUNNING":
                raise CrawlerNotRunningException(f"Crawler with name {self.name} isn't running")
            self._state = "STOPPING"
            self.history[-1].stopped.set()

    def stop_and_wait(self) -> None:
        """Stop the crawl that may be running, and wait for its thread."""
        stop_crawls({crawl.stopped for crawl in self.history})

    def _run(self, crawl: Crawl) -> None:
        # what the crawl is if something unforeseen ends it: the thread's traceback tells more
        state, error_message = "FAILED", "Internal service error"
        try:
            crawl.stopped.wait(RUNNING_SECONDS)
            self._crawl_targets(crawl)
            state, error_message = ("STOPPED" if crawl.stopped.is_set() else "COMPLETED"), ""
        except CrawlFailedError as failure:
            error_message = str(failure)
        finally:
            with self.backend.lock:
                self._state = "STOPPING"
                crawl.state, crawl.error_message, crawl.ended_at = state, error_message or None, datetime.now(UTC)
            self._write_log(crawl)
            time.sleep(STOPPING_SECONDS)
            with self.backend.lock:
                self._last_crawl = crawl
                self._state = "READY"
            with _running_lock:
                _running.pop(threading.current_thread(), None)

    def _crawl_targets(self, crawl: Crawl) -> None:
        for target in self.targets.get("CatalogTargets") or []:
            for table in target["Tables"]:
                if not crawl.stopped.is_set():
                    crawl_table(self.backend, target["DatabaseName"], table, crawl.stopped, crawl.findings)
        if self.targets.get("S3Targets"):
            self._crawl_s3(crawl)

    def _crawl_s3(self, crawl: Crawl) -> None:
        new_only = (self.recrawl_policy or {}).get("RecrawlBehavior") == "CRAWL_NEW_FOLDERS_ONLY"
        crawled = self.crawled_folders if new_only else None
        configuration = Configuration.parse(self.configuration)
        seen = look_around(
            self.backend,
            self.targets["S3Targets"],
            configuration,
            crawled=crawled,
            known=tables_by_location(self.backend, self.database_name),
            findings=crawl.findings,
            stopped=crawl.stopped,
        )
        if crawl.stopped.is_set():
            return
        changes = self.schema_change_policy or {}
        policy = Policy(
            crawler=self.name,
            crawl_id=crawl.crawl_id,
            database=self.database_name,
            table_prefix=self.table_prefix or "",
            update=changes.get("UpdateBehavior", "UPDATE_IN_DATABASE"),
            delete=changes.get("DeleteBehavior", "DEPRECATE_IN_DATABASE"),
            configuration=configuration,
            # the first crawl is one of everything
            new_only=crawled is not None,
        )
        write_catalog(self.backend, seen, policy, crawl.findings)
        self.crawled_folders = (self.crawled_folders or set()) | seen.folders

    def _write_log(self, crawl: Crawl) -> None:
        """The crawl's log in CloudWatch Logs; sentences and not AWS' own, which are documented nowhere."""
        lines = [f"Crawl of crawler {self.name} started"]
        found = crawl.findings
        for change, tables in (
            ("Created", found.tables_added),
            ("Updated", found.tables_updated),
            ("Deleted", found.tables_deleted),
        ):
            lines += [f"{change} table {name}" for name in tables]
        lines += [f"Added partition {folder}" for folder in found.added]
        lines += [f"Updated partition {folder}" for folder in found.updated]
        lines += [f"Deleted partition {folder}" for folder in found.deleted]
        lines += found.lines
        lines.append(f"Crawl {crawl.state}" + (f": {crawl.error_message}" if crawl.error_message else ""))
        now = int(time.time() * 1000)
        logs = logs_backends[self.backend.account_id][self.backend.region_name]
        # moto's own log events are not guarded
        with self.backend.lock:
            logs.ensure_log_group(LOG_GROUP)
            logs.ensure_log_stream(LOG_GROUP, self.name)
            events = [{"timestamp": now, "message": f"[{crawl.crawl_id}] {line}"} for line in lines]
            logs.put_log_events(LOG_GROUP, self.name, events)


def stop_crawls(only: Collection[threading.Event] | None = None) -> None:
    """Ask running crawls to stop, and wait for their threads.

    Args:
        only: The events of the crawls to stop; all by default.
    """
    with _running_lock:
        running = [(thread, stopped) for thread, stopped in _running.items() if only is None or stopped in only]
    for _, stopped in running:
        stopped.set()
    for thread, _ in running:
        thread.join(_STOP_DEADLINE_SECONDS)


def _text(content: Any) -> str:
    return json.dumps(content, separators=(",", ":"))
