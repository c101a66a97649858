"""The Athena resource against a played Athena: results, tokens, interrupts, and what errors say."""

import json
import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, NoRegionError
from dagster import (
    AssetExecutionContext,
    DagsterExecutionInterruptedError,
    DagsterInstance,
    Definitions,
    RetryPolicy,
    asset,
    define_asset_job,
    materialize,
)

from ddb_pipeline.assets.common import failing_plainly
from ddb_pipeline.resources.athena import AthenaQueryError, AthenaResource
from ddb_pipeline.resources.athena_parameters import execution_parameters
from ddb_pipeline.resources.statement_runs import StatementFailedError, StatementRuns
from ddb_pipeline.resources.testing import FakeAthena
from ddb_pipeline.resources.testing.fake_client import refusal
from ddb_pipeline.resources.waiting import Waiting

THROTTLED = refusal("TooManyRequestsException", "You have exceeded the limit for the number of queries")
TERABYTE = 10**12


@pytest.fixture
def athena() -> FakeAthena:
    played = FakeAthena()
    played.answer("SELECT", [("x", 1), (None, None), ("", 0)], ["a", "b"], scanned=20_000_000)
    return played


# --- results


def test_rows_come_as_tuples_and_null_as_none(athena: FakeAthena):
    result = athena.resource().execute("SELECT")

    assert result.rows == (("x", 1), (None, None), ("", 0))
    assert result.columns == (("a", "varchar"), ("b", "bigint"))
    assert result.records[0] == {"a": "x", "b": 1}


def test_each_value_has_the_python_type_of_its_column(athena: FakeAthena):
    """Texts as Athena writes them (user guide, "Data types in Athena")."""
    texts = {
        "boolean": ("true", True),
        "tinyint": ("1", 1),
        "bigint": ("-9223372036854775808", -(2**63)),
        "double": ("1.0E-5", 1e-5),
        "decimal": ("1.10", Decimal("1.10")),
        "varchar": ("1", "1"),
        "varbinary": ("68 69", b"hi"),
        "date": ("2026-03-05", date(2026, 3, 5)),
        "timestamp": ("2026-03-05 12:00:00.123", datetime.fromisoformat("2026-03-05T12:00:00.123")),
        "timestamp with time zone": ("2026-03-05 12:00:00.000 UTC", datetime(2026, 3, 5, 12, tzinfo=UTC)),
        "time": ("12:00:01.000", time(12, 0, 1)),
        "json": ('{"a": [1, null]}', {"a": [1, None]}),
        "array": ("[1, 2]", [1, 2]),
        "map": ("{a=1}", {"a": "1"}),
        "row": ("{a=x, b=1}", {"a": "x", "b": "1"}),
    }
    columns = {f"c{place}": kind for place, kind in enumerate(texts)}
    athena.answer("SELECT all", [[text for text, _value in texts.values()], [None] * len(texts)], columns)

    result = athena.resource().execute("SELECT all")

    assert result.rows == (tuple(value for _text, value in texts.values()), (None,) * len(texts))


def test_what_stands_in_an_array_is_told_by_its_type(athena: FakeAthena):
    athena.answer("SELECT tags", [("[1, 2]",)], {"tags": "array"})

    assert athena.resource().execute("SELECT tags").rows == (([1, 2],),)
    hinted = athena.resource().execute("SELECT tags", type_hints={"tags": "array(varchar)"})
    assert hinted.rows == ((["1", "2"],),)


def test_a_value_that_python_cannot_hold_names_the_query(athena: FakeAthena):
    athena.answer("SELECT odd", [("2026-03-05 12:00:00.000 Nowhere/Land",)], {"a": "timestamp with time zone"})

    with pytest.raises(
        AthenaQueryError, match=r"result of Athena query .* could not be read: Column 'a': Unknown time zone"
    ):
        athena.resource().execute("SELECT odd")


def test_all_pages_are_read(athena: FakeAthena):
    athena.answer("SELECT many", [(number,) for number in range(2500)], ["n"])

    assert [row[0] for row in athena.resource().execute("SELECT many").rows] == list(range(2500))


def test_a_statement_without_result_has_no_rows(athena: FakeAthena):
    athena.answer(re.compile("^CREATE"), kind="DDL")

    result = athena.resource().execute("CREATE OR REPLACE VIEW v AS SELECT 1 AS a")

    assert (result.columns, result.rows, result.rows_written) == ((), (), None)


def test_a_statement_that_writes_says_how_many_rows(athena: FakeAthena):
    athena.answer(re.compile("^INSERT"), rows_written=7)

    assert athena.resource().execute("INSERT INTO t SELECT 1").rows_written == 7


def test_the_result_says_what_the_query_took_and_cost_and_where_it_is(athena: FakeAthena):
    result = athena.resource().execute("SELECT")

    query_id = athena.queries[0].query_id
    assert (result.query_id, result.data_scanned_in_bytes, result.engine_milliseconds) == (query_id, 20_000_000, 1000)
    assert result.estimated_dollars == pytest.approx(20e6 / TERABYTE * 5)
    assert result.console_url == (
        f"https://eu-central-1.console.aws.amazon.com/athena/home?region=eu-central-1#/query-editor/history/{query_id}"
    )


@pytest.mark.parametrize(
    ("scanned", "kind", "dollars"), [(0, "DML", 0), (1, "DML", 1e-5), (TERABYTE, "DML", 1), (TERABYTE, "DDL", 0)]
)
def test_a_scan_costs_as_much_as_ten_megabytes_at_least_and_definition_nothing(
    athena: FakeAthena, scanned: int, kind: str, dollars: float
):
    athena.answer("SELECT 2", scanned=scanned, kind=kind)

    assert athena.resource(terabyte_dollars=1).execute("SELECT 2").estimated_dollars == dollars


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

    with pytest.raises(AthenaQueryError, match=r"waited 30 s for start_query_execution to be accepted .*TooMany"):
        athena.resource().execute("SELECT", deadline_seconds=30)
    assert not athena.queries


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, DagsterExecutionInterruptedError, SystemExit])
def test_any_interrupt_stops_the_query(athena: FakeAthena, interrupt: type[BaseException]):
    def interrupted() -> None:
        raise interrupt

    athena.on_sleep = interrupted

    with pytest.raises(interrupt):
        athena.resource().execute("SELECT")
    assert athena.state(athena.queries[0]) == "CANCELLED"


def test_at_the_deadline_the_query_is_stopped(athena: FakeAthena):
    athena.answer("SELECT 2", seconds=1000)

    with pytest.raises(AthenaQueryError, match=r"waited 30 s for Athena query .*, which was stopped: narrow it"):
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


# --- in Dagster: the next attempt finds the query of the one before


class Died(BaseException):
    """The end of a process without any last word."""


SQL = "SELECT count(*) FROM orders"


@asset
def orders(context: AssetExecutionContext, athena: AthenaResource) -> None:
    with failing_plainly():
        result = athena.execute(SQL, context=context)
    context.add_output_metadata({"rows": result.rows[0][0], **result.metadata()})


def run(athena: FakeAthena, instance: DagsterInstance, tags: dict[str, str] | None = None) -> Any:
    loaded = Definitions([orders], jobs=[define_asset_job("job")], resources={"athena": athena.resource()})
    done = loaded.resolve_job_def("job").execute_in_process(instance=instance, tags=tags)
    (event,) = done.asset_materializations_for_node("orders")
    return {name: value.value for name, value in event.metadata.items()}


def after(run_id: str) -> dict[str, str]:
    """Tags of a run that repeats another one."""
    return {"dagster/parent_run_id": run_id, "dagster/root_run_id": run_id}


def killed_at(athena: FakeAthena, second: float, instance: DagsterInstance, tags: dict[str, str] | None = None) -> str:
    """A run whose process dies at a second, without stopping anything; the id of the run."""

    def dies() -> None:
        if athena.now > second:
            athena.on_sleep = lambda: None
            athena.refusals = [Died(), Died()]

    athena.on_sleep = dies
    with pytest.raises(Died):
        run(athena, instance, tags)
    athena.refusals = []
    return instance.get_runs()[0].run_id


def test_a_run_shows_what_the_query_took():
    athena = FakeAthena()
    athena.answer(SQL, [(5,)], scanned=10**9)
    with DagsterInstance.ephemeral() as instance:
        shown = run(athena, instance)

    assert shown.pop("query_in_console").endswith(shown.pop("query"))
    assert shown == {
        "rows": 5,
        "bytes_scanned": 10**9,
        "engine_milliseconds": 1000,
        "queue_milliseconds": 0,
        "athena_dollars": 0.005,
        "result_reused": False,
        "query_resumed": False,
    }


def test_the_run_after_one_that_died_waits_for_its_query():
    athena = FakeAthena()
    athena.answer(SQL, [(5,)], seconds=300)
    with DagsterInstance.ephemeral() as instance:
        died = killed_at(athena, 20, instance)
        shown = run(athena, instance, after(died))

    assert (len(athena.queries), athena.queries[0].stopped) == (1, None)
    assert (shown["rows"], shown["query_resumed"]) == (5, True)


def test_the_run_after_one_whose_query_was_done_before_it_began_asks_again():
    """Somebody mended something and runs it again: yesterday's result would be wrong."""
    athena = FakeAthena()
    athena.began_at -= timedelta(days=1)
    athena.answer(SQL, [(5,)], seconds=300)
    with DagsterInstance.ephemeral() as instance:
        died = killed_at(athena, 20, instance)
        athena.now += 1000
        athena.answer(SQL, [(6,)])
        shown = run(athena, instance, after(died))

    assert (len(athena.queries), shown["rows"], shown["query_resumed"]) == (2, 6, False)


def test_a_run_finds_the_query_of_the_one_before_it_though_that_of_the_first_ended_badly():
    athena = FakeAthena()
    athena.answer(SQL, fails="no luck")
    with DagsterInstance.ephemeral() as instance:
        with pytest.raises(Exception, match="no luck"):
            run(athena, instance)
        first = instance.get_runs()[0].run_id
        athena.answer(SQL, [(5,)], seconds=300)
        athena.now += 100
        second = killed_at(athena, 120, instance, after(first))
        shown = run(athena, instance, {"dagster/parent_run_id": second, "dagster/root_run_id": first})

    assert (len(athena.queries), shown["rows"], shown["query_resumed"]) == (2, 5, True)


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_query_that_ended_badly_is_not_found_forever(end: str):
    athena = FakeAthena()
    athena.answer(SQL, **({"fails": "no luck"} if end == "failed" else {"cancelled": "by somebody"}))
    with DagsterInstance.ephemeral() as instance:
        with pytest.raises(Exception, match=r"no luck|by somebody"):
            run(athena, instance)
        failed = instance.get_runs()[0].run_id
        athena.answer(SQL, [(6,)])
        shown = run(athena, instance, after(failed))

    assert (len(athena.queries), shown["rows"]) == (2, 6)


def test_a_query_that_fails_in_another_process_is_not_found_there_either(monkeypatch: pytest.MonkeyPatch):
    """What this process remembers of queries is gone then; Athena says when they were submitted."""
    from ddb_pipeline.resources import athena_queries

    athena = FakeAthena()
    athena.answer(SQL, fails="no luck")
    with DagsterInstance.ephemeral() as instance:
        with pytest.raises(Exception, match="no luck"):
            run(athena, instance)
        failed = instance.get_runs()[0].run_id
        monkeypatch.setattr(athena_queries, "_seen", set())
        athena.now += 10
        athena.answer(SQL, [(6,)])
        assert run(athena, instance, after(failed))["rows"] == 6


def test_a_retry_inside_the_run_takes_the_queries_of_the_attempt_before_it():
    """Also one that is done: it is the same run. One statement twice in one attempt is two queries."""
    athena = FakeAthena()
    athena.began_at += timedelta(hours=1)  # after the run began, however slow this machine is
    athena.answer(SQL, [(5,)])

    @asset(retry_policy=RetryPolicy(max_retries=1))
    def tried_again(context: AssetExecutionContext, athena: AthenaResource) -> None:
        asked = [athena.execute(SQL, context=context) for _ in range(2)]
        assert asked[0].query_id != asked[1].query_id
        if context.retry_number == 0:
            raise RuntimeError
        assert [result.resumed for result in asked] == [True, True]

    assert materialize([tried_again], resources={"athena": athena.resource()}).success
    assert len(athena.queries) == 2


def test_other_parameters_are_another_query():
    athena = FakeAthena()
    athena.answer("SELECT 1 WHERE a = ?", [(5,)])

    @asset
    def both(context: AssetExecutionContext, athena: AthenaResource) -> None:
        for value in (1, 2):
            athena.execute("SELECT 1 WHERE a = ?", [value], context=context)

    assert materialize([both], resources={"athena": athena.resource()}).success
    assert [query.parameters for query in athena.queries] == [["1"], ["2"]]


def test_a_network_that_stays_away_leaves_the_query_to_the_next_attempt():
    athena = FakeAthena()
    athena.answer(SQL, [(5,)], seconds=400)

    @asset(retry_policy=RetryPolicy(max_retries=1))
    def tried_again(context: AssetExecutionContext, athena_: AthenaResource) -> None:
        if context.retry_number == 1:
            athena.on_sleep = lambda: None
            athena.refusals = []
        assert athena_.execute(SQL, context=context).resumed

    athena.on_sleep = lambda: setattr(athena, "refusals", [unreachable()] if athena.now > 20 else [])
    assert materialize([tried_again], resources={"athena_": athena.resource()}).success
    assert (len(athena.queries), athena.queries[0].stopped) == (1, None)


def test_without_a_run_each_call_is_a_query(athena: FakeAthena):
    resource = athena.resource()

    assert resource.execute("SELECT").query_id != resource.execute("SELECT").query_id


def test_a_failed_step_links_the_query():
    athena = FakeAthena()
    athena.answer(SQL, fails="no luck")
    done = materialize([orders], resources={"athena": athena.resource()}, raise_on_error=False)

    metadata = done.failure_data_for_node("orders").user_failure_data.metadata
    assert metadata["query"].value.endswith(athena.queries[0].query_id)


# --- statements that outlive their process


def statement_runs(athena: FakeAthena) -> tuple[StatementRuns, Waiting]:
    waiting = Waiting(60, clock=lambda: athena.now, sleep=athena.sleep)
    return StatementRuns(athena, "workgroup", "database", "raise scan_cutoff_mebibytes"), waiting


def test_a_statement_is_found_by_its_token_and_says_what_it_wrote():
    athena = FakeAthena()
    athena.answer("INSERT", rows_written=9, scanned=77)
    runs, waiting = statement_runs(athena)
    notes: list[str] = []
    query_id = runs.start("INSERT", "t" * 32)

    assert runs.start("INSERT", "t" * 32) == query_id
    finished = runs.wait(query_id, waiting, notes.append)
    assert (finished.rows_written, finished.bytes_scanned, notes) == (9, 77, [f"query {query_id}"])


def test_a_statement_goes_on_when_nobody_waits_any_more():
    athena = FakeAthena()
    athena.answer("INSERT", rows_written=9, seconds=1000)
    runs, waiting = statement_runs(athena)

    with pytest.raises(Exception, match=r"waited 60 s for Athena query .*waits for this query and starts no other"):
        runs.wait(runs.start("INSERT", "t" * 32), waiting, lambda _line: None)
    assert athena.queries[0].stopped is None


def test_a_statement_that_scans_too_much_says_which_setting_to_raise():
    athena = FakeAthena()
    athena.answer("INSERT", cancelled="Bytes scanned limit was exceeded")
    runs, waiting = statement_runs(athena)

    with pytest.raises(StatementFailedError, match=r"limit was exceeded .*: raise scan_cutoff_mebibytes"):
        runs.wait(runs.start("INSERT", "t" * 32), waiting, lambda _line: None)


def test_the_same_token_with_another_statement_is_refused():
    athena = FakeAthena()
    runs, _ = statement_runs(athena)
    runs.start("INSERT", "t" * 32)

    with pytest.raises(AthenaQueryError, match="Idempotent parameters do not match"):
        runs.start("INSERT 2", "t" * 32)


def test_a_request_with_dates_and_texts_makes_a_token():
    """Whatever is asked is made of texts: json writes it."""
    athena = FakeAthena()
    athena.answer("SELECT ?", [(1,)])

    @asset
    def one(context: AssetExecutionContext, athena: AthenaResource) -> None:
        athena.execute("SELECT ?", [date(2026, 1, 1)], reuse_minutes=5, context=context)

    assert materialize([one], resources={"athena": athena.resource()}).success
    (query,) = athena.queries
    assert json.loads(json.dumps(query.asked)) == query.asked
    assert 32 <= len(query.token) <= 128
