"""What `deploy`, `destroy` and `verify` never do: write into a user's table, destroy what is protected or in use."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.checks.deliveries import delivered_verdict
from ddb_pipeline.cli import deploy, stack_safeguards, streaming, verify
from ddb_pipeline.cli.canary import Arrival
from ddb_pipeline.cli.canary_watch import watch_arrivals
from ddb_pipeline.cli.console import Steps, UserError
from ddb_pipeline.cli.deploy import Ready, destroy, run_bootstrap, run_deploy, run_destroy
from ddb_pipeline.cli.place import DeployedStack, Place
from ddb_pipeline.cli.streaming import require_streaming
from ddb_pipeline.cli.verify import run_verify
from ddb_pipeline.declaration import Declaration, load_declaration
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.resources.settings import Connection, Settings
from ddb_pipeline.toml_table import ByStage
from ddb_pipeline_tests import declared
from ddb_pipeline_tests.conftest import REPOSITORY

NAMES = dataclasses.replace(declared.NAMES, key_arn="arn:aws:kms:eu-west-1:1:key/k", region="eu-west-1", account="1")


class ReadOnlyDynamoDb:
    """A client that can only be asked whether a table streams: any other call fails the test."""

    def __init__(self, status: str, stream: str = NAMES.change_stream, error: str | None = None) -> None:
        self._error = error
        self._status, self._arn = status, f"arn:aws:kinesis:eu-west-1:1:stream/{stream}"

    def describe_kinesis_streaming_destination(self, TableName: str) -> dict[str, Any]:  # noqa: N803
        if self._error is not None:
            raise ClientError({"Error": {"Code": self._error, "Message": "no"}}, "DescribeKinesisStreamingDestination")
        found = {"DestinationStatus": self._status, "StreamArn": self._arn}
        return {"TableName": TableName, "KinesisDataStreamDestinations": [found]}


@dataclasses.dataclass(frozen=True)
class FakePlace(Place):
    dynamodb: Any = None

    def client(self, service: str) -> Any:
        return self.dynamodb if service == "dynamodb" else None


def ready(declaration: Declaration, stage: str = "dev", dynamodb: Any = None) -> Ready:
    place = FakePlace(Settings(stage, Connection()), "111122223333", "eu-central-1", dynamodb)
    return Ready(declaration, place, Path("cdk"), Path("assembly"))


@pytest.fixture
def own() -> Declaration:
    return load_declaration(REPOSITORY / "pipeline.toml")


@pytest.fixture
def existing(own: Declaration) -> Declaration:
    persons = dataclasses.replace(own.pipelines["persons"], existing_table=ByStage(everywhere="Persons"))
    return dataclasses.replace(own, pipelines={"persons": persons})


def prepared(
    monkeypatch: pytest.MonkeyPatch, found: Ready, stacks: dict[str, DeployedStack], undeclared: Sequence[str] = ()
) -> None:
    """Let the commands find this, and no AWS."""
    for module in (deploy, verify):
        monkeypatch.setattr(module, "prepare", lambda _stage, _steps: found)
        monkeypatch.setattr(module, "deployed_stacks", lambda _declaration, _place: stacks)
        monkeypatch.setattr(module, "undeclared_stacks", lambda _declaration, _place: undeclared, raising=False)
        monkeypatch.setattr(module, "destroy", lambda *_arguments, **_more: pytest.fail("something was destroyed"))


def test_a_table_of_the_users_own_is_not_written_to(existing, monkeypatch, capsys):
    monkeypatch.setattr(streaming, "published_names", lambda _pipeline, _settings: NAMES)
    found = ready(existing, dynamodb=ReadOnlyDynamoDb("ACTIVE"))

    require_streaming(existing, found.place)

    said = capsys.readouterr().out
    assert "no canary in the_table, which is a table of yours" in said
    assert "should be in S3 about 120 seconds later" in said
    assert watch_arrivals(existing, found.place, Steps()) == {}


def test_who_may_not_look_whether_a_table_streams_is_told_nothing_of_it(existing, monkeypatch, capsys):
    monkeypatch.setattr(streaming, "published_names", lambda _pipeline, _settings: NAMES)

    require_streaming(existing, ready(existing, dynamodb=ReadOnlyDynamoDb("", error="AccessDeniedException")).place)

    said = " ".join(capsys.readouterr().out.split())
    assert "streaming of table the_table could not be looked at" in said
    assert "It streams" not in said


@pytest.mark.parametrize("is_proved", [True, False])
def test_an_arrival_that_is_not_proved_is_said_to_be(is_proved, own, monkeypatch, capsys):
    prepared(monkeypatch, ready(own), {})
    for nothing in (
        "require_bootstrap",
        "require_same_key",
        "require_catalog_key",
        "deploy",
        "require_streaming",
        "_write_environment",
    ):
        monkeypatch.setattr(deploy, nothing, lambda *_arguments: None)
    monkeypatch.setattr(deploy, "require_tables", lambda *_arguments: ["a table is left behind"])
    arrivals = {"persons": Arrival("key", 1, is_proved=is_proved)}
    monkeypatch.setattr(deploy, "watch_arrivals", lambda *_arguments: arrivals)

    run_deploy("dev", (), canary=True)

    said = " ".join(capsys.readouterr().out.split())
    assert "a table is left behind" in said
    assert ("it is not proved that the canary itself arrived" in said) is not is_proved
    assert ("pip install -c constraints.txt -e '.[erase]'" in said) is not is_proved


@pytest.mark.parametrize(
    ("destination", "found"),
    [
        (ReadOnlyDynamoDb("DISABLED"), r"the_change_stream: DISABLED"),
        (ReadOnlyDynamoDb("ACTIVE", "somebody_elses"), r"somebody_elses: ACTIVE"),
        (ReadOnlyDynamoDb("", error="ResourceNotFoundException"), "it has no destination"),
    ],
)
def test_a_table_of_the_users_own_that_does_not_stream_here_is_a_failure_with_the_command_that_helps(
    existing, monkeypatch, destination, found
):
    prepared(monkeypatch, ready(existing, dynamodb=destination), {})
    for nothing in ("require_bootstrap", "require_same_key", "require_catalog_key", "deploy"):
        monkeypatch.setattr(deploy, nothing, lambda *_arguments: None)
    monkeypatch.setattr(deploy, "require_tables", lambda *_arguments: [])
    monkeypatch.setattr(streaming, "published_names", lambda _pipeline, _settings: NAMES)

    with pytest.raises(UserError, match=rf"does not stream to the_change_stream \({found}\)") as raised:
        run_deploy("dev", (), canary=False)
    assert str(raised.value).endswith(
        "aws dynamodb enable-kinesis-streaming-destination --table-name the_table "
        "--stream-arn arn:aws:kinesis:eu-west-1:1:stream/the_change_stream "
        "--enable-kinesis-streaming-configuration ApproximateCreationDateTimePrecision=MICROSECOND"
    )


@pytest.mark.parametrize(("table", "advice"), [(None, "--revert-drift"), ("the_table", NAMES.streaming_command)])
def test_the_check_says_what_switches_the_streaming_on_again(table, advice):
    deployment = SimpleNamespace(
        names=NAMES,
        stage=SimpleNamespace(name="dev"),
        pipeline=SimpleNamespace(existing_table=ByStage(everywhere=table)),
        table_export=SimpleNamespace(look=lambda _now: SimpleNamespace(active=False)),
    )

    assert advice in str(delivered_verdict(cast("Deployment", deployment), datetime.now(UTC)).problem)


def test_a_protected_stage_is_not_destroyed_even_with_yes(own, monkeypatch):
    prepared(monkeypatch, ready(own, "prod"), {"persons": DeployedStack("UPDATE_COMPLETE", protected=True)})

    with pytest.raises(UserError, match=r"protected from deletion.*keep_data = false and confirm_data_loss = \"prod\""):
        run_destroy("prod", (), yes=True)


def test_a_stage_that_was_never_deployed_whole_is_destroyed_though_it_is_protected(own, monkeypatch, capsys):
    prepared(monkeypatch, ready(own, "prod"), {"persons": DeployedStack("ROLLBACK_COMPLETE", protected=True)})
    done = []
    for step in ("release_never_made", "destroy"):
        monkeypatch.setattr(deploy, step, lambda *_arguments, step=step: done.append(step))

    run_destroy("prod", (), yes=True)

    assert done == ["release_never_made", "destroy"]
    said = capsys.readouterr().out
    assert "Nothing of them was ever deployed whole" in said
    assert "keep_data = false" not in said


def test_a_stage_that_keeps_its_data_and_is_deleted_in_part_is_destroyed_to_the_end_and_said_to_keep_it(
    own, monkeypatch, capsys
):
    half = {"persons": DeployedStack("DELETE_FAILED", protected=False, outputs={"RawBucket": "b"})}
    prepared(monkeypatch, ready(own, "prod"), half)
    monkeypatch.setattr(stack_safeguards, "keeps_its_data", lambda _place, _stack: True)
    monkeypatch.setattr(deploy, "destroy", lambda *_arguments: None)

    run_destroy("prod", (), yes=True)

    said = " ".join(capsys.readouterr().out.split())
    assert "They keep their data: tables, raw objects, baselines, query results and keys stay." in said
    assert "goes with what is in it" not in said


def test_a_stage_is_not_destroyed_before_its_tables_are_looked_at(existing, monkeypatch):
    prepared(monkeypatch, ready(existing), {"persons": DeployedStack("UPDATE_COMPLETE", protected=False)})

    def refuse(*_arguments: Any) -> None:
        raise UserError("the key of a table that stays")

    monkeypatch.setattr(deploy, "require_readable_afterwards", refuse)

    with pytest.raises(UserError, match="the key of a table that stays"):
        run_destroy("dev", (), yes=True)


def test_what_was_deployed_without_keep_data_is_not_destroyed_as_if_it_stayed(own, monkeypatch):
    prepared(monkeypatch, ready(own, "prod"), {"persons": DeployedStack("UPDATE_COMPLETE", protected=False)})

    with pytest.raises(
        UserError, match=r"persons was deployed without keep_data, or .* deploy first; nothing was destroyed"
    ):
        run_destroy("prod", (), yes=True)


def test_stacks_that_are_no_longer_declared_are_named_and_not_said_to_be_gone(own, monkeypatch, capsys):
    stacks = {"persons": DeployedStack("CREATE_COMPLETE", protected=False)}
    prepared(monkeypatch, ready(own), stacks, ["ddb-change-analytics-dev-orders"])
    monkeypatch.setattr(deploy, "destroy", lambda *_arguments: None)

    run_destroy("dev", (), yes=True)

    before, after = " ".join(capsys.readouterr().out.split()).split("What pipeline.toml declares of stage dev is gone")
    for said in (before, after):
        assert "are still there, and cost: ddb-change-analytics-dev-orders: declare them again and destroy" in said
        assert "`aws cloudformation delete-stack --stack-name ddb-change-analytics-dev-orders`" in said


def test_where_only_undeclared_stacks_are_left_the_refusal_names_them(own, monkeypatch):
    prepared(monkeypatch, ready(own), {}, ["ddb-change-analytics-dev-orders"])

    with pytest.raises(UserError, match=r"no stack of stage dev is in.*are still there.*dev-orders"):
        run_destroy("dev", (), yes=True)


def destroyed(
    monkeypatch: pytest.MonkeyPatch, found: Ready, looks: Sequence[dict[str, str]], problems: Sequence[str] = ()
) -> list[str]:
    """What is done to destroy it, while its stacks are in these states, each time that somebody looks."""
    done: list[str] = []
    seen = iter(looks)

    def stacks(_declaration: Declaration, _place: Place) -> dict[str, DeployedStack]:
        return {name: DeployedStack(state, protected=False) for name, state in next(seen).items()}

    def finish(_place: Place, stacks: dict[str, DeployedStack]) -> list[str]:
        done.extend(f"finish {name}" for name, stack in stacks.items() if stack.state == "DELETE_FAILED")
        return list(problems)

    monkeypatch.setattr(deploy, "deployed_stacks", stacks)
    monkeypatch.setattr(deploy, "finish_deletion", finish)
    monkeypatch.setattr(Ready, "run", lambda *_arguments: done.append("cdk") or 1)
    destroy(found)
    assert list(seen) == []
    return done


def test_what_the_functions_of_the_stack_could_not_do_is_done_by_the_command_itself(own, monkeypatch):
    whole, part = {"persons": "CREATE_COMPLETE"}, {"persons": "DELETE_FAILED"}

    assert destroyed(monkeypatch, ready(own), [whole, whole, {}, {}]) == ["cdk"]
    assert destroyed(monkeypatch, ready(own), [whole, whole, part, {}]) == ["cdk", "finish persons"]
    # what an earlier command left, when the CDK has nothing to do any more
    assert destroyed(monkeypatch, ready(own), [part, {}]) == ["finish persons"]


def test_the_cdk_which_stops_at_a_stack_that_it_cannot_delete_goes_on_when_that_is_gone(own, monkeypatch):
    whole = {"one": "CREATE_COMPLETE", "two": "CREATE_COMPLETE"}
    stopped, gone = {"one": "DELETE_FAILED", "two": "CREATE_COMPLETE"}, {"two": "CREATE_COMPLETE"}

    done = destroyed(monkeypatch, ready(own), [whole, whole, stopped, gone, {}, {}])

    assert done == ["cdk", "finish one", "cdk"]


def test_what_is_in_the_way_even_so_is_said(own, monkeypatch):
    part = {"persons": "DELETE_FAILED"}
    with pytest.raises(
        UserError, match=r"persons \(DELETE_FAILED\).*goes on from here; bucket raw holds; and another$"
    ):
        destroyed(monkeypatch, ready(own), [part] * 4, ["bucket raw holds", "and another"])


def test_a_stage_that_is_in_use_is_not_verified(own, monkeypatch):
    prepared(monkeypatch, ready(own), {"persons": DeployedStack("CREATE_COMPLETE", protected=False)})

    with pytest.raises(UserError, match=r"stage dev is deployed \(persons\), and a verification destroys what it used"):
        run_verify("dev", pipeline_name=None, keep=False)


def test_a_stage_that_keeps_its_data_is_not_verified(own, monkeypatch):
    prepared(monkeypatch, ready(own, "prod"), {})

    with pytest.raises(UserError, match="stage prod keeps its data"):
        run_verify("prod", pipeline_name=None, keep=False)


def test_a_table_of_the_users_own_is_not_verified(existing, monkeypatch):
    prepared(monkeypatch, ready(existing), {})

    with pytest.raises(UserError, match=r"streams table Persons of yours .* declare a stage of its own"):
        run_verify("dev", pipeline_name=None, keep=False)


def test_local_aws_is_not_bootstrapped_a_second_time(own: Declaration, monkeypatch: pytest.MonkeyPatch):
    place = FakePlace(Settings("dev", Connection(endpoint_url="http://127.0.0.1:5000")), "1", "eu-central-1")
    prepared(monkeypatch, Ready(own, place, Path("cdk"), Path("assembly")), {})

    with pytest.raises(
        UserError, match="local AWS is bootstrapped as it is: go on with `ddb-pipeline deploy --stage dev`"
    ):
        run_bootstrap("dev", [])
