"""Where baselines are: manifests and data in S3, and the partitions of the catalog that follow from the manifests."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from ddb_pipeline.baselines import (
    CANDIDATE_TABLE,
    DATA_PREFIX,
    EXPORTED_PREFIX,
    EXPORTED_TABLE,
    MANIFESTS_PREFIX,
    PENDING_PREFIX,
    RETIRED_PREFIX,
    TABLE_NAME,
)
from ddb_pipeline.baselines.captures import Capture
from ddb_pipeline.baselines.choice import without_healed
from ddb_pipeline.baselines.records import Manifest, Pending, RecordError, StoredFile
from ddb_pipeline.errors import DEPLOY_ADVICE, REPAIR_ADVICE, NotDeployedError, PipelineError
from ddb_pipeline.names import CAPTURE_KEY
from ddb_pipeline.resources.object_deletion import delete_objects

_manifests_read: dict[str, dict[StoredFile, Manifest]] = {}
"""What the manifests of a bucket said when they were last listed. One that was written again has another ETag."""


@dataclass(frozen=True)
class BaselineStore:
    """The baselines of a pipeline.

    Attributes:
        s3: boto3's S3 client.
        glue: boto3's Glue client.
        bucket: Name of the raw bucket.
        database: Name of the database.
        table: Name of the table that is streamed now.
    """

    s3: Any
    glue: Any
    bucket: str
    database: str
    table: str

    # --- what is written down

    def manifests(self) -> list[Manifest]:
        """Return all complete, verified baselines of the table; those of a table that was streamed before are none."""
        return [found for found in self.manifests_of_all_tables() if found.table == self.table]

    def manifests_of_all_tables(self) -> list[Manifest]:
        """Return all complete, verified baselines, also of tables that were streamed before.

        They stay in the catalog, where every row says whose it is: a view that was not made again yet reads them.
        """
        known = _manifests_read.get(self.bucket, {})
        found = {
            stored: known.get(stored) or self._read(Manifest, stored.key) for stored in self._records(MANIFESTS_PREFIX)
        }
        _manifests_read[self.bucket] = found
        return list(found.values())

    def pending(self) -> list[Pending]:
        """Return the baselines that are being made, or whose making broke off; oldest first."""
        return [self._read(Pending, stored.key) for stored in self._records(PENDING_PREFIX)]

    def note(self, pending: Pending) -> None:
        """Write down how far the making of a baseline is."""
        self._put(_pending_key(pending.baseline_id), pending.to_json())

    def capture(self) -> Capture | None:
        """Return what is known of the capture of changes; None: nobody has looked yet."""
        try:
            found: Capture = self._read(Capture, CAPTURE_KEY)
        except self.s3.exceptions.NoSuchKey:
            return None
        return found

    def note_capture(self, capture: Capture) -> None:
        """Write down what is known of the capture of changes."""
        self._put(CAPTURE_KEY, capture.to_json())

    # --- the catalog

    def registered(self) -> set[str]:
        """Return the ids that the table `baselines` has partitions for."""
        return self._partitions(TABLE_NAME)

    def register_manifests(self) -> tuple[str, ...]:
        """Bring the table `baselines` to what the manifests say. Baselines that another one healed stay as they are.

        Returns:
            Ids whose partition was added or dropped: none, unless something broke off between manifest and catalog.
        """
        missing, extra = self.misregistered()
        for baseline_id in missing:
            self._add_partition(TABLE_NAME, baseline_id, self._location(DATA_PREFIX, baseline_id))
        for baseline_id in extra:
            self._drop_partition(TABLE_NAME, baseline_id)
        return tuple(sorted([*missing, *extra]))

    def misregistered(self) -> tuple[list[str], list[str]]:
        """Return ids that the table `baselines` lacks a partition for, and those that it should have none for.

        Where there is no such table, every baseline is missing.
        """
        manifests = self.manifests_of_all_tables()
        wanted = {found.baseline_id for found in without_healed(manifests)}
        known = {found.baseline_id for found in manifests}
        try:
            found = self.registered()
        except NotDeployedError:
            found = set()
        return sorted(wanted - found), sorted(found - known)

    def hide_healed(self, in_use: Collection[str]) -> tuple[str, ...]:
        """Take baselines that lack changes, and that another one healed, out of the table `baselines`.

        SQL finds there what a state of the past starts from.

        Args:
            in_use: Ids that a view reads: they stay.

        Returns:
            Ids whose partition was dropped.
        """
        manifests = self.manifests_of_all_tables()
        healed = {found.baseline_id for found in manifests} - {found.baseline_id for found in without_healed(manifests)}
        gone = sorted((healed & self.registered()) - set(in_use))
        for baseline_id in gone:
            self._drop_partition(TABLE_NAME, baseline_id)
        return tuple(gone)

    def register_exported_items(self, baseline_id: str) -> None:
        """Make the converted items of an export readable in the table `exported_items`."""
        if baseline_id not in self._partitions(EXPORTED_TABLE):
            self._add_partition(EXPORTED_TABLE, baseline_id, self._location(EXPORTED_PREFIX, baseline_id))

    def publish(self, manifest: Manifest) -> None:
        """Make a verified baseline known. The manifest is what counts: the rest can be made up for."""
        self._put(f"{MANIFESTS_PREFIX}{manifest.baseline_id}.json", manifest.to_json())
        self.register_manifests()
        self.forget(manifest.baseline_id)

    def rewrite(self, manifest: Manifest) -> None:
        """Say of a baseline that is known what its files are now, after an item was erased from them."""
        self._put(f"{MANIFESTS_PREFIX}{manifest.baseline_id}.json", manifest.to_json())

    def forget(self, baseline_id: str) -> None:
        """Delete the note that a baseline is being made."""
        self.s3.delete_object(Bucket=self.bucket, Key=_pending_key(baseline_id))

    def retire(self, baseline_id: str) -> None:
        """Delete a baseline: first what makes it known, so that no half of it is ever read.

        A mark that is there from before the first deletion until after the last one says that it was meant to go: data
        without a manifest alone may be what is left when somebody deleted that, and counts again once it is back.
        """
        self.s3.put_object(Bucket=self.bucket, Key=f"{RETIRED_PREFIX}{baseline_id}", Body=b"")
        self.s3.delete_object(Bucket=self.bucket, Key=f"{MANIFESTS_PREFIX}{baseline_id}.json")
        self._drop_partition(TABLE_NAME, baseline_id)
        self.abandon(baseline_id)
        self._unmark(baseline_id)

    def finish_retirements(self) -> tuple[str, ...]:
        """Delete what is left of baselines whose deletion broke off.

        Of one that is still known nothing was deleted: it stays, until it is chosen again.

        Returns:
            Ids of which the rest was deleted.
        """
        marked = [found.key.removeprefix(RETIRED_PREFIX) for found in self._objects(RETIRED_PREFIX)]
        known = {manifest.baseline_id for manifest in self.manifests_of_all_tables()} if marked else set()
        for baseline_id in marked:
            if baseline_id in known:
                self._unmark(baseline_id)
            else:
                self.retire(baseline_id)
        return tuple(baseline_id for baseline_id in marked if baseline_id not in known)

    def abandon(self, baseline_id: str) -> None:
        """Delete what was written for a baseline that is not, or no more, known."""
        self._drop_partition(CANDIDATE_TABLE, baseline_id)
        self._drop_partition(EXPORTED_TABLE, baseline_id)
        for prefix in (DATA_PREFIX, EXPORTED_PREFIX):
            delete_objects(self.s3, self.bucket, [found.key for found in self._objects(_folder(prefix, baseline_id))])
        self.forget(baseline_id)

    # --- data

    def files(self, baseline_id: str) -> tuple[StoredFile, ...]:
        """Return the objects of a baseline's data."""
        return tuple(self._objects(_folder(DATA_PREFIX, baseline_id)))

    def exported_keys(self, baseline_id: str) -> set[str]:
        """Return the keys of the converted items of an export."""
        return {found.key for found in self._objects(_folder(EXPORTED_PREFIX, baseline_id))}

    def read_text(self, key: str) -> str:
        """Return an object as text."""
        return str(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode("utf-8"))

    def _read(self, kind: Any, key: str) -> Any:
        try:
            return kind.from_json(self.read_text(key))
        except RecordError as error:
            raise PipelineError(
                f"s3://{self.bucket}/{key} {error}: it is of another version of this project, or somebody changed it: "
                "bring it back, or delete it and make a new baseline"
            ) from error

    def _put(self, key: str, text: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=text.encode(), ContentType="application/json")

    def _records(self, prefix: str) -> list[StoredFile]:
        found = (stored for stored in self._objects(prefix) if stored.key.endswith(".json"))
        return sorted(found, key=lambda stored: stored.key)

    def _objects(self, prefix: str) -> Iterator[StoredFile]:
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                yield StoredFile(found["Key"], found["Size"], found["ETag"].strip('"'))

    def _unmark(self, baseline_id: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=f"{RETIRED_PREFIX}{baseline_id}")

    def _location(self, prefix: str, baseline_id: str) -> str:
        return f"s3://{self.bucket}/{_folder(prefix, baseline_id)}"

    def _partitions(self, table: str) -> set[str]:
        pages = self.glue.get_paginator("get_partitions").paginate(
            DatabaseName=self.database, TableName=table, ExcludeColumnSchema=True
        )
        try:
            return {str(found["Values"][0]) for page in pages for found in page["Partitions"]}
        except self.glue.exceptions.EntityNotFoundException:
            raise self._no_table(table) from None

    def _add_partition(self, table: str, baseline_id: str, location: str) -> None:
        try:
            described = self.glue.get_table(DatabaseName=self.database, Name=table)["Table"]
        except self.glue.exceptions.EntityNotFoundException:
            raise self._no_table(table) from None
        storage = {**described["StorageDescriptor"], "Location": location}
        try:
            self.glue.create_partition(
                DatabaseName=self.database,
                TableName=table,
                PartitionInput={"Values": [baseline_id], "StorageDescriptor": storage},
            )
        except self.glue.exceptions.AlreadyExistsException:
            return  # another run was quicker: the same partition of the same folder

    def _drop_partition(self, table: str, baseline_id: str) -> None:
        try:
            self.glue.delete_partition(DatabaseName=self.database, TableName=table, PartitionValues=[baseline_id])
        except self.glue.exceptions.EntityNotFoundException:
            return  # there was none

    def _no_table(self, table: str) -> PipelineError:
        return NotDeployedError(
            f"table {self.database}.{table} is not in the Glue catalog: the stack is of an older version of this "
            f"project ({DEPLOY_ADVICE}), or somebody dropped the table ({REPAIR_ADVICE})"
        )


def _folder(prefix: str, baseline_id: str) -> str:
    return f"{prefix}baseline_id={baseline_id}/"


def _pending_key(baseline_id: str) -> str:
    return f"{PENDING_PREFIX}{baseline_id}.json"
