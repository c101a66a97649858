"""A crawler's Configuration: JSON in a string (glue/latest/dg/crawler-configuration.html). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ddb_pipeline.local_aws.crawler.grouping import Grouping

NOT_DONE = "the local crawler does not do that"


class InvalidConfigurationError(Exception):
    """A member is wrong, or is more than the local crawler does.

    Attributes:
        name: The member.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


@dataclass(frozen=True)
class Configuration:
    """What it says.

    Attributes:
        inherit: Whether partitions have the table's schema.
        merge_new_columns: Whether a table keeps its columns and only gets new ones.
        table_threshold: How many tables a crawl may find; None: any number.
        grouping: How folders become tables.
    """

    inherit: bool = False
    merge_new_columns: bool = False
    table_threshold: int | None = None
    grouping: Grouping = field(default_factory=Grouping)

    @classmethod
    def parse(cls, text: str | None) -> Configuration:
        """Read it.

        Raises:
            InvalidConfigurationError: Something in it is wrong or not done here.
        """
        try:
            content = json.loads(text or "{}")
        except ValueError:
            raise InvalidConfigurationError("Configuration", "is not JSON") from None
        if not isinstance(content, dict):
            raise InvalidConfigurationError("Configuration", "is not a JSON object")
        if content.get("Version", 1.0) != 1.0:
            raise InvalidConfigurationError("Configuration.Version", "must be 1.0")
        if content.get("CreatePartitionIndex"):
            raise InvalidConfigurationError("Configuration.CreatePartitionIndex", NOT_DONE)
        known = ("Version", "CreatePartitionIndex", "CrawlerOutput", "Grouping")
        output, grouping = (_members(content, "Configuration", name, known) for name in known[2:])
        for member in grouping:
            if member not in {"TableGroupingPolicy", "TableLevelConfiguration"}:
                raise InvalidConfigurationError(f"Grouping.{member}", NOT_DONE)
        partitions = _members(output, "CrawlerOutput", "Partitions", ("Partitions", "Tables"))
        tables = _members(output, "CrawlerOutput", "Tables", ("Partitions", "Tables"))
        return cls(
            inherit=_behavior(partitions, "Partitions", "InheritFromTable"),
            merge_new_columns=_behavior(tables, "Tables", "MergeNewColumns"),
            table_threshold=_whole(tables, "TableThreshold", 1),
            grouping=Grouping(
                combine=_named(grouping, "TableGroupingPolicy", "CombineCompatibleSchemas"),
                level=_whole(grouping, "TableLevelConfiguration", 1),
            ),
        )


def _members(content: Mapping[str, Any], place: str, name: str, known: tuple[str, ...]) -> dict[str, Any]:
    for member in content:
        if member not in known:
            raise InvalidConfigurationError(f"{place}.{member}", NOT_DONE)
    found = content.get(name, {})
    if not isinstance(found, dict):
        raise InvalidConfigurationError(name, "is not a JSON object")
    return found


def _behavior(content: Mapping[str, Any], place: str, only: str) -> bool:
    known = ("AddOrUpdateBehavior", "TableThreshold") if place == "Tables" else ("AddOrUpdateBehavior",)
    for member in content:
        if member not in known:
            raise InvalidConfigurationError(f"CrawlerOutput.{place}.{member}", NOT_DONE)
    return _named(content, "AddOrUpdateBehavior", only)


def _named(content: Mapping[str, Any], name: str, only: str) -> bool:
    if content.get(name) not in {None, only}:
        raise InvalidConfigurationError(name, f"must be {only}")
    return name in content


def _whole(content: Mapping[str, Any], name: str, least: int) -> int | None:
    value = content.get(name)
    if name in content and (isinstance(value, bool) or not isinstance(value, int) or value < least):
        raise InvalidConfigurationError(name, f"must be a whole number from {least} on")
    return value
