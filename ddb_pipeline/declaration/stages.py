"""What `pipeline.toml` says of a stage. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, cast

from ddb_pipeline.change_row import Format
from ddb_pipeline.cron import longest_gap
from ddb_pipeline.declaration.pipelines import KEY_ARN, KEY_ARN_RULE, Pipeline
from ddb_pipeline.toml_table import Table

# Firehose's defaults, and what it demands: BufferingHints in its API, and dev/record-format-conversion.html
DEFAULT_BUFFER_MEBIBYTES: Mapping[Format, int] = {"json": 5, "parquet": 128}
LEAST_BUFFER_MEBIBYTES: Mapping[Format, int] = {"json": 1, "parquet": 64}

Automation = Literal["running", "stopped"]
Measure = Literal["each", "daily", "never"]
StreamMode = Literal["on_demand", "provisioned"]
Compression = Literal["gzip", "none"]
# the least that every address has: what is wrong beyond it, AWS says when it is asked to send
MAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"


PRINCIPAL = r"arn:aws[a-z-]*:iam::[0-9]{12}:(?:role|user)/[\w+=,.@/-]+"
PRINCIPAL_RULE = 'the ARN of a role or user, such as "arn:aws:iam::111122223333:role/dagster"'


@dataclass(frozen=True)
class Stage:
    """How one deployment runs: the laptop (`local`) or an AWS environment.

    Attributes:
        name: Name of the stage.
        buffer_seconds: How long Firehose collects changes before it writes an object, 0 to 900 seconds.
        buffer_mebibytes: ... or until it holds this many MiB, 1 to 128; None: `buffer_mebibytes_for` the format.
        stream_retention_hours: How long the Kinesis stream keeps records, 24 to 8760 hours.
        arrivals_interval_seconds: Shortest pause between two ticks of the arrivals sensor, 1 to 3600 seconds.
        automation: Whether sensors and schedules are on when Dagster first loads them.
        measure: When row counts and previews of the views are taken: of all in each run; daily, of the state whole and
            of the history over the last day; or never.
        keep_data: True: the table, the buckets, the key and the log groups outlive the stack, which refuses to be
            deleted. False needs `confirm_data_loss` with the stage's name beside it: that is no field, as nothing
            depends on it but that the file is read.
        scan_cutoff_mebibytes: Athena cancels a query that scans more than this, 10 MiB or more.
        results_expire_days: Query results are deleted after this many days, 1 to 365.
        baseline_margin_seconds: Changes that arrive later than this after they were made may be missing in a baseline.
        raw_retention_days: Raw objects are deleted after this many days; None: never. Only with baselines.
        stream_mode: Whether the Kinesis stream grows by itself or has as many shards as `stream_shards` says.
        stream_shards: Shards of a provisioned stream; None on demand.
        compression: How Firehose compresses raw objects.
        encryption_key: ARN of the KMS key that encrypts everything; None: the stack makes one.
        catalog_key: ARN of the KMS key of your own that encrypts the Glue Data Catalog; None: no such key does.
        alarms: Whether the stack has alarms, a topic that they publish to, and a dashboard.
        alarm_mail: Where the mail of alarms and budget goes; None: nobody gets any.
        lake_formation_operators: ARNs of who runs Dagster, where Lake Formation decides who sees the catalog.
        lake_formation_readers: ARNs of who asks the views there.
        budget_usd: Dollars a month after which AWS warns by mail; None: there is no budget.
    """

    name: str
    buffer_seconds: int
    buffer_mebibytes: int | None
    stream_retention_hours: int
    arrivals_interval_seconds: int
    automation: Automation
    measure: Measure
    keep_data: bool
    scan_cutoff_mebibytes: int
    results_expire_days: int
    baseline_margin_seconds: int = 3600
    raw_retention_days: int | None = None
    stream_mode: StreamMode = "on_demand"
    stream_shards: int | None = None
    compression: Compression = "gzip"
    encryption_key: str | None = None
    catalog_key: str | None = None
    alarms: bool = True
    alarm_mail: str | None = None
    budget_usd: int | None = None
    lake_formation_operators: tuple[str, ...] = ()
    lake_formation_readers: tuple[str, ...] = ()

    def buffer_mebibytes_for(self, file_format: Format) -> int:
        """How many MiB Firehose collects for an object of a format, unless `buffer_seconds` are over before."""
        return self.buffer_mebibytes or DEFAULT_BUFFER_MEBIBYTES[file_format]


def read_stage(name: str, table: Table) -> Stage:
    """Read a table `[stages.<name>]`.

    Raises:
        DeclarationError: It says something that is not allowed.
    """
    table.check_name(name, pattern=r"[a-z][a-z0-9]{0,15}", rule="a lower-case letter, then up to 15 of a-z 0-9")
    stage = Stage(
        name=name,
        buffer_seconds=table.integer("buffer_seconds", 0, 900, default=60),
        buffer_mebibytes=table.integer("buffer_mebibytes", 1, 128) if table.has("buffer_mebibytes") else None,
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
        stream_mode=cast("StreamMode", table.choice("stream_mode", ("on_demand", "provisioned"), default="on_demand")),
        stream_shards=table.integer("stream_shards", 1, 10_000) if table.has("stream_shards") else None,
        compression=cast("Compression", table.choice("compression", ("gzip", "none"), default="gzip")),
        encryption_key=table.matching("encryption_key", KEY_ARN, KEY_ARN_RULE),
        catalog_key=table.matching("catalog_key", KEY_ARN, KEY_ARN_RULE),
        alarms=table.boolean("alarms", default=True),
        alarm_mail=table.matching("alarm_mail", MAIL, "a mail address"),
        budget_usd=table.integer("budget_usd", 1, 10_000_000) if table.has("budget_usd") else None,
        lake_formation_operators=table.texts("lake_formation_operators", PRINCIPAL, PRINCIPAL_RULE),
        lake_formation_readers=table.texts("lake_formation_readers", PRINCIPAL, PRINCIPAL_RULE),
    )
    confirmed = table.text("confirm_data_loss", default=None)
    table.refuse_unknown_keys()
    _check_data_loss(stage, confirmed, table)
    _check_shards(stage, table)
    if stage.baseline_margin_seconds < 2 * stage.buffer_seconds:
        table.fail(
            "baseline_margin_seconds",
            stage.baseline_margin_seconds,
            f"twice buffer_seconds at least, here {2 * stage.buffer_seconds}: a change is under way for that long",
        )
    _check_mail(stage, table)
    _check_principals(stage, table)
    if stage.raw_retention_days is not None and stage.automation == "stopped":
        rule = 'none with automation = "stopped": no schedule would make baselines'
        table.fail("raw_retention_days", stage.raw_retention_days, rule)
    return stage


def _check_data_loss(stage: Stage, confirmed: str | None, table: Table) -> None:
    """Refuse that data goes with the stack unless the file says so twice, the second time for this very stage.

    Raises:
        DeclarationError: It does not, or it confirms what does not happen.
    """
    if stage.keep_data and confirmed is not None:
        table.fail("confirm_data_loss", confirmed, "nothing with keep_data = true: nothing is lost")
    if not stage.keep_data and confirmed != stage.name:
        if confirmed is not None:
            table.fail("confirm_data_loss", confirmed, f'"{stage.name}", the name of the stage whose data may be lost')
        table.fail(
            "keep_data",
            stage.keep_data,
            f'true, or false together with confirm_data_loss = "{stage.name}": destroying the stack then deletes the '
            "table that it made, the raw objects and the key",
        )


def _check_shards(stage: Stage, table: Table) -> None:
    if stage.stream_mode == "on_demand" and stage.stream_shards is not None:
        table.fail("stream_shards", stage.stream_shards, 'nothing with stream_mode = "on_demand"')
    if stage.stream_mode == "provisioned" and stage.stream_shards is None:
        table.fail("stream_mode", stage.stream_mode, '"on_demand", or "provisioned" together with stream_shards')


def _check_mail(stage: Stage, table: Table) -> None:
    """Refuse a budget that nobody would hear of, and an address that nothing is sent to."""
    mail = stage.alarm_mail
    if stage.budget_usd is not None and mail is None:
        table.fail("budget_usd", stage.budget_usd, "none without alarm_mail, which says who is warned")
    if mail is not None and not stage.alarms and stage.budget_usd is None:
        table.fail("alarm_mail", mail, "none with alarms = false and no budget_usd: nothing would be sent")


def _check_principals(stage: Stage, table: Table) -> None:
    """Refuse two grants for one principal: that one of them goes would take from the other what both allow."""
    both = sorted({*stage.lake_formation_operators} & {*stage.lake_formation_readers})
    if both:
        table.fail("lake_formation_readers", both, "nobody who is in lake_formation_operators: operators read, too")


def check_buffers(stage: Stage, table: Table, pipeline: Pipeline) -> None:
    """Refuse a buffer that is too small for what a pipeline makes of it.

    Raises:
        DeclarationError: It is.
    """
    least = LEAST_BUFFER_MEBIBYTES[pipeline.format]
    if stage.buffer_mebibytes_for(pipeline.format) < least:
        table.fail(
            "buffer_mebibytes",
            stage.buffer_mebibytes,
            f'{least} to 128 with pipelines.{pipeline.name}.format = "{pipeline.format}" (Firehose demands it), or '
            "no such key: then every format has its default",
        )


def check_retention(stage: Stage, table: Table, pipeline: Pipeline) -> None:
    """Refuse to delete raw objects before two baselines in a row have had their chance to hold what they say.

    Raises:
        DeclarationError: They would be.
    """
    days, key, place = stage.raw_retention_days, "raw_retention_days", f"pipelines.{pipeline.name}"
    if days is None:
        return
    if pipeline.catalog == "projection":
        rule = f'none with {place}.catalog = "projection": only registered hours show that one expired too early'
        table.fail(key, days, rule)
    if pipeline.baseline == "none":
        table.fail(key, days, f'none with {place}.baseline = "none": raw objects are the only copy')
    gap = longest_gap(pipeline.baseline_schedule)
    needed = 2 * gap + timedelta(seconds=stage.baseline_margin_seconds) if gap else None
    if needed is None or timedelta(days=days) < needed:
        least = "no number" if needed is None else f"{-(-needed // timedelta(days=1))} or more"
        table.fail(
            key,
            days,
            f'{least} with {place}.baseline_schedule = "{pipeline.baseline_schedule}": two baselines and the '
            "margin must fit, so that one may fail",
        )
