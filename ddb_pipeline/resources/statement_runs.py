"""Statements in Athena that outlive the process which started them: found again by a token, and never run twice.

For queries whose rows somebody waits for there is `AthenaResource`, which stops what it no longer waits for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ddb_pipeline.errors import STAGE_ADVICE, PipelineError
from ddb_pipeline.resources.athena_queries import Advice, AthenaLateError, AthenaQueryError, Queries, describe_request
from ddb_pipeline.resources.waiting import Waiting

_START_SECONDS = 300.0
"""How long Athena may refuse a start as one too many."""


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
        scan_cutoff_advice: Said when a statement scanned more than the workgroup allows.
    """

    client: Any
    workgroup: str
    database: str
    scan_cutoff_advice: str = ""

    def start(self, sql: str, token: str) -> str:
        """Start a statement, or find the run that was started with this token.

        Args:
            sql: The statement; the same text for the same token.
            token: 32 to 128 characters (API StartQueryExecution, ClientRequestToken).

        Returns:
            Athena's id of the query.

        Raises:
            PipelineError: Athena refused it.
        """
        asked = describe_request(sql, workgroup=self.workgroup, database=self.database)
        query_id, _at = self._queries(Waiting(_START_SECONDS)).start(asked, token)
        return query_id

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
        queries = self._queries(waiting)
        try:
            described = queries.wait(query_id)
        except AthenaLateError as error:
            raise PipelineError(
                f"{error}: run the job again, it waits for this query and starts no other", links=error.links
            ) from None
        try:
            queries.require_success(described)
        except AthenaQueryError as error:
            raise StatementFailedError(str(error), links=error.links) from None
        # API ResultSet, UpdateCount: "the number of rows inserted"
        written = queries.results(query_id, {"MaxResults": 1}).get("UpdateCount", 0)
        scanned = described.get("Statistics", {}).get("DataScannedInBytes", 0)
        return Finished(query_id, int(written), int(scanned))

    def _queries(self, waiting: Waiting) -> Queries:
        return Queries(
            self.client,
            waiting,
            Advice(f"Athena, database {self.database}", scan_cutoff=self.scan_cutoff_advice, call=STAGE_ADVICE),
        )
