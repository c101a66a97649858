"""The making of a baseline, from its beginning or from where another run broke off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from ddb_pipeline.arrivals import merged
from ddb_pipeline.baseline_making.backlog import first_hour_with
from ddb_pipeline.baseline_making.capture import observe, require_active, require_settled
from ddb_pipeline.baseline_making.export import convert_export
from ddb_pipeline.baseline_making.in_use import ids_in_views
from ddb_pipeline.baseline_making.late import LateChanges, late_changes
from ddb_pipeline.baseline_making.sql import export_statement, snapshot_statement, verification_statement
from ddb_pipeline.baselines import moment_of
from ddb_pipeline.baselines.captures import Capture
from ddb_pipeline.baselines.choice import expired_too_early, newest, parent_for, to_retire
from ddb_pipeline.baselines.records import Manifest, Pending, baseline_id, microseconds
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.resources.statement_runs import Finished, StatementFailedError
from ddb_pipeline.resources.table_export import ExportFailedError
from ddb_pipeline.resources.waiting import Waiting

QUERY_SECONDS = 3600.0
EXPORT_SECONDS = 6 * 3600.0
_FRESH: Mapping[str, timedelta] = {
    "snapshot": timedelta(hours=1),
    "export": timedelta(seconds=EXPORT_SECONDS) + timedelta(days=1),
}
"""A baseline that was begun longer ago is not finished, by its source. The moment of a snapshot is of no more use than
the baseline before. An export has been paid for; but one of weeks ago would be the newest baseline, and the raw objects
since then may have expired."""


@dataclass(frozen=True)
class Made:
    """What a run made.

    Attributes:
        manifest: The baseline.
        resumed: Whether another run had begun it.
        retired: Ids of baselines that were deleted after it.
        healed: What baselines before it lack and it has, by id.
    """

    manifest: Manifest
    resumed: bool
    retired: tuple[str, ...]
    healed: dict[str, LateChanges] = field(default_factory=dict)


@dataclass
class Making:
    """One run of the making.

    Attributes:
        deployment: The pipeline on its stage.
        note: Takes a line for the log.
        clock: The time, with a time zone.
        healed: Baselines that were found to lack changes, by id.
    """

    deployment: Deployment
    note: Callable[[str], None]
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    healed: dict[str, LateChanges] = field(default_factory=dict)

    def run(self) -> Made:
        """Make a baseline.

        Raises:
            PipelineError: It cannot be made; the message says what to do. Nothing half-made is to be seen.
        """
        store = self.deployment.baselines
        began = self.clock()
        for changed in store.register_manifests():
            self.note(f"brought the catalog to what the manifests say: {changed}")
        for retired in store.finish_retirements():
            self.note(f"deleted what was left of baseline {retired}")
        capture = observe(self.deployment, began)
        require_active(self.deployment, capture)
        pending = self._broken_off(capture)
        resumed = pending is not None
        if pending is None:
            pending = self._begin(capture)
            store.note(pending)
        self.note(f"baseline {pending.baseline_id}" + (", begun by another run" if resumed else ""))
        manifest = self._finish(pending, capture, began)
        store.publish(manifest)
        return Made(manifest, resumed, self._retire(), self.healed)

    def _broken_off(self, capture: Capture) -> Pending | None:
        """The baseline that another run did not finish, if it is worth finishing; others are cleared away."""
        store, table, found = self.deployment.baselines, self.deployment.names.table, None
        known = {manifest.baseline_id for manifest in store.manifests_of_all_tables()}
        for pending in store.pending():
            is_fresh = moment_of(pending.started_at_us) > self.clock() - _FRESH[pending.source]
            # a snapshot rests on what its parent rests on, an export on the capture of its time
            rests = pending.source == "snapshot" or pending.capture == capture.number
            wanted = pending.source == self.deployment.pipeline.baseline and pending.table == table and rests
            if pending.baseline_id in known:
                store.forget(pending.baseline_id)
            elif is_fresh and wanted and found is None:
                found = pending
            else:
                self.note(f"cleared away what was left of baseline {pending.baseline_id}")
                store.abandon(pending.baseline_id)
        return found

    def _begin(self, capture: Capture) -> Pending:
        now_us, store, table = microseconds(self.clock()), self.deployment.baselines, self.deployment.names.table
        if self.deployment.pipeline.baseline == "export":
            # before it costs something
            require_settled(capture, now_us, self._margin_us)
            lacking = tuple(found.baseline_id for found in store.manifests() if not self._lacks_nothing(found))
            # What was captured before a gap must not decide against the table as it is after it. Nothing is lost by
            # that: what changed since, but for the last moments, is in the export. Ids tell margins in whole seconds.
            second_us = 1_000_000
            margin_us = min(self._margin_us, (now_us - capture.active_since_us) // second_us * second_us)
            name = baseline_id(now_us, margin_us, "export")
            return Pending(
                name, "export", now_us, margin_us, now_us, now_us, None, capture.number, lacking, table=table
            )
        # What happened since then may still be under way. So the views read all of it, and the baseline is what was
        # before: none of it may be in there, for half of an instant would be worse than nothing.
        as_of_us = now_us - self._margin_us
        before = newest(store.manifests())
        if before is not None and before.as_of_us >= as_of_us:
            raise PipelineError(
                f"baseline {before.baseline_id} is of {moment_of(before.as_of_us):%Y-%m-%d %H:%M:%S} UTC, and a "
                f"snapshot is of {self.deployment.stage.baseline_margin_seconds} s ago (baseline_margin_seconds): run "
                f"the job after {moment_of(before.as_of_us + self._margin_us):%H:%M:%S}"
            )
        parent, lacking = self._parent(as_of_us, capture)
        # a snapshot heals no gap: it rests on what its parent rests on, and without one on the first capture
        number = parent.capture if parent else capture.first_number
        return Pending(
            baseline_id(as_of_us, 0, "snapshot"),
            "snapshot",
            as_of_us,
            0,
            now_us,
            self._read_at_us(now_us),
            parent.baseline_id if parent else None,
            number,
            lacking,
            table=table,
        )

    def _parent(self, moment_us: int, capture: Capture) -> tuple[Manifest | None, tuple[str, ...]]:
        deployment = self.deployment
        hours_gone = deployment.hours_gone()
        lacking: list[str] = []

        def is_whole(manifest: Manifest) -> bool:
            if expired_too_early(manifest, capture, hours_gone):
                return False
            if self._lacks_nothing(manifest):
                return True
            lacking.append(manifest.baseline_id)
            return False

        parent = parent_for(deployment.baselines.manifests(), moment_us, is_whole)
        if parent is None and (gone := expired_too_early(None, capture, hours_gone)):
            raise PipelineError(
                f"no baseline can be the start of a snapshot, and the raw objects of {len(gone)} hours (from "
                f"{gone[0]:%Y-%m-%d %H}:00 UTC) are gone: only an export of the table holds what they said: set "
                'baseline = "export", deploy, and run the job'
            )
        return parent, tuple(lacking)

    def _lacks_nothing(self, manifest: Manifest) -> bool:
        """Whether a baseline's data is as it was, and no change from before its cut came late."""
        if self.deployment.baselines.files(manifest.baseline_id) != manifest.files:
            self.note(f"the data of baseline {manifest.baseline_id} is not what it was: passed over")
            return False
        late = late_changes(self.deployment, manifest)
        if late.changes:
            self.healed[manifest.baseline_id] = late
            self.note(f"baseline {manifest.baseline_id} lacks {late.changes} changes that came late: passed over")
        return not late.changes

    def _read_at_us(self, now_us: int) -> int:
        """Raw objects that were stored before then are read; those of an hour that the catalog lacks are not."""
        deployment = self.deployment
        bucket = deployment.raw_bucket
        lacking = merged(deployment.catalog.all_lacking(bucket.hours_by_prefix()))
        stored = (bucket.first_stored(hour) for hour in lacking)
        return min([now_us, *(microseconds(first) for first in stored if first)])

    def _finish(self, pending: Pending, capture: Capture, began: datetime) -> Manifest:
        try:
            if pending.source == "export":
                return self._finish_export(pending, capture, began)
            return self._finish_snapshot(pending, capture, began)
        except (StatementFailedError, ExportFailedError):
            # it will never be complete: the next run begins anew
            self.deployment.baselines.abandon(pending.baseline_id)
            raise

    def _finish_snapshot(self, pending: Pending, capture: Capture, began: datetime) -> Manifest:
        deployment = self.deployment
        known = {manifest.baseline_id: manifest for manifest in deployment.baselines.manifests()}
        parent = known.get(pending.parent) if pending.parent else None
        if pending.parent and parent is None:
            deployment.baselines.abandon(pending.baseline_id)
            raise PipelineError(
                f"baseline {pending.parent}, where {pending.baseline_id} was to start, is gone: run the job again"
            )
        statement = snapshot_statement(
            deployment.pipeline,
            deployment.names,
            baseline_id=pending.baseline_id,
            as_of_us=pending.as_of_us,
            parent=parent.baseline if parent else None,
            other_change_table=deployment.other_change_table,
        )
        written = self._write(pending, statement)
        return self._verified(pending, capture, written, began, expected=written.rows_written)

    def _finish_export(self, pending: Pending, capture: Capture, began: datetime) -> Manifest:
        deployment, store = self.deployment, self.deployment.baselines
        if pending.export_arn is None:
            pending = replace(pending, export_arn=deployment.table_export.start(pending.baseline_id).arn)
            store.note(pending)
        export = deployment.table_export.wait(
            str(pending.export_arn), Waiting(EXPORT_SECONDS, first_seconds=0.5, longest_seconds=60), self.note
        )
        if export.table_id != capture.table_id:
            raise ExportFailedError(
                f"export {export.arn} is of a table that was deleted and made again since: run the job again"
            )
        try:
            require_settled(capture, export.as_of_us, self._margin_us)
        except PipelineError:
            store.abandon(pending.baseline_id)
            raise
        pending = replace(pending, as_of_us=export.as_of_us)
        items = convert_export(deployment, pending.baseline_id, export, self.note)
        written = self._write(pending, export_statement(deployment.names, baseline_id=pending.baseline_id))
        return self._verified(pending, capture, written, began, expected=items)

    def _write(self, pending: Pending, statement: str) -> Finished:
        runs = self.deployment.statement_runs
        query_id = pending.query_id or runs.start(statement, f"ddb-baseline-{pending.baseline_id}")
        self.deployment.baselines.note(replace(pending, query_id=query_id))
        return runs.wait(query_id, Waiting(QUERY_SECONDS, first_seconds=0.1, longest_seconds=10), self.note)

    def _verified(
        self, pending: Pending, capture: Capture, written: Finished, began: datetime, *, expected: int
    ) -> Manifest:
        """Count what was written, and write down what it is.

        Raises:
            PipelineError: It is not what it should be; it has been cleared away.
        """
        deployment, store = self.deployment, self.deployment.baselines
        counted = deployment.athena.execute(verification_statement(deployment.names, baseline_id=pending.baseline_id))
        rows, keys, broken, uncertain = (int(value or 0) for value in counted.rows[0])
        if not rows == keys == expected == written.rows_written or broken:
            store.abandon(pending.baseline_id)
            raise PipelineError(
                f"baseline {pending.baseline_id} is not right and was thrown away: {rows} rows of {keys} items, "
                f"{broken} of them broken, where {expected} items were expected and {written.rows_written} rows "
                "written: run the job again, and report it if that does not help"
            )
        now, cut_us = self.clock(), pending.as_of_us - pending.margin_us
        return Manifest(
            baseline_id=pending.baseline_id,
            source=pending.source,
            as_of_us=pending.as_of_us,
            margin_us=pending.margin_us,
            read_at_us=pending.read_at_us,
            made_at_us=microseconds(now),
            rows=rows,
            uncertain=uncertain,
            parent=pending.parent,
            table=deployment.names.table,
            table_id=capture.table_id,
            capture=pending.capture,
            export_arn=pending.export_arn,
            queries={"wrote": written.query_id, "verified": counted.query_id},
            bytes_scanned=written.bytes_scanned + counted.data_scanned_in_bytes,
            seconds=round((now - began).total_seconds(), 3),
            files=store.files(pending.baseline_id),
            heals=pending.lacking,
            first_hour_us=microseconds(first_hour_with(deployment.raw_bucket, deployment.stage, cut_us)),
        )

    def _retire(self) -> tuple[str, ...]:
        store = self.deployment.baselines
        manifests = store.manifests_of_all_tables()
        in_use = ids_in_views(self.deployment, manifests)
        gone = to_retire(manifests, self.deployment.names.table, self.deployment.pipeline.baselines_kept, in_use)
        for manifest in gone:
            store.retire(manifest.baseline_id)
        return tuple(manifest.baseline_id for manifest in gone)

    @property
    def _margin_us(self) -> int:
        return self.deployment.stage.baseline_margin_seconds * 1_000_000
