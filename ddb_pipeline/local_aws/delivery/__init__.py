"""Firehose: delivery streams that read a Kinesis stream, convert its records by Lambda and write S3 objects."""

from ddb_pipeline.local_aws.delivery.backend import counts, install, stop, wait_until_delivered
from ddb_pipeline.local_aws.delivery.outbox import DeliveryCounts

__all__ = ["DeliveryCounts", "counts", "install", "stop", "wait_until_delivered"]
