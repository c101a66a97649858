"""The data of a baseline goes once a run has chosen it to go, whatever kills that run; never for want of a manifest."""

from __future__ import annotations

import io
import itertools
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ddb_pipeline.baseline_making import making
from ddb_pipeline.baseline_making.making import Making
from ddb_pipeline.baselines import DATA_PREFIX, EXPORTED_PREFIX, MANIFESTS_PREFIX, RETIRED_PREFIX
from ddb_pipeline.baselines.records import Manifest
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.resources.baseline_store import BaselineStore

OLD, NEW = "20260901T000000000000Z-0s-snapshot", "20261001T000000000000Z-0s-snapshot"
DATA = {baseline_id: f"{DATA_PREFIX}baseline_id={baseline_id}/part-0" for baseline_id in (OLD, NEW)}
EXPORTED = f"{EXPORTED_PREFIX}baseline_id={OLD}/part-0"


class _KilledError(BaseException):
    """The process is gone."""


class _GoneError(Exception):
    pass


class Aws:
    """As much of S3 and Glue as a retirement asks for, with two baselines.

    Attributes:
        objects: What the bucket holds.
        partitions: Ids of the partitions, by table.
        answers: How many more requests have an answer; the process is killed at the next.
    """

    exceptions = SimpleNamespace(EntityNotFoundException=_GoneError)

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.partitions: dict[str, set[str]] = {"baselines": {OLD, NEW}, "baseline_candidates": {OLD}}
        self.answers = 1000
        for moment, (baseline_id, key) in enumerate(DATA.items()):
            manifest = Manifest(baseline_id, "snapshot", moment, 0, 0, 0, 3, 1, None, "persons", "i", 1, None, {}, 0, 0)
            self.objects |= {manifest_key(baseline_id): manifest.to_json().encode(), key: b"rows", EXPORTED: b"items"}

    def _asked(self) -> None:
        if self.answers == 0:
            raise _KilledError
        self.answers -= 1

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=getattr(self, operation))

    def list_objects_v2(self, Prefix: str, **_bucket: str) -> list[dict[str, Any]]:  # noqa: N803
        self._asked()
        found = [(key, body) for key, body in self.objects.items() if key.startswith(Prefix)]
        return [{"Contents": [{"Key": key, "Size": len(body), "ETag": body.hex()} for key, body in found]}]

    def get_partitions(self, TableName: str, **_table: Any) -> list[dict[str, Any]]:  # noqa: N803
        return [{"Partitions": [{"Values": [found]} for found in self.partitions.get(TableName, ())]}]

    def get_object(self, Key: str, **_bucket: str) -> dict[str, Any]:  # noqa: N803
        return {"Body": io.BytesIO(self.objects[Key])}

    def get_table(self, **_table: str) -> dict[str, Any]:
        return {"Table": {"StorageDescriptor": {}}}

    def put_object(self, Key: str, Body: bytes, **_bucket: str) -> None:  # noqa: N803
        self._asked()
        self.objects[Key] = Body

    def delete_object(self, Key: str, **_bucket: str) -> None:  # noqa: N803
        self._asked()
        self.objects.pop(Key, None)

    def delete_objects(self, Delete: dict[str, Any], **_bucket: str) -> dict[str, Any]:  # noqa: N803
        self._asked()
        for found in Delete["Objects"]:
            del self.objects[found["Key"]]
        return {}

    def create_partition(self, TableName: str, PartitionInput: dict[str, Any], **_database: str) -> None:  # noqa: N803
        self.partitions[TableName] |= set(PartitionInput["Values"])

    def delete_partition(self, TableName: str, PartitionValues: list[str], **_database: str) -> None:  # noqa: N803
        self._asked()
        if PartitionValues[0] not in self.partitions.get(TableName, ()):
            raise _GoneError
        self.partitions[TableName].remove(PartitionValues[0])


def manifest_key(baseline_id: str) -> str:
    return f"{MANIFESTS_PREFIX}{baseline_id}.json"


@pytest.fixture
def aws() -> Aws:
    return Aws()


def store_of(aws: Aws) -> BaselineStore:
    return BaselineStore(s3=aws, glue=aws, bucket="raw", database="d", table="persons")


def next_run(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A run that can make no baseline, as the table streams no more: what it says before it knows that."""
    said: list[str] = []

    def observe(*_arguments: Any) -> None:
        raise PipelineError("the table streams no more")

    monkeypatch.setattr(making, "observe", observe)
    with pytest.raises(PipelineError, match="streams no more"):
        Making(cast("Deployment", SimpleNamespace(baselines=store_of(aws))), said.append).run()
    return said


def test_data_whose_manifest_somebody_deleted_is_left_alone_and_counts_again_with_it(aws, monkeypatch):
    manifest = aws.objects.pop(manifest_key(OLD))
    before = dict(aws.objects)

    said = next_run(aws, monkeypatch)

    assert aws.objects == before
    assert not [line for line in said if "deleted" in line]
    aws.objects[manifest_key(OLD)] = manifest
    next_run(aws, monkeypatch)
    assert [found.baseline_id for found in store_of(aws).manifests()] == [OLD, NEW]
    assert aws.partitions["baselines"] == {OLD, NEW}


def test_a_retirement_that_is_killed_at_any_request_is_finished_by_the_next_run_or_was_not_begun(monkeypatch):
    for answers in itertools.count():
        aws = Aws()
        before, aws.answers = dict(aws.objects), answers
        try:
            store_of(aws).retire(OLD)
        except _KilledError:
            aws.answers = 1000
        else:
            break
        is_known = manifest_key(OLD) in aws.objects
        next_run(aws, monkeypatch)
        if is_known:
            assert aws.objects == before, "a baseline that is known is known whole, and its deletion is chosen anew"
        else:
            assert not [key for key in aws.objects if OLD in key], "neither data nor mark is left"
            assert aws.partitions == {"baselines": {NEW}, "baseline_candidates": set()}
        assert DATA[NEW] in aws.objects
    assert answers > 5, "it was killed in between"
    assert not [key for key in aws.objects if OLD in key]


def test_a_mark_of_a_baseline_that_is_known_goes_so_that_it_tells_nothing_once_somebody_deletes_the_manifest(
    aws, monkeypatch
):
    aws.objects[f"{RETIRED_PREFIX}{OLD}"] = b""
    next_run(aws, monkeypatch)
    del aws.objects[manifest_key(OLD)]
    next_run(aws, monkeypatch)
    assert DATA[OLD] in aws.objects
