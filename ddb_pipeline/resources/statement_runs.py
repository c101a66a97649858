"""Statements in Athena that outlive the process which started them: found again by a token, and never run twice.

For queries whose rows somebody waits for there is `AthenaResource`, which stops what it no longer waits for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ddb_pipeline.errors import PipelineError
from ddb_pipeline.resources.waiting import Waiting


class StatementFailedError(PipelineError):
    """Athena gave a statement up: it will never be complete, and may have left files behind."""


@dataclass(frozen=True)
class Finished:
    """A statement that was carried out: rows that it wrote, and bytes that it read (and that are billed)."""

    query_id: str
    rows_written: int
    bytes_scanned: int


@dataclass(frozen=True)
class StatementRuns:
    """Runs statements in one workgroup and database.

    Attributes:
        client: boto3's Athena client.
        workgroup: Name of the workgroup.
        database: Database of unqualified names.
    """

    client: Any
    workgroup: str
    database: str

    def start(self, sql: str, token: str) -> str:
        """Start a statement, or find the run that was started with this token.

        Args:
            sql: The statement; the same text for the same token.
            token: 32 to 128 characters (API StartQueryExecution, ClientRequestToken).

        Returns:
            Athena's id of the query.
        """
        return str(
            self.client.start_query_execution(
                QueryString=sql,
                ClientRequestToken=token,
                QueryExecutionContext={"Database": self.database},
                WorkGroup=self.workgroup,
            )["QueryExecutionId"]
        )

    def wait(self, query_id: str, waiting: Waiting, note: Callable[[str], None]) -> Finished:
        """Wait for a statement. An interrupt ends the waiting; the statement goes on.

        Args:
            query_id: Athena's id of the query.
            waiting: Deadline and pauses.
            note: Takes a line for the log.

        Raises:
            PipelineError: It failed, was cancelled, or was not done at the deadline.
        """
        note(f"query {query_id}")
        while True:
            described = self.client.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            status = described["Status"]
            if status["State"] == "SUCCEEDED":
                # API ResultSet, UpdateCount: "the number of rows inserted"
                written = self.client.get_query_results(QueryExecutionId=query_id, MaxResults=1).get("UpdateCount", 0)
                scanned = described.get("Statistics", {}).get("DataScannedInBytes", 0)
                return Finished(query_id, int(written), int(scanned))
            if status["State"] in {"FAILED", "CANCELLED"}:
                reason = status.get("StateChangeReason", "no reason given")
                raise StatementFailedError(f"Athena query {query_id} {status['State'].lower()}: {reason}")
            if waiting.is_over:
                raise PipelineError(
                    f"Athena query {query_id} was not done after {waiting.deadline_seconds:.0f} s: run the job again, "
                    "it waits for this query and starts no other"
                )
            waiting.pause()
