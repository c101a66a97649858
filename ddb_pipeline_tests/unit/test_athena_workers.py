"""Threads of the local Athena: a query that DuckDB never gives back is given up, and others go on."""

from __future__ import annotations

import threading
import time

import pytest
from moto.s3.models import s3_backends

from ddb_pipeline.local_aws.athena import execution as execution_module
from ddb_pipeline.local_aws.athena import python_functions
from ddb_pipeline.local_aws.athena import workers as workers_module
from ddb_pipeline.local_aws.athena.engine import Engine
from ddb_pipeline.local_aws.athena.execution import QueryExecution
from ddb_pipeline.local_aws.athena.workers import Workers

OWN_ACCOUNT = "000000000077"


class Deaf:
    """A connection that takes no notice of an interrupt."""

    def __init__(self):
        self.interrupts = 0

    def interrupt(self):
        self.interrupts += 1


def make(tmp_path, identity, sql="SELECT 1"):
    return QueryExecution(
        id=identity, sql=sql, workgroup="primary", context={}, request={}, is_enforced=True, cutoff=None,
        result_configuration={"OutputLocation": "s3://results/"}, token=None, result_file=tmp_path / identity,
    )  # fmt: skip


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(execution_module, "_PATIENCE_SECONDS", 0.1)


def test_a_query_that_never_returns_is_given_up_and_its_place_is_taken(tmp_path, impatient):
    forever, deaf = threading.Event(), Deaf()

    def run(execution):
        execution.begin(deaf)
        if execution.id == "stuck":
            forever.wait(30)
        execution.finish("SUCCEEDED")

    workers = Workers(1, run)
    stuck, other = make(tmp_path, "stuck"), make(tmp_path, "other")
    workers.submit(stuck)
    workers.submit(other)
    while stuck.state != "RUNNING":
        time.sleep(0.01)
    stuck.cancel()
    stuck.wait()
    other.wait()
    assert (stuck.state, stuck.reason, other.state) == ("CANCELLED", "Query cancelled by user", "SUCCEEDED")
    assert deaf.interrupts > 1

    forever.set()
    time.sleep(0.1)
    assert stuck.state == "CANCELLED"
    workers.end()


def test_a_query_that_waits_is_stopped_at_once_and_never_runs(tmp_path):
    waiting = make(tmp_path, "waiting")
    waiting.cancel()
    assert waiting.state == "CANCELLED"
    assert not waiting.begin(Deaf())


def test_an_engine_closes_although_duckdb_never_gave_a_query_back(tmp_path, impatient, monkeypatch):
    inside, forever = threading.Event(), threading.Event()

    def wait(_text, _pattern):
        inside.set()
        return int(forever.wait(30))

    known = {function[0]: function for function in python_functions.FUNCTIONS}
    name, _, arguments, result = known["athena_python_regexp_count"]
    known[name] = (name, wait, arguments, result)
    monkeypatch.setattr(python_functions, "FUNCTIONS", tuple(known.values()))
    monkeypatch.setattr(workers_module, "_PATIENCE_SECONDS", 0.1)
    engine = Engine(OWN_ACCOUNT, "eu-west-1")
    s3_backends[OWN_ACCOUNT]["aws"].create_bucket("results", "eu-west-1")
    stuck = make(tmp_path, "stuck", "SELECT regexp_count(x, 'a') FROM (VALUES ('a')) AS t(x)")
    try:
        engine.submit(stuck)
        assert inside.wait(10), stuck.describe()

        engine.close()

        assert (stuck.state, engine.directory.exists()) == ("CANCELLED", False)
    finally:
        forever.set()
        s3_backends[OWN_ACCOUNT].reset()
