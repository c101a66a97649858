"""An hour that no crawl brings in fails its check until one does, however long that takes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from dagster import DagsterInstance

from ddb_pipeline.arrivals import HOUR, partition_key
from ddb_pipeline.checks.deliveries import NotKnownError, crawled_check_key, crawled_verdict, overdue_before
from ddb_pipeline.checks.verdict import Verdict
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline_tests.declared import pipeline
from ddb_pipeline_tests.unit.test_survey import LONG_AGO, THIS_HOUR, Bucket, Catalog

PIPELINE = pipeline()
OVERDUE = THIS_HOUR - 25 * HOUR


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def judged(instance: DagsterInstance, bucket: Bucket, catalog: Catalog, later: timedelta = timedelta(0)) -> Verdict:
    """Judge after a while, and tell Dagster, as the sensor does."""
    deployment = SimpleNamespace(raw_bucket=bucket, catalog=catalog, pipeline=PIPELINE)
    before = overdue_before(instance, PIPELINE)
    verdict = crawled_verdict(cast("Deployment", deployment), datetime.now(UTC) + later, before)
    for event in verdict.news(crawled_check_key(PIPELINE), instance):
        instance.report_runless_asset_event(event)
    return verdict


def test_an_hour_that_no_crawl_brings_in_is_named_until_one_does(instance: DagsterInstance):
    bucket = Bucket(OVERDUE, THIS_HOUR)

    for days in (0, 1, 6, 20, 21, 400):
        said = judged(instance, bucket, Catalog(THIS_HOUR), timedelta(days=days)).problem
        assert f"not in the catalog: {partition_key(OVERDUE)}: look at the last run" in str(said), days
    assert judged(instance, bucket, Catalog(OVERDUE, THIS_HOUR), timedelta(days=400)).problem is None


def test_where_the_time_does_not_suffice_what_was_overdue_stays_so_and_of_others_nothing_is_told(
    instance: DagsterInstance,
):
    bucket = Bucket(OVERDUE, THIS_HOUR)
    deployment = cast("Deployment", SimpleNamespace(raw_bucket=bucket, catalog=Catalog(THIS_HOUR), pipeline=PIPELINE))

    with pytest.raises(NotKnownError, match="execute the check crawls_keep_up"):
        crawled_verdict(deployment, datetime.now(UTC), frozenset(), lambda: True)
    assert judged(instance, bucket, Catalog(THIS_HOUR)).problem
    before = overdue_before(instance, PIPELINE)
    assert partition_key(OVERDUE) in str(crawled_verdict(deployment, datetime.now(UTC), before, lambda: True).problem)


def test_an_hour_that_was_overdue_and_whose_objects_are_gone_waits_for_no_crawl(instance: DagsterInstance):
    assert judged(instance, Bucket(OVERDUE, THIS_HOUR), Catalog()).problem

    assert judged(instance, Bucket(THIS_HOUR), Catalog(THIS_HOUR)).problem is None


def test_an_old_hour_that_nobody_has_met_is_for_a_run_by_hand(instance: DagsterInstance):
    assert judged(instance, Bucket(LONG_AGO, THIS_HOUR), Catalog(THIS_HOUR)).problem is None
