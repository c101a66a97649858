"""A tick ends before Dagster ends it, whatever it waits for, and says why it skips."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from dagster import (
    DagsterInstance,
    ScheduleDefinition,
    SensorDefinition,
    SkipReason,
    build_schedule_context,
    build_sensor_context,
)

from ddb_pipeline import ticks
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.resources.aws import PipelineAwsResource
from ddb_pipeline.schedules import pipeline_schedules
from ddb_pipeline.sensors.arrivals import arrivals_sensor
from ddb_pipeline.sensors.deliveries import deliveries_sensor
from ddb_pipeline.ticks import ticked
from ddb_pipeline_tests.declared import pipeline


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Something that never answers, until it is set; a tick has little time."""
    monkeypatch.setattr(ticks, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(ticks, "_left_behind", {})
    answer = threading.Event()
    yield answer
    answer.set()


def said(outcome: Any) -> str:
    assert isinstance(outcome, SkipReason), outcome
    return str(outcome.skip_message)


DECLARED = pipeline(baseline="snapshot")


@pytest.mark.parametrize(
    "ticking",
    [
        arrivals_sensor(DECLARED, 30, "stopped"),
        deliveries_sensor(DECLARED, 30, "stopped"),
        *pipeline_schedules(DECLARED, "stopped"),
    ],
    ids=lambda one: one.name,
)
def test_each_sensor_and_schedule_gives_up_what_is_not_answered(
    ticking: SensorDefinition | ScheduleDefinition, silence: threading.Event, monkeypatch: pytest.MonkeyPatch
):
    @contextmanager
    def deployment(*_arguments: Any, **_more: Any) -> Iterator[SimpleNamespace]:
        silence.wait()
        raise PipelineError("it was answered too late")
        yield

    monkeypatch.setattr(PipelineAwsResource, "deployment", deployment)
    resources = {"aws": PipelineAwsResource(declaration_file="pipeline.toml")}
    with DagsterInstance.ephemeral() as instance:
        if isinstance(ticking, SensorDefinition):
            outcome = ticking(build_sensor_context(instance, resources=resources))
        else:
            at = datetime(2026, 1, 1, tzinfo=UTC)
            outcome = ticking(build_schedule_context(instance, scheduled_execution_time=at, resources=resources))

    assert "this tick takes longer than 0.05 seconds and is given up: the next one tries again" in said(outcome)


def test_no_second_tick_waits_beside_one_that_was_given_up(silence: threading.Event):
    begun: list[int] = []

    def work() -> str:
        begun.append(1)
        silence.wait()
        return "done"

    assert "is given up" in said(ticked("orders_arrivals", work))
    assert "an earlier tick was given up and still waits" in said(ticked("orders_arrivals", work))
    assert len(begun) == 1
    assert ticked("persons_arrivals", lambda: "done") == "done", "another sensor has its own ticks"

    (waiting,) = ticks._left_behind.values()
    silence.set()
    waiting.join()

    assert ticked("orders_arrivals", work) == "done"


def test_what_the_work_returns_or_raises_comes_out():
    def refused() -> None:
        raise PipelineError("there is no stack: deploy")

    assert ticked("x", lambda: 1) == 1
    assert said(ticked("x", refused)) == "there is no stack: deploy"
    with pytest.raises(ZeroDivisionError):
        ticked("x", lambda: 1 // 0)


def test_the_work_sees_what_holds_where_it_is_asked_for():
    holds = ContextVar("holds", default=0)
    holds.set(1)

    assert ticked("x", holds.get) == 1
