"""A query of Athena from its start to its end, by the API's own means: tokens, states, reasons.

Athena starts no second query for a client request token that it has seen: it answers with the id of the first, however
that one ended, and refuses the token with other parameters (API StartQueryExecution, ClientRequestToken). So a token
is made of all that is asked, and a query that ended badly is left behind with its token.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from ddb_pipeline.errors import AwsError, CallAdvice, of_botocore_error, of_client_error
from ddb_pipeline.resources.console import query_page
from ddb_pipeline.resources.patience import patiently
from ddb_pipeline.resources.steps import Step
from ddb_pipeline.resources.waiting import Waiting

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
SYSTEM_ERROR = 1
"""ErrorCategory of a fault on the side of Athena (API AthenaError)."""

_BAD = frozenset({"FAILED", "CANCELLED"})
_TRIES = 50
_CLOCK = timedelta(seconds=3)
"""How much earlier than the answer to its start a query may say that it was submitted; the Date of an answer has whole
seconds."""
_CUTOFF = "bytes scanned limit"
_NO_RESULTS = "output bucket"
"""In Athena's words for a bucket of results that is not there: "Unable to verify/create output bucket"."""

_seen: set[str] = set()
"""Ids of queries that this process was given: given again, they are found and not new."""
_counts: dict[tuple[str, str, int, str], int] = {}
"""How often an attempt of a step has asked the same: twice in one attempt means two queries."""


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
        call: When a call failed.
    """

    where: str
    missing_table: str = ""
    scan_cutoff: str = ""
    missing_results: str = ""
    call: CallAdvice = field(default_factory=CallAdvice)

    def of_reason(self, reason: str) -> str:
        """Return what is said besides a reason of Athena's, as far as its words tell what is missing."""
        if "TABLE_NOT_FOUND" in reason and self.missing_table:
            return f": {self.missing_table}"
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
        """
        answer = self._call("start_query_execution", None, ClientRequestToken=token, **asked)
        date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        return str(answer["QueryExecutionId"]), parsedate_to_datetime(date) if date else datetime.now(UTC)

    def describe(self, query_id: str) -> Mapping[str, Any]:
        """Return the API shape QueryExecution of a query."""
        answer = self._call("get_query_execution", query_id, QueryExecutionId=query_id)
        return dict(answer["QueryExecution"])

    def wait(self, query_id: str) -> Mapping[str, Any]:
        """Wait until a query is in a final state, and return it.

        Raises:
            AthenaQueryError: It was not there at the deadline.
        """
        while True:
            described = self.describe(query_id)
            if described["Status"]["State"] in FINAL:
                return described
            self.pause(query_id, f"Athena query {query_id}")

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
            AthenaQueryError: The time is over.
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
                raise AthenaQueryError(
                    f"Athena query {query_id or '(not started)'} failed: {reason}{self.advice.of_reason(reason)}",
                    query_id,
                ) from error
            explained = of_client_error(error, self.advice.where, self.advice.call)
            raise AthenaQueryError(str(explained), query_id, transient=explained.transient) from error
        except BotoCoreError as error:
            explained = of_botocore_error(error, self.advice.where, self.advice.call)
            raise AthenaQueryError(str(explained), query_id, transient=explained.transient) from error


class AthenaLateError(AthenaQueryError):
    """The time was over before the query was done, or could be started."""


@dataclass
class Finding:
    """Finds the query that an earlier attempt of a step has started, or starts one.

    Attributes:
        queries: Starts and describes queries.
        step: The attempt; None: always a new query.
        found: Whether the query had been started by an earlier attempt.
    """

    queries: Queries
    step: Step | None
    found: bool = field(default=False, init=False)

    def run(self, asked: Mapping[str, Any]) -> str:
        """Return the id of a query that runs, or that succeeded since the run began.

        Args:
            asked: Parameters of StartQueryExecution, without the token.

        Raises:
            AthenaQueryError: Athena refused it, or it has ended badly too often in this run.
        """
        for token in self._tokens(asked):
            query_id, at = self.queries.start(asked, token)
            if self.step is None:
                return query_id
            described = self.queries.describe(query_id)
            is_old = query_id in _seen or _moment(described["Status"].get("SubmissionDateTime")) < at - _CLOCK
            _seen.add(query_id)
            if not is_old:
                return query_id
            if self._is_of_use(described, self.step):
                self.found = True
                return query_id
        raise AthenaQueryError(f"this statement has ended badly {_TRIES} times in this run: start a new run", None)

    def _tokens(self, asked: Mapping[str, Any]) -> Iterator[str]:
        if self.step is None:
            yield uuid.uuid4().hex
            return
        step, statement = self.step, _digest(asked)
        key = (step.run_id, step.key, step.attempt, statement)
        number = _counts[key] = _counts.get(key, 0) + 1
        # the first run of those that repeat each other, the one before, this one
        for run_id in dict.fromkeys(filter(None, (step.root_run_id, step.parent_run_id, step.run_id))):
            yield _digest([run_id, step.key, statement, number])
        for attempt in range(_TRIES):
            yield _digest([step.run_id, step.key, statement, number, attempt])

    def _is_of_use(self, described: Mapping[str, Any], step: Step) -> bool:
        """Whether a query that was found may stand for a new one.

        One that ended before this run began, in the run that this one repeats, saw what there was then.
        """
        status = described["Status"]
        if status["State"] in _BAD:
            return False
        if status["State"] != "SUCCEEDED":
            return True
        return _moment(status.get("CompletionDateTime")) >= step.began_at()


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


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _moment(value: Any) -> datetime:
    """A time of the API; boto3 gives them with a time zone."""
    return value if isinstance(value, datetime) else datetime.now(UTC)
