"""Parameters of the local Athena's queries: literals for `?`, and prepared statements."""

from __future__ import annotations

import json

import pyathena
import pytest

from ddb_pipeline_tests.local_athena import change, running


@pytest.fixture(scope="module")
def local():
    with running() as found:
        for hour in ("10", "11", "12"):
            found.put([change(event_id=f"e{hour}", size_bytes=int(hour))], hour=hour)
        yield found


def rows(local, sql, *parameters):
    found = local.run(sql, ExecutionParameters=list(parameters))
    assert found["Status"]["State"] == "SUCCEEDED", found["Status"]["StateChangeReason"]
    page = local.athena.get_query_results(QueryExecutionId=found["QueryExecutionId"])
    return [[cell.get("VarCharValue") for cell in row["Data"]] for row in page["ResultSet"]["Rows"]][1:]


def test_values_take_the_places_in_the_order_of_the_text(local):
    sql = (
        "WITH some AS (SELECT event_id, size_bytes FROM changes WHERE hour >= ?) "
        "SELECT event_id FROM some WHERE size_bytes < ? AND event_id <> ?"
    )
    assert rows(local, sql, "'11'", "12", "'it''s ?'") == [["e11"]]
    assert rows(local, "SELECT '?' FROM changes WHERE size_bytes = -?", "10") == []
    assert rows(local, "SELECT 1 AS a WHERE DATE '2026-01-02' = ?", "DATE '2026-01-02'") == [["1"]]
    assert rows(local, "SELECT 1 AS a WHERE ? IS NULL", "NULL") == [["1"]]


def test_a_parameter_prunes_partitions_as_a_literal_does(local):
    found = local.run("SELECT count(*) FROM changes WHERE hour = ?", ExecutionParameters=["'10'"])
    everything = local.run("SELECT count(*) FROM changes")
    assert found["ExecutionParameters"] == ["'10'"]
    sizes = [one["Statistics"]["DataScannedInBytes"] for one in (found, everything)]
    assert 0 < sizes[0] < sizes[1] / 2


@pytest.mark.parametrize(
    ("sql", "parameters", "said"),
    [
        ("SELECT 1 WHERE 1 = ?", [], "INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: expected 1"),
        ("SELECT 1", ["1"], "INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: expected 0 but found"),
        ("SELECT ?", ["1"], "SYNTAX_ERROR: a ? can stand for a value in a WHERE clause only"),
        ("SELECT 1 FROM ? WHERE 1 = 1", ["1"], "SYNTAX_ERROR: "),
        ("SELECT 1 WHERE 'a' = ?", ["a"], "NOT_SUPPORTED: the parameter a is not a literal"),
        ("SELECT 1 WHERE 'a' = ?", ["'a' OR true"], "NOT_SUPPORTED: the parameter 'a' OR true is not a literal"),
        ("SELECT 1 WHERE 1 = ?", ["1, 2"], "NOT_SUPPORTED: the parameter 1, 2 is not a literal"),
        ("SELECT 1 WHERE 1 = ?", ["1 FROM changes"], "NOT_SUPPORTED: the parameter"),
        ("SELECT 1 WHERE 1 = ?", ["1; DROP TABLE changes"], "SYNTAX_ERROR: "),
        ("SELECT 1 WHERE 1 = ?", ["(SELECT 1)"], "NOT_SUPPORTED: the parameter (SELECT 1) is not a literal"),
        ("SELECT 1 WHERE 1 = ?", ["-- 1"], "NOT_SUPPORTED: the parameter"),
        ("SELECT nothing FROM changes WHERE 1 = ?", ["1"], "COLUMN_NOT_FOUND: line 1:8: Column 'nothing'"),
    ],
)
def test_parameters_that_cannot_be_are_refused(local, sql, parameters, said):
    request = {"ExecutionParameters": parameters} if parameters else {}
    assert local.reason(sql, **request).startswith(said)


def test_pyathena_passes_its_parameters_through(local):
    with local.pyathena() as connection:
        cursor = connection.cursor().execute(
            "SELECT event_id FROM changes WHERE event_id = ?", ["'e10'"], paramstyle="qmark"
        )
        assert cursor.fetchall() == [("e10",)]
    assert pyathena.paramstyle == "pyformat"


def test_a_statement_is_prepared_executed_and_forgotten(local):
    assert local.run("PREPARE by_hour FROM SELECT event_id FROM changes WHERE hour = ? AND 'x,y' = ?;")["Status"][
        "State"
    ] == ("SUCCEEDED")
    assert local.rows("EXECUTE by_hour USING '11', 'x,y'") == [["e11"]]
    assert rows(local, "EXECUTE by_hour", "'12'", "'x,y'") == [["e12"]]
    assert "expected 2 but found 1" in local.reason("EXECUTE by_hour USING '11'")
    local.run("PREPARE by_hour FROM SELECT 1 AS a")
    assert local.rows("EXECUTE by_hour") == [["1"]]
    local.run("DEALLOCATE PREPARE by_hour")
    assert local.reason("EXECUTE by_hour") == "NOT_FOUND: Prepared statement not found: by_hour"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("PREPARE xy", "SYNTAX_ERROR: expected PREPARE name FROM statement"),
        ("PREPARE 'x' FROM SELECT 1", ""),
        ("EXECUTE", "SYNTAX_ERROR: '' is no name of a prepared statement"),
        ("DEALLOCATE by_hour", "SYNTAX_ERROR: expected DEALLOCATE PREPARE name"),
        ("EXECUTE ddl_statement", "NOT_SUPPORTED: only queries, INSERT INTO and CREATE TABLE AS can be prepared"),
        ("EXECUTE nested_statement", "NOT_SUPPORTED: only queries"),
    ],
)
def test_prepared_statements_that_cannot_be_are_refused(local, sql, said):
    local.run("PREPARE ddl_statement FROM DROP VIEW x")
    local.run("PREPARE nested_statement FROM EXECUTE nested_statement")
    assert local.reason(sql).startswith(said)


def test_a_value_that_looks_like_sql_stays_a_value(local):
    hostile = "'; DROP TABLE changes; --"
    literal = "'" + hostile.replace("'", "''") + "'"
    assert rows(local, "SELECT 1 AS a WHERE ? = 'x'", literal) == []
    assert json.loads(rows(local, "SELECT '{}' AS a WHERE ? <> ''", literal)[0][0]) == {}
