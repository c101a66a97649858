"""Runs AWS Glue crawlers: start, join or wait, follow that very crawl, stop it when a person ends the run.

Works alone in any Dagster project (docs/resources.md). `GetCrawler` tells only of the last crawl, which can be another
one than ours (AWS Glue API, LastCrawl), so the crawl is followed by its id in `ListCrawls`, which has no boto3
paginator and lists a new crawl only after a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from ddb_pipeline.errors import NotDeployedError
from ddb_pipeline.resources.boto_resource import BotoResource
from ddb_pipeline.resources.crawls import CrawlError, CrawlResult, failure_of, result_of
from ddb_pipeline.resources.patience import patiently
from ddb_pipeline.resources.prices import DPU_HOUR_DOLLARS
from ddb_pipeline.resources.steps import Step, step_of
from ddb_pipeline.resources.waiting import Waiting

__all__ = ["CrawlError", "CrawlResult", "GlueCrawlerResource", "OnRunning"]

OnRunning = Literal["join", "wait", "fail"]
"""What to do with a crawl that somebody else has started: take it for ours, let it end first, or give up."""

_PAGE = 100
_MEMORY = "glue_crawl/"
"""Beginning of the run tag, with step and crawler in it, that holds the id of the crawl that the step waits for."""


class GlueCrawlerResource(BotoResource):
    """Starts AWS Glue crawlers, or joins them when they run, and waits for the end."""

    service: ClassVar[str] = "glue"

    missing_crawler_advice: str = Field(
        default="check its name, the region and the account", description="Said when there is no such crawler."
    )
    late_advice: str = Field(
        default="run this again, which joins it, or allow more time (deadline_seconds)",
        description="Said when a crawl goes on beyond the deadline.",
    )
    dpu_hour_dollars: float = Field(
        default=DPU_HOUR_DOLLARS,
        description="Price of a DPU hour in USD, for estimates: by default the list price of us-east-1 and "
        "eu-central-1 in 2025.",
    )

    def crawl(
        self,
        name: str,
        *,
        on_running: OnRunning = "join",
        deadline_seconds: float = 1800,
        context: Any = None,
    ) -> CrawlResult:
        """Crawl, and wait until that crawl has completed.

        When interrupted (also by Dagster's termination of the run), a crawl that was started here is stopped; one that
        somebody else started goes on. At the deadline, after another error, or when the process dies, it goes on as
        well, for it is paid for, and worth nothing before its end: the next attempt of the step finds it and waits for
        it, whatever `on_running` says, and a later run does what that says.

        Args:
            name: Name of the crawler.
            on_running: What to do when the crawler runs already: "join" takes that crawl for ours, "wait" waits for
                its end and crawls then, "fail" raises. A crawl that runs may have listed S3 already before the newest
                objects came: whoever must not miss them waits.
            deadline_seconds: Longest time to wait in all.
            context: Dagster's context of the asset, op or check: its run remembers the crawl for the next attempt.
                Without it a next attempt finds a crawl only by joining it.

        Returns:
            What the crawl did.

        Raises:
            NotDeployedError: There is no such crawler.
            CrawlError: The crawl failed, was stopped, or did not end before the deadline; or another one is running
                and `on_running` is "fail".
            botocore.exceptions.ClientError: Glue refused a call for another reason, such as missing rights.
            botocore.exceptions.BotoCoreError: Glue cannot be reached.
            ValueError: `on_running` is something else.
        """
        if on_running not in ("join", "wait", "fail"):
            raise ValueError(f"on_running = {on_running!r}: join, wait or fail")
        waiting = Waiting(deadline_seconds, clock=self._clock, sleep=self._sleep)
        return _Crawl(self, name, waiting, step_of(context)).run(on_running)


class _Crawl:
    """One crawl: found or started, then waited for."""

    def __init__(self, resource: GlueCrawlerResource, name: str, waiting: Waiting, step: Step | None) -> None:
        self._resource = resource
        self._client = resource.get_client()
        self._name = name
        self._waiting = waiting
        self._step = step
        self._crawl_id: str | None = None
        self._is_ours = False
        self._joined = False

    def run(self, on_running: OnRunning) -> CrawlResult:
        try:
            self._crawl_id = self._resumed() or self._begun(on_running)
            self._tell()
            return self._wait(self._crawl_id)
        except _DeadlineError as error:
            # what takes so long is not over in the moment after which a step is retried
            raise CrawlError(self._late(str(error)), self._crawl_id, transient=not self._goes_on) from None
        except BaseException as error:
            # KeyboardInterrupt, and DagsterExecutionInterruptedError, which is no Exception either
            if not isinstance(error, Exception):
                self._stop()
            raise

    def _resumed(self) -> str | None:
        """The crawl that an earlier attempt of this step was waiting for, if it runs.

        One that has ended saw nothing of what has arrived since.
        """
        known = self._step.recall(self._memory(self._step)) if self._step else None
        if not known:
            return None
        crawl_id, _, whose = known.partition(" ")
        if not any(crawl["CrawlId"] == crawl_id and crawl.get("State") == "RUNNING" for crawl in self._crawls()):
            return None
        self._is_ours, self._joined = whose == "ours", True
        return crawl_id

    def _begun(self, on_running: OnRunning) -> str:
        before = {crawl["CrawlId"] for crawl in self._crawls()}
        perhaps = False
        while True:
            started = self._start()
            if started == "yes":
                self._is_ours = True
                return self._listed(before)
            running = [crawl for crawl in self._crawls() if crawl.get("State") == "RUNNING"]
            new = [crawl for crawl in running if crawl["CrawlId"] not in before]
            # one that ran before we asked left no room for ours
            perhaps = (perhaps or started == "perhaps") and len(new) == len(running)
            if perhaps and new:
                self._is_ours = True
                return str(new[0]["CrawlId"])
            if running and on_running != "wait":
                crawl = max(running, key=_start_time)
                if on_running == "fail":
                    raise CrawlError(
                        f"crawler {self._name} is running already (crawl {crawl['CrawlId']}, since "
                        f"{crawl.get('StartTime')}) and on_running is fail: try again when it has ended, or join it",
                        str(crawl["CrawlId"]),
                        transient=True,
                    )
                self._joined = True
                return str(crawl["CrawlId"])
            # to be waited for; or just stopping, or not listed yet: in a moment it can be started, or joined
            self._pause("a crawl that somebody else started to end")
            if not perhaps:
                before = {crawl["CrawlId"] for crawl in self._crawls()}

    def _listed(self, before: set[str]) -> str:
        """The id of the crawl that was started just now."""
        while True:
            new = [crawl for crawl in self._crawls() if crawl["CrawlId"] not in before]
            if new:
                # were there two new ones, the first to start is ours: the other could start only after it
                return str(min(new, key=_start_time)["CrawlId"])
            self._pause("the start of a crawl to be listed")

    def _start(self) -> Literal["yes", "no", "perhaps"]:
        """Start the crawler; "no" when it runs already.

        "perhaps" where the start had to be asked for again: the first one may have been heard, and its answer lost.
        """
        attempts = 0

        def start(**arguments: Any) -> None:
            nonlocal attempts
            attempts += 1
            self._client.start_crawler(**arguments)

        try:
            self._call("start_crawler", start, Name=self._name)
        except self._client.exceptions.CrawlerRunningException as error:
            by_boto3 = int(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0))
            return "perhaps" if attempts > 1 or by_boto3 else "no"
        return "yes"

    def _tell(self) -> None:
        from dagster import get_dagster_logger

        log = get_dagster_logger()
        log.info("%s crawl %s of crawler %s", "joined" if self._joined else "started", self._crawl_id, self._name)
        if self._step:
            whose = "ours" if self._is_ours else "joined"
            self._step.remember(self._memory(self._step), f"{self._crawl_id} {whose}")

    def _memory(self, step: Step) -> str:
        # of this step alone: what another one has started is somebody else's to it
        return f"{_MEMORY}{step.key}/{self._name}"

    def _wait(self, crawl_id: str) -> CrawlResult:
        while True:
            crawl = next((found for found in self._crawls() if found["CrawlId"] == crawl_id), None)
            state = crawl.get("State") if crawl else None
            if crawl and state == "COMPLETED":
                self._wait_until_ready()
                return result_of(
                    crawl,
                    self._name,
                    joined=self._joined,
                    region=self._region,
                    dpu_hour_dollars=self._resource.dpu_hour_dollars,
                )
            if crawl and state in {"FAILED", "STOPPED"}:
                raise failure_of(crawl, self._name, self._region)
            self._pause(f"crawl {crawl_id}")

    def _wait_until_ready(self) -> None:
        """A crawler is READY a moment after its crawl has ended, and only then takes the next start.

        That is a kindness to whoever crawls next: the crawl has completed, whether or not Glue tells us more.
        """
        from botocore.exceptions import BotoCoreError, ClientError
        from dagster import get_dagster_logger

        try:
            while self._call("get_crawler", Name=self._name)["Crawler"].get("State") == "STOPPING":
                self._pause("the crawler to be ready")
        except (_DeadlineError, NotDeployedError, ClientError, BotoCoreError) as error:
            get_dagster_logger().warning("crawler %s may not be ready yet for its next crawl: %s", self._name, error)

    @property
    def _region(self) -> str:
        return str(self._client.meta.region_name)

    def _crawls(self) -> list[Mapping[str, Any]]:
        """The crawls of the newest page; AWS lists the newest first, and ours is among the newest hundred."""
        return list(self._call("list_crawls", CrawlerName=self._name, MaxResults=_PAGE).get("Crawls", []))

    def _pause(self, what: str) -> None:
        if self._waiting.is_over:
            raise _DeadlineError(f"waited {self._waiting.deadline_seconds:.0f} s for {what}")
        self._waiting.pause()

    @property
    def _goes_on(self) -> bool:
        # one that was started may not be listed yet
        return self._is_ours or self._crawl_id is not None

    def _late(self, waited: str) -> str:
        if self._goes_on:
            return f"crawler {self._name}: {waited}: it goes on: {self._resource.late_advice}"
        return (
            f"crawler {self._name}: {waited}: look at the crawler's runs in the Glue console, then run this again, or "
            "allow more time (deadline_seconds)"
        )

    def _call(self, operation: str, call: Callable[..., Any] | None = None, **arguments: Any) -> Any:
        """Call Glue; throttling and faults of the service are waited out until the deadline.

        An unreachable Glue is waited for once a crawl is under way, and not for long.
        """
        try:
            return patiently(
                lambda: (call or getattr(self._client, operation))(**arguments),
                self._waiting,
                self._pause,
                operation,
                under_way=self._crawl_id is not None,
            )
        except self._client.exceptions.EntityNotFoundException as error:
            advice = self._resource.missing_crawler_advice
            raise NotDeployedError(f"there is no Glue crawler {self._name}: {advice}") from error

    def _stop(self) -> None:
        """Stop the crawl that was started here; one that has ended meanwhile needs none."""
        if not self._is_ours:
            return
        from botocore.exceptions import BotoCoreError, ClientError
        from dagster import get_dagster_logger

        try:
            if self._has_ended():
                return
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

    def _has_ended(self) -> bool:
        """Whether our crawl is known to have ended: StopCrawler takes no id, and might meet one after ours."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            listed = self._client.list_crawls(CrawlerName=self._name, MaxResults=_PAGE).get("Crawls", [])
        except (ClientError, BotoCoreError):
            return False  # to stop it matters more
        return any(crawl["CrawlId"] == self._crawl_id and crawl.get("State") != "RUNNING" for crawl in listed)


class _DeadlineError(Exception):
    pass


def _start_time(crawl: Mapping[str, Any]) -> float:
    started = crawl.get("StartTime")
    return started.timestamp() if isinstance(started, datetime) else 0.0
