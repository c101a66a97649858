"""Starts crawlers by their schedules: one thread that looks at the clock once a minute, from the first schedule on."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from moto.glue.exceptions import CrawlerRunningException, GlueClientError
from moto.glue.models import glue_backends

from ddb_pipeline.local_aws.crawler.cron import Cron

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.crawler.model import LocalCrawler

LOG = logging.getLogger(__name__)

_SECONDS = 60
_thread_lock = threading.Lock()
_stopping = threading.Event()
_threads: list[threading.Thread] = []


class NoScheduleError(GlueClientError):
    """The crawler has no schedule to start or stop."""

    def __init__(self, name: str) -> None:
        super().__init__("NoScheduleException", f"Crawler with name {name} has no schedule")


class SchedulerRunningError(GlueClientError):
    """The schedule is started already."""

    def __init__(self, name: str) -> None:
        super().__init__("SchedulerRunningException", f"The schedule of crawler {name} is already running")


class SchedulerNotRunningError(GlueClientError):
    """The schedule is not started."""

    def __init__(self, name: str) -> None:
        super().__init__("SchedulerNotRunningException", f"The schedule of crawler {name} is not running")


def watch() -> None:
    """Look at the clock from now on; once is enough."""
    with _thread_lock:
        if not _threads:
            _stopping.clear()
            _threads.append(threading.Thread(target=_run, name="crawler schedules", daemon=True))
            _threads[0].start()


def stop() -> None:
    """Look at the clock no more."""
    with _thread_lock:
        _stopping.set()
        for thread in _threads:
            thread.join()
        _threads.clear()


def start_due(minute: datetime) -> None:
    """Start the crawlers whose schedule names a minute, UTC; one that runs already is passed over, as on AWS."""
    for crawler in _scheduled():
        if Cron.parse(str(crawler.schedule)).matches(minute):
            try:
                crawler.start_crawler()
            except CrawlerRunningException:
                LOG.warning("crawler %s still runs: its schedule is passed over", crawler.name)


def _scheduled() -> list[LocalCrawler]:
    from ddb_pipeline.local_aws.crawler.backend import LocalGlueBackend

    return [
        crawler
        for _, _, backend in glue_backends.iter_backends()
        if isinstance(backend, LocalGlueBackend)
        for crawler in backend.scheduled_crawlers()
    ]


def _run() -> None:
    while not _stopping.wait(_SECONDS - time.time() % _SECONDS):
        try:
            start_due(datetime.now(UTC))
        except Exception:  # the schedules of the next minute must come to pass
            LOG.exception("crawler schedules")
