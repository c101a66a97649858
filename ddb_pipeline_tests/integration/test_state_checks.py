"""The checks that compare the views with the table and look into the changes, against local AWS."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dagster import DagsterInstance, RepositoryDefinition

from ddb_pipeline.arrivals import hour_prefix
from ddb_pipeline.checks import state
from ddb_pipeline.local_aws import delivery
from ddb_pipeline_tests.deployed import Deployed

PIPELINE = "orders"
HOUR = datetime(2026, 11, 15, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def loaded(stage: Deployed) -> RepositoryDefinition:
    return stage.loaded()


def check(loaded: RepositoryDefinition, instance: DagsterInstance, name: str) -> Any:
    """Run one check by itself, as the UI does."""
    keys = {
        key for key in loaded.asset_graph.asset_check_keys if key.name == name and key.asset_key.path[0] == PIPELINE
    }
    job = loaded.get_implicit_global_asset_job_def().get_subset(asset_selection=set(), asset_check_selection=keys)
    [found] = job.execute_in_process(instance=instance, raise_on_error=False).get_asset_check_evaluations()
    return found


def metadata(found: Any) -> dict[str, Any]:
    return {name: value.value for name, value in found.metadata.items()}


HOSTILE = [
    {"Customer.Id": {"S": 'it\'s "quoted" \\ and \u2028 ü'}, "item": {"N": "-1.50"}},
    {"Customer.Id": {"S": "*/ -- ;\t\n?"}, "item": {"N": "1E+30"}},
]
VALUES = {
    "empty": {"S": ""},
    "bytes": {"B": b"\x00\xff"},
    "numbers": {"NS": ["3", "-0.5", "1E+20"]},
    "blobs": {"BS": [b"b", b"a"]},
    "nested": {"M": {"a.b": {"L": [{"NULL": True}, {"SS": ["é", "a"]}]}}},
}


def test_items_of_any_kind_agree_and_those_that_are_wrong_are_named_by_the_second_check(
    stage: Deployed, loaded: RepositoryDefinition, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    table, dynamodb = stage.names[PIPELINE].table, stage.client("dynamodb")
    for key in HOSTILE:
        dynamodb.put_item(TableName=table, Item={**key, **VALUES})
    assert delivery.wait_until_delivered(30)
    refresh = loaded.get_job(f"{PIPELINE}_refresh")
    assert refresh.execute_in_process(instance=instance, raise_on_error=False).success
    monkeypatch.setattr(state, "under_way", lambda _stage: timedelta(seconds=1))
    # the stage holds items of other tests, too, and rows of items that never were in the table
    monkeypatch.setattr(state, "SAMPLE", 10_000)
    time.sleep(1.1)

    right = metadata(check(loaded, instance, "state_agrees_with_the_table"))
    suspects = {one["item_key"] for one in right.get("looked_at_again", [])}
    texts = [json.dumps(dict(sorted(key.items())), ensure_ascii=False, separators=(",", ":")) for key in HOSTILE]
    assert not suspects & set(texts)
    assert right["agreeing"] >= len(HOSTILE)

    # a change that never arrives: its record is on no stream
    lost = {"Customer.Id": {"S": "lost"}, "item": {"N": "1"}}
    deliver(stage, lost)
    stage.crawl(PIPELINE)
    first = metadata(check(loaded, instance, "state_agrees_with_the_table"))
    assert '"lost"' in str(first["looked_at_again"])
    assert '"lost"' not in str(first.get("differences"))
    time.sleep(1.1)
    second = check(loaded, instance, "state_agrees_with_the_table")

    assert not second.passed
    assert "items differ (in the view, not in the table" in second.description
    assert '"lost"' in str(metadata(second)["differences"]) + str(second.description)


def deliver(stage: Deployed, key: dict[str, Any]) -> None:
    """Put a raw object with an item into the bucket that the table never had."""
    names = stage.names[PIPELINE]
    image = json.dumps(key, separators=(",", ":"))
    row = {
        "row_version": 1,
        "event_id": "never-happened",
        "event_name": "INSERT",
        "table_name": names.table,
        "changed_at_us": 1_772_323_200_000_000,
        "item_key": image,
        "new_image": image,
        "new_hash": "0" * 32,
        "new_item": "{}",
        "expired_by_ttl": False,
        "arrived_at_ms": 1,
        "shard_id": "s",
        "sequence_number": "1",
    }
    stage.client("s3").put_object(
        Bucket=names.raw_bucket,
        Key=f"{names.changes_prefix}{hour_prefix(HOUR)}lost.json.gz",
        Body=gzip.compress((json.dumps(row) + "\n").encode()),
    )
