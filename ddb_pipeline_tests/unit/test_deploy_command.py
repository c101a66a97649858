"""What `deploy`, `destroy` and `verify` never do: write into a user's table, destroy what is protected or in use."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from ddb_pipeline.cli import deploy, verify
from ddb_pipeline.cli.console import Steps, UserError
from ddb_pipeline.cli.deploy import Ready, run_destroy, watch_arrival
from ddb_pipeline.cli.place import DeployedStack, Place
from ddb_pipeline.cli.verify import run_verify
from ddb_pipeline.declaration import Declaration, load_declaration
from ddb_pipeline.resources.settings import Connection, Settings
from ddb_pipeline.toml_table import ByStage
from ddb_pipeline_tests import declared
from ddb_pipeline_tests.conftest import REPOSITORY


class ReadOnlyDynamoDb:
    """A client that can only be asked whether a table streams: any other call fails the test."""

    def __init__(self, status: str) -> None:
        self._status = status

    def describe_kinesis_streaming_destination(self, TableName: str) -> dict[str, Any]:  # noqa: N803
        return {"KinesisDataStreamDestinations": [{"DestinationStatus": self._status, "TableName": TableName}]}


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


def prepared(monkeypatch: pytest.MonkeyPatch, found: Ready, stacks: dict[str, DeployedStack]) -> None:
    """Let the commands find this, and no AWS."""
    for module in (deploy, verify):
        monkeypatch.setattr(module, "prepare", lambda _stage, _steps: found)
        monkeypatch.setattr(module, "deployed_stacks", lambda _declaration, _place: stacks)
        monkeypatch.setattr(module, "destroy", lambda *_arguments, **_more: pytest.fail("something was destroyed"))


def test_a_table_of_the_users_own_is_not_written_to(existing, monkeypatch, capsys):
    monkeypatch.setattr(deploy, "published_names", lambda _pipeline, _settings: declared.NAMES)

    watch_arrival(ready(existing, dynamodb=ReadOnlyDynamoDb("ACTIVE")), Steps())

    said = capsys.readouterr().out
    assert "no canary in the_table, which is a table of yours" in said
    assert "should be in S3 about 120 seconds later" in said


def test_a_table_of_the_users_own_that_does_not_stream_is_a_failure(existing, monkeypatch):
    monkeypatch.setattr(deploy, "published_names", lambda _pipeline, _settings: declared.NAMES)

    with pytest.raises(UserError, match=r"streams to no Kinesis stream \(DISABLED\)"):
        watch_arrival(ready(existing, dynamodb=ReadOnlyDynamoDb("DISABLED")), Steps())


def test_a_protected_stage_is_not_destroyed_even_with_yes(own, monkeypatch):
    prepared(monkeypatch, ready(own, "prod"), {"persons": DeployedStack("UPDATE_COMPLETE", protected=True)})

    with pytest.raises(UserError, match=r"protected from deletion.*keep_data = false and confirm_data_loss = \"prod\""):
        run_destroy("prod", (), yes=True)


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
