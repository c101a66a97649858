"""The Athena resource against a played Athena: what is asked, interrupts, and what errors say."""

import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoRegionError
from dagster import AssetExecutionContext, DagsterExecutionInterruptedError, asset, materialize

from ddb_pipeline.resources.athena import AthenaQueryError, AthenaResource
from ddb_pipeline.resources.athena_parameters import execution_parameters
from ddb_pipeline.resources.testing import FakeAthena
from ddb_pipeline.resources.testing.fake_client import refusal

THROTTLED = refusal("TooManyRequestsException", "You have exceeded the limit for the number of queries")


@pytest.fixture
def athena() -> FakeAthena:
    played = FakeAthena()
    played.answer("SELECT", [("x", 1)], ["a", "b"])
    return played


# --- what is asked


def test_workgroup_and_database_are_given_and_the_workgroup_says_where_results_go(athena: FakeAthena):
    athena.resource().execute("SELECT")

    (query,) = athena.queries
    assert query.asked == {
        "QueryString": "SELECT",
        "WorkGroup": "workgroup",
        "QueryExecutionContext": {"Database": "database"},
    }


def test_catalog_database_and_reuse_are_asked_for_when_wanted(athena: FakeAthena):
    athena.resource(catalog="lake").execute("SELECT", database="other", reuse_minutes=60)
    athena.resource(catalog="lake").execute("SELECT", catalog="sea")

    first, second = (query.asked for query in athena.queries)
    assert first["QueryExecutionContext"] == {"Database": "other", "Catalog": "lake"}
    assert first["ResultReuseConfiguration"] == {
        "ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 60}
    }
    assert second["QueryExecutionContext"] == {"Database": "database", "Catalog": "sea"}


def test_parameters_never_become_a_part_of_the_statement(athena: FakeAthena):
    hostile = "x' OR 'a'='a"
    athena.answer("SELECT 1 WHERE a = ?", [(1,)])

    athena.resource().execute("SELECT 1 WHERE a = ?", [hostile])

    assert (athena.queries[0].sql, athena.queries[0].parameters) == ("SELECT 1 WHERE a = ?", ["'x'' OR ''a''=''a'"])


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        (None, "NULL"),
        (True, "true"),
        (-5, "-5"),
        (1.5, "1.5E0"),
        (1e300, "1E300"),
        (1e-7, "1E-07"),
        (Decimal("1E+3"), "DECIMAL '1000'"),
        (Decimal("0.10"), "DECIMAL '0.10'"),
        ("it's", "'it''s'"),
        ("", "''"),
        (b"\x00\xff", "X'00ff'"),
        (date(2026, 3, 5), "DATE '2026-03-05'"),
        (datetime.fromisoformat("2026-03-05T12:00:00.000005"), "TIMESTAMP '2026-03-05 12:00:00.000005'"),
        (
            datetime(2026, 3, 5, 12, tzinfo=timezone(timedelta(hours=2))),
            "TIMESTAMP '2026-03-05 10:00:00.000000 UTC'",
        ),
    ],
)
def test_python_values_are_literals(value: Any, literal: str):
    assert execution_parameters([value]) == [literal]


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        ([[1]], TypeError, "list cannot be a parameter"),
        ([float("nan")], ValueError, "nan cannot"),
        ([Decimal("Infinity")], ValueError, "Infinity cannot"),
        ("abc", TypeError, "parameters are a list of values"),
    ],
)
def test_what_has_no_literal_is_refused(values: Any, error: type[Exception], said: str):
    with pytest.raises(error, match=said):
        execution_parameters(values)


def test_settings_that_there_are_not_are_refused(athena: FakeAthena):
    with pytest.raises(ValueError, match=r"work_group\n.*not permitted"):
        AthenaResource(workgroup="w", database="d", work_group="w")
    with pytest.raises(TypeError, match="max_retries"):
        athena.resource().execute("SELECT", max_retries=3)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="reuse_minutes = 20000: 0 to 10080"):
        athena.resource().execute("SELECT", reuse_minutes=20_000)
    assert not athena.queries


# --- what goes wrong


def test_a_failed_query_raises_athenas_reason_with_the_querys_id_and_a_link(athena: FakeAthena):
    athena.answer("SELECT x", fails="line 1:8: Column 'x' cannot be resolved")

    with pytest.raises(AthenaQueryError, match=r"failed: line 1:8: Column 'x' cannot be resolved") as caught:
        athena.resource().execute("SELECT x")

    (query,) = athena.queries
    assert caught.value.query_id == query.query_id
    assert caught.value.links["query"].endswith(query.query_id)
    assert (query.query_id in str(caught.value), query.stopped, caught.value.transient) == (True, None, False)


def test_a_query_that_scans_too_much_says_how_much_and_what_to_do(athena: FakeAthena):
    athena.answer("SELECT wide", cancelled="Bytes scanned limit was exceeded", scanned=107_374_182_400)

    with pytest.raises(
        AthenaQueryError,
        match=r"was cancelled: Bytes scanned limit was exceeded \(107,374,182,400 bytes\): raise it in the terraform",
    ) as caught:
        athena.resource(scan_cutoff_advice="raise it in the terraform").execute("SELECT wide")
    assert caught.value.cut_off
    with pytest.raises(AthenaQueryError, match=r"narrow it .*BytesScannedCutoffPerQuery"):
        athena.resource().execute("SELECT wide")


def test_a_query_that_somebody_cancelled_says_so(athena: FakeAthena):
    athena.answer("SELECT 2", cancelled="Query cancelled by user")

    with pytest.raises(AthenaQueryError, match="was cancelled: Query cancelled by user: somebody stopped it"):
        athena.resource().execute("SELECT 2")


def test_a_table_that_is_not_there_says_what_to_do(athena: FakeAthena):
    athena.answer("SELECT 2", fails="TABLE_NOT_FOUND: line 1:15: Table 'x' does not exist")

    with pytest.raises(AthenaQueryError, match="does not exist: make it first"):
        athena.resource(missing_table_advice="make it first").execute("SELECT 2")


@pytest.mark.parametrize(
    ("reason", "is_told"),
    [
        ("HIVE_CURSOR_ERROR: Row is not a valid JSON Object in s3://b/k", True),
        ("HIVE_BAD_DATA: Error parsing field value in s3://b/k", True),
        ("HIVE_CURSOR_ERROR: Please reduce your request rate (Service: Amazon S3; Status Code: 503) s3://b/k", False),
        ("HIVE_CURSOR_ERROR: Failed to read Parquet file: s3://b/k", False),
    ],
)
def test_an_object_that_is_not_what_its_table_says_comes_with_what_to_do(
    athena: FakeAthena, reason: str, is_told: bool
):
    athena.answer("SELECT 2", fails=reason)

    with pytest.raises(AthenaQueryError, match="s3://b/k") as caught:
        athena.resource(unreadable_object_advice="move it out").execute("SELECT 2")
    assert ("move it out" in str(caught.value)) is is_told


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (("InvalidRequestException", "WorkGroup workgroup is not found."), "WorkGroup workgroup is not found"),
        (("AccessDeniedException", "not authorized"), "AWS denies"),
        (("ExpiredTokenException", "expired"), "have expired"),
    ],
)
def test_a_refused_query_says_why(athena: FakeAthena, refused: tuple[str, str], said: str):
    athena.refusals = [refusal(*refused)]

    with pytest.raises(AthenaQueryError, match=said) as caught:
        athena.resource().execute("SELECT")

    assert caught.value.query_id is None


def test_what_errors_say_to_do_suits_any_project_and_is_the_callers_to_change(athena: FakeAthena):
    ours = r"ddb-pipeline|stack|\.env"
    for error in (refusal("AccessDeniedException"), unreachable(), refusal("ExpiredTokenException"), NoRegionError()):
        athena.refusals = [error]
        with pytest.raises(AthenaQueryError, match=r"Athena, database other|athena\.eu-central-1") as caught:
            athena.resource().execute("SELECT", database="other")
        assert not re.search(ours, str(caught.value))

    athena.refusals = [refusal("AccessDeniedException")]
    with pytest.raises(AthenaQueryError, match=r": ask the owner$"):
        athena.resource(denied_advice="ask the owner").execute("SELECT")


def test_throttling_is_waited_out_wherever_it_comes(athena: FakeAthena):
    athena.refusals = [THROTTLED] * 3
    athena.answer("SELECT 2", [(1,)], seconds=60)

    def throttled() -> None:
        athena.refusals = [THROTTLED] if 20 < athena.now < 40 else athena.refusals

    athena.on_sleep = throttled

    assert athena.resource().execute("SELECT 2").rows == ((1,),)
    assert len(athena.queries) == 1


def test_throttling_beyond_the_deadline_is_an_error(athena: FakeAthena):
    athena.refusals = [THROTTLED] * 10_000

    with pytest.raises(
        AthenaQueryError,
        match=r"waited 30 s for start_query_execution to be accepted .*TooMany.*: run this again later, .*quota.*dead",
    ) as caught:
        athena.resource().execute("SELECT", deadline_seconds=30)
    assert (athena.queries, caught.value.transient) == ([], True)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, DagsterExecutionInterruptedError, SystemExit])
def test_any_interrupt_stops_the_query(athena: FakeAthena, interrupt: type[BaseException]):
    def interrupted() -> None:
        raise interrupt

    athena.on_sleep = interrupted

    with pytest.raises(interrupt):
        athena.resource().execute("SELECT")
    assert athena.state(athena.queries[0]) == "CANCELLED"


@pytest.mark.parametrize("end", ["interrupt", "deadline", "denied"])
def test_a_query_that_was_just_started_is_stopped_too(end: str):
    """Between its start and the wait for its end a step looks whether it is a new one."""
    athena = FakeAthena()
    athena.answer("SELECT 2", seconds=1000)

    def started() -> None:
        athena.refusals = [refusal("AccessDeniedException")] if end == "denied" else [THROTTLED] * 10_000

    def slept() -> None:
        if end == "interrupt":
            athena.refusals = []
            raise KeyboardInterrupt
        if athena.now > 29:
            athena.refusals = athena.refusals[:1]

    @asset
    def one(context: AssetExecutionContext, athena_: AthenaResource) -> None:
        athena_.execute("SELECT 2", deadline_seconds=30, context=context)

    original = athena.start_query_execution

    def start(**asked: Any) -> dict[str, Any]:
        answer = original(**asked)
        started()
        return answer

    athena.start_query_execution = start  # type: ignore[method-assign]
    athena.on_sleep = slept
    with pytest.raises((KeyboardInterrupt, AthenaQueryError)):
        materialize([one], resources={"athena_": athena.resource()})

    assert athena.state(athena.queries[0]) == "CANCELLED"


def test_at_the_deadline_the_query_is_stopped(athena: FakeAthena):
    athena.answer("SELECT 2", seconds=1000)

    with pytest.raises(AthenaQueryError, match=r"waited 30 s for Athena query .*: the query was stopped: narrow it"):
        athena.resource().execute("SELECT 2", deadline_seconds=30)
    assert athena.queries[0].stopped == pytest.approx(30, abs=1)


def unreachable() -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url="https://athena.eu-central-1.amazonaws.com")


def test_a_network_that_is_gone_for_a_minute_is_waited_for_once_a_query_runs(athena: FakeAthena):
    athena.answer("SELECT 2", [(1,)], seconds=200)
    athena.on_sleep = lambda: setattr(athena, "refusals", [unreachable()] if 20 < athena.now < 80 else [])

    assert athena.resource().execute("SELECT 2").rows == ((1,),)


def test_an_unreachable_endpoint_is_named():
    resource = AthenaResource(
        workgroup="w",
        database="d",
        region_name="eu-central-1",
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        max_attempts=1,
    )

    with pytest.raises(AthenaQueryError, match=r"nothing answers at http://127\.0\.0\.1:9") as caught:
        resource.execute("SELECT 1")

    assert caught.value.transient
