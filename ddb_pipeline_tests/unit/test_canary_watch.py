"""The canaries of a stage: all written before any is waited for, all deleted, and each that failed is named."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.cli import canary, canary_watch
from ddb_pipeline.cli.canary_watch import watch_arrivals
from ddb_pipeline.cli.console import Steps, UserError
from ddb_pipeline.cli.place import Place
from ddb_pipeline.declaration import Declaration, load_declaration
from ddb_pipeline.errors import NotDeployedError
from ddb_pipeline.resources.settings import Connection, Settings
from ddb_pipeline_tests import declared
from ddb_pipeline_tests.conftest import REPOSITORY

PIPELINES = ("persons", "orders", "visits")


@dataclass
class Aws:
    """DynamoDB and S3 of a stage, whose tables and buckets are named after the pipelines.

    Attributes:
        late: Tables whose canaries arrive later than those of the others, after so many looks at their bucket.
        refused: What is denied, as operation and table.
        broken: Pipelines whose records cannot be converted.
        interrupted_after: Ctrl-C comes in this pause.
        told: What was called, in order.
    """

    late: dict[str, int] = field(default_factory=dict)
    refused: tuple[tuple[str, str], ...] = ()
    broken: tuple[str, ...] = ()
    interrupted_after: int | None = None
    told: list[str] = field(default_factory=list)
    items: dict[str, Any] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)
    pauses: int = 0

    def _write(self, operation: str, table: str) -> None:
        if (operation, table) in self.refused:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": f"not {table}"}}, operation)
        self.told.append(f"{operation} {table}")

    def put_item(self, **request: Any) -> None:
        self._write("PutItem", request["TableName"])
        self.items[request["TableName"]] = {"pk": request["Item"]["pk"]}

    def delete_item(self, **request: Any) -> None:
        self._write("DeleteItem", request["TableName"])

    def list_objects_v2(self, Bucket: str, **_request: str) -> dict[str, Any]:  # noqa: N803
        self.looks[Bucket] = self.looks.get(Bucket, 0) + 1
        return {"CommonPrefixes": [{"Prefix": "errors/processing-failed/"}]}

    def get_paginator(self, _operation: str) -> Aws:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        folder = "errors/" if Bucket in self.broken else "changes/"
        if not Prefix.startswith(folder) or self.looks[Bucket] <= self.late.get(Bucket, 0):
            return [{}]
        return [{"Contents": [{"Key": f"{folder}one", "LastModified": datetime.now(UTC)}]}]

    def get_object(self, Bucket: str, **_request: str) -> dict[str, Any]:  # noqa: N803
        return {"Body": io.BytesIO(json.dumps({"item_key": json.dumps(self.items[Bucket])}).encode())}

    def sleep(self, _seconds: float) -> None:
        if self.pauses == self.interrupted_after:
            raise KeyboardInterrupt
        self.pauses += 1


@dataclass(frozen=True)
class PlayedPlace(Place):
    aws: Any = None

    def client(self, _service: str) -> Any:
        return self.aws


@pytest.fixture
def stage() -> Declaration:
    own = load_declaration(REPOSITORY / "pipeline.toml")
    return replace(own, pipelines={name: replace(own.pipelines["persons"], name=name) for name in PIPELINES})


@pytest.fixture
def watched(stage, monkeypatch):
    """Watches the arrivals on a played AWS."""

    def names(pipeline: str, _settings: Settings) -> Any:
        prefixes = {"changes_prefix": "changes/", "errors_prefix": "errors/"}
        return dataclasses.replace(declared.NAMES, table=pipeline, raw_bucket=pipeline, **prefixes)

    def watch(aws: Aws) -> dict[str, canary.Arrival]:
        monkeypatch.setattr(canary_watch.time, "sleep", aws.sleep)
        place = PlayedPlace(Settings("dev", Connection()), "111122223333", "eu-central-1", aws)
        return watch_arrivals(stage, place, Steps())

    monkeypatch.setattr(canary_watch, "published_names", names)
    return watch


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_all_are_written_before_one_is_waited_for_and_each_is_deleted_when_it_has_arrived(watched, capsys):
    aws = Aws(late={"persons": 2, "visits": 4})

    arrivals = watched(aws)

    assert arrivals == {name: canary.Arrival("changes/one", writes=1, is_proved=True) for name in PIPELINES}
    assert aws.told == [
        *("PutItem persons", "PutItem orders", "PutItem visits"),
        *("DeleteItem orders", "DeleteItem persons", "DeleteItem visits"),
    ]
    shown = said(capsys)
    assert re.search("orders: its canary arrived.*persons: its canary arrived.*visits: its canary arrived", shown)
    assert "3 pipelines, each: write a canary and wait until it is in S3 (about 3 min)" in shown


def test_one_that_fails_hides_none_of_the_others_and_all_that_failed_are_named(watched, capsys):
    aws = Aws(late={"visits": 3}, refused=(("PutItem", "persons"),), broken=("orders",))

    with pytest.raises(UserError) as raised:
        watched(aws)

    denied, broken, advice = str(raised.value).splitlines()
    assert re.fullmatch(
        r"pipeline persons: AWS denies PutItem .*not persons: the canary takes dynamodb:PutItem .*", denied
    )
    assert broken.startswith("pipeline orders: the canary could not be converted: s3://orders/errors/one holds it")
    assert advice == "the stage is deployed: --no-canary leaves the canary out"
    assert aws.told == ["PutItem orders", "PutItem visits", "DeleteItem orders", "DeleteItem visits"]
    assert "pipeline visits: its canary arrived" in said(capsys)


def test_those_that_do_not_arrive_in_time_are_named_with_where_to_look(watched, monkeypatch):
    monkeypatch.setattr(canary, "_STARTS_SECONDS", -600)

    with pytest.raises(UserError) as raised:
        watched(Aws(late=dict.fromkeys(PIPELINES, 1000)))

    for name, line in zip(PIPELINES, str(raised.value).splitlines(), strict=False):
        assert line.startswith(f"pipeline {name}: a change of table {name} did not reach s3://{name}/changes/ within")


def test_what_fails_all_of_them_is_said_once(watched, monkeypatch):
    def not_there(*_arguments: Any) -> None:
        raise NotDeployedError("nothing is deployed: deploy first")

    monkeypatch.setattr(canary_watch, "published_names", not_there)

    with pytest.raises(UserError, match=r"^pipelines persons, orders, visits: nothing is deployed: deploy first\n"):
        watched(Aws())


def test_who_interrupts_it_leaves_no_canary_behind(watched):
    aws = Aws(late=dict.fromkeys(PIPELINES, 1000), interrupted_after=2)

    with pytest.raises(KeyboardInterrupt):
        watched(aws)

    assert sorted(aws.told[3:]) == [f"DeleteItem {name}" for name in sorted(PIPELINES)]


def test_a_canary_that_cannot_be_deleted_is_named_and_the_others_are_waited_for(watched):
    aws = Aws(late={"visits": 3}, refused=(("DeleteItem", "persons"),))

    with pytest.raises(UserError, match=r"^pipeline persons: AWS denies DeleteItem .*not persons"):
        watched(aws)

    assert aws.told[3:] == ["DeleteItem orders", "DeleteItem visits"]
