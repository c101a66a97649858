"""The next attempt of a step finds the query of the one before: in its run, in one that repeats it, after a crash."""

import json
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from dagster import (
    AssetExecutionContext,
    DagsterInstance,
    Definitions,
    RetryPolicy,
    asset,
    define_asset_job,
    materialize,
)

from ddb_pipeline.assets.common import failing_plainly
from ddb_pipeline.resources import athena_finding
from ddb_pipeline.resources.athena import AthenaResource
from ddb_pipeline.resources.testing import FakeAthena


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


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows happens in another process."""
    monkeypatch.setattr(athena_finding, "_seen", set())
    monkeypatch.setattr(athena_finding, "_counts", {})


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


def test_a_run_that_repeats_none_asks_anew_whatever_was_left_behind():
    """As one that the sensor asks for: nothing tells that it wants the same as the one that died."""
    athena = FakeAthena()
    athena.answer(SQL, [(5,)], seconds=300)
    with DagsterInstance.ephemeral() as instance:
        killed_at(athena, 20, instance)
        shown = run(athena, instance)

    assert len(athena.queries) == 2
    assert not shown["query_resumed"]


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


@pytest.mark.parametrize("later", [1, 10])
def test_a_query_that_fails_in_another_process_is_not_found_there_either(monkeypatch: pytest.MonkeyPatch, later: float):
    """What this process remembers of queries is gone then; Athena says when they were submitted."""
    athena = FakeAthena()
    athena.answer(SQL, fails="no luck")
    with DagsterInstance.ephemeral() as instance:
        with pytest.raises(Exception, match="no luck"):
            run(athena, instance)
        failed = instance.get_runs()[0].run_id
        forget(monkeypatch)
        athena.now += later
        athena.answer(SQL, [(6,)])
        assert run(athena, instance, after(failed))["rows"] == 6
    assert len(athena.queries) == 2


def test_a_statement_that_fails_at_once_is_asked_one_time_too_often_at_most(monkeypatch: pytest.MonkeyPatch):
    """The first one may be of the run before, which began a moment ago; the second one is not."""
    athena = FakeAthena()
    athena.answer(SQL, fails="no luck", seconds=0)
    with DagsterInstance.ephemeral() as instance:
        with pytest.raises(Exception, match="no luck"):
            run(athena, instance)
        forget(monkeypatch)
        with pytest.raises(Exception, match="no luck"):
            run(athena, instance, after(instance.get_runs()[0].run_id))
    assert len(athena.queries) == 2


def test_a_run_finds_the_second_query_of_the_run_before_it(monkeypatch: pytest.MonkeyPatch):
    """Its first one had failed, and its process died while the retry waited for the second one."""
    athena = FakeAthena()
    athena.answer(SQL, fails="no luck")

    @asset(retry_policy=RetryPolicy(max_retries=1))
    def tried_again(context: AssetExecutionContext, athena_: AthenaResource) -> None:
        if context.retry_number == 1:
            athena.answer(SQL, [(5,)], seconds=300)
            athena.on_sleep = dies
        athena_.execute(SQL, context=context)

    def dies() -> None:
        if athena.now > 20:
            athena.on_sleep = lambda: None
            athena.refusals = [Died(), Died()]

    resources = {"athena_": athena.resource()}
    with DagsterInstance.ephemeral() as instance:
        with pytest.raises(Died):
            materialize([tried_again], resources=resources, instance=instance)
        athena.refusals = []
        forget(monkeypatch)
        tags = after(instance.get_runs()[0].run_id)
        assert materialize([tried_again], resources=resources, instance=instance, tags=tags).success

    assert [athena.state(query) for query in athena.queries] == ["FAILED", "SUCCEEDED"]


@pytest.mark.parametrize(
    ("statement", "substatement", "reads"),
    [
        ("DML", "SELECT", True),
        ("UTILITY", "SHOW_TABLES", True),
        ("DML", "INSERT", False),
        ("DML", "UNLOAD", False),
        ("DDL", "CREATE_TABLE_AS_SELECT", False),
        ("DML", None, False),
    ],
)
def test_a_query_that_does_not_say_that_it_reads_may_have_written(statement: str, substatement: str, reads: bool):
    described = {"StatementType": statement} | ({"SubstatementType": substatement} if substatement else {})

    assert athena_finding.only_reads(described) is reads


@pytest.mark.parametrize(
    "sql", ["UNLOAD (SELECT 1) TO 's3://b/'", "MERGE INTO t", "insert into t SELECT 1", "DELETE FROM t"]
)
def test_the_played_athena_tells_what_writes_from_what_reads(sql: str):
    def described(statement: str) -> dict[str, Any]:
        athena = FakeAthena()
        athena.answer(statement)
        client = athena.resource().get_client()
        started = client.start_query_execution(QueryString=statement, WorkGroup="w", ClientRequestToken="t" * 32)
        return client.get_query_execution(QueryExecutionId=started["QueryExecutionId"])["QueryExecution"]

    assert not athena_finding.only_reads(described(sql))
    for reading in ("SELECT 1", "with a AS (SELECT 1) SELECT * FROM a", "( (SELECT 1))", "VALUES 1"):
        assert athena_finding.only_reads(described(reading))


def test_what_was_written_is_not_written_again_until_somebody_wants_it(monkeypatch: pytest.MonkeyPatch):
    """Its worker died a moment later. A person who repeats a step that succeeded wants it again, Dagster does not."""
    athena = FakeAthena()
    athena.began_at -= timedelta(days=1)
    athena.answer("INSERT INTO t SELECT 1", rows_written=7)
    dying, resumed = [True, True], []

    @asset
    def written(context: AssetExecutionContext, athena_: AthenaResource) -> None:
        resumed.append(athena_.execute("INSERT INTO t SELECT 1", context=context).resumed)
        if dying:
            dying.pop()
            raise Died

    def repeated(tags: dict[str, str]) -> str:
        with suppress(Died):
            materialize([written], resources={"athena_": athena.resource()}, instance=instance, tags=tags)
        forget(monkeypatch)
        athena.now += 1000
        return instance.get_runs()[0].run_id

    with DagsterInstance.ephemeral() as instance:
        died = repeated({})
        died_again = repeated(after(died))
        done = repeated({"dagster/parent_run_id": died_again, "dagster/root_run_id": died})
        repeated({"dagster/parent_run_id": done, "dagster/root_run_id": died, "dagster/retry_number": "1"})
        assert (resumed, len(athena.queries)) == ([False, True, True, True], 1)
        repeated({"dagster/parent_run_id": done, "dagster/root_run_id": died})

    assert (resumed[4:], len(athena.queries)) == ([False], 2)


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

    gone = EndpointConnectionError(endpoint_url="https://athena.eu-central-1.amazonaws.com")
    athena.on_sleep = lambda: setattr(athena, "refusals", [gone] if athena.now > 20 else [])
    assert materialize([tried_again], resources={"athena_": athena.resource()}).success
    assert (len(athena.queries), athena.queries[0].stopped) == (1, None)


def test_without_a_run_each_call_is_a_query():
    athena = FakeAthena()
    athena.answer(SQL, [(5,)])
    resource = athena.resource()

    assert resource.execute(SQL).query_id != resource.execute(SQL).query_id


def test_a_failed_step_links_the_query():
    athena = FakeAthena()
    athena.answer(SQL, fails="no luck")
    done = materialize([orders], resources={"athena": athena.resource()}, raise_on_error=False)

    metadata = done.failure_data_for_node("orders").user_failure_data.metadata
    assert metadata["query"].value.endswith(athena.queries[0].query_id)


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
