"""moto's state as it was written, put back into its services before the first request."""

from __future__ import annotations

from typing import Any

from moto.dynamodb.models.table import Table
from moto.s3.models import s3_backends

from ddb_pipeline.local_aws.change_stream.items import TableItems
from ddb_pipeline.local_aws.change_stream.shards import IndexedShard, StreamRecord
from ddb_pipeline.local_aws.state.collecting import Collector, table_id
from ddb_pipeline.local_aws.state.pickling import BODY, loads
from ddb_pipeline.local_aws.state.services import backends_of, each_backend
from ddb_pipeline.local_aws.state.store import Store
from ddb_pipeline.local_aws.state.watched import WatchedKeys


class Loader:
    """Reads a file into the services, which must be empty.

    Args:
        store: The file.
        collector: Is told what need not be written again.
    """

    def __init__(self, store: Store, collector: Collector) -> None:
        self._store = store
        self._collector = collector
        self._used_bodies: set[str] = set()

    def load(self) -> None:
        """Put everything back, and let what was at work go on."""
        rows = self._store.read("SELECT service, account, region, content FROM backends")
        for service, account, region, content in rows:
            vars(backends_of(service)[account][region]).update(loads(content, self._body))
        self._objects()
        self._collector.know(self._items(), self._records())
        unused = [(one,) for (one,) in self._store.read("SELECT body_id FROM bodies") if one not in self._used_bodies]
        self._store.write(("DELETE FROM bodies WHERE body_id = ?", row) for row in unused)
        self._resume()

    def _body(self, body_id: str) -> bytes:
        self._used_bodies.add(body_id)
        self._collector.know_body(body_id, "", "")
        [(content,)] = self._store.read("SELECT content FROM bodies WHERE body_id = ?", (body_id,))
        return bytes(content)

    def _objects(self) -> None:
        buckets: dict[str, Any] = {}
        for account, partition, backend in each_backend("s3"):
            for name, bucket in backend.buckets.items():
                bucket.keys = WatchedKeys()
                buckets[name] = bucket
                s3_backends.bucket_accounts[name] = (partition, account)
        for bucket_name, name, content in self._store.read("SELECT bucket, name, content FROM objects"):
            if bucket_name in buckets:
                versions = loads(content, self._body)
                buckets[bucket_name].keys.setlist(name, versions)
                for version in versions:
                    if hasattr(version, BODY):
                        self._collector.know_body(getattr(version, BODY)[0], bucket_name, name)
        for bucket in buckets.values():
            bucket.keys.touched.clear()

    def _items(self) -> list[Table]:
        tables: dict[str, Table] = {}
        for _account, _region, backend in each_backend("dynamodb"):
            backend.touched = set()
            for table in backend.tables.values():
                table.items = TableItems(dict)
                tables[table_id(table)] = table
        for identity, content in self._store.read("SELECT table_id, content FROM items"):
            if identity in tables:
                hash_key, range_key, item = loads(content, self._body)
                if range_key is None:
                    tables[identity].items[hash_key] = item
                else:
                    tables[identity].items[hash_key][range_key] = item
        return list(tables.values())

    def _records(self) -> dict[tuple[str, str], IndexedShard]:
        shards = {
            (stream.arn + str(stream.creation_datetime), name): shard
            for _account, _region, backend in each_backend("kinesis")
            for stream in backend.streams.values()
            for name, shard in stream.shards.items()
        }
        records: dict[tuple[str, str], list[StreamRecord]] = {place: [] for place in shards}
        sql = "SELECT stream_arn, shard_id, position, partition_key, hash_key, data, created_at FROM records"
        for stream, name, position, partition_key, hash_key, data, created_at in self._store.read(
            f"{sql} ORDER BY stream_arn, shard_id, position"
        ):
            shard = shards.get((stream, name))
            if shard is not None:
                record = StreamRecord(shard, position, partition_key, data, hash_key)
                record.created_at = created_at
                records[stream, name].append(record)
        for place, shard in shards.items():
            shard.restore(records[place])
        return shards

    def _resume(self) -> None:
        for _account, _region, backend in each_backend("dynamodb"):
            backend.recovery.resume()
        for _account, _region, backend in each_backend("glue"):
            for crawler in backend.crawlers.values():
                crawler.resume()
        for _account, _region, backend in each_backend("cloudformation"):
            backend.resume()
        rows = self._store.read("SELECT content FROM readers")
        for settings, place, positions in [loads(content, self._body) for (content,) in rows]:
            backends_of("firehose")[place.account_id][place.region].resume(settings, place, positions)
