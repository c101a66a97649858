"""The list prices of which `cost_estimate.py` computes, and where each was seen."""

from __future__ import annotations

from dataclasses import dataclass

SEEN = "quoted from AWS's price list of September 2026"
PAGE = "AWS's price page, as quoted by several projects, the newest of 2026"
MEMORY = "not verified"


@dataclass(frozen=True)
class Price:
    """A list price in us-east-1 (N. Virginia).

    Attributes:
        usd: Dollars a unit.
        unit: What is counted.
        source: Where the price was seen.
    """

    usd: float
    unit: str
    source: str


PRICES = {
    "DynamoDB change capture": Price(0.10, "million units of 1 KB of the larger image", PAGE),
    "DynamoDB point-in-time recovery": Price(0.20, "GB of table and month", MEMORY),
    "Kinesis stream on demand": Price(0.04, "hour", SEEN),
    "Kinesis data in": Price(0.08, "GB, each record rounded up to 1 KB", SEEN),
    "Kinesis data out": Price(0.04, "GB", SEEN),
    "Kinesis retention, 24 hours to 7 days": Price(0.10, "GB and month", SEEN),
    "Kinesis provisioned shard": Price(0.015, "hour", SEEN),
    "Kinesis records into a shard": Price(0.014, "million units of 25 KB", SEEN),
    "Kinesis retention of a shard, to 7 days": Price(0.02, "shard and hour", SEEN),
    "Firehose": Price(0.029, "GB, each record rounded up to 5 KB", PAGE),
    "Firehose conversion to Parquet": Price(0.018, "GB, rounded the same way", MEMORY),
    "Lambda, arm64": Price(0.0000133334, "GB second", PAGE),
    "Lambda calls": Price(0.20, "million", PAGE),
    "S3 storage": Price(0.023, "GB and month", PAGE),
    "S3 writes": Price(0.005, "thousand", PAGE),
    "S3 lists": Price(0.005, "thousand", PAGE),
    "S3 reads": Price(0.0004, "thousand", PAGE),
    "KMS key": Price(1.00, "month", PAGE),
    "KMS calls": Price(0.03, "ten thousand", PAGE),
    "Glue crawler": Price(0.44, "DPU hour, 10 minutes at least a crawl", PAGE),
    "Athena": Price(5.00, "TB scanned, 10 MB at least a query", PAGE),
    "CloudWatch alarm": Price(0.10, "month, each metric of a Metrics Insights alarm too", PAGE),
    "CloudWatch dashboard": Price(3.00, "month, the account's first three free", PAGE),
    "CloudWatch Logs": Price(0.50, "GB taken in", PAGE),
}
