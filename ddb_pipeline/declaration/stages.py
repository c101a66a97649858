"""What `pipeline.toml` says of a stage. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, cast

from ddb_pipeline.cron import longest_gap
from ddb_pipeline.declaration.pipelines import Pipeline
from ddb_pipeline.toml_table import Table

Automation = Literal["running", "stopped"]
Measure = Literal["each", "daily", "never"]


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


def read_stage(name: str, table: Table) -> Stage:
    """Read a table `[stages.<name>]`.

    Raises:
        DeclarationError: It says something that is not allowed.
    """
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


def check_retention(stage: Stage, table: Table, pipelines: Mapping[str, Pipeline]) -> None:
    """Refuse to delete raw objects before two baselines in a row have had their chance to hold what they say.

    Raises:
        DeclarationError: They would be.
    """
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
