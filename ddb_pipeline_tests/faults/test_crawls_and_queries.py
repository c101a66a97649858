"""Crawls and queries that fail, are under way already, or are stopped by somebody else."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ddb_pipeline.local_aws.crawler import model
from ddb_pipeline.local_aws.testing import Fault, faulty
from ddb_pipeline_tests.deployed import wait_until
from ddb_pipeline_tests.faults.conftest import PIPELINE, Scene, busy_athena, reasons


def test_a_crawl_that_fails_is_told_with_glues_own_message_and_the_next_one_finds_the_hours(scene: Scene) -> None:
    """The crawler looks at a table that somebody made for another format, so its crawl fails."""
    glue, names = scene.client("glue"), scene.names
    taken = scene.stage.table_input(PIPELINE, names.change_table)
    spoilt = {**taken, "Parameters": {**taken["Parameters"], "classification": "csv"}}
    glue.update_table(DatabaseName=names.database, TableInput=spoilt)
    try:
        result = scene.refresh()
    finally:
        glue.update_table(DatabaseName=names.database, TableInput=taken)

    assert not result.success
    failed = scene.crawls()[0]
    assert f"crawl {failed}" in reasons(result)
    assert "has classification csv" in reasons(result)
    assert scene.refresh().success
    scene.assert_state_is_right()


def test_a_crawl_that_runs_already_is_not_started_twice(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    before, goes_on, results = len(scene.crawls()), threading.Event(), []
    crawl_table = model.crawl_table

    def crawl_later(*arguments: Any) -> None:
        goes_on.wait(60)
        crawl_table(*arguments)

    monkeypatch.setattr(model, "crawl_table", crawl_later)
    # Glue says so to whoever starts a crawler that runs; here somebody else's crawl has begun
    scene.client("glue").start_crawler(Name=scene.names.crawler)
    # faults that do nothing but count
    counted = Fault("stall", "glue", "StartCrawler"), Fault("stall", "glue", "ListCrawls")
    with faulty(scene.stage.endpoint, *counted) as struck:
        running = threading.Thread(target=lambda: results.append(scene.refresh()))
        running.start()
        wait_until(lambda: struck()[0] == 1, "the refresh tries to start a crawl")
        listed = struck()[1]
        wait_until(lambda: struck()[1] > listed, "the refresh was told, and looks for the crawl that runs")
        goes_on.set()
        running.join(60)

    (result,) = results
    assert result.success, reasons(result)
    assert len(scene.crawls()) == before + 1, "somebody else's, which has found the hours"
    scene.assert_state_is_right()


def test_a_crawl_that_somebody_stops_is_told_and_made_up_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    glue, crawler, results = scene.client("glue"), scene.names.crawler, []
    before = set(scene.crawls())
    with monkeypatch.context() as slow:
        slow.setattr(model, "RUNNING_SECONDS", 60)  # or until it is stopped
        running = threading.Thread(target=lambda: results.append(scene.refresh()))
        running.start()
        wait_until(lambda: len(set(scene.crawls()) - before) == 1, "the refresh has started a crawl")
        glue.stop_crawler(Name=crawler)
        running.join(60)

    (result,) = results
    (stopped,) = set(scene.crawls()) - before
    assert not result.success
    assert f"crawl {stopped}" in reasons(result)
    assert "stopped" in reasons(result)
    assert scene.refresh().success
    scene.assert_state_is_right()


def test_an_object_that_no_query_can_read_is_named_until_it_is_gone(scene: Scene) -> None:
    assert scene.refresh().success
    s3, names = scene.client("s3"), scene.names
    newest = s3.list_objects_v2(Bucket=names.raw_bucket, Prefix=names.changes_prefix)["Contents"][-1]["Key"]
    spoilt = f"{newest.rpartition('/')[0]}/spoilt-{uuid.uuid4().hex}.json"
    s3.put_object(Bucket=names.raw_bucket, Key=spoilt, Body=b'{"row_version": {"is": "none"}\n')
    try:
        result = scene.refresh()
    finally:
        s3.delete_object(Bucket=names.raw_bucket, Key=spoilt)

    assert not result.success
    assert spoilt in reasons(result)
    assert scene.refresh().success
    scene.assert_state_is_right()


def test_a_query_that_somebody_cancels_is_told_so_and_runs_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.refresh()
    results = []
    before = {query["QueryExecutionId"] for query in scene.queries()}

    def waiting() -> list[str]:
        new = [query for query in scene.queries() if query["QueryExecutionId"] not in before]
        return [query["QueryExecutionId"] for query in new if query["Status"]["State"] == "QUEUED"]

    with busy_athena(monkeypatch):
        running = threading.Thread(target=lambda: results.append(scene.refresh()))
        running.start()
        wait_until(lambda: bool(waiting()), "a query of the refresh waits")
        (cancelled,) = waiting()
        scene.client("athena").stop_query_execution(QueryExecutionId=cancelled)
    running.join(60)

    (result,) = results
    assert not result.success
    assert f"Athena query {cancelled} was cancelled" in reasons(result)
    assert "somebody stopped it: run this again" in reasons(result)
    assert scene.refresh().success
    scene.assert_state_is_right()


def test_a_results_bucket_that_is_gone_is_named_with_what_to_do(scene: Scene) -> None:
    bucket = scene.names.results_bucket
    with gone(scene.client("s3"), bucket):
        result = scene.refresh()

    assert not result.success
    assert bucket in reasons(result)
    assert "--revert-drift" in reasons(result), "what brings back what the stack made"
    assert scene.refresh().success
    scene.assert_state_is_right()


@contextmanager
def gone(s3: Any, bucket: str) -> Iterator[None]:
    """Delete a bucket, and make it again as it was, without its objects: other tests use the stage, too."""
    region = s3.meta.region_name
    kept = {
        "encryption": s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"],
        "lifecycle": s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"],
        "access": s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
        "ownership": s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"],
        "policy": s3.get_bucket_policy(Bucket=bucket)["Policy"],
        "tags": s3.get_bucket_tagging(Bucket=bucket)["TagSet"],
    }
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for stored in page.get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=stored["Key"])
    for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    s3.delete_bucket(Bucket=bucket)
    try:
        yield
    finally:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=kept["encryption"])
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": kept["lifecycle"]})
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=kept["access"])
        s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=kept["ownership"])
        s3.put_bucket_policy(Bucket=bucket, Policy=kept["policy"])
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": kept["tags"]})


def test_a_service_that_cannot_be_reached_at_the_end_of_a_crawl_starts_no_second_crawl(scene: Scene) -> None:
    before = len(scene.crawls())
    with faulty(scene.stage.endpoint, Fault("cut", "glue", "ListCrawls", skip=1, count=6)):
        result = scene.refresh()

    assert result.success, reasons(result)
    assert len(scene.crawls()) == before + 1
    scene.assert_state_is_right()
