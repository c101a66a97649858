"""A query of Athena from its start to its result, by the API's own means: states, reasons, throttling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ddb_pipeline.errors import AwsError, CallAdvice, PipelineError, of_botocore_error, of_client_error
from ddb_pipeline.resources.console import query_page
from ddb_pipeline.resources.patience import patiently
from ddb_pipeline.resources.waiting import Waiting

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
SYSTEM_ERROR = 1
"""ErrorCategory of a fault on the side of Athena (API AthenaError)."""

_CUTOFF = "bytes scanned limit"
_NO_RESULTS = "output bucket"
"""In Athena's words for a bucket of results that is not there: "Unable to verify/create output bucket"."""
_UNREADABLE = ("HIVE_BAD_DATA", "Row is not a valid JSON Object", "Not in GZIP format", "incorrect header check")
"""In Athena's words for an object that is not what its table says. Its code HIVE_CURSOR_ERROR alone does not tell: it
comes with S3 that throttles or refuses, too."""


class AthenaQueryError(AwsError):
    """Athena did not complete a query.

    Attributes:
        query_id: Athena's id of the query; None: it was not started.
        cut_off: Whether the workgroup's limit of scanned bytes ended it.
    """

    def __init__(
        self,
        message: str,
        query_id: str | None,
        *,
        links: Mapping[str, str] | None = None,
        transient: bool = False,
        cut_off: bool = False,
    ) -> None:
        super().__init__(message, links=links, transient=transient)
        self.query_id = query_id
        self.cut_off = cut_off


@dataclass(frozen=True)
class Advice:
    """What is said besides Athena's reason.

    Attributes:
        where: What was asked, for the reader.
        missing_table: When a table is not there.
        scan_cutoff: When the query scanned more than the workgroup allows.
        missing_results: When the bucket for results is not there.
        unreadable_object: When an object of the table cannot be read.
        call: When a call failed.
    """

    where: str
    missing_table: str = ""
    scan_cutoff: str = ""
    missing_results: str = ""
    unreadable_object: str = ""
    call: CallAdvice = field(default_factory=CallAdvice)

    def of_reason(self, reason: str) -> str:
        """Return what is said besides a reason of Athena's, as far as its words tell what is missing."""
        if "TABLE_NOT_FOUND" in reason and self.missing_table:
            return f": {self.missing_table}"
        if self.unreadable_object and any(words in reason for words in _UNREADABLE):
            return f": {self.unreadable_object}"
        return f": {self.missing_results}" if _NO_RESULTS in reason and self.missing_results else ""


@dataclass
class Queries:
    """Starts, follows and stops queries; throttling is waited out until the deadline.

    Attributes:
        client: boto3's Athena client.
        waiting: Deadline and pauses.
        advice: What errors say besides.
    """

    client: Any
    waiting: Waiting
    advice: Advice

    def start(self, asked: Mapping[str, Any], token: str) -> tuple[str, datetime]:
        """Start a query, or find the one of this token.

        Args:
            asked: Parameters of StartQueryExecution, without the token.
            token: 32 to 128 characters.

        Returns:
            Athena's id of the query, and when Athena said so.

        Raises:
            AthenaLateError: It was refused as one too many until the deadline.
            AthenaQueryError: It was refused for good.
        """
        try:
            answer = self._call("start_query_execution", None, ClientRequestToken=token, **asked)
        except AthenaLateError as error:
            raise AthenaLateError(
                f"{error}: Athena runs as many queries as it may, or has a fault: run this again later, or have "
                "the account's quota of active queries raised",
                None,
                transient=True,
            ) from None
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        return str(answer["QueryExecutionId"]), parsedate_to_datetime(date) if date else datetime.now(UTC)

    def describe(self, query_id: str) -> Mapping[str, Any]:
        """Return the API shape QueryExecution of a query."""
        answer = self._call("get_query_execution", query_id, QueryExecutionId=query_id)
        return dict(answer["QueryExecution"])

    def wait(self, query_id: str) -> Mapping[str, Any]:
        """Wait until a query is in a final state, and return it.

        Raises:
            AthenaLateError: It was not there at the deadline.
        """
        while True:
            described = self.describe(query_id)
            if described["Status"]["State"] in FINAL:
                return described
            self.pause(query_id, f"Athena query {query_id}")

    def results(self, query_id: str, page: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a page of the result of a query that has succeeded.

        Args:
            query_id: Athena's id of the query.
            page: The other parameters of GetQueryResults.
        """
        try:
            answer: Mapping[str, Any] = self._call(
                "get_query_results", query_id, **{**page, "QueryExecutionId": query_id}
            )
        except AthenaLateError as error:
            raise AthenaQueryError(
                f"{error}: the query is done: run this again, or allow more time",
                query_id,
                links=error.links,
                transient=True,
            ) from None
        return answer

    def stop(self, query_id: str) -> None:
        """Stop a query; one that has ended stays as it is."""
        from botocore.exceptions import BotoCoreError, ClientError
        from dagster import get_dagster_logger

        try:
            self.client.stop_query_execution(QueryExecutionId=query_id)
            get_dagster_logger().warning("stopped Athena query %s", query_id)
        except (ClientError, BotoCoreError) as error:
            # the first error matters more; the workgroup's scan cutoff bounds what the query may still cost
            get_dagster_logger().error("Athena query %s could not be stopped: %s", query_id, error)

    def require_success(self, described: Mapping[str, Any]) -> None:
        """Refuse a query that did not succeed.

        Raises:
            AthenaQueryError: It failed or was cancelled; the message has Athena's reason and what to do.
        """
        status, query_id = described["Status"], str(described["QueryExecutionId"])
        if status["State"] == "SUCCEEDED":
            return
        reason = str(status.get("StateChangeReason") or "Athena gives no reason")
        cut_off = _CUTOFF in reason.lower()
        fault = status.get("AthenaError") or {}
        if cut_off:
            scanned = described.get("Statistics", {}).get("DataScannedInBytes", 0)
            advice = f" ({scanned:,} bytes): {self.advice.scan_cutoff}"
        elif status["State"] == "CANCELLED":
            advice = ": somebody stopped it: run this again"
        else:
            advice = self.advice.of_reason(reason)
        verb = "was cancelled" if status["State"] == "CANCELLED" else "failed"
        raise AthenaQueryError(
            f"Athena query {query_id} {verb}: {reason}{advice}",
            query_id,
            links=self.links(query_id),
            transient=not cut_off and bool(fault.get("Retryable") or fault.get("ErrorCategory") == SYSTEM_ERROR),
            cut_off=cut_off,
        )

    def links(self, query_id: str | None) -> dict[str, str]:
        """Where the console shows a query."""
        return {"query": query_page(self.region, query_id)} if query_id else {}

    @property
    def region(self) -> str:
        """Region of the client."""
        return str(self.client.meta.region_name)

    def pause(self, query_id: str | None, what: str) -> None:
        """Sleep before the next look.

        Raises:
            AthenaLateError: The time is over.
        """
        if self.waiting.is_over:
            late = f"waited {self.waiting.deadline_seconds:.0f} s for {what}"
            raise AthenaLateError(late, query_id, links=self.links(query_id))
        self.waiting.pause()

    def _call(self, operation: str, query_id: str | None, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return patiently(
                lambda: getattr(self.client, operation)(**arguments),
                self.waiting,
                lambda what: self.pause(query_id, what),
                operation,
                under_way=query_id is not None,
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "InvalidRequestException":
                reason = str(error.response["Error"].get("Message") or error)
                refused = f"{operation} of query {query_id}" if query_id else "the query"
                raise AthenaQueryError(
                    f"Athena refuses {refused}: {reason}{self.advice.of_reason(reason)}",
                    query_id,
                    links=self.links(query_id),
                ) from error
            raise self._explained(of_client_error(error, self.advice.where, self.advice.call), query_id) from error
        except BotoCoreError as error:
            raise self._explained(of_botocore_error(error, self.advice.where, self.advice.call), query_id) from error

    def _explained(self, error: PipelineError, query_id: str | None) -> AthenaQueryError:
        return AthenaQueryError(str(error), query_id, links=self.links(query_id), transient=error.transient)


class AthenaLateError(AthenaQueryError):
    """The time was over before the query was done, or could be started."""


def describe_request(
    sql: str,
    *,
    workgroup: str,
    database: str,
    catalog: str | None = None,
    parameters: list[str] | None = None,
    reuse_minutes: int | None = None,
) -> dict[str, Any]:
    """Return the parameters of StartQueryExecution, without a token.

    Args:
        sql: The statement.
        workgroup: Name of the workgroup.
        database: Database of unqualified names.
        catalog: Data catalog of unqualified names; None: the account's own.
        parameters: Literals for the `?` of the statement.
        reuse_minutes: How old a result may be that answers instead of a run; None: none is reused.
    """
    asked: dict[str, Any] = {
        "QueryString": sql,
        "QueryExecutionContext": {"Database": database} | ({"Catalog": catalog} if catalog else {}),
        "WorkGroup": workgroup,
    }
    if parameters:
        asked["ExecutionParameters"] = parameters
    if reuse_minutes is not None:
        by_age = {"Enabled": True, "MaxAgeInMinutes": reuse_minutes}
        asked["ResultReuseConfiguration"] = {"ResultReuseByAgeConfiguration": by_age}
    return asked


def waiting_for_query(deadline_seconds: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> Waiting:
    """Return pauses as they suit queries, which take seconds more often than minutes."""
    return Waiting(deadline_seconds, first_seconds=0.1, longest_seconds=5, clock=clock, sleep=sleep)
