"""Failed runs are told: what is said, and that nothing of it gets lost when telling fails, too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore import exceptions
from dagster import (
    AssetCheckResult,
    DagsterEventType,
    DagsterInstance,
    Definitions,
    Failure,
    RunFailureSensorContext,
    SkipReason,
    asset,
    asset_check,
    build_run_status_sensor_context,
    define_asset_job,
    job,
    op,
)

from ddb_pipeline.declaration import DeclarationError, load_declaration
from ddb_pipeline.errors import AwsError, NotDeployedError, SettingsError, of_botocore_error
from ddb_pipeline.run_failures import notifiers
from ddb_pipeline.run_failures.described import FailedStep, RunFailure, failure_of
from ddb_pipeline.run_failures.notifiers import LogNotifier, Notifier
from ddb_pipeline.sensors import failures
from ddb_pipeline.sensors.failures import NAME, NotTold, failure_sensor
from ddb_pipeline_tests.conftest import PIPELINES

FAILURE = RunFailure(
    pipelines=("orders",),
    stage="prod",
    job="orders_refresh",
    run_id="1234abcd-0000",
    steps=(FailedStep("orders/change_table", "there is no Glue crawler x: bring it back"),),
    cause="",
    url="https://dagster.example.org/runs/1234abcd-0000",
)


def test_the_message_names_pipeline_run_step_cause_and_where_to_look():
    assert FAILURE.text == (
        "Run 1234abcd of orders_refresh failed (pipeline orders, stage prod).\n"
        "Step orders/change_table: there is no Glue crawler x: bring it back\n"
        "Run: https://dagster.example.org/runs/1234abcd-0000"
    )
    assert FAILURE.subject == "Dagster: orders failed (stage prod)"


def test_without_the_address_of_the_ui_the_runs_id_has_to_do():
    assert replace(FAILURE, url=None).text.endswith("Run: 1234abcd-0000, under Runs in the Dagster UI")


def test_a_run_that_failed_as_a_whole_has_its_own_cause():
    told = replace(FAILURE, steps=(), cause="its process was terminated by signal 9 (SIGKILL).", stage=None)

    assert "stage not configured" in told.text
    assert "SIGKILL" in told.text


def test_a_subject_is_what_sns_takes():
    subject = replace(FAILURE, pipelines=("ö" * 300,), stage="a\nb").subject

    assert subject.isascii()
    assert subject.isprintable()
    assert len(subject) < 100


class Topics:
    """SNS, and the topic of each pipeline; `a` takes no message."""

    def __init__(self) -> None:
        self.published: list[str] = []

    @contextmanager
    def stack(self, pipeline: str, *, hurried: bool) -> Iterator[tuple[SimpleNamespace, SimpleNamespace]]:
        assert hurried, "Dagster ends the sensor's tick after a minute, too"
        yield SimpleNamespace(connection=None), SimpleNamespace(alarm_topic=f"topic-{pipeline}")

    def publish(self, TopicArn: str, Subject: str, Message: str) -> None:  # noqa: N803, ARG002 - SNS's names
        if TopicArn == "topic-a":
            raise AwsError("AWS denies Publish")
        self.published.append(TopicArn)


def test_a_topic_that_refuses_keeps_nobody_else_from_being_told(monkeypatch: pytest.MonkeyPatch):
    topics = Topics()
    monkeypatch.setattr(notifiers, "PipelineAwsResource", lambda **_: topics)
    monkeypatch.setattr(notifiers, "make_client", lambda *_, hurried: topics if hurried else None)

    with pytest.raises(AwsError, match="AWS denies Publish; published to topic-b"):
        notifiers.TopicNotifier(declaration_file="").notify(replace(FAILURE, pipelines=("a", "b")))
    assert topics.published == ["topic-b"]


@pytest.mark.parametrize(
    "reason",
    [
        exceptions.UnauthorizedSSOTokenError(),
        exceptions.TokenRetrievalError(provider="sso", error_msg="it has expired"),
        exceptions.CredentialRetrievalError(provider="process", error_msg="it says no"),
        exceptions.NoCredentialsError(),
        exceptions.ProfileNotFound(profile="x"),
        exceptions.NoRegionError(),
    ],
)
def test_who_cannot_call_aws_has_told_nobody_and_says_so(reason: Exception, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(notifiers, "PipelineAwsResource", lambda **_: Refused(of_botocore_error(reason, "SSM")))

    with pytest.raises(AwsError, match=r"sign in again|AWS_PROFILE|AWS_REGION"):
        notifiers.TopicNotifier(declaration_file="").notify(FAILURE)


@pytest.mark.parametrize("reason", [SettingsError("no stage is configured"), NotDeployedError("there is no stack")])
def test_without_a_stage_or_a_stack_there_is_no_topic_to_tell(reason: Exception, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(notifiers, "PipelineAwsResource", lambda **_: Refused(reason))

    assert notifiers.TopicNotifier(declaration_file="").notify(FAILURE).startswith("told in the log alone")


class Refused:
    """What stands for AWS when no deployment can be had."""

    def __init__(self, reason: Exception) -> None:
        self.reason = reason

    def stack(self, _pipeline: str, *, hurried: bool) -> None:  # noqa: ARG002 - its signature
        raise self.reason


@op
def orders__change_table() -> None:
    raise Failure(description="nothing answers at http://127.0.0.1:1: run `ddb-pipeline local up`")


@op
def something() -> None:
    raise ZeroDivisionError("one of our own")


@job
def orders_refresh() -> None:
    orders__change_table()


@job
def other() -> None:
    something()


class Refusing(Notifier):
    def notify(self, failure: RunFailure) -> str:  # noqa: ARG002 - its signature
        raise ConnectionError("the mail server is away")


class Remembering(Notifier):
    def notify(self, failure: RunFailure) -> str:
        told.append(failure)
        return "told"


told: list[RunFailure] = []


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    told.clear()
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def failed(definition: Any, instance: DagsterInstance, tags: dict[str, str] | None = None) -> RunFailureSensorContext:
    """What the sensor is called with when the job has failed."""
    result = definition.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
    (event,) = [event for event in result.all_events if event.event_type == DagsterEventType.PIPELINE_FAILURE]
    return build_run_status_sensor_context(NAME, event, instance, result.dagster_run).for_run_failure()


def tell(context: RunFailureSensorContext, notifier: Notifier) -> Any:
    sensor = failure_sensor(load_declaration(PIPELINES), "running")
    return sensor(context, notifier=notifier)


def test_a_failed_step_is_told_with_the_sentence_it_failed_with(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DDB_PIPELINE_DAGSTER_URL", "https://dagster.example.org/")
    monkeypatch.setenv("DDB_PIPELINE_STAGE", "local")
    context = failed(orders_refresh, instance)

    assert tell(context, Remembering()) is None

    (failure,) = told
    run_id = context.dagster_run.run_id
    assert failure.pipelines == ("orders",)
    assert failure.stage == "local"
    assert failure.steps == (
        FailedStep("orders/change_table", "nothing answers at http://127.0.0.1:1: run `ddb-pipeline local up`"),
    )
    assert failure.url == f"https://dagster.example.org/runs/{run_id}"


def test_a_defect_is_told_by_its_error_and_not_by_what_dagster_wraps_around(instance: DagsterInstance):
    tell(failed(other, instance), Remembering())

    assert told[0].pipelines == ()
    assert told[0].steps == (FailedStep("something", "ZeroDivisionError: one of our own"),)


def test_a_check_that_stopped_a_run_is_told_in_its_own_words(instance: DagsterInstance):
    @asset(key=["orders", "change_table"])
    def change_table() -> None: ...

    @asset_check(asset=change_table, name="schema", blocking=True)
    def schema() -> AssetCheckResult:
        return AssetCheckResult(passed=False, description="column a is missing: run `ddb-pipeline repair`")

    @asset_check(asset=change_table, name="repeats")
    def repeats() -> AssetCheckResult:
        return AssetCheckResult(passed=False, description="stops nothing")

    definitions = Definitions(assets=[change_table], asset_checks=[schema, repeats], jobs=[define_asset_job("refresh")])

    tell(failed(definitions.resolve_job_def("refresh"), instance), Remembering())

    assert [step.cause for step in told[0].steps] == [
        "check schema: column a is missing: run `ddb-pipeline repair`",
    ]


def test_a_run_whose_process_died_is_told_with_what_dagster_noted(instance: DagsterInstance):
    run = instance.create_run_for_job(orders_refresh)
    instance.report_engine_event("Run execution process was terminated by signal 9 (SIGKILL).", run)
    instance.report_run_failed(run)

    failure = failure_of(run, [], instance, pipelines=["orders", "persons"], stage="local", dagster_url=None)

    assert failure.pipelines == ("orders",)
    assert "terminated by signal 9 (SIGKILL)" in failure.text


def test_a_run_of_a_pipeline_that_was_left_out_is_told_as_its_own(instance: DagsterInstance):
    declared = load_declaration(PIPELINES)
    orders = declared.pipelines["orders"]
    left_out = replace(declared, pipelines={"order": orders}, left_out={"orders": DeclarationError("wrong")})

    failure_sensor(left_out, "running")(failed(orders_refresh, instance), notifier=Remembering())

    assert told[0].pipelines == ("orders",)


def test_what_dagster_starts_again_is_no_failure_yet(instance: DagsterInstance):
    answer = tell(failed(orders_refresh, instance, {"dagster/will_retry": "true"}), Remembering())

    assert isinstance(answer, SkipReason)
    assert told == []


def test_a_notifier_that_fails_hides_neither_the_failure_nor_itself(instance: DagsterInstance):
    with pytest.raises(NotTold) as caught:
        tell(failed(orders_refresh, instance), Refusing())

    assert "Refusing fails with ConnectionError: the mail server is away" in str(caught.value)
    assert "nothing answers at http://127.0.0.1:1" in str(caught.value)


class Hanging(Notifier):
    def notify(self, failure: RunFailure) -> str:
        told.append(failure)
        answer.wait()
        return "told"


answer = threading.Event()


def test_a_notifier_that_hangs_is_given_up_and_the_tick_says_so(
    instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    assert failures._TELLING_SECONDS * 5 < 60, "Dagster tells of five runs in a tick"
    monkeypatch.setattr(failures, "_TELLING_SECONDS", 0.05)
    answer.clear()

    with pytest.raises(NotTold) as caught:
        tell(failed(orders_refresh, instance), Hanging())

    answer.set()
    assert len(told) == 1
    assert "Hanging takes longer than 0.05 seconds and is given up: it may still be told" in str(caught.value)
    assert "nothing answers at http://127.0.0.1:1" in str(caught.value)


def test_the_tick_fails_then_and_the_next_one_goes_on(tmp_path: Path):
    """As Dagster's daemon calls it: the failure is told once, and a failing notifier does not stop the next ones."""
    from dagster import build_sensor_context

    sensor = failure_sensor(load_declaration(PIPELINES), "running")
    repository = Definitions(
        jobs=[orders_refresh], sensors=[sensor], resources={"notifier": Refusing()}
    ).get_repository_def()
    with DagsterInstance.local_temp(str(tmp_path)) as instance:

        def tick(cursor: str | None) -> tuple[str | None, list[str]]:
            with build_sensor_context(
                instance, cursor, repository_def=repository, resources={"notifier": Refusing()}, sensor_name=NAME
            ) as context:
                reactions = sensor.evaluate_tick(context)
            errors = [str(one.error.message) for one in reactions.dagster_run_reactions if one.error]
            return reactions.cursor, errors

        first, errors = tick(None)
        assert errors == []
        for _ in range(2):
            orders_refresh.execute_in_process(instance=instance, raise_on_error=False)
        second, errors = tick(first)
        seen = list(errors)
        while errors:
            second, errors = tick(second)
            seen += errors

    assert len(seen) == 2
    assert all("the mail server is away" in message for message in seen)


def test_a_log_notifier_is_enough():
    assert LogNotifier().notify(FAILURE) == "told in the log alone"
