"""One query execution: what was asked, how far it is, and how Athena's API shows it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from ddb_pipeline.local_aws.athena.errors import QueryCancelledError
from ddb_pipeline.local_aws.athena.plans import PreparedStatement
from ddb_pipeline.local_aws.athena.relations import Field

ENGINE_VERSION = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}
_INTERRUPT_SECONDS = 0.05
_PATIENCE_SECONDS = 5.0
FINAL_STATES = ("SUCCEEDED", "FAILED", "CANCELLED")


@dataclass
class QueryExecution:
    """A query execution (API shape `QueryExecution`).

    Attributes:
        id: Its id.
        sql: Text of the query.
        workgroup: Name of its workgroup.
        context: QueryExecutionContext as given.
        result_configuration: Where the result goes and how it is encrypted, `OutputLocation` being a folder.
        is_enforced: Whether its workgroup decides where results go.
        cutoff: Most bytes that it may scan; None: any number.
        token: ClientRequestToken, or None.
        request: The request, for one that comes again with the same token.
        result_file: Local copy of the result file.
        parameters: Values of `?`, as SQL.
        prepared: The workgroup's prepared statements by name.
        reuse_configuration: ResultReuseConfiguration as asked for.
        reuse_seconds: How old a result may be that answers it instead of a run; None: it runs.
        reused: The earlier query whose result answers it; None: it runs.
        lines: What a statement about the catalog says; None: it has rows.
        rows: Rows of its result.
        is_abandoned: Whether it was stopped, and DuckDB never gave its thread back.
        when_abandoned: Called then.
        update_count: Rows that it wrote; None: it is not a statement that writes.
    """

    id: str
    sql: str
    workgroup: str
    context: dict[str, Any]
    result_configuration: dict[str, Any]
    is_enforced: bool
    cutoff: int | None
    token: str | None
    request: dict[str, Any]
    result_file: Path
    parameters: Sequence[str] = ()
    prepared: MutableMapping[str, PreparedStatement] = field(default_factory=dict)
    reuse_configuration: dict[str, Any] = field(default_factory=dict)
    reuse_seconds: float | None = None
    reused: QueryExecution | None = None
    state: str = "QUEUED"
    reason: str | None = None
    error_category: int | None = None
    statement_type: str = "DML"
    substatement_type: str | None = None
    fields: tuple[Field, ...] = ()
    lines: tuple[str, ...] | None = None
    rows: int = 0
    update_count: int | None = None
    scanned: int = 0
    submitted: float = field(default_factory=time.time)
    started: float | None = None
    planned: float | None = None
    completed: float | None = None
    is_abandoned: bool = False
    when_abandoned: Callable[[], None] = field(default=lambda: None)
    _connection: duckdb.DuckDBPyConnection | None = None
    _cancelled: bool = False
    _interrupter: threading.Thread | None = None
    _ended: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def database(self) -> str | None:
        """Database of names without one, lower case."""
        name = self.context.get("Database")
        return str(name).lower() if name else None

    @property
    def submitted_at(self) -> datetime:
        """When it was asked for, UTC."""
        return datetime.fromtimestamp(self.submitted, UTC)

    @property
    def results_folder(self) -> str:
        """Folder in S3 that its results go to, ending with a slash."""
        folder = str(self.result_configuration["OutputLocation"])
        return folder if folder.endswith("/") else f"{folder}/"

    @property
    def output_location(self) -> str:
        """URI of the result: `.csv` for rows, `.txt` for what DDL says, no ending for a statement that writes.

        CREATE TABLE AS has it below `tables/`, where its objects are unless it says otherwise.
        """
        if self.reused is not None:
            return self.reused.output_location
        folder = self.results_folder
        if self.substatement_type == "CREATE_TABLE_AS_SELECT":
            return f"{folder}tables/{self.id}"
        if self.substatement_type in {"INSERT", "UNLOAD"}:
            return f"{folder}{self.id}"
        return f"{folder}{self.id}.{'csv' if self.statement_type == 'DML' else 'txt'}"

    @property
    def manifest_location(self) -> str | None:
        """URI of the list of objects that it wrote; None: it writes none."""
        return None if self.update_count is None else f"{self.output_location}-manifest.csv"

    @property
    def is_cancelled(self) -> bool:
        """Whether it was stopped."""
        return self._cancelled

    def begin(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Go from QUEUED to RUNNING; False: it was stopped before."""
        with self._lock:
            if self._cancelled:
                return False
            self._connection, self.state, self.started = connection, "RUNNING", time.time()
            return True

    def cancel(self) -> None:
        """Stop it: a queued one never starts, a running one is interrupted, a finished one stays as it is."""
        with self._lock:
            if self.state in FINAL_STATES:
                return
            self._cancelled = True
            if self._connection is None:
                self._end("CANCELLED", "Query cancelled by user")
                return
            self._interrupter = threading.Thread(target=self._interrupt, name=f"stop-{self.id}", daemon=True)
            self._interrupter.start()

    def _interrupt(self) -> None:
        """Interrupt until it has ended.

        DuckDB forgets an interrupt that comes between two of its statements, and now and then (seen in 2.0.0, with
        several queries at once) a statement that was interrupted never returns: then its thread is given up.
        """
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            with self._lock:
                if self._connection is None:
                    return
                self._connection.interrupt()
                if time.monotonic() > end:
                    self.is_abandoned, self._connection = True, None
                    self._end("CANCELLED", "Query cancelled by user")
                    break
            self._ended.wait(_INTERRUPT_SECONDS)
        self.when_abandoned()

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Make what was done visible: it cannot be stopped any more once this has begun.

        Raises:
            QueryCancelledError: It was stopped before.
        """
        with self._lock:
            if self._cancelled:
                raise QueryCancelledError("Query cancelled by user")
            yield

    def reuse(self, other: QueryExecution) -> None:
        """Take the result of an earlier query."""
        with self._lock:
            self.reused, self.result_file, self.fields = other, other.result_file, other.fields
            self.rows = other.rows
            self.started = self.planned = time.time()
            self._end("SUCCEEDED", None)

    def finish(self, state: str, reason: str | None = None, category: int | None = None) -> None:
        """Go to a final state."""
        with self._lock:
            if self.is_abandoned:
                return
            self._connection = None
            self.error_category = category
            self._end(state, reason)

    def wait(self) -> None:
        """Wait until it is in a final state, and nothing works on it: after `cancel` this takes seconds at most."""
        self._ended.wait()
        if self._interrupter is not None:
            # a thread that outlives the interpreter keeps DuckDB's objects, which DuckDB then complains of
            self._interrupter.join()

    def _end(self, state: str, reason: str | None) -> None:
        self.reason = reason
        self.completed = time.time()
        # last: who sees the state sees the rest too
        self.state = state
        self._ended.set()

    def describe(self) -> dict[str, Any]:
        """Show it as GetQueryExecution does."""
        status: dict[str, Any] = {"State": self.state, "SubmissionDateTime": self.submitted}
        if self.completed is not None:
            status["CompletionDateTime"] = self.completed
        if self.reason is not None:
            status["StateChangeReason"] = self.reason
        if self.state == "FAILED":
            status["AthenaError"] = {
                "ErrorCategory": self.error_category,
                "Retryable": False,
                "ErrorMessage": self.reason,
            }
        described = {
            "QueryExecutionId": self.id,
            "Query": self.sql,
            "StatementType": self.statement_type,
            "ResultConfiguration": {**self.result_configuration, "OutputLocation": self.output_location},
            "ResultReuseConfiguration": self.reuse_configuration
            or {"ResultReuseByAgeConfiguration": {"Enabled": False}},
            "QueryExecutionContext": self.context,
            "Status": status,
            "Statistics": self.statistics(),
            "WorkGroup": self.workgroup,
            "EngineVersion": ENGINE_VERSION,
        }
        optional = {"SubstatementType": self.substatement_type, "ExecutionParameters": list(self.parameters)}
        return described | {name: value for name, value in optional.items() if value}

    def statistics(self) -> dict[str, Any]:
        """Times and bytes (API shape `QueryExecutionStatistics`)."""
        end = self.completed if self.completed is not None else time.time()
        started = self.started if self.started is not None else end
        planned = self.planned if self.planned is not None else end
        milliseconds = {
            "QueryQueueTimeInMillis": started - self.submitted,
            "QueryPlanningTimeInMillis": planned - started,
            "EngineExecutionTimeInMillis": end - started,
            "TotalExecutionTimeInMillis": end - self.submitted,
            "ServicePreProcessingTimeInMillis": 0,
            "ServiceProcessingTimeInMillis": 0,
        }
        return {
            **{name: max(0, round(1000 * seconds)) for name, seconds in milliseconds.items()},
            "DataScannedInBytes": self.scanned,
            **({"DataManifestLocation": self.manifest_location} if self.manifest_location else {}),
            "ResultReuseInformation": {"ReusedPreviousResult": self.reused is not None},
        }
