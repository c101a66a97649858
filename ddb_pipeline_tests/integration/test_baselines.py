"""Baselines through the real path: DynamoDB, Firehose, crawl, Athena, exports, the job as Dagster runs it.

The oracle is a scan of the table. Each test leaves both pipelines sound, so that their order does not matter.
"""

from __future__ import annotations

import dataclasses
import gzip
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ddb_pipeline.arrivals import hour_of, hour_prefix, hour_values
from ddb_pipeline.baseline_making.in_use import ids_in_views
from ddb_pipeline.baseline_making.making import Making
from ddb_pipeline.baselines import moment_of
from ddb_pipeline.baselines.choice import for_moment, without_healed
from ddb_pipeline.checks.baselines import CAPTURE_CHECK, DATA_CHECK, EXPIRY_CHECK, LATE_CHECK
from ddb_pipeline.cli.table_scan import key_text
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.local_aws import delivery
from ddb_pipeline.resources.table_export import BaselineConverter, TableExport
from ddb_pipeline_tests.change_records import Change, put_on_stream
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.integration.baseline_stage import (
    MARGIN_SECONDS,
    OLD_ITEM,
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
    saved_query,
    seen,
    stage,
    state,
    switch,
    table,
    write,
)

__all__ = ["place", "stage"]

BOTH = pytest.mark.parametrize("pipeline", ["shots", "exports"])


@BOTH
def test_views_agree_with_the_table_before_and_after_the_switch(stage: Deployed, pipeline: str):
    mark = uuid.uuid4().hex
    write(stage, pipeline, mark, range(12), "first")
    remove(stage, pipeline, mark, range(3))
    make(stage, pipeline)  # also: an export may be made from now on
    let_it_settle()
    deliver(stage, pipeline)

    result = run(stage, f"{pipeline}_baseline", whole=True)
    newest = manifests(pipeline)[-1]

    assert result.success
    assert state(stage, pipeline) == table(stage, pipeline)
    sql = stage.ask(pipeline, f"SELECT count(*) FROM baselines WHERE baseline_id = '{newest.baseline_id}'")
    assert sql == [(len(table(stage, pipeline)),)]
    (event,) = result.asset_materializations_for_node(f"{pipeline}__latest_item_state")
    assert newest.baseline_id in str(event.metadata["sql"].value)

    # what changes afterwards is seen through the baseline
    time.sleep(1)
    write(stage, pipeline, mark, range(2, 6), "second")
    remove(stage, pipeline, mark, range(8, 10))
    deliver(stage, pipeline)
    refreshed = run(stage, f"{pipeline}_refresh", whole=True)
    assert refreshed.success
    assert state(stage, pipeline) == table(stage, pipeline)
    assert {found.baseline_id for found in without_healed(manifests(pipeline))} == seen(stage, pipeline)
    assert manifests(pipeline)[-1] == newest, "a refresh makes no baseline"
    assert all(check.passed for check in refreshed.get_asset_check_evaluations())


def test_an_export_holds_items_that_are_older_than_the_stream(stage: Deployed):
    make(stage, "exports")
    assert run(stage, "exports_refresh").success
    assert state(stage, "exports")[key_text(key("exports", 1, "older"))] == OLD_ITEM
    rows = stage.ask("exports", "SELECT event_id, changed_at_us FROM latest_item_state WHERE item_key LIKE '%older%'")
    assert rows == [(None, manifests("exports")[-1].as_of_us)]


@BOTH
def test_a_baseline_has_the_hashes_that_the_converter_made(stage: Deployed, pipeline: str):
    mark = uuid.uuid4().hex
    stage.client("dynamodb").put_item(
        TableName=stage.names[pipeline].table,
        Item={
            **key(pipeline, 1, mark),
            "é": {"SS": ["z", "ä", "a"]},
            "n": {"N": "1E+30"},
            "m": {"M": {"b": {"S": ""}, "a": {"L": []}}},
        },
    )
    let_it_settle()
    made = make(stage, pipeline)
    rows = stage.ask(
        pipeline,
        "SELECT b.new_hash = c.new_hash, b.new_image = c.new_image, b.new_item = c.new_item, b.item_key = c.item_key "
        "FROM baselines AS b JOIN changes AS c ON b.item_key = c.item_key "
        f"WHERE b.baseline_id = '{made.manifest.baseline_id}' AND c.item_key LIKE '%{mark}%'",
    )
    assert rows == [(True, True, True, True)]


def test_a_change_behind_the_margin_is_reported_and_healed_by_the_next_baseline(stage: Deployed):
    write(stage, "shots", uuid.uuid4().hex, range(2), "there")
    whole = make(stage, "shots").manifest
    time.sleep(MARGIN_SECONDS + 2)
    lacking = make(stage, "shots").manifest
    late = key("shots", 1, f"late-{uuid.uuid4().hex}")
    # made between the cuts of the two: the older baseline's view still reads it
    at_us = (whole.as_of_us + lacking.cut_us) // 2
    change = Change(late, None, {"said": {"S": "late"}}, at_us)
    names = stage.names["shots"]
    put_on_stream(stage.client("kinesis"), names.change_stream, [change.record(names.table, names.region)])
    deliver(stage, "shots")

    check = checks(run(stage, "shots_refresh"))[LATE_CHECK]

    assert not check.passed
    assert lacking.baseline_id in check.description
    assert "1 changes" in check.description
    assert late["pk"]["S"] in str(check.metadata["items"].value)
    text = key_text(late)
    assert text not in state(stage, "shots"), "the view lacks it, and the check says so"

    result = run(stage, "shots_baseline")
    healed = manifests("shots")[-1]

    assert result.success
    assert checks(result)[LATE_CHECK].passed
    assert healed.parent == whole.baseline_id
    assert state(stage, "shots")[text] == {**late, "said": {"S": "late"}}
    assert healed.heals == (lacking.baseline_id,)
    # no state of the past starts from it: this one would lack the late change
    then = for_moment(manifests("shots"), lacking.as_of_us + 1_000)
    assert then is not None
    assert then.baseline_id == whole.baseline_id
    # nor does one that SQL finds, once the views have left it
    with deployment("shots") as found:
        assert found.baselines.hide_healed(ids_in_views(found, found.baselines.manifests())) == (lacking.baseline_id,)
    assert {whole.baseline_id, healed.baseline_id} <= seen(stage, "shots") - {lacking.baseline_id}
    assert saved_query(stage, "shots", moment_of(lacking.as_of_us + 1_000)).get(text) == {**late, "said": {"S": "late"}}

    # the record came from nowhere: let the table end that item's life, too
    dynamodb = stage.client("dynamodb")
    dynamodb.put_item(TableName=names.table, Item=late)
    dynamodb.delete_item(TableName=names.table, Key=late)


def test_what_firehose_stores_when_it_catches_up_is_read_though_its_hour_is_long_over(stage: Deployed):
    """After an outage one object holds what took hours to arrive; it is named after its oldest record."""
    mark, begun = uuid.uuid4().hex, datetime.now(UTC)
    write(stage, "shots", mark, range(2), "after an outage")
    assert delivery.wait_until_delivered(60)
    s3, names = stage.client("s3"), stage.names["shots"]
    long_over = hour_of(begun) - timedelta(hours=5)
    for found in s3.list_objects_v2(Bucket=names.raw_bucket, Prefix=names.changes_prefix)["Contents"]:
        if found["LastModified"] < begun - timedelta(seconds=1):
            continue
        source = {"Bucket": names.raw_bucket, "Key": found["Key"]}
        moved = f"{names.changes_prefix}{hour_prefix(long_over)}{found['Key'].rpartition('/')[2]}"
        s3.copy_object(Bucket=names.raw_bucket, Key=moved, CopySource=source)
        s3.delete_object(**source)
    stage.crawl("shots")

    with deployment("shots") as place:
        made = Making(place, note=lambda _line: None, clock=lambda: begun + timedelta(seconds=2)).run().manifest

    assert moment_of(made.cut_us) < begun
    assert made.baseline.first_hour == long_over
    assert run(stage, "shots_refresh").success
    assert state(stage, "shots") == table(stage, "shots")


def test_point_in_time_recovery_off_is_said_in_one_sentence(stage: Deployed):
    make(stage, "exports")
    dynamodb, name = stage.client("dynamodb"), stage.names["exports"].table

    def recovery(*, on: bool) -> None:
        dynamodb.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": on}
        )

    recovery(on=False)
    try:
        with pytest.raises(PipelineError, match=f"point-in-time recovery of table {name} is off"):
            make(stage, "exports")
    finally:
        recovery(on=True)
    make(stage, "exports")


def test_an_export_that_failed_is_said_and_the_next_run_begins_anew(stage: Deployed, monkeypatch: pytest.MonkeyPatch):
    make(stage, "exports")
    before = seen(stage, "exports")
    start = TableExport.start

    def elsewhere(export: TableExport, token: str) -> Any:
        names = dataclasses.replace(export.names, raw_bucket="no-such-bucket")
        return start(dataclasses.replace(export, names=names), token)

    with monkeypatch.context() as patch:
        patch.setattr(TableExport, "start", elsewhere)
        with pytest.raises(PipelineError, match="of the table failed: S3NoSuchBucket"):
            make(stage, "exports")
    with deployment("exports") as found:
        assert found.baselines.pending() == []
    assert seen(stage, "exports") == before
    assert not make(stage, "exports").resumed


def test_a_damaged_file_of_an_export_is_refused(stage: Deployed, monkeypatch: pytest.MonkeyPatch):
    write(stage, "exports", uuid.uuid4().hex, range(2), "there")
    make(stage, "exports")
    before = seen(stage, "exports")
    convert = BaselineConverter.convert

    def damaged(converter: BaselineConverter, event: dict[str, Any]) -> Any:
        place = {"Bucket": stage.names["exports"].raw_bucket, "Key": event["source_key"]}
        s3 = stage.client("s3")
        body = gzip.decompress(s3.get_object(**place)["Body"].read())
        s3.put_object(**place, Body=gzip.compress(body.replace(b"there", b"thEre") + b"\n"))
        return convert(converter, event)

    with monkeypatch.context() as patch:
        patch.setattr(BaselineConverter, "convert", damaged)
        with pytest.raises(PipelineError, match=r"MD5 is .*, and the manifest says .* which makes a new export"):
            make(stage, "exports")
    assert seen(stage, "exports") == before
    assert not make(stage, "exports").resumed


def test_an_hour_that_expired_counts_if_it_is_still_read(stage: Deployed):
    make(stage, "shots")
    s3, names = stage.client("s3"), stage.names["shots"]
    old, new = datetime(2026, 11, 3, 4, tzinfo=UTC), hour_of(datetime.now(UTC)) + timedelta(hours=1)
    for hour in (old, new):
        s3.put_object(
            Bucket=names.raw_bucket,
            Key=f"{names.changes_prefix}{hour_prefix(hour)}x.json.gz",
            Body=gzip.compress(b'{"table_name":"another"}\n'),
        )
    stage.crawl("shots")

    def expire(hour: datetime) -> Any:
        s3.delete_object(Bucket=names.raw_bucket, Key=f"{names.changes_prefix}{hour_prefix(hour)}x.json.gz")
        return checks(run(stage, "shots_refresh"))[EXPIRY_CHECK]

    assert expire(old).passed, "the baseline bridges it"
    found = expire(new)
    for hour in (old, new):
        stage.client("glue").delete_partition(
            DatabaseName=names.database, TableName=names.change_table, PartitionValues=list(hour_values(hour))
        )
    assert not found.passed
    assert f"{new:%Y-%m-%d-%H}" in found.description


def test_a_file_of_a_baseline_that_is_gone_is_noticed_and_the_next_one_starts_elsewhere(stage: Deployed):
    write(stage, "shots", uuid.uuid4().hex, range(2), "there")
    let_it_settle()
    whole = make(stage, "shots").manifest
    broken = make(stage, "shots").manifest
    stage.client("s3").delete_object(Bucket=stage.names["shots"].raw_bucket, Key=broken.files[0].key)
    assert not checks(run(stage, "shots_refresh"))[DATA_CHECK].passed

    healed = make(stage, "shots").manifest

    assert healed.parent == whole.baseline_id
    assert run(stage, "shots_refresh").success
    assert state(stage, "shots") == table(stage, "shots")
    assert healed.heals == (broken.baseline_id,)


def test_only_so_many_baselines_are_kept(stage: Deployed):
    write(stage, "shots", uuid.uuid4().hex, range(2), "there")
    let_it_settle()
    for _ in range(4):
        make(stage, "shots")
    assert run(stage, "shots_refresh", whole=True).success, "until then, the views read an old one, which stays"
    newest = make(stage, "shots").manifest
    kept = stage.declaration.pipelines["shots"].baselines_kept
    assert len(seen(stage, "shots")) == len(manifests("shots")) == kept
    assert manifests("shots")[-1] == newest
    listed = stage.client("s3").list_objects_v2(Bucket=stage.names["shots"].raw_bucket, Prefix="baselines/data/")
    folders = {found["Key"].split("/")[2] for found in listed["Contents"]}
    assert folders == {f"baseline_id={found.baseline_id}" for found in manifests("shots")}


def test_a_destination_that_was_off_asks_for_a_new_baseline(stage: Deployed):
    make(stage, "exports")
    dynamodb, names = stage.client("dynamodb"), stage.names["exports"]
    streams = dynamodb.describe_kinesis_streaming_destination(TableName=names.table)["KinesisDataStreamDestinations"]
    arn = next(found["StreamArn"] for found in streams if found["DestinationStatus"] == "ACTIVE")
    switch(stage, "exports", arn, on=False)
    lost = {**key("exports", 7, uuid.uuid4().hex), "said": {"S": "while nobody listened"}}
    dynamodb.put_item(TableName=names.table, Item=lost)

    off = checks(run(stage, "exports_refresh"))[CAPTURE_CHECK]
    with deployment("exports") as found, pytest.raises(PipelineError, match=r"streaming destination .* is not active"):
        Making(found, note=lambda _line: None).run()
    switch(stage, "exports", arn, on=True)
    on_again = checks(run(stage, "exports_refresh"))[CAPTURE_CHECK]

    assert not off.passed
    assert "changes are being lost" in off.description
    assert not on_again.passed
    assert "was not active for a while" in on_again.description
    make(stage, "exports")
    result = run(stage, "exports_refresh")
    assert checks(result)[CAPTURE_CHECK].passed
    assert state(stage, "exports") == table(stage, "exports")
