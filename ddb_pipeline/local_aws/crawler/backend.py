"""moto's Glue backend with crawlers that crawl.

Clients, crawls and the deployment change crawlers and partitions from several threads: one lock guards both.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from moto.core.utils import utcnow
from moto.glue import urls
from moto.glue.exceptions import CrawlerAlreadyExistsException, InvalidInputException, NoCrawlsEntryForCrawler
from moto.glue.models import FakePartition, GlueBackend
from moto.glue.utils import CrawlFilter

from ddb_pipeline.local_aws.crawler import scheduler
from ddb_pipeline.local_aws.crawler.accepted import check_crawler, check_schedule
from ddb_pipeline.local_aws.crawler.model import Crawl, LocalCrawler

# members of UpdateCrawler's request, and the attributes of moto's crawler that hold them
_ATTRIBUTES = {
    "Role": "role",
    "DatabaseName": "database_name",
    "Description": "description",
    "Targets": "targets",
    "Schedule": "schedule",
    "Classifiers": "classifiers",
    "TablePrefix": "table_prefix",
    "SchemaChangePolicy": "schema_change_policy",
    "RecrawlPolicy": "recrawl_policy",
    "LineageConfiguration": "lineage_configuration",
    "Configuration": "configuration",
    "CrawlerSecurityConfiguration": "crawler_security_configuration",
}

_SCHEMA_CHANGE_DEFAULTS = {"UpdateBehavior": "UPDATE_IN_DATABASE", "DeleteBehavior": "DEPRECATE_IN_DATABASE"}

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "GT": lambda found, wanted: found > wanted,
    "GE": lambda found, wanted: found >= wanted,
    "LT": lambda found, wanted: found < wanted,
    "LE": lambda found, wanted: found <= wanted,
    "EQ": lambda found, wanted: found == wanted,
    "NE": lambda found, wanted: found != wanted,
}


class LocalGlueBackend(GlueBackend):
    """Glue of one account and region."""

    # moto makes one per region; reset() runs __init__ again, so that a later reset has a lock of its own
    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.lock = threading.RLock()

    @property
    def _url_module(self) -> Any:
        from ddb_pipeline.local_aws.crawler.api import LocalGlueResponse

        return SimpleNamespace(url_bases=urls.url_bases, url_paths={"{0}/$": LocalGlueResponse.dispatch})

    def create_crawler(  # noqa: PLR0917 (moto's signature)
        self,
        name: str,
        role: str,
        database_name: str | None = None,
        description: str | None = None,
        targets: dict[str, Any] | None = None,
        schedule: str | None = None,
        classifiers: list[str] | None = None,
        table_prefix: str | None = None,
        schema_change_policy: dict[str, str] | None = None,
        recrawl_policy: dict[str, str] | None = None,
        lineage_configuration: dict[str, str] | None = None,
        configuration: str | None = None,
        crawler_security_configuration: str | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        """CreateCrawler, with moto's arguments.

        Raises:
            InvalidInputException: The crawler would have to do what the local one does not.
            CrawlerAlreadyExistsException: There is one of that name.
        """
        settings: dict[str, Any] = {
            "role": role,
            "database_name": database_name,
            "description": description,
            "targets": targets,
            "schedule": schedule,
            "classifiers": classifiers,
            "table_prefix": table_prefix,
            "schema_change_policy": schema_change_policy,
            "recrawl_policy": recrawl_policy,
            "lineage_configuration": lineage_configuration,
            "configuration": configuration,
            "crawler_security_configuration": crawler_security_configuration,
        }
        request = {member: settings[attribute] for member, attribute in _ATTRIBUTES.items()}
        check_crawler({"Name": name} | request, "CreateCrawler")
        settings["schema_change_policy"] = {**_SCHEMA_CHANGE_DEFAULTS, **(schema_change_policy or {})}
        settings["recrawl_policy"] = recrawl_policy or {"RecrawlBehavior": "CRAWL_EVERYTHING"}
        with self.lock:
            if name in self.crawlers:
                raise CrawlerAlreadyExistsException
            self.crawlers[name] = LocalCrawler(name=name, backend=self, tags=tags, **settings)
        if schedule:
            scheduler.watch()

    def update_crawler(self, name: str, changes: Mapping[str, Any]) -> None:
        """UpdateCrawler.

        Args:
            name: Name of the crawler.
            changes: Members of the request that are to change, named as in the API.

        Raises:
            CrawlerNotFoundException: There is none of that name.
            CrawlerRunningException: It is running or stopping.
            InvalidInputException: As with `create_crawler`.
        """
        with self.lock:
            crawler = self.local_crawler(name)
            crawler.refuse_while_running()
            unknown = sorted(set(changes) - set(_ATTRIBUTES))
            if unknown:
                raise InvalidInputException("UpdateCrawler", f"{unknown[0]}: the local crawler does not do that")
            settings = {member: getattr(crawler, attribute) for member, attribute in _ATTRIBUTES.items()}
            changed = settings | dict(changes)
            check_crawler({"Name": name} | changed, "UpdateCrawler")
            recrawl = (changed["RecrawlPolicy"] or {}).get("RecrawlBehavior")
            if recrawl == "CRAWL_NEW_FOLDERS_ONLY" and changed["Targets"] != settings["Targets"]:
                raise InvalidInputException(
                    "UpdateCrawler", "Targets: the targets of a crawler of new folders only can't be changed"
                )
            for member, value in changes.items():
                setattr(crawler, _ATTRIBUTES[member], value)
            if "Schedule" in changes:
                crawler.is_scheduled = bool(changes["Schedule"])
            crawler.version += 1
            crawler.last_updated = utcnow()
        if changes.get("Schedule"):
            scheduler.watch()

    def update_schedule(self, name: str, expression: str | None) -> None:
        """UpdateCrawlerSchedule; none takes the schedule away."""
        if expression:
            check_schedule(expression, "UpdateCrawlerSchedule")
        with self.lock:
            crawler = self.local_crawler(name)
            crawler.schedule, crawler.is_scheduled = expression or "", bool(expression)
            crawler.last_updated = utcnow()
        if expression:
            scheduler.watch()

    def scheduled_crawlers(self) -> list[LocalCrawler]:
        """The crawlers that start by the clock."""
        with self.lock:
            crawlers = [self.local_crawler(name) for name in self.crawlers]
            return [crawler for crawler in crawlers if crawler.schedule and crawler.is_scheduled]

    def delete_crawler(self, name: str) -> None:
        """DeleteCrawler; refused while the crawler runs."""
        with self.lock:
            self.local_crawler(name).refuse_while_running()
            super().delete_crawler(name)

    def local_crawler(self, name: str) -> LocalCrawler:
        """The crawler of that name; every crawler here is a local one."""
        crawler = self.get_crawler(name)
        if not isinstance(crawler, LocalCrawler):
            raise TypeError(f"crawler {name} was made past create_crawler")
        return crawler

    def crawler_metrics(self, names: list[str]) -> list[dict[str, Any]]:
        """GetCrawlerMetrics: of the named crawlers that there are, or of all."""
        with self.lock:
            return [
                self.local_crawler(name).metrics() for name in names or list(self.crawlers) if name in self.crawlers
            ]

    def crawl_history(
        self, name: str, filters: list[CrawlFilter], limit: int, token: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """ListCrawls: the newest crawl first.

        Args:
            name: Name of the crawler.
            filters: All must hold.
            limit: Most crawls in the answer.
            token: Where the page begins, from the answer before.

        Returns:
            API shapes CrawlerHistory, and the token of the next page or None.

        Raises:
            NoCrawlsEntryForCrawler: There is no crawler of that name.
            InvalidInputException: A filter's value or the token is not valid.
        """
        if name not in self.crawlers:
            raise NoCrawlsEntryForCrawler(name)
        with self.lock:
            crawls = [
                crawl
                for crawl in reversed(self.local_crawler(name).history)
                if all(_passes(crawl, crawl_filter) for crawl_filter in filters)
            ]
            # a crawl's id, and no number: crawls that start meanwhile do not shift the pages
            identities = [crawl.crawl_id for crawl in crawls]
            if token is not None and token not in identities:
                raise InvalidInputException("ListCrawls", "NextToken is not valid")
            start = identities.index(token) if token else 0
            page = [crawl.as_history() for crawl in crawls[start : start + limit]]
        return page, identities[start + limit] if len(crawls) > start + limit else None

    # Reading partitions while a crawl adds some would fail half way through without the lock.

    def get_partitions(self, database_name: str, table_name: str, expression: str) -> list[FakePartition]:
        """GetPartitions."""
        with self.lock:
            return super().get_partitions(database_name, table_name, expression)

    def create_partition(self, database_name: str, table_name: str, part_input: dict[str, Any]) -> None:
        """CreatePartition."""
        with self.lock:
            super().create_partition(database_name, table_name, part_input)

    def batch_create_partition(
        self, database_name: str, table_name: str, partition_input: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """BatchCreatePartition."""
        with self.lock:
            return super().batch_create_partition(database_name, table_name, partition_input)

    def reset(self) -> None:
        """Forget everything, after the crawls have stopped."""
        for crawler in self.crawlers.values():
            if isinstance(crawler, LocalCrawler):
                crawler.stop_and_wait()
        super().reset()


def _passes(crawl: Crawl, crawl_filter: CrawlFilter) -> bool:
    found, wanted = _filtered(crawl, crawl_filter.field_name.value, crawl_filter.field_value)
    return found is not None and _COMPARISONS[crawl_filter.operator.value](found, wanted)


def _filtered(crawl: Crawl, field: str, value: str) -> tuple[Any, Any]:
    """The crawl's value and the filter's, so that they compare; times are epoch milliseconds (CrawlsFilter)."""
    if field == "CRAWL_ID":
        return crawl.crawl_id, value
    if field == "STATE":
        return crawl.state, value
    try:
        number = float(value)
    except ValueError:
        raise InvalidInputException("ListCrawls", f"FieldValue {value} of {field} is not a number") from None
    if field == "DPU_HOUR":
        return 0.0, number
    return _milliseconds(crawl.started_at if field == "START_TIME" else crawl.ended_at), number


def _milliseconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.astimezone(UTC).timestamp() * 1000 // 1
