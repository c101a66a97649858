"""Which hours a run compares with the catalog, and what it takes to do so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dagster import DagsterInstance, RunRequest, build_schedule_context

from ddb_pipeline.arrivals import HOUR, WEEK, hour_of, hour_prefix
from ddb_pipeline.refreshes import EVERYTHING, Scope, recent
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource
from ddb_pipeline.resources.raw_bucket import RawBucket
from ddb_pipeline.schedules import pipeline_schedules
from ddb_pipeline.survey import Survey, survey
from ddb_pipeline_tests.declared import pipeline
from ddb_pipeline_tests.model_bucket import PREFIX, ModelBucket

NOW = datetime.now(UTC)
THIS_HOUR = hour_of(NOW)
LONG_AGO = THIS_HOUR - WEEK * 5


class Bucket(ModelBucket):
    """With what a survey asks besides."""

    prefixes = (PREFIX, "changes_parquet/")

    def __init__(self, *hours: datetime, objects: int = 1) -> None:
        super().__init__()
        self.unreadable: list[str] = []
        self.put_all([f"{hour_prefix(hour)}{number:06}" for hour in hours for number in range(objects)])

    def hours_by_prefix(self, first: datetime | None = None) -> dict[str, list[datetime]]:
        return {PREFIX: list(self.hours(first))}


class Catalog:
    """A catalog with some hours."""

    def __init__(self, *hours: datetime) -> None:
        self.hours, self.is_projected = set(hours), False

    def lacking(self, hours: Mapping[str, Iterable[datetime]]) -> dict[str, tuple[datetime, ...]]:
        found = {prefix: tuple(sorted(set(asked) - self.hours)) for prefix, asked in hours.items()}
        return {prefix: lacking for prefix, lacking in found.items() if lacking}

    all_lacking = lacking


def surveyed(bucket: Bucket, catalog: Catalog, scope: Scope = EVERYTHING, **limits: Any) -> Survey:
    return survey(cast("Deployment", SimpleNamespace(raw_bucket=bucket, catalog=catalog)), scope, **limits)


def test_everything_is_compared_when_a_person_asks():
    found = surveyed(Bucket(LONG_AGO, THIS_HOUR), Catalog(THIS_HOUR))

    assert found.is_everything
    assert found.hours == (LONG_AGO, THIS_HOUR)
    assert found.lacking_below == {PREFIX: (LONG_AGO,)}
    assert set(found.contents) == {LONG_AGO, THIS_HOUR}


def test_a_run_of_the_sensor_looks_at_recent_hours_and_at_those_that_were_named():
    other = LONG_AGO + HOUR
    bucket, catalog = Bucket(LONG_AGO, other, THIS_HOUR - HOUR, THIS_HOUR), Catalog(THIS_HOUR - HOUR)

    found = surveyed(bucket, catalog, Scope(recent(NOW).first, frozenset({LONG_AGO})))

    assert not found.is_everything
    assert found.lacking == (LONG_AGO, THIS_HOUR)
    assert other not in found.hours


@pytest.mark.parametrize("named", [LONG_AGO, THIS_HOUR - HOUR])
def test_an_hour_that_was_named_and_is_gone_is_not_lacking(named: datetime):
    found = surveyed(Bucket(THIS_HOUR), Catalog(THIS_HOUR), Scope(recent(NOW).first, frozenset({named})))

    assert found.lacking == ()
    assert found.hours == (THIS_HOUR,)


def test_what_it_takes_does_not_grow_with_the_history():
    costs = []
    for days in (20, 200):
        hours = [THIS_HOUR - HOUR * step for step in range(24 * days)]
        bucket = Bucket(*hours)
        surveyed(bucket, Catalog(*hours), recent(NOW))
        costs.append(bucket.requests)

    assert len(set(costs)) == 1
    assert costs[0] <= 9 + 4


def test_an_hour_with_many_objects_takes_a_bounded_number_of_pages_and_counts_as_lacking():
    bucket = Bucket(THIS_HOUR, objects=12_000)

    found = surveyed(bucket, Catalog(), recent(NOW), pages=3)

    assert bucket.requests <= 3 + 1
    assert found.lacking == (THIS_HOUR,)
    assert found.contents == {}, "what was read in part is not reported"


def test_when_each_lacking_hour_began_is_known_however_much_the_newest_hold():
    """A busy table whose crawls are dead: every page would go into its newest hour."""
    hours = [THIS_HOUR - HOUR * step for step in range(5)]
    bucket = Bucket(*hours, objects=3_000)

    found = surveyed(bucket, Catalog(), recent(NOW), pages=8)

    assert set(found.begun) == set(hours)
    assert set(found.contents) <= {THIS_HOUR}
    assert bucket.requests <= 8 + 2


def test_where_the_pages_do_not_suffice_the_oldest_lacking_hours_are_looked_into():
    hours = [THIS_HOUR - HOUR * step for step in range(30)]

    found = surveyed(Bucket(*hours), Catalog(), recent(NOW), pages=20)

    assert sorted(found.begun) == sorted(hours)[:20]


def test_when_the_time_is_used_up_no_page_is_begun_and_what_is_lacking_is_known_all_the_same():
    hours = [THIS_HOUR - HOUR * step for step in range(30)]
    bucket = Bucket(*hours)
    times = iter([False, False, True])

    found = surveyed(bucket, Catalog(), recent(NOW), pages=20, out_of_time=lambda: next(times, True))

    assert len(found.begun) <= 1
    assert found.lacking == tuple(sorted(hours))


def test_a_named_hour_of_many_objects_leaves_pages_for_the_others():
    bucket = Bucket(LONG_AGO, objects=12_000)
    bucket.put(f"{hour_prefix(THIS_HOUR)}0")

    found = surveyed(bucket, Catalog(), Scope(recent(NOW).first, frozenset({LONG_AGO})), pages=5)

    assert set(found.begun) == {LONG_AGO, THIS_HOUR}
    assert set(found.contents) == {THIS_HOUR}


def test_the_schedule_asks_for_a_projected_hour_too_large_to_be_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    bucket = Bucket(THIS_HOUR, objects=41_000)
    catalog = SimpleNamespace(is_projected=True, lacking=lambda _: {}, absent=lambda _: frozenset())
    deployment = SimpleNamespace(raw_bucket=bucket, catalog=catalog, pipeline=pipeline())
    monkeypatch.setattr(PipelineAwsResource, "deployment", lambda *_, **__: nullcontext(deployment))
    crawl = pipeline_schedules(pipeline(), "stopped")[0]

    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        resources = {"aws": PipelineAwsResource(declaration_file="pipeline.toml")}
        asked = crawl(build_schedule_context(instance, resources=resources))

    assert isinstance(asked, RunRequest)


class ListedObjects:
    """boto3's S3 client over some names, as far as objects are listed; folders it has none of."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names, self.requests = sorted(names), 0

    def list_objects_v2(self, Prefix: str, StartAfter: str = "", MaxKeys: int = 1000, **_place: str) -> dict[str, Any]:  # noqa: N803
        self.requests += 1
        found = [name for name in self.names if name.startswith(Prefix) and name > StartAfter]
        contents = [{"Key": name, "Size": 1, "LastModified": NOW} for name in found[:MaxKeys]]
        return {"Contents": contents, "KeyCount": len(contents), "IsTruncated": len(found) > MaxKeys}


@pytest.mark.parametrize("pages", [1, 3, 20])
@pytest.mark.parametrize(("after_the_switch", "lacking"), [(["9-1", "9-2"], (THIS_HOUR,)), (["_temporary"], ())])
def test_the_hour_of_a_switch_is_lacking_in_the_new_table_however_much_the_old_format_wrote(
    monkeypatch: pytest.MonkeyPatch, pages: int, after_the_switch: list[str], lacking: tuple[datetime, ...]
):
    """Pages of both prefixes are read as one, as far as the fuller reaches: it may hide what came later."""
    json_lines, parquet = Bucket.prefixes
    client = ListedObjects(
        [
            *(f"{json_lines}{hour_prefix(THIS_HOUR)}1-{number:06}" for number in range(5_000)),
            *(f"{parquet}{hour_prefix(THIS_HOUR)}{name}" for name in after_the_switch),
        ]
    )
    bucket = RawBucket(client, "raw", Bucket.prefixes)
    stored = {json_lines: [THIS_HOUR], parquet: [THIS_HOUR]}
    monkeypatch.setattr(bucket, "hours_by_prefix", lambda _first: stored)
    catalog = SimpleNamespace(lacking=lambda _asked: {parquet: (THIS_HOUR,)}, is_projected=False)

    found = surveyed(cast("Bucket", bucket), cast("Catalog", catalog), recent(NOW), pages=pages)

    assert found.lacking_below.get(parquet, ()) == lacking
    assert client.requests <= 2 * pages + 3


def test_a_folder_without_data_is_not_lacking():
    bucket = Bucket(THIS_HOUR)
    bucket.put(f"{hour_prefix(THIS_HOUR - timedelta(hours=1))}_temporary")

    assert surveyed(bucket, Catalog(THIS_HOUR)).lacking == ()


def test_a_folder_of_the_future_does_not_hide_what_is_recent():
    future = datetime(2099, 1, 1, tzinfo=UTC)

    found = surveyed(Bucket(THIS_HOUR, future), Catalog(future))

    assert set(found.contents) == {THIS_HOUR}
