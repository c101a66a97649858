"""The Athena resource through real PyAthena, against an endpoint that plays Athena's side of the API by a script."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from dagster import DagsterExecutionInterruptedError

from ddb_pipeline.resources.athena import AthenaQueryError, AthenaResource

QUERY_ID = "0b6f0c2e-0000-4000-8000-000000000000"


class Athena:
    """What the endpoint answers, and what it was asked."""

    def __init__(self) -> None:
        self.states = ["QUEUED", "RUNNING", "QUEUED", "RUNNING", "SUCCEEDED"]
        self.reason: str | None = None
        self.refusal: tuple[str, str] | None = None
        self.throttle = 0
        self.port = 0
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.columns = [("a", "varchar"), ("b", "bigint")]
        self.rows: list[list[str | None]] = [["x", "1"], [None, None], ["", "0"]]

    def calls(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, request in self.requests if name == operation]

    def answer(self, operation: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.requests.append((operation, request))
        if self.throttle:
            self.throttle -= 1
            return 400, {"__type": "TooManyRequestsException", "Message": "slower"}
        if operation == "StartQueryExecution":
            if self.refusal:
                return 400, {"__type": self.refusal[0], "Message": self.refusal[1]}
            return 200, {"QueryExecutionId": QUERY_ID}
        if operation == "GetQueryExecution":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            return 200, {"QueryExecution": self._execution(state)}
        if operation == "GetQueryResults":
            return 200, {"ResultSet": self._results()}
        assert operation == "StopQueryExecution"
        return 200, {}

    def _execution(self, state: str) -> dict[str, Any]:
        status = {"State": state} | ({"StateChangeReason": self.reason} if self.reason else {})
        return {
            "QueryExecutionId": QUERY_ID,
            "Query": "SELECT",
            "StatementType": "DML",
            "Status": status,
            "Statistics": {"DataScannedInBytes": 1234, "EngineExecutionTimeInMillis": 56},
            "WorkGroup": "workgroup",
        }

    def _results(self) -> dict[str, Any]:
        def row(values: list[str | None]) -> dict[str, Any]:
            return {"Data": [{} if value is None else {"VarCharValue": value} for value in values]}

        info = [
            {"Name": name, "Type": kind, "Precision": 0, "Scale": 0, "Nullable": "UNKNOWN"}
            for name, kind in self.columns
        ]
        header = [row([name for name, _kind in self.columns])] if self.columns else []
        return {"Rows": [*header, *map(row, self.rows)], "ResultSetMetadata": {"ColumnInfo": info}}


@pytest.fixture
def athena() -> Iterator[Athena]:
    script = Athena()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = script.answer(self.headers["X-Amz-Target"].split(".")[-1], body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    script.port = server.server_port
    yield script
    server.shutdown()
    server.server_close()


@pytest.fixture
def resource(athena: Athena) -> AthenaResource:
    made = AthenaResource(
        workgroup="workgroup",
        database="database",
        region_name="eu-central-1",
        endpoint_url=f"http://127.0.0.1:{athena.port}",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        max_attempts=2,
    )
    time = [0.0]

    def sleep(seconds: float) -> None:
        time[0] += max(seconds, 0.001)

    return made.with_clock(lambda: time[0], sleep)


def test_rows_come_as_tuples_and_null_as_none(athena: Athena, resource: AthenaResource):
    result = resource.execute("SELECT")

    assert result.rows == (("x", 1), (None, None), ("", 0))
    assert result.columns == (("a", "varchar"), ("b", "bigint"))


def test_the_result_says_what_the_query_took_and_where_it_is(athena: Athena, resource: AthenaResource):
    result = resource.execute("SELECT")

    assert (result.query_id, result.data_scanned_in_bytes, result.engine_milliseconds) == (QUERY_ID, 1234, 56)
    assert result.console_url == (
        f"https://eu-central-1.console.aws.amazon.com/athena/home?region=eu-central-1#/query-editor/history/{QUERY_ID}"
    )


def test_workgroup_and_database_are_given_and_the_workgroup_says_where_results_go(
    athena: Athena, resource: AthenaResource
):
    resource.execute("SELECT 1")

    request = athena.calls("StartQueryExecution")[0]
    assert request["QueryString"] == "SELECT 1"
    assert request["WorkGroup"] == "workgroup"
    assert request["QueryExecutionContext"]["Database"] == "database"
    assert "ResultConfiguration" not in request


def test_a_statement_without_result_has_no_rows(athena: Athena, resource: AthenaResource):
    athena.columns, athena.rows = [], []

    result = resource.execute("CREATE OR REPLACE VIEW v AS SELECT 1 AS a")

    assert (result.columns, result.rows) == ((), ())


def test_a_failed_query_raises_athenas_reason_with_the_querys_id(athena: Athena, resource: AthenaResource):
    athena.states, athena.reason = ["RUNNING", "FAILED"], "line 1:8: Column 'x' cannot be resolved"

    with pytest.raises(AthenaQueryError, match=f"{QUERY_ID}.*Column 'x' cannot be resolved") as caught:
        resource.execute("SELECT x")

    assert caught.value.query_id == QUERY_ID
    assert not athena.calls("StopQueryExecution")


def test_a_cancelled_query_raises(athena: Athena, resource: AthenaResource):
    athena.states, athena.reason = ["CANCELLED"], "Query was cancelled: bytes scanned limit was exceeded"

    with pytest.raises(AthenaQueryError, match="bytes scanned limit"):
        resource.execute("SELECT 1")


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (("InvalidRequestException", "WorkGroup workgroup is not found."), "WorkGroup workgroup is not found"),
        (("AccessDeniedException", "not authorized"), "AWS denies StartQueryExecution"),
        (("ExpiredTokenException", "expired"), "have expired"),
    ],
)
def test_a_refused_query_says_why(athena: Athena, resource: AthenaResource, refusal: tuple[str, str], said: str):
    athena.refusal = refusal

    with pytest.raises(AthenaQueryError, match=said) as caught:
        resource.execute("SELECT 1")

    assert caught.value.query_id is None


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, DagsterExecutionInterruptedError, SystemExit])
def test_any_interrupt_stops_the_query(athena: Athena, resource: AthenaResource, interrupt: type[BaseException]):
    athena.states = ["RUNNING"]

    def interrupted(_seconds: float) -> None:
        raise interrupt

    with pytest.raises(interrupt):
        resource.with_clock(lambda: 0.0, interrupted).execute("SELECT 1")

    assert athena.calls("StopQueryExecution") == [{"QueryExecutionId": QUERY_ID}]


def test_at_the_deadline_the_query_is_stopped(athena: Athena, resource: AthenaResource):
    athena.states = ["RUNNING"]

    with pytest.raises(AthenaQueryError, match="was not done after 30 s and was stopped"):
        resource.execute("SELECT 1", deadline_seconds=30)

    assert athena.calls("StopQueryExecution") == [{"QueryExecutionId": QUERY_ID}]
    assert len(athena.calls("GetQueryExecution")) < 30


def test_an_unreachable_endpoint_is_named():
    resource = AthenaResource(
        workgroup="w",
        database="d",
        region_name="eu-central-1",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )

    with pytest.raises(AthenaQueryError, match=r"nothing answers at http://127\.0\.0\.1:9") as caught:
        resource.execute("SELECT 1")

    assert caught.value.transient
