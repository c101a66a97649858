"""What Firehose stores long after it arrived: it is read, or it is told that it is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ddb_pipeline.arrivals import HOUR, hour_prefix, longest_delivery
from ddb_pipeline.baseline_making.backlog import first_hour_with
from ddb_pipeline.baseline_making.late import late_changes
from ddb_pipeline.baselines import BaselineSource
from ddb_pipeline.baselines.records import Manifest, microseconds
from ddb_pipeline.declaration import Stage
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
    """S3 as far as LIST with a prefix goes, a few objects a page."""

    def __init__(self, **stored: datetime) -> None:
        self._stored = stored

    def list_objects_v2(self, *, Bucket: str, Prefix: str, StartAfter: str = "", MaxKeys: int = 2) -> dict[str, Any]:  # noqa: ARG002, N803 - boto3's names
        keys = sorted(key for key in self._stored if key.startswith(Prefix) and key > StartAfter)
        page = [{"Key": key, "Size": 10, "LastModified": self._stored[key]} for key in keys[:MaxKeys]]
        return {"Contents": page, "KeyCount": len(page), "IsTruncated": len(keys) > MaxKeys}


def bucket(*objects: tuple[datetime, datetime]) -> RawBucket:
    """A bucket with an object for each hour and moment of storing."""
    stored = {f"changes/{hour_prefix(hour)}{number}.gz": at for number, (hour, at) in enumerate(objects)}
    return RawBucket(Listed(**stored), "raw", ("changes/", "changes_parquet/"))


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
    athena = Asked()
    made = replace(manifest(0, source, margin_s=0), as_of_us=CUT_US, read_at_us=microseconds(NOON + HOUR))
    deployment = SimpleNamespace(
        raw_bucket=bucket(*objects), stage=STAGE, names=NAMES, athena=athena, other_change_table=""
    )
    return late_changes(cast("Deployment", deployment), made).changes, athena.statements


def test_changes_since_an_exports_cut_that_came_into_an_hour_not_read_are_found():
    changes, (asked, _) = late_for("export", (NOON - 5 * HOUR, NOON + 2 * HOUR), (NOON + HOUR, NOON + 2 * HOUR))

    assert changes == 3
    assert f"changed_at_us >= {CUT_US}" in asked
    assert f"concat(year, month, day, hour) < '{NOON - HOUR:%Y%m%d%H}'" in asked


def test_an_export_asks_nothing_while_all_arrives_in_hours_that_are_read():
    assert late_for("export", (NOON - HOUR, NOON + 2 * HOUR), (NOON + HOUR, NOON + 2 * HOUR)) == (0, [])


def test_a_snapshot_looks_back_as_far_as_the_stream_keeps_records():
    changes, (asked, _) = late_for("snapshot", (NOON - 5 * HOUR, NOON + 2 * HOUR), (NOON - 150 * HOUR, NOON + 2 * HOUR))

    assert changes == 3
    assert f"changed_at_us < {CUT_US}" in asked
    assert f"concat(year, month, day, hour) >= '{NOON - 150 * HOUR:%Y%m%d%H}'" in asked
