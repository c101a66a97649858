"""What Firehose stores long after it arrived: it is read, or it is told that it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.arrivals import HOUR, hour_prefix, longest_delivery
from ddb_pipeline.baseline_making.backlog import first_hour_with
from ddb_pipeline.baseline_making.late import late_changes
from ddb_pipeline.baseline_making.sql import late_objects_statement
from ddb_pipeline.baselines import BaselineSource
from ddb_pipeline.baselines.records import Manifest, microseconds
from ddb_pipeline.declaration import Stage
from ddb_pipeline.resources import raw_bucket
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.resources.raw_bucket import RawBucket
from ddb_pipeline.view_sql import ViewInputs, select_statement, views
from ddb_pipeline_tests.declared import NAMES, pipeline
from ddb_pipeline_tests.unit.test_baseline_choice import manifest

CUT = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
CUT_US = microseconds(CUT)
NOON = CUT.replace(minute=0)
STAGE = cast("Stage", SimpleNamespace(stream_retention_hours=168))


class Listed:
    """S3 as far as LIST with a prefix goes, a few objects a page, and HEAD."""

    def __init__(self, **stored: datetime) -> None:
        self._stored = stored
        self.first_stored: dict[str, datetime] = {}
        self.gone: set[str] = set()
        self.asked: list[str] = []

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803 - boto3's names
        self.asked.append(Key)
        if Key in self.gone:
            raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadObject")
        first = self.first_stored.get(Key)
        return {"Metadata": {"stored-at": first.isoformat()} if first else {}}

    def get_paginator(self, _operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **where: [self.list_objects_v2(**where, MaxKeys=99)])

    def list_objects_v2(self, *, Bucket: str, Prefix: str, StartAfter: str = "", MaxKeys: int = 2) -> dict[str, Any]:  # noqa: ARG002, N803 - boto3's names
        keys = sorted(key for key in self._stored if key.startswith(Prefix) and key > StartAfter)
        page = [{"Key": key, "Size": 10, "LastModified": self._stored[key]} for key in keys[:MaxKeys]]
        return {"Contents": page, "KeyCount": len(page), "IsTruncated": len(keys) > MaxKeys}


def bucket(*objects: tuple[datetime, datetime]) -> RawBucket:
    """A bucket with an object for each hour and moment of storing."""
    stored = {f"changes/{hour_prefix(hour)}{number}.gz": at for number, (hour, at) in enumerate(objects)}
    return RawBucket(Listed(**stored), "raw", ("changes/", "changes_parquet/"))


def erased(*objects: tuple[datetime, datetime], first_stored: datetime, later: datetime | None = None) -> RawBucket:
    """A bucket with objects that an erasure wrote again, and an object of an hour that nobody did."""
    found = bucket(*objects, *([(later, CUT + HOUR)] if later else []))
    found.client.first_stored = {
        f"changes/{hour_prefix(hour)}{number}.gz": first_stored for number, (hour, _) in enumerate(objects)
    }
    return found


def test_as_a_rule_reading_begins_an_hour_before_the_cuts():
    found = bucket((NOON - 5 * HOUR, NOON - 4 * HOUR), (NOON, CUT), (NOON + HOUR, NOON + HOUR))

    assert first_hour_with(found, STAGE, CUT_US) == NOON - HOUR


@pytest.mark.parametrize("behind", [2 * HOUR, 9 * HOUR, timedelta(days=7)])
def test_an_hour_that_was_stored_after_the_cut_is_read_however_old_it_is(behind):
    hour = NOON - behind
    caught_up = bucket((hour, CUT + timedelta(minutes=5)), *((hour + HOUR, hour + HOUR) for _ in range(7)))

    assert first_hour_with(caught_up, STAGE, CUT_US) == hour


def test_no_record_is_stored_later_than_the_stream_keeps_it_and_firehose_tries():
    longest = longest_delivery(STAGE.stream_retention_hours)

    assert longest == timedelta(hours=168 + 25)
    # what is stored later than that is none of Firehose's: somebody rewrote it
    assert first_hour_with(bucket((NOON - longest - 2 * HOUR, CUT)), STAGE, CUT_US) == NOON - HOUR


def test_what_an_erasure_wrote_again_is_as_old_as_it_was():
    rewritten = [(NOON - behind * HOUR, CUT + HOUR) for behind in range(190, 4, -1)]

    whole = erased(*rewritten, first_stored=CUT - 2 * HOUR)
    assert first_hour_with(whole, STAGE, CUT_US) == NOON - HOUR
    beside = erased(*rewritten, first_stored=CUT - 2 * HOUR, later=NOON - 3 * HOUR)
    assert first_hour_with(beside, STAGE, CUT_US) == NOON - 3 * HOUR
    # it came after the cut all the same, and then somebody erased something from it
    assert first_hour_with(erased(*rewritten, first_stored=CUT), STAGE, CUT_US) == NOON - 190 * HOUR


def test_a_catch_up_costs_few_requests_however_many_objects_it_stored():
    caught_up = bucket(*((NOON - behind * HOUR, CUT + HOUR) for behind in range(190, 4, -1)))

    assert first_hour_with(caught_up, STAGE, CUT_US) == NOON - 190 * HOUR
    assert len(caught_up.client.asked) <= 8


def test_an_object_that_is_gone_by_now_and_one_too_many_count_as_new(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(raw_bucket, "_MOST_ASKED", 2)
    found = erased(*[(NOON - HOUR, CUT)] * 3, first_stored=CUT - HOUR)
    addresses = sorted(found.stored_since(NOON - HOUR, CUT)[NOON - HOUR])
    found.client.gone = {addresses[0].removeprefix("s3://raw/")}

    assert list(found.new_since(addresses, CUT)) == [addresses[0], addresses[2]]
    assert len(found.client.asked) == 2


def test_an_hour_was_stored_from_when_the_first_of_its_objects_was():
    """A snapshot that cannot read it yet says so: what is stored since then counts as late."""
    assert bucket().first_stored(NOON) is None
    assert bucket((NOON, CUT), (NOON, CUT + HOUR)).first_stored(NOON) == CUT
    assert erased((NOON, CUT + HOUR), first_stored=CUT - HOUR).first_stored(NOON) == CUT - HOUR


@pytest.mark.parametrize("source", ["snapshot", "export"])
def test_the_state_is_read_from_where_the_manifest_says(source: BaselineSource):
    kept = replace(manifest(0, source), first_hour_us=microseconds(NOON - 9 * HOUR))
    read_back = Manifest.from_json(kept.to_json())
    (view,) = [view for view in views(pipeline()) if view.name == "latest_item_state"]
    sql = select_statement(view, pipeline(), NAMES, ViewInputs(baseline=read_back.baseline))

    assert read_back == kept
    assert f"concat(year, month, day, hour) >= '{NOON - 9 * HOUR:%Y%m%d%H}'" in sql
    assert f"changed_at_us >= {kept.cut_us}" in sql


def test_a_manifest_that_says_nothing_of_it_is_read_as_a_rule():
    text = manifest(0).to_json().replace('"first_hour_us": null', '"more": null')

    assert '"more"' in text
    assert Manifest.from_json(text).baseline.first_hour == manifest(0).baseline.first_hour


class Asked:
    """Athena, which finds in each object that is asked for one change."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, sql: str, **_: Any) -> Any:
        self.statements.append(sql)
        address = f"s3://raw/changes/{hour_prefix(NOON - 5 * HOUR)}0.gz"
        rows = [(address, 3, CUT_US + 7)] if 'GROUP BY "$path"' in sql else [("key", CUT_US + 7, "event")]
        return SimpleNamespace(rows=rows, data_scanned_in_bytes=1)


def late_for(source: BaselineSource, *objects: tuple[datetime, datetime]) -> tuple[int, list[str]]:
    """How many changes came too late for a baseline with the cut, and what Athena was asked."""
    return late_in(bucket(*objects), source)


def late_in(found: RawBucket, source: BaselineSource) -> tuple[int, list[str]]:
    athena = Asked()
    made = replace(manifest(0, source, margin_s=0), as_of_us=CUT_US, read_at_us=microseconds(NOON + HOUR))
    deployment = SimpleNamespace(raw_bucket=found, stage=STAGE, names=NAMES, athena=athena, other_change_table="")
    return late_changes(cast("Deployment", deployment), made).changes, athena.statements


def test_changes_since_an_exports_cut_that_came_into_an_hour_not_read_are_found():
    changes, (asked, _) = late_for("export", (NOON - 5 * HOUR, NOON + 2 * HOUR), (NOON + HOUR, NOON + 2 * HOUR))

    assert changes == 3
    assert f"changed_at_us >= {CUT_US}" in asked
    assert f"concat(year, month, day, hour) <= '{NOON - 5 * HOUR:%Y%m%d%H}'" in asked


def test_an_export_asks_nothing_while_all_arrives_in_hours_that_are_read():
    assert late_for("export", (NOON - HOUR, NOON + 2 * HOUR), (NOON + HOUR, NOON + 2 * HOUR)) == (0, [])


def test_a_snapshot_looks_back_as_far_as_the_stream_keeps_records():
    changes, (asked, _) = late_for("snapshot", (NOON - 5 * HOUR, NOON + 2 * HOUR), (NOON - 150 * HOUR, NOON + 2 * HOUR))

    assert changes == 3
    assert f"changed_at_us < {CUT_US}" in asked
    assert f"concat(year, month, day, hour) >= '{NOON - 150 * HOUR:%Y%m%d%H}'" in asked


@pytest.mark.parametrize("source", ["snapshot", "export"])
def test_what_an_erasure_wrote_again_is_not_late(source: BaselineSource):
    objects = (NOON - 5 * HOUR, NOON + 2 * HOUR), (NOON - 4 * HOUR, NOON + 2 * HOUR)

    assert late_in(erased(*objects, first_stored=NOON - HOUR), source)[0] == 0
    assert late_in(erased(*objects, first_stored=NOON + HOUR), source)[0] == 3


def test_of_what_is_not_late_s3_is_asked_nothing_more():
    found = bucket((NOON - 5 * HOUR, NOON + 2 * HOUR), *((NOON, NOON + 2 * HOUR) for _ in range(50)))
    late_in(found, "snapshot")

    assert len(found.client.asked) == 1


def test_athena_reads_the_objects_that_may_be_late_and_no_others():
    _, (asked, _) = late_for("snapshot", (NOON - 5 * HOUR, NOON + 2 * HOUR), (NOON - 3 * HOUR, NOON + 2 * HOUR))

    assert f"concat(year, month, day, hour) <= '{NOON - 3 * HOUR:%Y%m%d%H}'" in asked
    paths = [f"s3://raw/changes/{hour_prefix(NOON - behind * HOUR)}{n}.gz" for n, behind in enumerate((5, 3))]
    assert f"""AND "$path" IN ('{paths[0]}', '{paths[1]}')""" in asked


def test_a_statement_is_never_too_long_for_athena():
    def asked(paths: int) -> str:
        named = [f"s3://a-bucket-of-a-stage/changes/{hour_prefix(NOON)}{number:060}.gz" for number in range(paths)]
        return late_objects_statement(NAMES, cut_us=CUT_US, first_hour=NOON, last_hour=NOON, paths=named)

    statements = [asked(paths) for paths in (1, 1000, 1400, 1600, 2000, 20_000)]

    assert ['"$path" IN' in statement for statement in statements] == [True, True, True, False, False, False]
    assert max(map(len, statements)) < 262_144
