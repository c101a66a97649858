"""What a local crawler may be told: exactly what it really does, anything else is refused by name.

Its rules are those of a catalog target on AWS (Glue developer guide, "Crawler properties": no other target beside
it, DeleteBehavior LOG), and narrower where the local crawler does less.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from moto.glue.exceptions import InvalidInputException

_TARGET_MEMBERS = {"DatabaseName", "Tables"}
_NOT_DONE = "the local crawler does not do that"


def check_crawler(settings: Mapping[str, Any], operation: str) -> None:
    """Check the settings of a crawler.

    Args:
        settings: Members of CreateCrawler's request, or of a crawler after UpdateCrawler; None is absence.
        operation: Name of the operation, for the error.

    Raises:
        InvalidInputException: Something is missing, or is more than the local crawler does. The message names it.
    """
    check = _Check(operation)
    for name in ("Name", "Role"):
        if not settings.get(name):
            check.refuse(name, "is missing")
    check.targets(settings.get("Targets") or {})
    check.configuration(settings.get("Configuration"))
    policy = settings.get("SchemaChangePolicy") or {}
    for behavior in ("UpdateBehavior", "DeleteBehavior"):
        if policy.get(behavior) != "LOG":
            check.refuse(f"SchemaChangePolicy.{behavior}", "must be LOG: the crawler leaves its table alone")
    recrawl = (settings.get("RecrawlPolicy") or {}).get("RecrawlBehavior", "CRAWL_EVERYTHING")
    if recrawl == "CRAWL_NEW_FOLDERS_ONLY":
        # AWS' own words: hashicorp/terraform-provider-aws issue 22868
        raise InvalidInputException(
            operation, 'RecrawlBehavior "Crawl new folders only" can only apply to Amazon S3 target.'
        )
    if recrawl != "CRAWL_EVERYTHING":
        check.refuse(f"RecrawlPolicy.RecrawlBehavior {recrawl}", _NOT_DONE)
    if (settings.get("LineageConfiguration") or {}).get("CrawlerLineageSettings", "DISABLE") != "DISABLE":
        check.refuse("LineageConfiguration", _NOT_DONE)
    for name in ("Schedule", "Classifiers", "TablePrefix"):
        if settings.get(name):
            check.refuse(name, _NOT_DONE)


class _Check:
    def __init__(self, operation: str) -> None:
        self._operation = operation

    def refuse(self, name: str, reason: str) -> NoReturn:
        raise InvalidInputException(self._operation, f"{name}: {reason}")

    def targets(self, targets: Mapping[str, Any]) -> None:
        for kind, listed in targets.items():
            if kind != "CatalogTargets" and listed:
                self.refuse(f"Targets.{kind}", f"{_NOT_DONE}: it crawls CatalogTargets only")
        if not targets.get("CatalogTargets"):
            self.refuse("Targets", "names no CatalogTargets")
        for target in targets["CatalogTargets"]:
            for member, value in target.items():
                if member not in _TARGET_MEMBERS and value:
                    self.refuse(f"Targets.CatalogTargets.{member}", _NOT_DONE)
            for member in sorted(_TARGET_MEMBERS):
                if not target.get(member):
                    self.refuse(f"Targets.CatalogTargets.{member}", "is missing")

    def configuration(self, text: str | None) -> None:
        try:
            configuration = json.loads(text or "{}")
        except ValueError:
            self.refuse("Configuration", "is not JSON")
        if not isinstance(configuration, dict):
            self.refuse("Configuration", "is not a JSON object")
        output = configuration.pop("CrawlerOutput", None)
        if output != {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}:
            self.refuse(
                "Configuration.CrawlerOutput",
                'must be {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}: '
                "the local crawler does not infer schemas",
            )
        if configuration.pop("Version", 1.0) != 1.0:
            self.refuse("Configuration.Version", "must be 1.0")
        # forced for a catalog target on AWS, so that saying it changes nothing
        if configuration.pop("Grouping", None) not in (None, {"TableGroupingPolicy": "CombineCompatibleSchemas"}):
            self.refuse("Configuration.Grouping", "must be CombineCompatibleSchemas")
        for name in configuration:
            self.refuse(f"Configuration.{name}", _NOT_DONE)
