"""Repair of tables and their partitions: declared by the contract, filled from what S3 holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from ddb_pipeline.arrivals import hour_values, listed, partition_key
from ddb_pipeline.baselines.choice import expired_too_early, newest
from ddb_pipeline.catalog_tables import CatalogTable
from ddb_pipeline.errors import RESTORE_ADVICE, NotDeployedError, PipelineError
from ddb_pipeline.names import ChangeTable
from ddb_pipeline.repair.findings import Finding
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.table_changes import TableChange, declared_tables, folder_of, table_changes, with_what_was_chosen

# API_BatchCreatePartition.html, API_BatchUpdatePartition.html
_PARTITIONS_AT_ONCE = 100
_MANY = 1000


@dataclass(frozen=True)
class CatalogRepair:
    """Looks at the tables of a pipeline.

    Attributes:
        deployment: The pipeline on its stage.
        note: Takes a line about how far a long step is.
    """

    deployment: Deployment
    note: Callable[[str], None]

    # --- tables

    def tables(self) -> Iterator[Finding]:
        """Tables that somebody dropped or changed."""
        for declared in declared_tables(self.deployment):
            described = self.deployment.catalog.table(declared.name)
            table = with_what_was_chosen(declared, described)
            wanted = table.table_input(self._bucket)
            if described is None:
                yield Finding(
                    f"table {self._database}.{table.name} is not in the Glue catalog",
                    "made as the stack declares it; the data in S3 is untouched",
                    partial(self._create, wanted),
                )
            elif changes := table_changes(described, wanted):
                yield self._changed(table, changes, wanted)

    def _changed(self, table: CatalogTable, changes: Sequence[TableChange], wanted: Mapping[str, Any]) -> Finding:
        parts = list(dict.fromkeys(change.part for change in changes))
        what = f"table {self._database}.{table.name} was changed: {'; '.join(parts)}"
        if "partition keys" in parts:
            # the partitions hang on them: nothing is dropped without a person's word
            return Finding(what, "drop the table (the data in S3 is untouched), then repair again")
        return Finding(what, "brought back to what the stack declares", partial(self._update, wanted))

    def _create(self, wanted: Mapping[str, Any]) -> None:
        glue = self.deployment.catalog.client
        try:
            glue.create_table(DatabaseName=self._database, TableInput=wanted)
        except glue.exceptions.AlreadyExistsException:
            pass  # another repair was quicker, and made the same
        except glue.exceptions.EntityNotFoundException:
            raise PipelineError(
                f"database {self._database} is not in the Glue catalog: bring it back ({RESTORE_ADVICE}), then repair"
            ) from None

    def _update(self, wanted: Mapping[str, Any]) -> None:
        self.deployment.catalog.client.update_table(DatabaseName=self._database, TableInput=wanted)

    def _declared(self, change_table: ChangeTable) -> CatalogTable:
        (table,) = [table for table in declared_tables(self.deployment) if table.name == change_table.name]
        return with_what_was_chosen(table, self.deployment.catalog.table(table.name))

    # --- hours

    def hours(self) -> Iterator[Finding]:
        """Hours that S3 holds and the catalog lacks, and partitions that lead elsewhere than to their hour."""
        stored = self.deployment.raw_bucket.hours_by_prefix()
        for change_table in self.deployment.names.change_tables:
            if change_table.is_projected:
                continue  # nothing is registered
            table, partitions = self._declared(change_table), self._partitions(change_table)
            lacking = sorted(set(stored.get(change_table.prefix, ())) - partitions.keys())
            astray = sorted(
                hour for hour, found in partitions.items() if _leads_astray(found, self._wanted(table, hour))
            )
            if lacking:
                yield Finding(
                    f"hours that S3 holds are not in table {self._database}.{table.name}: {_hours(lacking)}",
                    "registered",
                    partial(self._register, table, lacking),
                )
            if astray:
                yield Finding(
                    f"partitions of table {self._database}.{table.name} lead elsewhere than to their hour, or read it "
                    f"in another way than the table: {_hours(astray)}",
                    "brought back to what the crawler registers",
                    partial(self._correct, table, astray),
                )

    def gone(self) -> Iterator[Finding]:
        """Hours whose raw objects are gone though the views read them. Their partitions stay: they are the evidence."""
        deployment = self.deployment
        manifest = None if deployment.pipeline.baseline == "none" else newest(deployment.baselines.manifests())
        gone = expired_too_early(manifest, deployment.baselines.capture(), deployment.hours_gone())
        if not gone:
            return
        export = "" if deployment.pipeline.baseline == "export" else 'set baseline = "export", deploy, and '
        yield Finding(
            f"hours whose raw objects are gone from S3 though the views read them: {_hours(gone)}",
            "what they told of the past is lost, and items may be shown as they were before. An export of the table "
            f"holds what every item is now: {export}run {deployment.pipeline.name}_baseline",
        )

    def _partitions(self, change_table: ChangeTable) -> dict[datetime, Mapping[str, Any]]:
        """The partitions of a table by their hours; none where there is no table, as in a dry run."""
        try:
            return self.deployment.catalog.partitions_of(change_table)
        except NotDeployedError:
            return {}

    def _register(self, table: CatalogTable, hours: Sequence[datetime]) -> None:
        glue = self.deployment.catalog.client
        for start in range(0, len(hours), _PARTITIONS_AT_ONCE):
            batch = [self._wanted(table, hour) for hour in hours[start : start + _PARTITIONS_AT_ONCE]]
            answer = glue.batch_create_partition(
                DatabaseName=self._database, TableName=table.name, PartitionInputList=batch
            )
            # one that a crawl has registered meanwhile is as it should be
            _require_done(
                found
                for found in answer.get("Errors", [])
                if found["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException"
            )
            self._tell(start + len(batch), len(hours))

    def _correct(self, table: CatalogTable, hours: Sequence[datetime]) -> None:
        glue = self.deployment.catalog.client
        for start in range(0, len(hours), _PARTITIONS_AT_ONCE):
            wanted = [self._wanted(table, hour) for hour in hours[start : start + _PARTITIONS_AT_ONCE]]
            entries = [{"PartitionValueList": one["Values"], "PartitionInput": one} for one in wanted]
            answer = glue.batch_update_partition(DatabaseName=self._database, TableName=table.name, Entries=entries)
            _require_done(answer.get("Errors", []))
            self._tell(start + len(wanted), len(hours))

    def _tell(self, done: int, whole: int) -> None:
        if whole > _MANY and (done % _MANY == 0 or done == whole):
            self.note(f"{done} of {whole} hours")

    def _wanted(self, table: CatalogTable, hour: datetime) -> dict[str, Any]:
        return table.partition_input(self._bucket, hour_values(hour))

    # --- baselines

    def baselines(self) -> Iterator[Finding]:
        """Baselines that S3 holds and the catalog lacks, or the other way round."""
        deployment = self.deployment
        if deployment.pipeline.baseline == "none":
            return
        store = deployment.baselines
        lacking, extra = store.misregistered()
        if lacking:
            yield Finding(
                f"baselines that S3 holds are not in table {self._database}.baselines: {', '.join(lacking)}",
                "registered",
                lambda: _ignore(store.register_manifests()),
            )
        if extra:
            yield Finding(
                f"table {self._database}.baselines has baselines that are not in S3: {', '.join(extra)}",
                "taken out",
                lambda: _ignore(store.register_manifests()),
            )

    @property
    def _database(self) -> str:
        return self.deployment.names.database

    @property
    def _bucket(self) -> str:
        return self.deployment.names.raw_bucket


def _leads_astray(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a partition (without its columns) is of another folder or format than its hour's."""
    storage, declared = found.get("StorageDescriptor", {}), wanted["StorageDescriptor"]
    return (
        folder_of(storage.get("Location")) != folder_of(declared["Location"])
        or storage.get("InputFormat") != declared["InputFormat"]
        or storage.get("SerdeInfo", {}).get("SerializationLibrary") != declared["SerdeInfo"]["SerializationLibrary"]
    )


def _hours(hours: Sequence[datetime]) -> str:
    return f"{len(hours)} ({listed([partition_key(hour) for hour in hours])})"


def _require_done(errors: Iterator[Any] | Sequence[Any]) -> None:
    for found in errors:
        detail = found.get("ErrorDetail", {})
        # BatchCreatePartition and BatchUpdatePartition name it differently
        values = found.get("PartitionValues") or found.get("PartitionValueList", [])
        raise PipelineError(
            f"Glue could not write the partition {'/'.join(values)}: "
            f"{detail.get('ErrorCode')}: {detail.get('ErrorMessage')}: repair again",
            transient=True,
        )


def _ignore(_result: object) -> None:
    """For calls whose result says what the finding says already."""
