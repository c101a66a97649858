"""What `pipeline.toml` says of a pipeline. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, cast

from ddb_pipeline.change_row import STORAGES, Format
from ddb_pipeline.declared_columns import DeclaredColumn, declared_columns
from ddb_pipeline.toml_table import IN_NO_STAGE, ByStage, Table

LONGEST_KEY_NAME = 255
"""Bytes of UTF-8 (developerguide/HowItWorks.NamingRulesDataTypes.html); a time-to-live attribute has the same limit."""

FIRST_DAY = date(2012, 1, 1)
"""The year in which DynamoDB began: no change is older."""

TABLE_NAME = r"[A-Za-z0-9_.-]{3,255}"
KEY_ARN = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})"
KEY_ARN_RULE = 'the ARN of a key such as "arn:aws:kms:eu-central-1:111122223333:key/...", of no alias'

_KEY_RULE = 'name and type of the attribute, such as { name = "pk", type = "S" }'

KeyType = Literal["S", "N", "B"]
BaselineKind = Literal["none", "snapshot", "export"]
CatalogKind = Literal["crawler", "projection"]


@dataclass(frozen=True)
class KeyAttribute:
    """A key attribute of the table: its name and its DynamoDB type (S string, N number, B binary)."""

    name: str
    type: KeyType


@dataclass(frozen=True)
class Pipeline:
    """One table and everything that streams and answers for it.

    Attributes:
        name: Name of the pipeline; prefix of its Dagster asset keys and part of its AWS names.
        partition_key: The table's partition key.
        sort_key: The table's sort key, or None.
        time_to_live_attribute: Attribute with the epoch second after which DynamoDB deletes an item, or None. For
            tables that the stack makes: an existing one has a setting of its own.
        start_date: First day (UTC) of the hourly partitions in Dagster.
        crawl_schedule: Cron expression (UTC) of the crawl that backs the arrivals sensor up.
        views_schedule: Cron expression (UTC) of the daily refresh of the views.
        attribute_changes_depth: How deep into maps `attribute_changes` looks; 1: top-level attributes.
        columns: Attributes with a declared type; they come first among the columns.
        discover_columns: Whether all other attributes that are met become columns of the views too.
        item_column_depth: How many names an attribute's path may have: 1 is an attribute, 2 a member of a map in it.
        max_item_columns: Most attributes that become columns; the rest is in `item` and `image` only.
        baseline: Where baselines come from: a snapshot of our own state, an export of the table, or there are none.
        baseline_schedule: Cron expression (UTC) of the making of a baseline.
        baselines_kept: How many baselines are kept, 2 or more: they are the past that `query --as-of` starts from.
        format: What the raw objects are. Another one than before: those that are there stay, and are read with the new.
        catalog: How Athena gets to know of hours: a crawler registers them, or it computes them (partition projection).
        existing_table: Name of the table that is streamed, in the stages where the stack makes none.
        existing_table_key: ARN of the KMS key of the account's own that encrypts the existing table, if one does.
    """

    name: str
    partition_key: KeyAttribute
    sort_key: KeyAttribute | None
    time_to_live_attribute: str | None
    start_date: date
    crawl_schedule: str
    views_schedule: str
    columns: tuple[DeclaredColumn, ...] = ()
    discover_columns: bool = True
    item_column_depth: int = 2
    max_item_columns: int = 200
    baseline: BaselineKind = "none"
    baseline_schedule: str = "0 3 * * 0"
    attribute_changes_depth: int = 1
    baselines_kept: int = 3
    format: Format = "json"
    catalog: CatalogKind = "crawler"
    existing_table: ByStage = IN_NO_STAGE
    existing_table_key: ByStage = IN_NO_STAGE

    @property
    def key_attributes(self) -> tuple[KeyAttribute, ...]:
        """Partition key, then sort key if there is one."""
        return (self.partition_key,) if self.sort_key is None else (self.partition_key, self.sort_key)


def read_pipeline(name: str, table: Table) -> Pipeline:
    """Read a table `[pipelines.<name>]`.

    Raises:
        DeclarationError: It says something that is not allowed.
    """
    table.check_name(name, pattern=r"[a-z][a-z0-9_]{0,31}", rule="a lower-case letter, then up to 31 of a-z 0-9 _")
    pipeline = Pipeline(
        name=name,
        partition_key=_key_attribute(table.table("partition_key", _KEY_RULE)),
        sort_key=_key_attribute(table.table("sort_key", _KEY_RULE)) if table.has("sort_key") else None,
        time_to_live_attribute=table.text("time_to_live_attribute", default=None),
        # tomorrow: where it has begun, it is still today in UTC
        start_date=table.day("start_date", FIRST_DAY, datetime.now(UTC).date() + timedelta(days=1)),
        crawl_schedule=table.cron("crawl_schedule", default="5 * * * *"),
        views_schedule=table.cron("views_schedule", default="30 6 * * *"),
        columns=declared_columns(table.mapping("columns"), table.fail),
        discover_columns=table.boolean("discover_columns", default=True),
        item_column_depth=table.integer("item_column_depth", 1, 5, default=2),
        max_item_columns=table.integer("max_item_columns", 0, 500, default=200),
        baseline=cast("BaselineKind", table.choice("baseline", ("none", "snapshot", "export"), default="none")),
        baseline_schedule=table.cron("baseline_schedule", default="0 3 * * 0"),
        attribute_changes_depth=table.integer("attribute_changes_depth", 1, 10, default=1),
        baselines_kept=table.integer("baselines_kept", 2, 100, default=3),
        format=cast("Format", table.choice("format", tuple(STORAGES), default="json")),
        catalog=cast("CatalogKind", table.choice("catalog", ("crawler", "projection"), default="crawler")),
        existing_table=table.by_stage(
            "existing_table", TABLE_NAME, "a table's name of 3 to 255 characters (a-z A-Z 0-9 _ . -), not its ARN"
        ),
        existing_table_key=table.by_stage("existing_table_key", KEY_ARN, KEY_ARN_RULE),
    )
    table.refuse_unknown_keys()
    _check_columns(pipeline, table)
    _check_effect(pipeline, table)
    _check_time_to_live(pipeline, table)
    if pipeline.sort_key is not None and pipeline.sort_key.name == pipeline.partition_key.name:
        table.fail("sort_key.name", pipeline.sort_key.name, "a name other than the partition key's")
    return pipeline


def _check_columns(pipeline: Pipeline, table: Table) -> None:
    keys = {(attribute.name,) for attribute in pipeline.key_attributes}
    for column in pipeline.columns:
        if column.path in keys:
            table.fail("columns", column.path[0], "an attribute that is no key: key attributes have columns as it is")
    if len(pipeline.columns) > pipeline.max_item_columns:
        table.fail("columns", len(pipeline.columns), f"max_item_columns = {pipeline.max_item_columns} columns at most")


def _check_effect(pipeline: Pipeline, table: Table) -> None:
    """Refuse settings that nothing would come of: whoever wrote them believes to have what they are settings of."""
    if pipeline.baseline != "none":
        return
    for key in ("baseline_schedule", "baselines_kept"):
        if table.has(key):
            table.fail(key, getattr(pipeline, key), 'nothing with baseline = "none", the default: no baseline is made')


def _check_time_to_live(pipeline: Pipeline, table: Table) -> None:
    name = pipeline.time_to_live_attribute
    if name is None:
        return
    if len(name.encode()) > LONGEST_KEY_NAME:
        table.fail("time_to_live_attribute", name, f"1 to {LONGEST_KEY_NAME} bytes of text")
    for key in pipeline.key_attributes:
        # the time to live is a number of seconds (developerguide/time-to-live-ttl-before-you-start.html)
        if key.name == name and key.type != "N":
            table.fail(
                "time_to_live_attribute", name, f'an attribute that is a number: this key is of type "{key.type}"'
            )


def _key_attribute(table: Table) -> KeyAttribute:
    name = table.text("name")
    if name is None or len(name.encode()) > LONGEST_KEY_NAME:
        table.fail("name", name, f"1 to {LONGEST_KEY_NAME} bytes of text")
    attribute = KeyAttribute(name=name, type=cast("KeyType", table.choice("type", ("S", "N", "B"))))
    table.refuse_unknown_keys()
    return attribute
