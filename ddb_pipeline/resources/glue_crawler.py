"""Runs AWS Glue crawlers: start or join, wait for that very crawl, stop it when interrupted.

Works alone in any Dagster project. `GetCrawler` tells only of the last crawl, which can be another one than ours
(AWS Glue API, LastCrawl), so the crawl is followed by its id in `ListCrawls`, which has no boto3 paginator and lists
a new crawl only after a moment.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dagster import ConfigurableResource
from pydantic import Field, PrivateAttr

from ddb_pipeline.errors import RESTORE_ADVICE, AwsError, NotDeployedError, is_transient
from ddb_pipeline.resources.waiting import Waiting

_PAGE = 100


class CrawlError(AwsError):
    """A crawl failed, was stopped by someone else, or took longer than its deadline."""


@dataclass(frozen=True)
class CrawlResult:
    """A crawl that completed.

    Attributes:
        crawler: Name of the crawler.
        crawl_id: Glue's id of the crawl.
        joined: True when the crawl was running already and was only waited for.
        state: COMPLETED.
        started_at: When Glue started it.
        seconds: How long Glue says that it ran; None when Glue does not say.
        dpu_hours: What is billed, in DPU hours; None when Glue does not say.
        partitions_added: Partitions that Glue says it added; None when its summary does not say.
        summary: Glue's own summary, JSON text whose keys AWS does not document; None when there is none.
        log_group: CloudWatch log group of the crawl.
        log_stream: CloudWatch log stream of the crawl.
    """

    crawler: str
    crawl_id: str
    joined: bool
    state: str
    started_at: datetime | None
    seconds: float | None
    dpu_hours: float | None
    partitions_added: int | None
    summary: str | None
    log_group: str | None
    log_stream: str | None


class GlueCrawlerResource(ConfigurableResource):  # type: ignore[type-arg]  # the parameter is for resources that hand out another type
    """Starts AWS Glue crawlers, or joins them when they run, and waits for the end."""

    region_name: str | None = Field(default=None, description="AWS region; boto3 looks for one when not given.")
    endpoint_url: str | None = Field(default=None, description="Endpoint of Glue, when it is not AWS' own.")
    profile_name: str | None = Field(default=None, description="Profile in the AWS configuration files.")
    aws_access_key_id: str | None = Field(default=None, description="Access key; needs the secret one too.")
    aws_secret_access_key: str | None = Field(default=None, description="Secret access key.")
    aws_session_token: str | None = Field(default=None, description="Token of temporary credentials.")
    max_attempts: int = Field(default=4, description="How often boto3 makes one call before it gives up.")

    _client: Any = PrivateAttr(default=None)
    _clock: Callable[[], float] = PrivateAttr(default=time.monotonic)
    _sleep: Callable[[float], None] = PrivateAttr(default=time.sleep)

    def with_client(
        self,
        client: Any,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> GlueCrawlerResource:
        """Use a given Glue client and clock instead of those made from the fields.

        Args:
            client: A Glue client.
            clock: Monotonic time in seconds.
            sleep: Sleeps for some seconds.
        """
        self._client, self._clock, self._sleep = client, clock, sleep
        return self

    def get_client(self) -> Any:
        """Return the Glue client."""
        if self._client is None:
            import boto3
            from botocore.config import Config

            session: Any = boto3.Session(
                profile_name=self.profile_name,
                region_name=self.region_name,
                aws_access_key_id=self.aws_access_key_id,
                aws_secret_access_key=self.aws_secret_access_key,
                aws_session_token=self.aws_session_token,
            )
            config = Config(connect_timeout=5, retries={"mode": "standard", "max_attempts": self.max_attempts})
            self._client = session.client("glue", endpoint_url=self.endpoint_url, config=config)
        return self._client

    def crawl(
        self,
        name: str,
        *,
        deadline_seconds: float = 1800,
        on_crawl: Callable[[str, bool], None] | None = None,
    ) -> CrawlResult:
        """Crawl, or join the crawl that is running, and wait until it has completed.

        When interrupted (also by Dagster's termination of the run) or at the deadline, a crawl that was started here
        is stopped; one that was joined goes on. After another error it goes on as well: the next call joins it.

        Args:
            name: Name of the crawler.
            deadline_seconds: Longest time to wait.
            on_crawl: Called with crawl id and `joined` once the crawl is known.

        Returns:
            What the crawl did.

        Raises:
            NotDeployedError: There is no such crawler.
            CrawlError: The crawl failed, was stopped, or did not end before the deadline.
            botocore.exceptions.ClientError: Glue refused a call for another reason, such as missing rights.
        """
        waiting = Waiting(deadline_seconds, clock=self._clock, sleep=self._sleep)
        return _Crawl(self.get_client(), name, waiting, on_crawl).run()


class _Crawl:
    """One start-or-join and the wait for it."""

    def __init__(self, client: Any, name: str, waiting: Waiting, on_crawl: Callable[[str, bool], None] | None) -> None:
        self._client = client
        self._name = name
        self._waiting = waiting
        self._on_crawl = on_crawl
        self._started = False
        self._crawl_id: str | None = None

    def run(self) -> CrawlResult:
        try:
            self._crawl_id = self._start_or_join()
            if self._on_crawl:
                self._on_crawl(self._crawl_id, not self._started)
            return self._wait(self._crawl_id)
        except _DeadlineError as error:
            self._stop()
            raise CrawlError(str(error), transient=True) from None
        except BaseException as error:
            # KeyboardInterrupt, and DagsterExecutionInterruptedError, which is no Exception either
            if not isinstance(error, Exception):
                self._stop()
            raise

    def _start_or_join(self) -> str:
        before = {crawl["CrawlId"] for crawl in self._crawls()}
        while True:
            if not self._started:
                self._started = self._start()
            new = [crawl for crawl in self._crawls() if crawl["CrawlId"] not in before]
            if self._started and new:
                # were there two new ones, the first to start is ours: the other could start only after it
                return str(min(new, key=_start_time)["CrawlId"])
            if not self._started:
                running = [crawl for crawl in self._crawls() if crawl.get("State") == "RUNNING"]
                if running:
                    return str(max(running, key=_start_time)["CrawlId"])
                # just stopping, or not listed yet: in a moment it can be started, or joined
            self._pause("the start of a crawl to be listed")

    def _start(self) -> bool:
        """Start the crawler; False when it runs already."""
        try:
            self._call("start_crawler", Name=self._name)
        except self._client.exceptions.CrawlerRunningException:
            return False
        return True

    def _wait(self, crawl_id: str) -> CrawlResult:
        while True:
            crawl = next((found for found in self._crawls() if found["CrawlId"] == crawl_id), None)
            state = crawl.get("State") if crawl else None
            if crawl and state == "COMPLETED":
                # a crawler is READY a moment after its crawl has ended, and only then takes the next start
                while self._call("get_crawler", Name=self._name)["Crawler"].get("State") == "STOPPING":
                    self._pause("the crawler to be ready")
                return self._result(crawl)
            if crawl and state in {"FAILED", "STOPPED"}:
                raise CrawlError(_failure(self._name, crawl))
            self._pause(f"crawl {crawl_id}")

    def _result(self, crawl: Mapping[str, Any]) -> CrawlResult:
        started, ended = crawl.get("StartTime"), crawl.get("EndTime")
        summary = crawl.get("Summary")
        return CrawlResult(
            crawler=self._name,
            crawl_id=str(crawl["CrawlId"]),
            joined=not self._started,
            state=str(crawl["State"]),
            started_at=started,
            seconds=(ended - started).total_seconds() if started and ended else None,
            dpu_hours=crawl.get("DPUHour"),
            partitions_added=partitions_added(summary),
            summary=summary,
            log_group=crawl.get("LogGroup"),
            log_stream=crawl.get("LogStream"),
        )

    def _crawls(self) -> Iterator[Mapping[str, Any]]:
        """The crawls of the newest page; AWS lists the newest first, and ours is among the newest hundred."""
        yield from self._call("list_crawls", CrawlerName=self._name, MaxResults=_PAGE).get("Crawls", [])

    def _pause(self, what: str) -> None:
        if self._waiting.is_over:
            raise _DeadlineError(
                f"crawler {self._name}: waited {self._waiting.deadline_seconds:.0f} s for {what}: "
                "look at the crawler's runs in the Glue console, then run this again"
            )
        self._waiting.pause()

    def _call(self, operation: str, **arguments: Any) -> Any:
        """Call Glue; throttling and faults of the service are waited out until the deadline."""
        from botocore.exceptions import ClientError

        while True:
            try:
                return getattr(self._client, operation)(**arguments)
            except self._client.exceptions.EntityNotFoundException as error:
                raise NotDeployedError(
                    f"there is no Glue crawler {self._name}: bring it back ({RESTORE_ADVICE})"
                ) from error
            except ClientError as error:
                if not is_transient(error):
                    raise
                self._pause(f"{operation} to be accepted ({error})")

    def _stop(self) -> None:
        """Stop the crawl that was started here; one that has ended meanwhile needs none."""
        if not self._started:
            return
        from botocore.exceptions import BotoCoreError, ClientError
        from dagster import get_dagster_logger

        try:
            self._client.stop_crawler(Name=self._name)
            get_dagster_logger().warning("stopped crawler %s", self._name)
        except (
            self._client.exceptions.CrawlerNotRunningException,
            self._client.exceptions.CrawlerStoppingException,
        ):
            pass
        except (ClientError, BotoCoreError) as error:
            # the interrupt matters more than the failed stop, but a crawl that goes on costs money
            get_dagster_logger().error("crawler %s could not be stopped and goes on: %s", self._name, error)


class _DeadlineError(Exception):
    pass


def _start_time(crawl: Mapping[str, Any]) -> float:
    started = crawl.get("StartTime")
    return started.timestamp() if isinstance(started, datetime) else 0.0


def _failure(name: str, crawl: Mapping[str, Any]) -> str:
    reason = crawl.get("ErrorMessage") or (
        "it was stopped" if crawl.get("State") == "STOPPED" else "Glue gives no reason"
    )
    log = f"{crawl.get('LogGroup') or '/aws-glue/crawlers'}, stream {crawl.get('LogStream') or name}"
    return f"crawl {crawl['CrawlId']} of crawler {name} {crawl.get('State')}: {reason}: its log is in CloudWatch {log}"


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
