"""`pipeline.toml` as frozen dataclasses: what is streamed, and how each stage runs it.

Standard library only, because `infra_cdk` reads the same file. A wrong file raises one `DeclarationError`
that names the file, the key, what was found and what is allowed.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal, cast

from ddb_pipeline.cron import longest_gap
from ddb_pipeline.declared_columns import DeclaredColumn, declared_columns
from ddb_pipeline.toml_table import DeclarationError, Table, listed

__all__ = [
    "FILE_NAME",
    "FILE_VARIABLE",
    "Automation",
    "BaselineKind",
    "Declaration",
    "DeclarationError",
    "KeyAttribute",
    "KeyType",
    "Measure",
    "Pipeline",
    "Stage",
    "find_declaration_file",
    "load_declaration",
]

FILE_NAME = "pipeline.toml"
FILE_VARIABLE = "DDB_PIPELINE_FILE"

KeyType = Literal["S", "N", "B"]
Automation = Literal["running", "stopped"]
Measure = Literal["each", "daily", "never"]
BaselineKind = Literal["none", "snapshot", "export"]


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
        time_to_live_attribute: Attribute with the epoch second after which DynamoDB deletes an item, or None.
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

    @property
    def key_attributes(self) -> tuple[KeyAttribute, ...]:
        """Partition key, then sort key if there is one."""
        return (self.partition_key,) if self.sort_key is None else (self.partition_key, self.sort_key)


@dataclass(frozen=True)
class Stage:
    """How one deployment runs: the laptop (`local`) or an AWS environment.

    Attributes:
        name: Name of the stage.
        buffer_seconds: How long Firehose collects changes before it writes an object, 0 to 900 seconds.
        buffer_mebibytes: ... or until it holds this many MiB, 1 to 128.
        stream_retention_hours: How long the Kinesis stream keeps records, 24 to 8760 hours.
        arrivals_interval_seconds: Shortest pause between two ticks of the arrivals sensor, 1 to 3600 seconds.
        automation: Whether sensors and schedules are on when Dagster first loads them.
        measure: When row counts and previews of the views are taken: in each run, daily, or never.
        keep_data: True: the table, the buckets, the key and the log groups outlive the stack.
        scan_cutoff_mebibytes: Athena cancels a query that scans more than this, 10 MiB or more.
        results_expire_days: Query results are deleted after this many days, 1 to 365.
        baseline_margin_seconds: Changes that arrive later than this after they were made may be missing in a baseline.
        raw_retention_days: Raw objects are deleted after this many days; None: never. Only with baselines.
    """

    name: str
    buffer_seconds: int
    buffer_mebibytes: int
    stream_retention_hours: int
    arrivals_interval_seconds: int
    automation: Automation
    measure: Measure
    keep_data: bool
    scan_cutoff_mebibytes: int
    results_expire_days: int
    baseline_margin_seconds: int = 3600
    raw_retention_days: int | None = None


@dataclass(frozen=True)
class Declaration:
    """The whole of `pipeline.toml`."""

    path: Path
    pipelines: Mapping[str, Pipeline]
    stages: Mapping[str, Stage]

    def stage(self, name: str) -> Stage:
        """Return the stage of that name.

        Raises:
            DeclarationError: There is none; the message lists those that are declared.
        """
        if name not in self.stages:
            raise DeclarationError(
                f"{self.path}: stages: no stage is named '{name}'; declared are {listed(self.stages)}"
            )
        return self.stages[name]


def find_declaration_file(start: Path | None = None) -> Path:
    """Find the file: `DDB_PIPELINE_FILE`, else `pipeline.toml` in the working directory or above it.

    Args:
        start: Directory where the search starts; the working directory by default.

    Raises:
        DeclarationError: There is no such file.
    """
    named = os.environ.get(FILE_VARIABLE)
    if named:
        path = Path(named)
        if not path.is_file():
            raise DeclarationError(f"{path}: no such file (named by the environment variable {FILE_VARIABLE})")
        return path.resolve()
    directory = (start or Path.cwd()).resolve()
    for candidate in (directory, *directory.parents):
        if (candidate / FILE_NAME).is_file():
            return candidate / FILE_NAME
    raise DeclarationError(
        f"no {FILE_NAME} in {directory} or above it: change into the project's folder, "
        f"or set {FILE_VARIABLE} to the file's path"
    )


def load_declaration(path: Path | None = None) -> Declaration:
    """Read and check the file.

    Args:
        path: The file; found by `find_declaration_file` when not given.

    Raises:
        DeclarationError: The file is missing, is not TOML, or says something that is not allowed.
    """
    path = path or find_declaration_file()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeclarationError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DeclarationError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except tomllib.TOMLDecodeError as error:
        raise DeclarationError(f"{path}: is not valid TOML: {error}") from None
    root = Table(path, "", document)
    pipelines = {name: _pipeline(name, table) for name, table in root.tables("pipelines")}
    stage_tables = dict(root.tables("stages"))
    stages = {name: _stage(name, table) for name, table in stage_tables.items()}
    for name, stage in stages.items():
        _check_retention(stage, stage_tables[name], pipelines)
    root.refuse_unknown_keys()
    return Declaration(path=path, pipelines=pipelines, stages=stages)


def _pipeline(name: str, table: Table) -> Pipeline:
    table.check_name(name, pattern=r"[a-z][a-z0-9_]{0,31}", rule="a lower-case letter, then up to 31 of a-z 0-9 _")
    pipeline = Pipeline(
        name=name,
        partition_key=_key_attribute(table.table("partition_key")),
        sort_key=_key_attribute(table.table("sort_key")) if table.has("sort_key") else None,
        time_to_live_attribute=table.text("time_to_live_attribute", default=None),
        start_date=table.day("start_date"),
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
    )
    table.refuse_unknown_keys()
    _check_columns(pipeline, table)
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


def _key_attribute(table: Table) -> KeyAttribute:
    name = table.text("name")
    # "Naming rules": key attribute names are 1 to 255 bytes of UTF-8
    if name is None or not 1 <= len(name.encode()) <= 255:  # noqa: PLR2004
        table.fail("name", name, "1 to 255 bytes of text")
    attribute = KeyAttribute(name=name, type=cast("KeyType", table.choice("type", ("S", "N", "B"))))
    table.refuse_unknown_keys()
    return attribute


def _stage(name: str, table: Table) -> Stage:
    table.check_name(name, pattern=r"[a-z][a-z0-9]{0,15}", rule="a lower-case letter, then up to 15 of a-z 0-9")
    stage = Stage(
        name=name,
        buffer_seconds=table.integer("buffer_seconds", 0, 900, default=60),
        buffer_mebibytes=table.integer("buffer_mebibytes", 1, 128, default=5),
        stream_retention_hours=table.integer("stream_retention_hours", 24, 8760, default=168),
        arrivals_interval_seconds=table.integer("arrivals_interval_seconds", 1, 3600, default=30),
        automation=cast("Automation", table.choice("automation", ("running", "stopped"), default="stopped")),
        measure=cast("Measure", table.choice("measure", ("each", "daily", "never"), default="daily")),
        keep_data=table.boolean("keep_data", default=True),
        scan_cutoff_mebibytes=table.integer("scan_cutoff_mebibytes", 10, 10_000_000, default=102_400),
        results_expire_days=table.integer("results_expire_days", 1, 365, default=7),
        baseline_margin_seconds=table.integer("baseline_margin_seconds", 1, 604_800, default=3600),
        raw_retention_days=(
            table.integer("raw_retention_days", 1, 36_500) if table.has("raw_retention_days") else None
        ),
    )
    table.refuse_unknown_keys()
    if stage.baseline_margin_seconds < 2 * stage.buffer_seconds:
        table.fail(
            "baseline_margin_seconds",
            stage.baseline_margin_seconds,
            f"twice buffer_seconds at least, here {2 * stage.buffer_seconds}: a change is under way for that long",
        )
    return stage


def _check_retention(stage: Stage, table: Table, pipelines: Mapping[str, Pipeline]) -> None:
    """Refuse to delete raw objects before two baselines in a row have had their chance to hold what they say."""
    days = stage.raw_retention_days
    if days is None:
        return
    if stage.automation == "stopped":
        table.fail("raw_retention_days", days, 'none with automation = "stopped": no schedule would make baselines')
    for pipeline in pipelines.values():
        place = f"pipelines.{pipeline.name}"
        if pipeline.baseline == "none":
            table.fail(
                "raw_retention_days", days, f'none with {place}.baseline = "none": raw objects are the only copy'
            )
        gap = longest_gap(pipeline.baseline_schedule)
        needed = 2 * gap + timedelta(seconds=stage.baseline_margin_seconds) if gap else None
        if needed is None or timedelta(days=days) < needed:
            least = "no number" if needed is None else f"{-(-needed // timedelta(days=1))} or more"
            table.fail(
                "raw_retention_days",
                days,
                f'{least} with {place}.baseline_schedule = "{pipeline.baseline_schedule}": two baselines and the '
                "margin must fit, so that one may fail",
            )
