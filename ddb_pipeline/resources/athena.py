"""Runs SQL in Athena: a workgroup, a database, a deadline, and no query left running that nobody waits for.

Works alone in any Dagster project (docs/resources.md). NULL comes back as None; a failed query raises with Athena's
reason, the query's id and what to do; any interrupt stops the query. A retried step finds the query that its earlier
attempt has started, and waits for it instead of paying again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field

from ddb_pipeline.errors import CallAdvice
from ddb_pipeline.resources.athena_finding import Finding
from ddb_pipeline.resources.athena_parameters import execution_parameters
from ddb_pipeline.resources.athena_queries import (
    Advice,
    AthenaLateError,
    AthenaQueryError,
    Queries,
    describe_request,
    waiting_for_query,
)
from ddb_pipeline.resources.athena_results import QueryResult, estimated_dollars, fetch, was_reused
from ddb_pipeline.resources.boto_resource import BotoResource
from ddb_pipeline.resources.prices import TERABYTE_SCANNED_DOLLARS
from ddb_pipeline.resources.steps import step_of

__all__ = ["AthenaQueryError", "AthenaResource", "QueryResult"]

# API ResultReuseByAgeConfiguration, MaxAgeInMinutes
_OLDEST_RESULT_MINUTES = 10_080


class AthenaResource(BotoResource):
    """Runs SQL in one Athena workgroup and database."""

    service: ClassVar[str] = "athena"

    workgroup: str = Field(description="Athena workgroup; it says where results go.")
    database: str = Field(description="Database of unqualified table names.")
    catalog: str | None = Field(
        default=None, description="Data catalog of unqualified names; the account's own Glue catalog when not given."
    )
    missing_table_advice: str = Field(default="", description="Said when a query asks for a table that is not there.")
    scan_cutoff_advice: str = Field(
        default="narrow it to fewer partitions or columns, or raise the workgroup's limit of bytes scanned per query "
        "(BytesScannedCutoffPerQuery)",
        description="Said when a query scanned more than the workgroup allows.",
    )
    missing_results_advice: str = Field(
        default="", description="Said when the bucket for the workgroup's results is not there."
    )
    unreadable_object_advice: str = Field(
        default="", description="Said when an object of a table cannot be read as what the table says."
    )
    denied_advice: str = Field(
        default=CallAdvice.denied, description="Said when the credentials lack a right that the query needs."
    )
    unreachable_advice: str = Field(default=CallAdvice.unreachable, description="Said when nothing answers.")
    settings_place: str = Field(
        default=CallAdvice.settings_place,
        description="Where credentials and region are set, for sentences such as: set AWS_REGION in ...",
    )
    terabyte_dollars: float = Field(
        default=TERABYTE_SCANNED_DOLLARS,
        description="Price of a terabyte scanned in USD, for estimates: by default the list price of us-east-1 and "
        "eu-central-1 in 2025.",
    )

    def execute(
        self,
        sql: str,
        parameters: Sequence[Any] = (),
        *,
        database: str | None = None,
        catalog: str | None = None,
        reuse_minutes: int | None = None,
        deadline_seconds: float = 900,
        on_start: Callable[[str], None] | None = None,
        context: Any = None,
    ) -> QueryResult:
        """Run a statement and fetch its whole result.

        An interrupt (also Dagster's termination of the run), the deadline and an error that will not pass stop the
        query. After one that may pass, and when the process dies, a query with a `context` goes on: the next attempt
        of the step finds it, and waits for it. One that failed or was cancelled is asked again; so is one that only
        read, and was done before the run began, in the run that this one repeats.

        Args:
            sql: One SQL statement. Each `?` stands for a parameter.
            parameters: Values of the `?`, in their order: None, bool, int, float, Decimal, str, bytes, date, datetime.
            database: Another database than the resource's.
            catalog: Another data catalog than the resource's.
            reuse_minutes: Athena may answer with a result of the same query that is not older, 0 to 10080; it does
                not look whether the data has changed since. None: it does not.
            deadline_seconds: Longest time to wait; Athena itself gives up after 30 minutes by default.
            on_start: Called with the query's id once Athena has accepted it.
            context: Dagster's context of the asset, op or check, for the next attempt of the step.

        Raises:
            AthenaQueryError: Athena refused the query, it failed, or it was cancelled or not done at the deadline.
            TypeError: A parameter is of a type that Athena has no literal for.
            ValueError: `reuse_minutes` is out of range.
        """
        if reuse_minutes is not None and not 0 <= reuse_minutes <= _OLDEST_RESULT_MINUTES:
            raise ValueError(f"reuse_minutes = {reuse_minutes}: 0 to {_OLDEST_RESULT_MINUTES}")
        asked = describe_request(
            sql,
            workgroup=self.workgroup,
            database=database or self.database,
            catalog=catalog or self.catalog,
            parameters=execution_parameters(parameters),
            reuse_minutes=reuse_minutes,
        )
        advice = self._advice(database or self.database)
        waiting = waiting_for_query(deadline_seconds, self._clock, self._sleep)
        queries = Queries(self.get_client(), waiting, advice)
        finding = Finding(queries, step_of(context))
        described = self._followed(finding, asked, on_start)
        queries.require_success(described)
        return self._result(queries, described, resumed=finding.found)

    def _advice(self, database: str) -> Advice:
        return Advice(
            f"Athena, database {database}",
            self.missing_table_advice,
            self.scan_cutoff_advice,
            self.missing_results_advice,
            self.unreadable_object_advice,
            CallAdvice(
                denied=self.denied_advice,
                unreachable=self.unreachable_advice,
                settings_place=self.settings_place,
            ),
        )

    def _followed(
        self, finding: Finding, asked: Mapping[str, Any], on_start: Callable[[str], None] | None
    ) -> Mapping[str, Any]:
        queries = finding.queries
        try:
            query_id = finding.run(asked)
            if on_start:
                on_start(query_id)
            return queries.wait(query_id)
        except AthenaLateError as error:
            if finding.query_id is None:
                message = f"{error}, or allow more time (deadline_seconds)"
                raise AthenaQueryError(message, None, transient=error.transient) from None
            queries.stop(finding.query_id)
            message = f"{error}: the query was stopped: narrow it, or allow more time (deadline_seconds)"
            raise AthenaLateError(message, finding.query_id, links=error.links) from None
        except BaseException as error:
            passes = isinstance(error, AthenaQueryError) and error.transient
            if finding.query_id and not (passes and finding.step is not None):
                queries.stop(finding.query_id)
            raise

    def _result(self, queries: Queries, described: Mapping[str, Any], *, resumed: bool) -> QueryResult:
        query_id, statistics = str(described["QueryExecutionId"]), described.get("Statistics", {})
        fetched = fetch(queries, described)
        return QueryResult(
            query_id=query_id,
            columns=fetched.columns,
            rows=fetched.rows,
            data_scanned_in_bytes=int(statistics.get("DataScannedInBytes") or 0),
            engine_milliseconds=int(statistics.get("EngineExecutionTimeInMillis") or 0),
            console_url=queries.links(query_id)["query"],
            queue_milliseconds=int(statistics.get("QueryQueueTimeInMillis") or 0),
            rows_written=fetched.rows_written,
            reused=was_reused(described),
            resumed=resumed,
            estimated_dollars=estimated_dollars(described, self.terabyte_dollars),
        )
