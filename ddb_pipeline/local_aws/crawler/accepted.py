"""What a local crawler may be told: exactly what it really does, anything else is refused by name.

Its rules are those of AWS (Glue developer guide, "Crawler properties"; botocore's shapes), and narrower where the local
crawler does less.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from moto.glue.exceptions import InvalidInputException

from ddb_pipeline.local_aws.crawler.configuration import NOT_DONE, Configuration, InvalidConfigurationError
from ddb_pipeline.local_aws.crawler.cron import Cron, InvalidScheduleError
from ddb_pipeline.local_aws.crawler.folders import Location

_CATALOG_MEMBERS = ("DatabaseName", "Tables")
_S3_MEMBERS = ("Path", "Exclusions", "SampleSize")
_UPDATE_BEHAVIORS = ("UPDATE_IN_DATABASE", "LOG")
_DELETE_BEHAVIORS = ("DEPRECATE_IN_DATABASE", "DELETE_FROM_DATABASE", "LOG")
_LONGEST_PREFIX = 64
_MOST_SAMPLES = 249


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
    targets = settings.get("Targets") or {}
    check.targets(targets)
    on_catalog = bool(targets.get("CatalogTargets"))
    configuration = check.configuration(settings.get("Configuration"))
    check.policies(settings, on_catalog=on_catalog)
    if on_catalog:
        check.catalog_configuration(configuration, settings)
    elif not settings.get("DatabaseName"):
        check.refuse("DatabaseName", "is missing: an S3 target's tables need a database")
    if len(settings.get("TablePrefix") or "") > _LONGEST_PREFIX:
        check.refuse("TablePrefix", f"has more than {_LONGEST_PREFIX} characters")
    if (settings.get("LineageConfiguration") or {}).get("CrawlerLineageSettings", "DISABLE") != "DISABLE":
        check.refuse("LineageConfiguration", NOT_DONE)
    if settings.get("Classifiers"):
        check.refuse("Classifiers", NOT_DONE)
    if settings.get("Schedule"):
        check_schedule(str(settings["Schedule"]), operation)


def check_schedule(expression: str, operation: str) -> None:
    """Check a schedule.

    Raises:
        InvalidInputException: It is none.
    """
    try:
        Cron.parse(expression)
    except InvalidScheduleError as error:
        raise InvalidInputException(operation, f"Schedule: {error}") from None


class _Check:
    def __init__(self, operation: str) -> None:
        self._operation = operation

    def refuse(self, name: str, reason: str) -> NoReturn:
        raise InvalidInputException(self._operation, f"{name}: {reason}")

    def targets(self, targets: Mapping[str, Any]) -> None:
        for kind, listed in targets.items():
            if kind not in {"CatalogTargets", "S3Targets"} and listed:
                self.refuse(f"Targets.{kind}", f"{NOT_DONE}: it crawls S3Targets and CatalogTargets")
        catalog, s3 = targets.get("CatalogTargets") or [], targets.get("S3Targets") or []
        if bool(catalog) == bool(s3):
            self.refuse("Targets", "must name either S3Targets or CatalogTargets")
        self.members("CatalogTargets", catalog, _CATALOG_MEMBERS)
        self.members("S3Targets", s3, _S3_MEMBERS)
        for target in catalog:
            for member in _CATALOG_MEMBERS:
                if not target.get(member):
                    self.refuse(f"Targets.CatalogTargets.{member}", "is missing")
        for target in s3:
            if Location.parse(target.get("Path") or "") is None:
                self.refuse("Targets.S3Targets.Path", f"{target.get('Path')} is no path s3://bucket/folder/")
            if not 1 <= target.get("SampleSize", 1) <= _MOST_SAMPLES:
                self.refuse("Targets.S3Targets.SampleSize", f"is from 1 to {_MOST_SAMPLES}")

    def members(self, kind: str, targets: list[dict[str, Any]], known: tuple[str, ...]) -> None:
        """Refuse members of targets that are not known."""
        for target in targets:
            for member, value in target.items():
                if member not in known and value:
                    self.refuse(f"Targets.{kind}.{member}", NOT_DONE)

    def policies(self, settings: Mapping[str, Any], *, on_catalog: bool) -> None:
        """Check what becomes of changes, and what is crawled again."""
        policy = settings.get("SchemaChangePolicy") or {}
        for name, known in (("UpdateBehavior", _UPDATE_BEHAVIORS), ("DeleteBehavior", _DELETE_BEHAVIORS)):
            behavior = policy.get(name, known[0])
            if behavior not in known:
                self.refuse(f"SchemaChangePolicy.{name}", f"must be one of {', '.join(known)}")
            if on_catalog and behavior != "LOG":
                self.refuse(f"SchemaChangePolicy.{name}", "must be LOG: the crawler leaves its table alone")
        recrawl = (settings.get("RecrawlPolicy") or {}).get("RecrawlBehavior", "CRAWL_EVERYTHING")
        if recrawl == "CRAWL_NEW_FOLDERS_ONLY":
            # AWS' own words: hashicorp/terraform-provider-aws issue 22868, LBHackney-IT/Data-Platform pull 2418
            if on_catalog:
                message = 'RecrawlBehavior "Crawl new folders only" can only apply to Amazon S3 target.'
                raise InvalidInputException(self._operation, message)
            if {policy.get("UpdateBehavior"), policy.get("DeleteBehavior")} != {"LOG"}:
                message = (
                    'The SchemaChangePolicy for "Crawl new folders only" Amazon S3 target can have only LOG '
                    "DeleteBehavior value and LOG UpdateBehavior value."
                )
                raise InvalidInputException(self._operation, message)
        elif recrawl != "CRAWL_EVERYTHING":
            self.refuse(f"RecrawlPolicy.RecrawlBehavior {recrawl}", NOT_DONE)

    def configuration(self, text: str | None) -> Configuration:
        try:
            return Configuration.parse(text)
        except InvalidConfigurationError as error:
            self.refuse(error.name, str(error))

    def catalog_configuration(self, configuration: Configuration, settings: Mapping[str, Any]) -> None:
        """Partitions of a catalog target follow their table; its grouping is forced, so saying it changes nothing."""
        if not configuration.inherit:
            self.refuse(
                "Configuration.CrawlerOutput",
                'must be {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}} with a catalog target: '
                "the local crawler infers no schema for a table that is there already",
            )
        if configuration.merge_new_columns or configuration.table_threshold or configuration.grouping.level:
            self.refuse("Configuration", f"{NOT_DONE} with a catalog target")
        if settings.get("TablePrefix"):
            self.refuse("TablePrefix", "names new tables, and a catalog target makes none")
