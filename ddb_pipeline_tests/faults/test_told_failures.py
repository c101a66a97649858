"""Runs that failed are told to the topic of the stage's alarms, through real SNS requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ddb_pipeline.errors import AwsError
from ddb_pipeline.local_aws.testing import Fault, faulty
from ddb_pipeline.names import ComputedNames
from ddb_pipeline.run_failures.described import FailedStep, RunFailure
from ddb_pipeline.run_failures.notifiers import TopicNotifier
from ddb_pipeline_tests.deployed import Deployed

STAGE = "told"
FAILURE = RunFailure(
    pipelines=("persons", "orders"),
    stage=STAGE,
    job="Materialize",
    run_id="1234abcd-0000",
    steps=(FailedStep("orders/change_table", "there is no Glue crawler"),),
    cause="",
    url=None,
)


@pytest.fixture
def notifier(stage: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], TopicNotifier]:
    """Makes a notifier for a stage whose stacks have this topic, as far as they publish it."""
    declaration = tmp_path / "pipeline.toml"
    declaration.write_text(stage.declaration.path.read_text(encoding="utf-8") + f"\n[stages.{STAGE}]\n")
    monkeypatch.setenv("DDB_PIPELINE_STAGE", STAGE)
    monkeypatch.setattr("ddb_pipeline.resources.aws._names", _Forgetful())

    def make(topic: str) -> TopicNotifier:
        for name, names in stage.names.items():
            stage.client("ssm").put_parameter(
                Name=ComputedNames(name, STAGE).parameter,
                Value=json.dumps(asdict(names) | {"alarm_topic": topic}),
                Type="String",
                Overwrite=True,
            )
        return TopicNotifier(declaration_file=str(declaration))

    return make


class _Forgetful:
    def get(self, _key: Any, make: Callable[[], Any]) -> Any:
        return make()


def published(topic: str) -> list[tuple[str, str]]:
    """Subject and message of what the topic took; SNS itself does not say."""
    from moto.sns.models import sns_backends

    account, region = topic.split(":")[4], topic.split(":")[3]
    sent = sns_backends[account][region].topics[topic].sent_notifications
    return [(subject, message) for _, message, subject, *_ in sent]


def test_a_topic_of_two_pipelines_is_told_once(stage: Deployed, notifier: Callable[[str], TopicNotifier]) -> None:
    topic = stage.client("sns").create_topic(Name="told-once")["TopicArn"]

    assert notifier(topic).notify(FAILURE) == f"published to {topic}"

    assert published(topic) == [("Dagster: persons, orders failed (stage told)", FAILURE.text)]


def test_a_throttled_topic_is_asked_again_and_one_that_refuses_is_an_error(
    stage: Deployed, notifier: Callable[[str], TopicNotifier]
) -> None:
    topic = stage.client("sns").create_topic(Name="told-later")["TopicArn"]
    with faulty(stage.endpoint, Fault("throttle", "sns", "Publish", count=2)):
        notifier(topic).notify(FAILURE)
    assert len(published(topic)) == 1

    denied = Fault("fail", "sns", "Publish", code="AuthorizationError", status=403, message="not for you")
    with faulty(stage.endpoint, denied), pytest.raises(AwsError, match=r"AWS denies Publish .*not for you"):
        notifier(topic).notify(FAILURE)


def test_without_a_topic_or_a_stage_the_log_has_to_do(
    notifier: Callable[[str], TopicNotifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "the stage has no topic" in notifier("").notify(FAILURE)

    monkeypatch.delenv("DDB_PIPELINE_STAGE")
    assert "told in the log alone" in notifier("").notify(FAILURE)


def test_credentials_that_have_expired_are_no_reason_to_be_silent(
    stage: Deployed, notifier: Callable[[str], TopicNotifier]
) -> None:
    made = notifier("arn:aws:sns:eu-central-1:123456789012:none")
    with faulty(stage.endpoint, Fault("expire")), pytest.raises(AwsError, match="expired"):
        made.notify(FAILURE)
