"""The manifests of baselines are read once in a process, and again when one was written anew."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from typing import Any

import pytest

from ddb_pipeline.baselines import MANIFESTS_PREFIX
from ddb_pipeline.baselines.records import Manifest
from ddb_pipeline.resources.baseline_store import BaselineStore

FIRST = Manifest("a", "snapshot", 1, 0, 0, 0, 3, 1, None, "persons", "i", 1, None, {}, 0, 0.0)
SECOND = replace(FIRST, baseline_id="b", as_of_us=2)


class Bucket:
    """As much of S3 as the store asks for, with what was got."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.got: list[str] = []

    def write(self, manifest: Manifest) -> None:
        self.objects[f"{MANIFESTS_PREFIX}{manifest.baseline_id}.json"] = manifest.to_json().encode()

    def get_paginator(self, _operation: str) -> Bucket:
        return self

    def paginate(self, **_arguments: Any) -> list[dict[str, Any]]:
        etags = {key: hashlib.sha256(body).hexdigest() for key, body in self.objects.items()}
        found = [{"Key": key, "Size": len(body), "ETag": etags[key]} for key, body in self.objects.items()]
        return [{"Contents": found}]

    def get_object(self, **arguments: Any) -> dict[str, Any]:
        self.got.append(arguments["Key"].removeprefix(MANIFESTS_PREFIX))
        return {"Body": io.BytesIO(self.objects[arguments["Key"]])}


@pytest.fixture
def bucket() -> Bucket:
    made = Bucket()
    made.write(SECOND)
    made.write(FIRST)
    return made


@pytest.fixture
def store(bucket: Bucket, tmp_path) -> BaselineStore:
    return BaselineStore(s3=bucket, glue=None, bucket=str(tmp_path), database="d", table="persons")


def test_a_manifest_is_got_once(store, bucket):
    assert store.manifests() == store.manifests() == [FIRST, SECOND]
    # a step asks with a store of its own
    assert replace(store).manifests() == [FIRST, SECOND]
    assert bucket.got == ["a.json", "b.json"]


def test_one_that_was_written_anew_is_got_again(store, bucket):
    store.manifests()
    rewritten = replace(FIRST, rows=2)
    bucket.write(rewritten)
    assert store.manifests() == [rewritten, SECOND]
    assert bucket.got == ["a.json", "b.json", "a.json"]


def test_one_that_is_gone_is_none_any_more_and_another_bucket_has_its_own(store, bucket):
    store.manifests()
    del bucket.objects[f"{MANIFESTS_PREFIX}b.json"]
    assert store.manifests() == [FIRST]
    bucket.write(SECOND)
    assert store.manifests() == [FIRST, SECOND]
    assert replace(store, bucket="another").manifests() == [FIRST, SECOND]
    assert bucket.got == ["a.json", "b.json", "b.json", "a.json", "b.json"]
