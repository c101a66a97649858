"""DynamoDB to Kinesis: every change of a table's items becomes a record on its Kinesis stream, as on AWS."""

from __future__ import annotations

import time
from collections.abc import Iterator

from moto.dynamodb.models import dynamodb_backends

from ddb_pipeline.local_aws.change_stream import kinesis
from ddb_pipeline.local_aws.change_stream.api import change_stream_backend
from ddb_pipeline.local_aws.change_stream.backend import ChangeStreamBackend
from ddb_pipeline.local_aws.change_stream.destinations import Destination

__all__ = ["expire_items", "install", "replication", "stop"]


def install() -> None:
    """Make moto use this DynamoDB, and the Kinesis that it writes to; before moto's first use of either."""
    kinesis.install()
    dynamodb_backends.backend = ChangeStreamBackend


def stop() -> None:
    """Wait for the exports that are in progress."""
    for backend in _backends():
        backend.recovery.stop()


def expire_items(now: float | None = None) -> dict[str, int]:
    """Do what DynamoDB's time to live does in the background: delete the items whose time has passed.

    An item expires when its table's time-to-live attribute is a number of epoch seconds that lies in the past, but
    not more than five years (developerguide/howitworks-ttl.html). The deletes are changes by DynamoDB itself.

    Args:
        now: Epoch seconds; the clock's by default.

    Returns:
        For every table with time to live, how many items were deleted.
    """
    deleted: dict[str, int] = {}
    for backend in _backends():
        for table_name, count in backend.expire_items(time.time() if now is None else now).items():
            deleted[table_name] = deleted.get(table_name, 0) + count
    return deleted


def replication(table_name: str, *, account_id: str, region: str) -> Destination | None:
    """Return where a table's changes go now, with its counters; None when they go nowhere."""
    destinations = change_stream_backend(account_id, region).destinations.get(table_name)
    return destinations.active if destinations else None


def _backends() -> Iterator[ChangeStreamBackend]:
    for _account, _region, backend in dynamodb_backends.iter_backends():
        if isinstance(backend, ChangeStreamBackend):
            yield backend
