"""One query execution: what was asked, how far it is, and how Athena's API shows it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from ddb_pipeline.local_aws.athena.relations import Field

ENGINE_VERSION = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}
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
        cutoff: Most bytes that it may scan; None: any number.
        token: ClientRequestToken, or None.
        result_file: Local copy of the result file.
    """

    id: str
    sql: str
    workgroup: str
    context: dict[str, Any]
    result_configuration: dict[str, Any]
    cutoff: int | None
    token: str | None
    result_file: Path
    state: str = "QUEUED"
    reason: str | None = None
    error_category: int | None = None
    statement_type: str = "DML"
    substatement_type: str | None = None
    fields: tuple[Field, ...] = ()
    scanned: int = 0
    submitted: float = field(default_factory=time.time)
    started: float | None = None
    planned: float | None = None
    completed: float | None = None
    _connection: duckdb.DuckDBPyConnection | None = None
    _cancelled: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def database(self) -> str | None:
        """Database of names without one, lower case."""
        name = self.context.get("Database")
        return str(name).lower() if name else None

    @property
    def output_location(self) -> str:
        """URI of the result file: `.csv` for rows, `.txt` for what DDL says."""
        folder = str(self.result_configuration["OutputLocation"])
        ending = "txt" if self.statement_type == "DDL" else "csv"
        return f"{folder}{'' if folder.endswith('/') else '/'}{self.id}.{ending}"

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
            if self._connection is not None:
                self._connection.interrupt()
            else:
                self._end("CANCELLED", "Query cancelled by user")

    def finish(self, state: str, reason: str | None = None, category: int | None = None) -> None:
        """Go to a final state."""
        with self._lock:
            self._connection = None
            self.error_category = category
            self._end(state, reason)

    def _end(self, state: str, reason: str | None) -> None:
        self.reason = reason
        self.completed = time.time()
        # last: who sees the state sees the rest too
        self.state = state

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
            "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": False}},
            "QueryExecutionContext": self.context,
            "Status": status,
            "Statistics": self._statistics(),
            "WorkGroup": self.workgroup,
            "EngineVersion": ENGINE_VERSION,
        }
        return described | ({"SubstatementType": self.substatement_type} if self.substatement_type else {})

    def _statistics(self) -> dict[str, Any]:
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
            "ResultReuseInformation": {"ReusedPreviousResult": False},
        }
