"""Glue's API in front of the local crawlers: requests of operations that moto lacks or answers otherwise."""

from __future__ import annotations

from typing import cast

from moto.core.responses import ActionResult, EmptyResult
from moto.glue.models import glue_backends
from moto.glue.responses import GlueResponse
from moto.glue.utils import validate_crawl_filters

from ddb_pipeline.local_aws.crawler.backend import LocalGlueBackend

_DEFAULT_CRAWLS = 20
_MOST_CRAWLS = 100

PARTITIONS_IN_AN_ANSWER = 1000
"""How many keys BatchGetPartition looks up at once. AWS names the rest in UnprocessedKeys, and does not document when
there is one: a test sets less."""


class LocalGlueResponse(GlueResponse):
    """Each method is an operation of the API, named in snake case."""

    @property
    def glue_backend(self) -> LocalGlueBackend:
        """Glue of the caller's account and region."""
        return cast("LocalGlueBackend", glue_backends[self.current_account][self.region])

    def batch_get_partition(self) -> ActionResult:
        """BatchGetPartition, which moto answers without UnprocessedKeys. What does not exist is named nowhere."""
        keys = self.parameters["PartitionsToGet"]
        partitions = self.glue_backend.batch_get_partition(
            self.parameters["DatabaseName"], self.parameters["TableName"], keys[:PARTITIONS_IN_AN_ANSWER]
        )
        return ActionResult({"Partitions": partitions, "UnprocessedKeys": keys[PARTITIONS_IN_AN_ANSWER:]})

    def update_crawler(self) -> ActionResult:
        """UpdateCrawler."""
        changes = dict(self.parameters)
        self.glue_backend.update_crawler(changes.pop("Name"), changes)
        return EmptyResult()

    def start_crawler_schedule(self) -> ActionResult:
        """StartCrawlerSchedule."""
        self.glue_backend.local_crawler(self.parameters["CrawlerName"]).start_schedule()
        return EmptyResult()

    def stop_crawler_schedule(self) -> ActionResult:
        """StopCrawlerSchedule."""
        self.glue_backend.local_crawler(self.parameters["CrawlerName"]).stop_schedule()
        return EmptyResult()

    def update_crawler_schedule(self) -> ActionResult:
        """UpdateCrawlerSchedule."""
        self.glue_backend.update_schedule(self.parameters["CrawlerName"], self.parameters.get("Schedule"))
        return EmptyResult()

    def list_crawls(self) -> ActionResult:
        """ListCrawls. MaxResults is 20 when not given, and 100 at most (its documentation)."""
        limit = min(self.parameters.get("MaxResults") or _DEFAULT_CRAWLS, _MOST_CRAWLS)
        crawls, token = self.glue_backend.crawl_history(
            self.parameters["CrawlerName"],
            validate_crawl_filters(self.parameters.get("Filters") or []),
            limit,
            self.parameters.get("NextToken"),
        )
        return ActionResult({"Crawls": crawls} | ({"NextToken": token} if token else {}))

    def get_crawler_metrics(self) -> ActionResult:
        """GetCrawlerMetrics."""
        names = self.parameters.get("CrawlerNameList") or []
        return ActionResult({"CrawlerMetricsList": self.glue_backend.crawler_metrics(names)})
