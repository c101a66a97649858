"""Where an item may lie in the raw bucket, and how an object there is replaced.

An object is replaced by one PutObject under its own key: whoever reads it sees the old content or the new one, and an
interrupt leaves nothing half done. It is written only over the content that was read: two erasures at once would bring
back each other's item otherwise. It keeps its tags (receipts of replays) and its headers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from ddb_pipeline.baselines import (
    BASELINES_PREFIX,
    DATA_PREFIX,
    EXPORTED_PREFIX,
    EXPORTS_PREFIX,
)
from ddb_pipeline.baselines.records import Manifest, StoredFile
from ddb_pipeline.cli.erasure.keys import Item
from ddb_pipeline.cli.erasure.rows import NOTHING, Kind, Taken, take
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.names import CAPTURE_KEY, ITEM_COLUMNS_KEY, PublishedNames
from ddb_pipeline.resources.object_deletion import delete_objects
from ddb_pipeline.resources.raw_bucket import STORED_AT

_FROM, _ROWS, _UNCERTAIN = "erased-from", "erased-rows", "erased-uncertain"
"""Metadata of a rewritten file of a baseline, for its manifest: the ETags that the file had before it was rewritten,
and what each rewriting took, with commas between them, oldest first."""
_REWRITINGS = 20
"""So many are told of: S3 takes 2 KB of metadata (userguide/UsingMetadata.html). A manifest is mended after each
erasure, so it is behind by more than one only where erasures run at once."""
_LOST_RACES = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "404", "409", "412"}
"""API_PutObject.html, API_DeleteObject.html: the object is another one than was read, or gone, or is being written."""
_TRIES = 20


@dataclass(frozen=True)
class Place:
    """An object that may hold the item.

    Attributes:
        key: Its key in S3.
        kind: What it holds.
        etag: Its ETag when it was listed.
        table: Table whose items it holds, for an export; None: its rows say so, or nothing does.
    """

    key: str
    kind: Kind
    etag: str
    table: str | None = None


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
            yield from (Place(one["Key"], kind, one["ETag"].strip('"')) for one in self._list(prefix))
        tables: dict[str, str | None] = {}
        for one in self._list(EXPORTS_PREFIX):
            # beside the data lie manifests, which name files and no items
            folder, is_data, _ = one["Key"].partition("/data/")
            if one["Key"].endswith(".json.gz") and is_data:
                if folder not in tables:
                    tables[folder] = self._exported_table(folder)
                yield Place(one["Key"], "export", one["ETag"].strip('"'), tables[folder])

    def strangers(self) -> list[str]:
        """Return objects that nobody of this project wrote: whether they hold the item, a person must know."""
        known = (
            *(table.prefix for table in self.names.change_tables),
            self.names.errors_prefix,
            BASELINES_PREFIX,
            ITEM_COLUMNS_KEY,
            CAPTURE_KEY,
        )
        return [one["Key"] for one in self._list("") if not one["Key"].startswith(known)]

    def look(self, place: Place, item: Item) -> Taken:
        """Say what an object holds of the item; the content is not kept. One that is gone holds nothing."""
        found = self._object(place.key)
        if found is None:
            return NOTHING
        return replace(take(found["Body"].read(), place.kind, item, place.table), body=None)

    def replace(self, place: Place, item: Item) -> Taken:
        """Replace an object by one without the item.

        One that holds nothing else stays, empty: an hour without objects would count as expired, and manifests of
        baselines and exports name their files. Only of failed records nothing stays.

        Raises:
            PipelineError: Somebody else writes the object again and again.
        """
        for _ in range(_TRIES):
            found = self._object(place.key)
            if found is None:
                return NOTHING
            taken = take(found["Body"].read(), place.kind, item, place.table)
            if not taken.rows or self._write(place, found, taken):
                return taken
        raise PipelineError(
            f"s3://{self.names.raw_bucket}/{place.key} was written by somebody else {_TRIES} times between reading and "
            "replacing it: wait until other erasures are done, and run this again"
        )

    def _write(self, place: Place, found: Mapping[str, Any], taken: Taken) -> bool:
        """Write what is left over what was read; False: the object has become another one since."""
        from botocore.exceptions import ClientError

        where = {"Bucket": self.names.raw_bucket, "Key": place.key}
        try:
            if taken.body is None or (not taken.left and place.kind == "failures"):
                self.s3.delete_object(**where, IfMatch=found["ETag"])
                return True
            metadata = dict(found.get("Metadata", {}))
            if place.key.startswith(tuple(table.prefix for table in self.names.change_tables)):
                # it holds nothing that came since
                metadata.setdefault(STORED_AT, found["LastModified"].isoformat())
            if place.key.startswith(DATA_PREFIX):
                told = {_FROM: found["ETag"].strip('"'), _ROWS: taken.rows, _UNCERTAIN: taken.uncertain}
                for name, value in told.items():
                    before = metadata.get(name, "").split(",") if metadata.get(name) else []
                    metadata[name] = ",".join([*before, str(value)][-_REWRITINGS:])
            headers = {name: found[name] for name in ("ContentType", "ContentEncoding") if found.get(name)}
            if tags := self.s3.get_object_tagging(**where)["TagSet"]:
                headers["Tagging"] = urlencode({tag["Key"]: tag["Value"] for tag in tags})
            self.s3.put_object(**where, Body=taken.body, Metadata=metadata, IfMatch=found["ETag"], **headers)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _LOST_RACES:
                raise
            return False
        return True

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
            replaced = metadata.get(_FROM, "").split(",")
            # a file that somebody else changed stays a damage
            if before.etag in replaced:
                since = replaced.index(before.etag)
                mended[one.key] = one
                rows += sum(map(int, metadata[_ROWS].split(",")[since:]))
                uncertain += sum(map(int, metadata[_UNCERTAIN].split(",")[since:]))
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
            keys = [str(one["Key"]) for one in page.get("Contents", [])]
            delete_objects(self.s3, bucket, keys)
            deleted += len(keys)
        return deleted

    def versioned(self, bucket: str) -> bool:
        """Whether a bucket keeps, or kept, what is replaced."""
        return bool(self.s3.get_bucket_versioning(Bucket=bucket).get("Status"))

    def _exported_table(self, folder: str) -> str | None:
        """Name of the table of an export, from its summary (developerguide/S3DataExport.Output.html).

        None: it was not completed, or the summary is gone; no baseline can be made of its files then.
        """
        found = self._object(f"{folder}/manifest-summary.json")
        if found is None:
            return None
        try:
            return str(json.loads(found["Body"].read())["tableArn"]).partition(":table/")[2] or None
        except (ValueError, KeyError, TypeError):
            return None

    def _object(self, key: str) -> Any:
        """Return an object as GetObject has it; None: there is none any more."""
        try:
            return self.s3.get_object(Bucket=self.names.raw_bucket, Key=key)
        except self.s3.exceptions.NoSuchKey:
            return None

    def _list(self, prefix: str) -> Iterator[Any]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.names.raw_bucket, Prefix=prefix):
            yield from page.get("Contents", [])
