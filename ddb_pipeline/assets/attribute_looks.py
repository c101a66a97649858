"""A look for attributes in the hours that nobody has looked at: in portions, and each is remembered at once.

So a query that the workgroup's limit cuts off, or a run that is killed, costs no more than one portion again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from dagster import AssetExecutionContext

from ddb_pipeline.arrivals import partition_key
from ddb_pipeline.baseline_making.in_use import baseline_in_use
from ddb_pipeline.baselines import TABLE_NAME as BASELINE_TABLE
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.item_columns.discovery import discovery_statement, mark_of, observations, rows_of_hours
from ddb_pipeline.item_columns.hours import HoursLookedAt, Plan, plan
from ddb_pipeline.item_columns.learning import learn, needs_everything
from ddb_pipeline.item_columns.memory import EMPTY, Memory
from ddb_pipeline.item_columns.portions import MOST_HOURS, most_bytes, next_portion
from ddb_pipeline.item_columns.types import Observation
from ddb_pipeline.resources.athena import QueryResult
from ddb_pipeline.resources.athena_queries import AthenaLateError, AthenaQueryError
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.resources.column_memory import StoredMemory
from ddb_pipeline.sql_text import quote_identifier, quote_literal
from ddb_pipeline.view_sql import change_rows

_ATTEMPTS = 5
"""How often what was learned is put on top of what another run was faster to write."""
LOOK_SECONDS = 1200.0
"""After so long no further portion is begun: the views shall not wait, and the next refresh goes on."""
_MEBIBYTE = 2**20


@dataclass
class Look:
    """What one run looked at.

    Attributes:
        hours: Hours that it looked at.
        left: Hours that the next run looks at.
        too_large: Hours that one query could not look at, in this run or one before it.
        baseline_id: The baseline that it looked at.
        queries: The queries that succeeded.
        left_out: Attributes that it met and that get no column.
    """

    hours: list[datetime] = field(default_factory=list)
    left: list[datetime] = field(default_factory=list)
    too_large: list[datetime] = field(default_factory=list)
    baseline_id: str | None = None
    queries: list[QueryResult] = field(default_factory=list)
    left_out: dict[tuple[str, ...], None] = field(default_factory=dict)


class Looking:
    """One run of the look.

    Attributes:
        look: What it looked at so far.
        before: What was remembered when it began.
        memory: What is remembered now.
    """

    def __init__(
        self, context: AssetExecutionContext, deployment: Deployment, taken: Sequence[str], now: datetime
    ) -> None:
        """Read what is remembered.

        Args:
            context: Context of the asset.
            deployment: The pipeline on its stage.
            taken: Names of the views' other columns.
            now: The time.
        """
        self._context, self._deployment, self._taken, self._now = context, deployment, taken, now
        self._stored = StoredMemory(None, None)
        self.look = Look()
        self._read()
        self.before = self.memory

    def run(self) -> None:
        """Look at all that nobody has looked at, as far as the time goes."""
        if not self._deployment.pipeline.discover_columns:
            self._keep(lambda memory: memory, [])
            return
        self._look_at_hours()
        baseline = baseline_in_use(self._deployment)
        if baseline is not None and baseline.baseline_id != self.memory.baseline_id:
            self._look_at_baseline(baseline.baseline_id)

    # --- hours

    def _look_at_hours(self) -> None:
        sizes: dict[datetime, int] = {}
        bucket, limit = self._deployment.raw_bucket, self._deployment.stage.scan_cutoff_mebibytes * _MEBIBYTE

        def fingerprint(hour: datetime) -> str:
            content = bucket.content(hour)
            sizes[hour] = content.size if content else 0
            return content.fingerprint if content else "empty"

        present = self._deployment.hours_in_tables()
        planned = plan(present, self.memory.looked_at, fingerprint, self._now, limit)
        if unknown := [hour for hour in planned.hours if hour not in sizes]:
            sizes |= bucket.sizes(unknown[0], unknown[-1])
        left, most, until = list(planned.hours), MOST_HOURS, time.monotonic() + LOOK_SECONDS
        if not left:
            self._keep_hours(planned, (), [])
        while left and time.monotonic() < until:
            portion = next_portion(left, sizes, most_bytes(limit), most)
            try:
                found = self._ask_hours(planned, portion)
            except AthenaQueryError as error:
                # cut off: the limit that is deployed is lower than the one that pipeline.toml has by now
                is_too_much = error.cut_off or (isinstance(error, AthenaLateError) and len(portion) > 1)
                if not is_too_much:
                    raise
                if len(portion) > 1:
                    most = len(portion) // 2
                    self._context.log.warning("%d hours are too many for one query: %s", len(portion), error)
                    continue
                self._pass_over(planned, portion[0], limit, error)
            else:
                self._keep_hours(planned, portion, found)
                self.look.hours += portion
            del left[: len(portion)]
        self.look.left = left
        self.look.too_large = sorted(self.memory.looked_at.too_large)

    def _ask_hours(self, planned: Plan, portion: Sequence[datetime]) -> list[Observation]:
        is_everything = planned.is_everything and len(portion) == len(planned.hours)
        names = self._deployment.names
        rows = [f"table_name = {quote_literal(names.table)}", *([] if is_everything else [rows_of_hours(portion)])]
        changes = change_rows(["new_image"], names, self._deployment.other_change_table)
        return self._ask(changes, rows, mark_of(portion, planned.after.fingerprints))

    def _keep_hours(self, planned: Plan, done: Sequence[datetime], found: Sequence[Observation]) -> None:
        self._keep(lambda memory: replace(memory, looked_at=planned.and_looked_at(memory.looked_at, done)), found)

    def _pass_over(self, planned: Plan, hour: datetime, limit: int, error: AthenaQueryError) -> None:
        """An hour that one query cannot look at fails no run, and is not paid for again: its columns have to wait."""

        def passed(looked_at: HoursLookedAt) -> HoursLookedAt:
            return planned.and_looked_at(looked_at).and_too_large(hour, limit)

        self._keep(lambda memory: replace(memory, looked_at=passed(memory.looked_at)), [])
        self._context.log.warning(
            "attributes that only hour %s has get no column until the limit is higher: %s", partition_key(hour), error
        )

    # --- the baseline

    def _look_at_baseline(self, baseline_id: str) -> None:
        names = self._deployment.names
        rows = [f"table_name = {quote_literal(names.table)}", f"baseline_id = {quote_literal(baseline_id)}"]
        found: list[Observation] = []
        try:
            found = self._ask(f"{quote_identifier(names.database)}.{quote_identifier(BASELINE_TABLE)}", rows)
        except AthenaQueryError as error:
            if not error.cut_off:
                raise
            self._context.log.warning("attributes that only the baseline has get no column: %s", error)
        else:
            self.look.baseline_id = baseline_id
        self._keep(lambda memory: replace(memory, baseline_id=baseline_id), found)

    # --- asking and remembering

    def _ask(self, table: str, rows: Sequence[str], mark: str = "") -> list[Observation]:
        depth, log = self._deployment.pipeline.item_column_depth, self._context.log
        result = self._deployment.athena.execute(
            discovery_statement(table, rows, depth) + mark,
            on_start=lambda query: log.info("query %s", query),
            context=self._context,
        )
        self.look.queries.append(result)
        return observations(result.rows, depth)

    def _keep(self, advanced: Callable[[Memory], Memory], found: Sequence[Observation]) -> None:
        """Remember what was found, on top of what another run has written meanwhile: it is not asked again for that.

        Raises:
            PipelineError: Other runs were faster each time.
        """
        store, at = self._deployment.column_memory, f"{self._now:%Y-%m-%dT%H:%M:%SZ}"
        for _attempt in range(_ATTEMPTS):
            learned = learn(advanced(self.memory), found, self._deployment.pipeline, self._taken, at)
            if learned.memory == self._stored.memory or store.write(learned.memory, self._stored):
                self.look.left_out |= dict.fromkeys(learned.left_out)
                self._read()
                return
            self._context.log.info("another run has written %s meanwhile: this is added to it", store.uri)
            self._read()
        raise PipelineError(
            f"{_ATTEMPTS} times another run wrote {store.uri} first: let one refresh run at a time", transient=True
        )

    def _read(self) -> None:
        """Read what is remembered; without that, or when more is wanted than was looked for, every hour is new."""
        store, log = self._deployment.column_memory, self._context.log
        self._stored = store.read()
        memory = self._stored.memory
        if memory is None:
            if self._stored.broken:
                log.error("%s %s: it is made anew from all hours", store.uri, self._stored.broken)
            elif self._context.instance.get_latest_materialization_event(self._context.asset_key):
                log.warning("%s is gone: it is made anew from all hours", store.uri)
            memory = EMPTY
        elif needs_everything(memory, self._deployment.pipeline):
            log.info("pipeline.toml asks for more columns than before: all hours are looked at again")
            memory = replace(memory, looked_at=HoursLookedAt(), baseline_id=None)
        self.memory = memory
