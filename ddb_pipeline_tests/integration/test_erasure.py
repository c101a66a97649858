"""`ddb-pipeline erase` on local AWS: nothing of the item is left in S3, and the views agree with the table still."""

from __future__ import annotations

import gzip
import json
import uuid
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pyarrow import BufferReader, parquet

from ddb_pipeline.baseline_making.standing import damaged
from ddb_pipeline.checks.baselines import LATE_CHECK
from ddb_pipeline.cli import main
from ddb_pipeline.cli.erasure.places import RawObjects
from ddb_pipeline_tests.deployed import Deployed, wait_until
from ddb_pipeline_tests.integration.baseline_stage import (
    checks,
    deliver,
    deployment,
    key,
    let_it_settle,
    make,
    manifests,
    place,
    remove,
    run,
    stage,
    state,
    table,
    write,
)

__all__ = ["place", "stage"]


def erase(pipeline: str, item_key: dict[str, Any], *more: str) -> Result:
    words = ["erase", "--key", json.dumps(item_key), "--pipeline", pipeline, *more]
    return CliRunner().invoke(main, words, prog_name="ddb-pipeline", env={"COLUMNS": "300"})


def contents(stage: Deployed, pipeline: str) -> dict[str, str]:
    """Every object of both buckets as text, whatever it is packed in."""
    s3, names, found = stage.client("s3"), stage.names[pipeline], {}
    for bucket in (names.raw_bucket, names.results_bucket):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for one in page.get("Contents", []):
                body = s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()
                if body.startswith(b"PAR1"):
                    body = json.dumps(parquet.read_table(BufferReader(body)).to_pylist(), default=str).encode()
                elif body.startswith(b"\x1f\x8b"):
                    body = gzip.decompress(body)
                found[f"{bucket}/{one['Key']}"] = body.decode("utf-8", "replace")
    return found


def holding(stage: Deployed, pipeline: str, token: str) -> list[str]:
    return sorted(name for name, text in contents(stage, pipeline).items() if token in text)


@pytest.mark.parametrize("pipeline", ["shots", "exports"])
def test_one_item_goes_from_everywhere_and_everything_else_stays(stage: Deployed, pipeline: str, monkeypatch):
    token, mark = f"secret{uuid.uuid4().hex}", f'{uuid.uuid4().hex} "\\\n{{"S":"1"}} ß😀'
    mine = key(pipeline, 0, mark)
    write(stage, pipeline, mark, range(3), "everybody's")
    write(stage, pipeline, mark, range(1), token)
    let_it_settle()
    make(stage, pipeline)
    write(stage, pipeline, mark, range(1), token + "-later")

    refused = erase(pipeline, mine, "--apply")
    assert refused.exit_code == 1
    assert "delete it there first" in refused.output

    remove(stage, pipeline, mark, range(1))
    failed = {"dynamodb": {"Keys": mine, "NewImage": {"said": {"S": token}}}}
    stream = stage.names[pipeline].change_stream.rpartition("/")[2]
    stage.client("kinesis").put_record(StreamName=stream, Data=json.dumps(failed).encode(), PartitionKey="1")
    wait_until(lambda: _has_failures(stage, pipeline), "the failed record lies under errors/")
    deliver(stage, pipeline)
    before = contents(stage, pipeline)

    looked = erase(pipeline, mine)
    assert looked.exit_code == 0, looked.output
    assert "Nothing was changed" in looked.output
    assert "errors: 1 rows of the item in 1 objects" in looked.output
    assert "baselines/data: " in looked.output
    assert contents(stage, pipeline) == before

    # broken off in the middle, it goes on with the same command
    replace, calls = RawObjects.replace, []

    def interrupted(self: RawObjects, *arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return replace(self, *arguments)

    monkeypatch.setattr(RawObjects, "replace", interrupted)
    assert erase(pipeline, mine, "--apply").exit_code == 130
    monkeypatch.setattr(RawObjects, "replace", replace)
    done = erase(pipeline, mine, "--apply")

    assert done.exit_code == 0, done.output
    assert "views show it no more" in done.output
    assert holding(stage, pipeline, token) == []
    assert "nothing of the item is there" in erase(pipeline, mine).output
    # a table that is gone, and was never streamed
    assert "table former: " in erase(pipeline, mine, "--table", "former").output
    assert "not its ARN" in erase(pipeline, mine, "--table", "arn:aws:dynamodb:x:1:table/former").output

    # and all is as it was for everybody else
    with deployment(pipeline) as found:
        assert {damaged(found, manifest) for manifest in found.baselines.manifests()} == {None}
    refreshed = run(stage, f"{pipeline}_refresh")
    assert refreshed.success
    assert state(stage, pipeline) == table(stage, pipeline)
    # what was written again is not taken for late, though S3 says that it is new
    assert checks(refreshed)[LATE_CHECK].passed
    # what is made anew from it does not know the item either
    made = make(stage, pipeline)
    assert (made.healed, made.manifest.heals) == ({}, ())
    assert holding(stage, pipeline, token) == []
    assert manifests(pipeline)[-1].rows == len(table(stage, pipeline))


def _has_failures(stage: Deployed, pipeline: str) -> bool:
    names = stage.names[pipeline]
    return "Contents" in stage.client("s3").list_objects_v2(Bucket=names.raw_bucket, Prefix=names.errors_prefix)


def test_a_bucket_that_keeps_versions_is_refused(stage: Deployed):
    s3, bucket = stage.client("s3"), stage.names["shots"].raw_bucket
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    try:
        refused = erase("shots", {"pk": "nobody"})
    finally:
        # S3 cannot go back to "never"; local AWS can, and the tests beside this one need it
        _forget_versions(bucket)
    assert refused.exit_code == 1
    assert "has versions, which keep what is replaced" in refused.output


def _forget_versions(bucket: str) -> None:
    from moto.s3.models import s3_backends

    (backend,) = [one["aws"] for one in s3_backends.values() if bucket in one["aws"].buckets]
    backend.buckets[bucket].versioning_status = None
