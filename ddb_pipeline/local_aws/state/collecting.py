"""What has changed in moto's state since it was last written, as statements that write it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from moto.s3.models import FakeKey

from ddb_pipeline.local_aws.change_stream.backend import ChangeStreamBackend
from ddb_pipeline.local_aws.change_stream.kinesis import IndexedKinesisBackend
from ddb_pipeline.local_aws.change_stream.shards import IndexedShard
from ddb_pipeline.local_aws.delivery.backend import DeliveryBackend
from ddb_pipeline.local_aws.state.pickling import backend_content, dumps
from ddb_pipeline.local_aws.state.services import backends_of, each_backend
from ddb_pipeline.local_aws.state.store import Statement
from ddb_pipeline.local_aws.state.watched import WatchedKeys

_ATTEMPTS = 50
_SECOND_LOOK_SECONDS = 1.0
"""How long after an object its headers and tags may still be set."""
_TRIMMED_AT_ONCE = 1_000


class Collector:
    """Finds what has changed. One thread at a time uses it, and writes what it finds before it asks again."""

    def __init__(self) -> None:
        self._digests: dict[tuple[str, str, str], bytes] = {}
        self._tables: dict[str, None] = {}
        self._written: dict[tuple[str, str], int] = {}
        self._trimmed: dict[tuple[str, str], int] = {}
        self._positions: dict[str, Any] = {}
        self._bodies: dict[str, tuple[str, str]] = {}
        self._bodies_of: dict[tuple[str, str], set[str]] = {}
        self._second_looks: dict[tuple[str, str], float] = {}
        self._marks: dict[str, list[Any]] = {}

    def changes(self, services: frozenset[str]) -> Iterator[Statement]:
        """Yield the statements.

        Args:
            services: Those whose settings may have changed.
        """
        # positions first: what they say is delivered is in the objects that are looked at after them
        positions = list(self._delivery_positions())
        yield from self._items_and_records()
        yield from self._objects()
        yield from positions
        for service in sorted(services):
            for account, region, backend in each_backend(service):
                yield from self._settings(service, account, region, backend)

    def know(self, tables: Iterable[Table], shards: Mapping[tuple[str, str], IndexedShard]) -> None:
        """Take what was read from disk as written."""
        self._tables |= {table_id(table): None for table in tables}
        self._written |= {place: shard.newest for place, shard in shards.items()}

    def know_body(self, body_id: str, bucket: str, name: str) -> None:
        """Take an object's bytes as written."""
        self._bodies[body_id] = (bucket, name)
        if name:
            self._bodies_of.setdefault((bucket, name), set()).add(body_id)

    def _stacks_are_written(self, region: str, backend: Any) -> bool:
        """Whether nothing is new that outlasts the process: what is being done to a stack does not."""
        marks = [
            (
                stack.stack_id,
                stack.status,
                None if stack.is_in_progress else len(stack.events),
                len(stack.change_sets),
                stack.termination_protection,
            )
            for stack in list(backend.stacks.values())
        ]
        is_same = self._marks.get(region) == marks
        self._marks[region] = marks
        return is_same

    def _settings(self, service: str, account: str, region: str, backend: Any) -> Iterator[Statement]:
        if service == "cloudformation" and self._stacks_are_written(f"{account} {region}", backend):
            return
        new_bodies: list[Statement] = []

        def keep_body(body_id: str, key: FakeKey) -> None:
            if body_id not in self._bodies:
                self._bodies[body_id] = ("", "")
                new_bodies.append(_body(body_id, "", "", key))

        for attempt in range(_ATTEMPTS):
            try:
                content = backend_content(service, backend, keep_body)
                break
            except RuntimeError:
                # another request changed it meanwhile; its own turn comes after this one
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.001)
        yield from new_bodies
        place = (service, account, region)
        digest = hashlib.sha256(content).digest()
        if self._digests.get(place) != digest:
            self._digests[place] = digest
            yield "INSERT OR REPLACE INTO backends VALUES (?, ?, ?, ?)", (*place, content)

    def _items_and_records(self) -> Iterator[Statement]:
        for account, region, backend in each_backend("dynamodb"):
            if not isinstance(backend, ChangeStreamBackend):
                continue
            # a write and its change record are made under this lock, so both are seen, or neither
            with backend.lock:
                yield from list(self._items(backend))
                yield from list(self._records(backends_of("kinesis")[account].get(region)))
        for account, region, streams in each_backend("kinesis"):
            if region not in backends_of("dynamodb")[account].keys():  # noqa: SIM118 - "in" alone asks moto what it knows
                yield from list(self._records(streams))

    def _items(self, backend: ChangeStreamBackend) -> Iterator[Statement]:
        tables = {name: table_id(table) for name, table in backend.tables.items()}
        if backend.touched is None:
            backend.touched = set()
        touched, backend.touched = backend.touched, set()
        for name, identity in tables.items():
            if identity not in self._tables:
                self._tables[identity] = None
                touched |= {(name, item.hash_key, item.range_key) for item in backend.tables[name].all_items()}
        for name, hash_key, range_key in touched:
            if name not in tables:
                continue
            item = backend.tables[name].get_item(hash_key, range_key)
            key = item_key(hash_key, range_key)
            if item is None:
                yield "DELETE FROM items WHERE table_id = ? AND item_key = ?", (tables[name], key)
            else:
                content = dumps((hash_key, range_key, item), _no_body)
                yield "INSERT OR REPLACE INTO items VALUES (?, ?, ?)", (tables[name], key, content)
        own = f"arn:aws:dynamodb:{backend.region_name}:{backend.account_id}:"
        for identity in [one for one in self._tables if one.startswith(own) and one not in tables.values()]:
            del self._tables[identity]
            yield "DELETE FROM items WHERE table_id = ?", (identity,)

    def _records(self, backend: Any) -> Iterator[Statement]:
        if not isinstance(backend, IndexedKinesisBackend):
            return
        with backend.arrival:
            for stream in backend.streams.values():
                shards: Mapping[str, Any] = stream.shards
                for name, shard in shards.items():
                    place = (stream.arn + str(stream.creation_datetime), name)
                    written = self._written.get(place, 0)
                    for record in shard.records_after(written, shard.newest - written):
                        yield (
                            "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?, ?)",
                            (
                                *place,
                                record.position,
                                record.partition_key,
                                record.explicit_hash_key,
                                record.data,
                                record.created_at,
                            ),
                        )
                    self._written[place] = shard.newest
                    # the newest record stays, for its position
                    oldest = min(shard.oldest, shard.newest)
                    if oldest - self._trimmed.get(place, 0) >= _TRIMMED_AT_ONCE:
                        self._trimmed[place] = oldest
                        sql = "DELETE FROM records WHERE stream_arn = ? AND shard_id = ? AND position < ?"
                        yield sql, (*place, oldest)

    def _objects(self) -> Iterator[Statement]:
        now = time.monotonic()
        due = {place for place, at in self._second_looks.items() if at <= now}
        for place in due:
            del self._second_looks[place]
        for _account, _partition, backend in each_backend("s3"):
            for bucket_name, bucket in list(backend.buckets.items()):
                keys = bucket.keys
                if not isinstance(keys, WatchedKeys):
                    raise TypeError(f"the objects of bucket {bucket_name} are not watched: install() comes first")
                touched, keys.touched = keys.touched, set()
                for name in touched:
                    self._second_looks[bucket_name, name] = now + _SECOND_LOOK_SECONDS
                for name in touched | {name for place, name in due if place == bucket_name}:
                    yield from self._object(bucket_name, name, keys.getlist(name))

    def _object(self, bucket: str, name: str, versions: Any) -> Iterator[Statement]:
        used: set[str] = set()
        new_bodies: list[Statement] = []

        def keep_body(body_id: str, key: FakeKey) -> None:
            used.add(body_id)
            if body_id not in self._bodies:
                self.know_body(body_id, bucket, name)
                new_bodies.append(_body(body_id, bucket, name, key))

        if versions:
            content = dumps(list(versions), keep_body)
            yield from new_bodies
            yield "INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", (bucket, name, content)
        else:
            yield "DELETE FROM objects WHERE bucket = ? AND name = ?", (bucket, name)
        for body_id in self._bodies_of.pop((bucket, name), set()) - used:
            del self._bodies[body_id]
            yield "DELETE FROM bodies WHERE body_id = ?", (body_id,)
        if used:
            self._bodies_of[bucket, name] = used

    def _delivery_positions(self) -> Iterator[Statement]:
        found: dict[str, Any] = {}
        for _account, _region, backend in each_backend("firehose"):
            if isinstance(backend, DeliveryBackend):
                for worker in list(backend.workers.values()):
                    place = worker.place
                    found[place.delivery_stream_arn] = (worker.settings, place, worker.settled_positions())
        for arn, state in found.items():
            if self._positions.get(arn) != state:
                yield "INSERT OR REPLACE INTO readers VALUES (?, ?)", (arn, dumps(state, _no_body))
        for arn in self._positions.keys() - found.keys():
            yield "DELETE FROM readers WHERE delivery_stream_arn = ?", (arn,)
        self._positions = found


def table_id(table: Table) -> str:
    """What tells a table from another one of its name that was there before."""
    return f"{table.table_arn} {table.created_at.isoformat()}"


def item_key(hash_key: DynamoType, range_key: DynamoType | None) -> str:
    """A key as text."""
    parts = [hash_key] if range_key is None else [hash_key, range_key]
    return "\0".join(f"{part.type}{part.value}" for part in parts)


def _no_body(_body_id: str, key: FakeKey) -> None:
    raise TypeError(f"an object has no place here: {key.name}")


def _body(body_id: str, bucket: str, name: str, key: FakeKey) -> Statement:
    return "INSERT OR REPLACE INTO bodies VALUES (?, ?, ?, ?)", (body_id, bucket, name, key.value)
