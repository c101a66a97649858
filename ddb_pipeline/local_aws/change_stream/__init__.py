"""DynamoDB to Kinesis: every change of a table's items becomes a record on its Kinesis stream, as on AWS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from moto.dynamodb.models import dynamodb_backends

from ddb_pipeline.local_aws.change_stream import kinesis
from ddb_pipeline.local_aws.change_stream.api import change_stream_backend
from ddb_pipeline.local_aws.change_stream.backend import ChangeStreamBackend
from ddb_pipeline.local_aws.change_stream.destinations import Destination
from ddb_pipeline.local_aws.change_stream.direct_requests import answer
from ddb_pipeline.local_aws.change_stream.expiry import Sweeper
from ddb_pipeline.local_aws.change_stream.faults import StreamFaults
from ddb_pipeline.local_aws.change_stream.replication import SETTINGS

__all__ = [
    "StreamFaults",
    "answer",
    "expire_items",
    "install",
    "is_overtaking",
    "replication",
    "set_stream_faults",
    "stop",
    "stream_faults",
]


_sweepers: list[Sweeper] = []


def install(faults: StreamFaults | None = None, expiry_seconds: float | None = None) -> None:
    """Make moto use this DynamoDB, and the Kinesis that it writes to; before moto's first use of either.

    Args:
        faults: What every stream is to do wrong; nothing by default.
        expiry_seconds: How often items whose time to live has passed are deleted; never by default.
    """
    kinesis.install()
    dynamodb_backends.backend = ChangeStreamBackend
    SETTINGS.set(faults or StreamFaults(), None)
    if expiry_seconds is not None:
        _sweepers.append(Sweeper(expire_items, expiry_seconds))
        _sweepers[-1].start()


def stop() -> None:
    """End background work: whatever waits to be overtaken is put, and exports that are in progress are waited for."""
    while _sweepers:
        _sweepers.pop().stop()
    for backend in _backends():
        backend.replication.flush()
        backend.recovery.stop()


def set_stream_faults(faults: StreamFaults, stream: str | None = None) -> None:
    """Let a stream have these faults and no others, from its next record on; whatever was held back arrives first.

    Args:
        faults: What it is to do wrong.
        stream: Name of the Kinesis stream; every stream by default, also those with settings of their own.
    """
    with ExitStack() as stack:
        for backend in _backends():
            stack.enter_context(backend.replication.settings_change())
        SETTINGS.set(faults, stream)


def stream_faults() -> dict[str, Any]:
    """Return the faults that are set, and how often each stream did what wrong, as a JSON object."""
    counts: dict[str, Any] = {}
    for backend in _backends():
        counts |= backend.replication.counts()
    return {**SETTINGS.describe(), "counts": counts}


def is_overtaking() -> bool:
    """Whether records wait to be overtaken by others, or for their repeat; late ones do not count."""
    return any(backend.replication.is_overtaking() for backend in _backends())


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
    # a list of its own: requests make backends while others look at them
    for _account, _region, backend in list(dynamodb_backends.iter_backends()):
        if isinstance(backend, ChangeStreamBackend):
            yield backend
