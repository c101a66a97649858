"""Runs SQL in Athena through PyAthena: a workgroup, a database, a deadline, and no query left running.

Works alone in any Dagster project. NULL comes back as None; a failed query raises with Athena's reason and the query's
id; any interrupt stops the query, also Dagster's own, which PyAthena (it knows KeyboardInterrupt) would not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dagster import ConfigurableResource
from pydantic import Field, PrivateAttr

from ddb_pipeline.errors import AwsError, of_botocore_error, of_client_error
from ddb_pipeline.resources.remembered import Remembered
from ddb_pipeline.resources.waiting import Waiting

_connections: Remembered[Any] = Remembered(60)


class AthenaQueryError(AwsError):
    """Athena did not complete a query. `query_id` names it when it had been started."""

    def __init__(self, message: str, query_id: str | None, *, transient: bool = False) -> None:
        super().__init__(message, transient=transient)
        self.query_id = query_id


@dataclass(frozen=True)
class QueryResult:
    """What a query returned, and what it took.

    Attributes:
        query_id: Athena's id of the query.
        columns: Name and Athena type of each column; empty for statements without a result.
        rows: The rows, as PyAthena converts them; NULL is None.
        data_scanned_in_bytes: What is billed (at least 10 MB a query, statements of definition are free).
        engine_milliseconds: How long the engine worked.
        console_url: The query in the AWS console.
    """

    query_id: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Any, ...], ...]
    data_scanned_in_bytes: int
    engine_milliseconds: int
    console_url: str


class AthenaResource(ConfigurableResource):  # type: ignore[type-arg]  # the parameter is for resources that hand out another type
    """Runs SQL in one Athena workgroup and database."""

    workgroup: str = Field(description="Athena workgroup; it says where results go.")
    database: str = Field(description="Database of unqualified table names.")
    region_name: str | None = Field(default=None, description="AWS region; boto3 looks for one when not given.")
    endpoint_url: str | None = Field(default=None, description="Endpoint of Athena, when it is not AWS' own.")
    profile_name: str | None = Field(default=None, description="Profile in the AWS configuration files.")
    aws_access_key_id: str | None = Field(default=None, description="Access key; needs the secret one too.")
    aws_secret_access_key: str | None = Field(default=None, description="Secret access key.")
    aws_session_token: str | None = Field(default=None, description="Token of temporary credentials.")
    missing_table_advice: str = Field(default="", description="Said when a query asks for a table that is not there.")
    max_attempts: int = Field(default=5, description="How often a throttled call is made before it counts as failed.")

    _clock: Callable[[], float] = PrivateAttr(default=time.monotonic)
    _sleep: Callable[[float], None] = PrivateAttr(default=time.sleep)

    def with_clock(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> AthenaResource:
        """Use another clock.

        Args:
            clock: Monotonic time in seconds.
            sleep: Sleeps for some seconds.
        """
        self._clock, self._sleep = clock, sleep
        return self

    def execute(
        self, sql: str, *, deadline_seconds: float = 900, on_start: Callable[[str], None] | None = None
    ) -> QueryResult:
        """Run a statement and fetch its whole result.

        Args:
            sql: One SQL statement.
            deadline_seconds: Longest time to wait; Athena itself gives up after 30 minutes by default.
            on_start: Called with the query's id once Athena has accepted it.

        Raises:
            AthenaQueryError: Athena refused the query, it failed, or it was cancelled or not done at the deadline.
        """
        waiting = Waiting(deadline_seconds, first_seconds=0.1, longest_seconds=5, clock=self._clock, sleep=self._sleep)
        # PyAthena's connections may be shared by threads; making one reads megabytes of models
        connection = _connections.get(tuple(dict(self).items()), self._connect)
        return self._execute(connection, waiting, sql, on_start)

    def _execute(
        self, connection: Any, waiting: Waiting, sql: str, on_start: Callable[[str], None] | None
    ) -> QueryResult:
        from pyathena.error import Error

        started: list[str] = []

        def note(query_id: str) -> None:
            started.append(query_id)
            if on_start:
                on_start(query_id)

        def look(_execution: Any) -> None:
            # called after each look at the query; PyAthena's own pause is fixed, so it is set to zero
            if _execution.state in {"SUCCEEDED", "FAILED", "CANCELLED"}:
                return
            if waiting.is_over:
                raise AthenaQueryError(
                    f"query {_execution.query_id} was not done after {waiting.deadline_seconds:.0f} s and was stopped: "
                    "narrow it, or allow more time",
                    _execution.query_id,
                )
            waiting.pause()

        cursor = connection.cursor(on_poll=look)
        try:
            cursor.execute(sql, on_start_query_execution=note)
            rows = tuple(tuple(row) for row in cursor.fetchall()) if cursor.description else ()
        except Error as error:
            query_id = started[0] if started else None
            if error.__cause__ is not None:
                # a call failed while the query went on; a query that failed by itself has no cause
                self._stop(connection, started)
            raise _failure(error, query_id, self.database, self.missing_table_advice) from error
        except BaseException:
            self._stop(connection, started)
            raise
        region = connection.region_name or connection.client.meta.region_name
        return QueryResult(
            query_id=started[0],
            columns=tuple((str(column[0]), str(column[1])) for column in cursor.description or ()),
            rows=rows,
            data_scanned_in_bytes=cursor.data_scanned_in_bytes or 0,
            engine_milliseconds=cursor.engine_execution_time_in_millis or 0,
            console_url=console_url(region, started[0]),
        )

    def _connect(self) -> Any:
        import pyathena
        from pyathena.util import RetryConfig

        # PyAthena logs, with traceback, each error that it also raises: without a handler Python would print that
        logging.getLogger("pyathena").addHandler(logging.NullHandler())

        return pyathena.connect(
            work_group=self.workgroup,
            schema_name=self.database,
            region_name=self.region_name,
            profile_name=self.profile_name,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
            aws_session_token=self.aws_session_token,
            poll_interval=0,
            # we stop the query ourselves, for every kind of interrupt
            kill_on_interrupt=False,
            retry_config=RetryConfig(attempt=self.max_attempts, max_delay=20),
        )

    def _stop(self, connection: Any, started: list[str]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError
        from dagster import get_dagster_logger

        for query_id in started:
            try:
                connection.client.stop_query_execution(QueryExecutionId=query_id)
                get_dagster_logger().warning("stopped Athena query %s", query_id)
            except (ClientError, BotoCoreError) as error:
                # the first error matters more; the workgroup's scan cutoff bounds what the query may still cost
                get_dagster_logger().error("Athena query %s could not be stopped: %s", query_id, error)


def console_url(region: str, query_id: str) -> str:
    """Return the address of a query in the AWS console."""
    return f"https://{region}.console.aws.amazon.com/athena/home?region={region}#/query-editor/history/{query_id}"


def _failure(error: Exception, query_id: str | None, database: str, missing_table_advice: str) -> AwsError:
    """PyAthena wraps botocore's errors: unwrap them, so that they are explained like all others."""
    from botocore.exceptions import BotoCoreError, ClientError

    cause = error.__cause__
    where = f"Athena, database {database}"
    if isinstance(cause, ClientError) and cause.response.get("Error", {}).get("Code") != "InvalidRequestException":
        explained = of_client_error(cause, where)
        return AthenaQueryError(str(explained), query_id, transient=explained.transient)
    if isinstance(cause, BotoCoreError):
        explained = of_botocore_error(cause, where)
        return AthenaQueryError(str(explained), query_id, transient=explained.transient)
    advice = f": {missing_table_advice}" if missing_table_advice and "TABLE_NOT_FOUND" in str(error) else ""
    return AthenaQueryError(f"Athena query {query_id or '(not started)'} failed: {error}{advice}", query_id)
