"""Writes objects into buckets of the same process, as Firehose writes into S3."""

from __future__ import annotations

from moto.s3.exceptions import MissingBucket
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition

from ddb_pipeline.local_aws.delivery.buffers import PendingObject


class NoSuchBucketError(Exception):
    """The bucket does not exist."""


def write_object(account_id: str, region: str, bucket: str, pending: PendingObject) -> None:
    """Write an object, encrypted as the bucket says.

    Raises:
        NoSuchBucketError: The bucket does not exist.
    """
    try:
        key = s3_backends[account_id][get_partition(region)].put_object(bucket, pending.key, pending.body)
    except MissingBucket:
        raise NoSuchBucketError(bucket) from None
    key.set_metadata({"Content-Type": "application/octet-stream"})
