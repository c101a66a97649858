"""Where an item may lie in the raw bucket, and how an object there is replaced.

An object is replaced by one PutObject under its own key: whoever reads it sees the old content or the new one, and an
interrupt leaves nothing half done. It keeps its tags (receipts of replays) and its headers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from ddb_pipeline.baselines import (
    BASELINES_PREFIX,
    DATA_PREFIX,
    EXPORTED_PREFIX,
    EXPORTS_PREFIX,
)
from ddb_pipeline.baselines.records import Manifest, StoredFile
from ddb_pipeline.cli.erasure.keys import Comparable
from ddb_pipeline.cli.erasure.rows import Kind, Taken, take
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.names import ITEM_COLUMNS_KEY, PublishedNames

_FROM, _ROWS, _UNCERTAIN = "erased-from", "erased-rows", "erased-uncertain"
"""Metadata of a rewritten file of a baseline: what its manifest says of it, and how that is to be mended."""
_KEYS_AT_ONCE = 1000


@dataclass(frozen=True)
class Place:
    """An object that may hold the item."""

    key: str
    kind: Kind
    etag: str
    written: datetime


@dataclass(frozen=True)
class RawObjects:
    """The objects of a pipeline's raw bucket.

    Attributes:
        s3: boto3's S3 client.
        names: What is deployed.
    """

    s3: Any
    names: PublishedNames

    def places(self) -> Iterator[Place]:
        """List the objects that may hold an item."""
        kinds: dict[str, Kind] = {table.prefix: "rows" for table in self.names.change_tables}
        kinds |= {DATA_PREFIX: "rows", EXPORTED_PREFIX: "rows", self.names.errors_prefix: "failures"}
        for prefix, kind in kinds.items():
            yield from (
                Place(one["Key"], kind, one["ETag"].strip('"'), one["LastModified"]) for one in self._list(prefix)
            )
        for one in self._list(EXPORTS_PREFIX):
            # beside the data lie manifests, which name files and no items
            if one["Key"].endswith(".json.gz") and "/data/" in one["Key"]:
                yield Place(one["Key"], "export", one["ETag"].strip('"'), one["LastModified"])

    def strangers(self) -> list[str]:
        """Return objects that nobody of this project wrote: whether they hold the item, a person must know."""
        known = (
            *(table.prefix for table in self.names.change_tables),
            self.names.errors_prefix,
            BASELINES_PREFIX,
            ITEM_COLUMNS_KEY,
        )
        return [one["Key"] for one in self._list("") if not one["Key"].startswith(known)]

    def look(self, place: Place, key: Comparable) -> Taken:
        """Say what an object holds of the item; the content is not kept."""
        return replace(take(self._body(place.key)["Body"].read(), place.kind, key), body=None)

    def replace(self, place: Place, key: Comparable) -> Taken:
        """Replace an object by one without the item.

        One that holds nothing else stays, empty: an hour without objects would count as expired, and manifests of
        baselines and exports name their files. Only of failed records nothing stays.
        """
        found = self._body(place.key)
        taken = take(found["Body"].read(), place.kind, key)
        if not taken.rows:
            return taken
        is_baseline = place.key.startswith(DATA_PREFIX)
        if taken.body is None or (not taken.left and place.kind == "failures"):
            self.s3.delete_object(Bucket=self.names.raw_bucket, Key=place.key)
            return taken
        metadata = dict(found.get("Metadata", {}))
        if is_baseline:
            counts = {_ROWS: str(taken.rows), _UNCERTAIN: str(taken.uncertain)}
            metadata |= {_FROM: found["ETag"].strip('"'), **counts}
        headers = {name: found[name] for name in ("ContentType", "ContentEncoding") if found.get(name)}
        tags = self.s3.get_object_tagging(Bucket=self.names.raw_bucket, Key=place.key)["TagSet"]
        if tags:
            headers["Tagging"] = urlencode({tag["Key"]: tag["Value"] for tag in tags})
        self.s3.put_object(Bucket=self.names.raw_bucket, Key=place.key, Body=taken.body, Metadata=metadata, **headers)
        return taken

    def mended(self, manifest: Manifest, files: tuple[StoredFile, ...]) -> Manifest:
        """Return a baseline's manifest as it must be after its files were rewritten here; unchanged if they were not.

        Args:
            manifest: What is written down.
            files: The files that are there.
        """
        said = {one.key: one for one in manifest.files}
        rows = uncertain = 0
        mended = dict(said)
        for one in files:
            before = said.get(one.key)
            if before is None or before == one:
                continue
            metadata = self.s3.head_object(Bucket=self.names.raw_bucket, Key=one.key)["Metadata"]
            # a file that somebody else changed stays a damage
            if metadata.get(_FROM) == before.etag:
                mended[one.key] = one
                rows += int(metadata[_ROWS])
                uncertain += int(metadata[_UNCERTAIN])
        return replace(
            manifest,
            files=tuple(mended.values()),
            rows=manifest.rows - rows,
            uncertain=manifest.uncertain - uncertain,
        )

    def empty(self, bucket: str) -> int:
        """Delete every object of a bucket; how many there were.

        Raises:
            PipelineError: One cannot be deleted.
        """
        deleted = 0
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            keys = [{"Key": one["Key"]} for one in page.get("Contents", [])]
            for start in range(0, len(keys), _KEYS_AT_ONCE):
                batch = keys[start : start + _KEYS_AT_ONCE]
                answer = self.s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
                if failed := answer.get("Errors"):
                    raise PipelineError(f"s3://{bucket}/{failed[0]['Key']} cannot be deleted: {failed[0]['Message']}")
                deleted += len(batch)
        return deleted

    def versioned(self, bucket: str) -> bool:
        """Whether a bucket keeps, or kept, what is replaced."""
        return bool(self.s3.get_bucket_versioning(Bucket=bucket).get("Status"))

    def _body(self, key: str) -> Any:
        return self.s3.get_object(Bucket=self.names.raw_bucket, Key=key)

    def _list(self, prefix: str) -> Iterator[Any]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.names.raw_bucket, Prefix=prefix):
            yield from page.get("Contents", [])
