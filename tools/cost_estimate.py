"""What a stack costs a month on AWS, by service: the tables of docs/cost.md, and the same for numbers of your own.

`python tools/cost_estimate.py` prints the tables that docs/cost.md holds (a test compares them); with `--changes` and
the other options it prints one for your table. An estimate from list prices, without the free tiers that a whole
account shares, without taxes, and without what the table itself costs. Standard library only.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from cost_prices import PRICES

HOURS = 730
"""Of a month, as AWS reckons."""
DAYS = HOURS / 24
KB, MB, GB = 1024, 1024**2, 1024**3


@dataclass(frozen=True)
class Size:
    """A table, and how it is asked.

    Attributes:
        name: What kind of table it is.
        changes: Changes a month.
        items: Items in the table.
        item_kilobytes: Size of an item as DynamoDB counts it.
        busy_hours: Hours a month in which something changes.
        queries_a_day: Queries of people over the state, beside those of the pipeline.
    """

    name: str
    changes: float
    items: float
    item_kilobytes: float = 1.0
    busy_hours: float = HOURS
    queries_a_day: float = 20


@dataclass(frozen=True)
class Settings:
    """Of the stage: those of `prod` in pipeline.toml.

    Attributes:
        buffer_seconds: Firehose's buffering by time.
        buffer_mebibytes: ... and by size.
        retention_hours: Of the stream.
        shards: Of a provisioned stream; 0: on demand.
        keep_data: Whether the table has point-in-time recovery.
        parquet: Whether Firehose converts rows to Parquet.
        crawler: Whether a crawler registers hours; False: partition projection.
        sensors: Whether Dagster's sensors look into S3.
        baselines: Whether a baseline is made each week.
        measures: Whether Dagster measures and checks the views once a day.
    """

    buffer_seconds: float = 300
    buffer_mebibytes: float = 64
    retention_hours: float = 168
    shards: int = 0
    keep_data: bool = True
    parquet: bool = False
    crawler: bool = True
    sensors: bool = True
    baselines: bool = True
    measures: bool = True


SMALL = Size("small", changes=100_000, items=20_000, busy_hours=220)
MEDIUM = Size("medium", changes=10_000_000, items=1_000_000)
LARGE = Size("large", changes=1_000_000_000, items=50_000_000, queries_a_day=100)
SIZES = (SMALL, MEDIUM, LARGE)

# Assumptions, said in docs/cost.md
RECORD_FACTOR = 2.5
"""A change record is so many times the item: both images of a MODIFY as DynamoDB JSON, and 0.5 KB around them."""
ROW_FACTOR = 4.0
"""A change row, uncompressed: both images as DynamoDB JSON, the new one as plain JSON too."""
COMPRESSION = 6.0
"""How much smaller gzip and Parquet make rows."""
CONVERTER_CHANGES_A_SECOND = 1500
"""At 512 MiB, which is 0.29 of a processor; one whole core of a laptop makes several times as many (make bench)."""
CONVERTER_GIGABYTES = 0.5
SHARDS = 4
"""That a stream on demand begins with; Firehose collects for the converter in each."""
CRAWL_DPUS = 2
CRAWL_HOURS = 10 / 60
BASELINE_DAYS = 7
"""Between two baselines: a query of the state reads half of that in changes on average, and the baseline."""
BASELINE_QUERIES = 3
"""What making a baseline asks: the state, whether it came out sound, and whether the one before lacks changes."""
DAILY_OF_STATE = 4
"""What is asked of the state once a day: latest_item_state is measured, and three checks look into it."""
DAILY_OF_THE_DAY = 6
"""What is asked of the changes of a day: the five other views are measured, and a check counts repeats."""
DAILY_OF_THE_WEEK = 1
"""What is asked of the changes of a week: the check of change_problems."""
DAY_READ, WEEK_READ = 1 + 1 / 24, 7 + 1 / 24
"""Days of arrival that are read for that: an hour more, as an hour is that of an object's oldest record."""
PROJECTED_FOLDERS = 12 * 31 * 24 / 2
"""That a query of the state lists with projection: a year has 8,928, empty or not. From the baseline on it lists those
to the year's end, which are half of them on average over a year."""
LISTS_A_MINUTE = 2 * 5 + 1 / 5
"""Of S3: the sensor of arrivals lists five times each 30 seconds (docs/arrivals.md), that of deliveries once in five
minutes."""
ALARMS = 8
"""Of a stack that delivers JSON; one more watches the conversion to Parquet."""
LOG_BYTES_A_CALL = 500
KMS_CALLS_A_MONTH = 30_000
"""Stream, table and topic ask for a data key every five minutes; bucket keys spare most calls of S3."""
MONTHS_KEPT = 12
"""How old the stack is in the month that is estimated: raw objects are never deleted by default."""


def estimate(size: Size, settings: Settings = Settings()) -> dict[str, float]:
    """Dollars a month by service.

    Args:
        size: The table.
        settings: The stage.
    """
    record_bytes = _record_bytes(size)
    firehose_gb = size.changes * _rounded(record_bytes, 5 * KB) / GB
    row_bytes = _row_bytes(size)
    raw_gb = size.changes * row_bytes / GB
    # by time or by size, and never more objects than changes
    by_time, by_size = (
        size.busy_hours * 3600 / settings.buffer_seconds,
        raw_gb * GB * COMPRESSION / (settings.buffer_mebibytes * MB),
    )
    objects = min(size.changes, max(by_time, by_size))
    calls = min(size.changes, max(size.busy_hours * 60 * SHARDS, size.changes * record_bytes / MB))
    seconds = size.changes / CONVERTER_CHANGES_A_SECOND + calls * 0.02

    return {
        "DynamoDB": _cost("DynamoDB change capture", size.changes * math.ceil(size.item_kilobytes) / 1e6)
        + settings.keep_data * _cost("DynamoDB point-in-time recovery", size.items * size.item_kilobytes * KB / GB),
        "Kinesis": _kinesis(size.changes, record_bytes, settings),
        "Firehose": _cost("Firehose", firehose_gb)
        + settings.parquet * _cost("Firehose conversion to Parquet", firehose_gb),
        "Lambda": _cost("Lambda calls", calls / 1e6) + _cost("Lambda, arm64", seconds * CONVERTER_GIGABYTES),
        "S3": _cost("S3 storage", raw_gb * MONTHS_KEPT + size.items * row_bytes / 2 / GB)
        + _cost("S3 writes", objects / 1000)
        + _cost("S3 lists", (settings.sensors * HOURS * 60 * LISTS_A_MINUTE + _listed_folders(size, settings)) / 1000)
        + _cost("S3 reads", sum(one.number * one.days for one in _queries(size, settings)) * objects / DAYS / 1000),
        "KMS": _cost("KMS key", 1) + _cost("KMS calls", KMS_CALLS_A_MONTH / 1e4),
        "Glue": settings.crawler * _cost("Glue crawler", size.busy_hours * CRAWL_DPUS * CRAWL_HOURS),
        "Athena": _cost("Athena", _scanned_terabytes(size, settings)),
        "CloudWatch": _cost("CloudWatch alarm", ALARMS + settings.parquet)
        + _cost("CloudWatch Logs", calls * LOG_BYTES_A_CALL / GB),
    }


def idle_day() -> dict[str, float]:
    """Dollars a day by service, with a table that is empty and does not change, and no Dagster that looks at it."""
    month = estimate(Size("idle", changes=0, items=0, busy_hours=0, queries_a_day=0), Settings(sensors=False))
    return {service: usd / DAYS for service, usd in month.items() if round(usd, 2)}


def _row_bytes(size: Size) -> float:
    """Of a change row, compressed."""
    return ROW_FACTOR * size.item_kilobytes * KB / COMPRESSION


def _record_bytes(size: Size) -> float:
    return (RECORD_FACTOR * size.item_kilobytes + 0.5) * KB


def _kinesis(changes: float, record_bytes: float, settings: Settings) -> float:
    if settings.shards:
        units = changes * math.ceil(record_bytes / (25 * KB)) / 1e6
        kept = settings.retention_hours > 24  # noqa: PLR2004 - what a shard's hour includes
        return settings.shards * (
            _cost("Kinesis provisioned shard", HOURS) + kept * _cost("Kinesis retention of a shard, to 7 days", HOURS)
        ) + _cost("Kinesis records into a shard", units)
    stream_gb = changes * _rounded(record_bytes, KB) / GB
    return (
        _cost("Kinesis stream on demand", HOURS)
        + _cost("Kinesis data in", stream_gb)
        + _cost("Kinesis data out", stream_gb)
        + _cost("Kinesis retention, 24 hours to 7 days", stream_gb / HOURS * min(settings.retention_hours - 24, 144))
    )


def _rounded(size: float, step: float) -> float:
    return math.ceil(size / step) * step


@dataclass(frozen=True)
class Queries:
    """Queries of a month that read the same.

    Attributes:
        number: How many.
        days: Days of changes that each reads.
        items: Whether each reads a baseline too.
    """

    number: float
    days: float
    items: bool = False

    def bytes_each(self, size: Size) -> float:
        """What one of them scans, as Athena bills it: 10 MB at least."""
        row_bytes = _row_bytes(size)
        of_changes, of_items = size.changes * row_bytes / DAYS * self.days, size.items * row_bytes / 2
        return max(of_changes + self.items * of_items, 10 * MB)


def _queries(size: Size, settings: Settings) -> list[Queries]:
    """Queries of a month, but for those that look for new attributes in one hour."""
    since_baseline = BASELINE_DAYS / 2 if settings.baselines else MONTHS_KEPT * DAYS
    is_measured = settings.measures and size.busy_hours > 0
    found = [Queries(size.queries_a_day * DAYS, since_baseline, settings.baselines)]
    if is_measured:
        found += [
            Queries(DAILY_OF_STATE * DAYS, since_baseline, settings.baselines),
            Queries(DAILY_OF_THE_DAY * DAYS, DAY_READ),
            Queries(DAILY_OF_THE_WEEK * DAYS, WEEK_READ),
        ]
    if settings.baselines and size.busy_hours > 0:
        # and a check looks once a day for changes that arrived too late for the baseline
        late = Queries(DAYS * is_measured, since_baseline)
        found += [Queries(BASELINE_QUERIES * DAYS / BASELINE_DAYS, since_baseline, items=True), late]
    return found


def _listed_folders(size: Size, settings: Settings) -> float:
    """Folders that queries list in a month, each with one request."""
    hours_a_day = size.busy_hours / DAYS
    return sum(
        one.number * (one.days * hours_a_day if settings.crawler else PROJECTED_FOLDERS)
        for one in _queries(size, settings)
    )


def _scanned_terabytes(size: Size, settings: Settings) -> float:
    scanned = sum(one.number * one.bytes_each(size) for one in _queries(size, settings))
    # the attributes of each hour's items are looked for in that hour alone
    of_hour = size.changes * _row_bytes(size) / max(size.busy_hours, 1)
    return (scanned + size.busy_hours * max(of_hour, 10 * MB)) / 1024**4


def _cost(name: str, amount: float) -> float:
    return PRICES[name].usd * amount


# --- as Markdown


def estimates_table(sizes: Sequence[Size] = SIZES) -> str:
    """The estimate of each size, by service."""
    costs = [estimate(size) for size in sizes]
    rows = [[service, *(_usd(cost[service]) for cost in costs)] for service in costs[0]]
    rows.append(["**all**", *(f"**{_usd(sum(cost.values()))}**" for cost in costs)])
    rows.append(
        [
            "a million changes",
            *(
                _usd(sum(cost.values()) / size.changes * 1e6) if size.changes else "none"
                for cost, size in zip(costs, sizes, strict=True)
            ),
        ]
    )
    return _table(["USD a month", *(size.name for size in sizes)], rows)


def sizes_table() -> str:
    """What the sizes mean."""
    rows = [
        [
            size.name,
            f"{size.changes:,.0f}",
            f"{size.items:,.0f}",
            f"{size.busy_hours:,.0f}",
            f"{size.queries_a_day:,.0f}",
        ]
        for size in SIZES
    ]
    return _table(["size", "changes a month", "items of 1 KB", "hours with changes", "queries a day by people"], rows)


def idle_table() -> str:
    """What a stack costs that does nothing."""
    costs = idle_day()
    rows = [[service, _usd(usd)] for service, usd in costs.items()]
    return _table(["idle", "USD a day"], [*rows, ["**all**", f"**{_usd(sum(costs.values()))}**"]])


def choices_table() -> str:
    """What another setting adds or saves."""
    choices = {
        '`format = "parquet"`': Settings(parquet=True),
        '`catalog = "projection"`': Settings(crawler=False),
        "`stream_retention_hours = 24`": Settings(retention_hours=24),
        '`stream_mode = "provisioned"`, 4 shards': Settings(shards=4),
        '`stream_mode = "provisioned"`, 1 shard': Settings(shards=1),
        "`buffer_seconds = 60`, `buffer_mebibytes = 5`": Settings(buffer_seconds=60, buffer_mebibytes=5),
        '`baseline = "none"`': Settings(baselines=False),
        '`measure = "never"`': Settings(measures=False),
    }
    rows = []
    for name, settings in choices.items():
        rows.append([name, *(_difference(size, settings) for size in SIZES)])
    return _table(["instead", *(size.name for size in SIZES)], rows)


def _difference(size: Size, settings: Settings) -> str:
    # a shard takes 1 MiB a second; traffic has peaks
    if settings.shards and size.changes * _record_bytes(size) / (HOURS * 3600) > settings.shards * MB / 2:
        return "too few"
    return f"{sum(estimate(size, settings).values()) - sum(estimate(size).values()):+,.2f}"


def prices_table() -> str:
    """The prices."""
    rows = [
        [name, f"{price.usd:.10f}".rstrip("0").rstrip("."), price.unit, price.source] for name, price in PRICES.items()
    ]
    return _table(["what", "USD", "per", "source"], rows)


def _usd(amount: float) -> str:
    return f"{amount:,.2f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)] if head[0] != "what" else ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Print the tables, or one for the numbers of the command line."""
    parser = argparse.ArgumentParser(description="Estimate what a stack costs a month (docs/cost.md).")
    for field in fields(Size)[1:]:
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=float)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    if given:
        print(estimates_table([replace(MEDIUM, name="yours", **given)]))
        return
    for table in (sizes_table, estimates_table, idle_table, choices_table, prices_table):
        print(f"{table()}\n")


if __name__ == "__main__":
    main()
