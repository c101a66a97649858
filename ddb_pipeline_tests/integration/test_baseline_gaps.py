"""What the stream never saw: a table that was deleted and made again, a destination that was off for a while.

The margin is an hour, as it is on AWS unless somebody says otherwise: what was captured before the gap is within it.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from ddb_pipeline.baseline_making import capture
from ddb_pipeline.baseline_making.making import Making
from ddb_pipeline.baselines.choice import newest
from ddb_pipeline.checks.baselines import CAPTURE_CHECK
from ddb_pipeline.cli import main
from ddb_pipeline.cli.as_of import gap_note
from ddb_pipeline.cli.table_scan import key_text
from ddb_pipeline.resources.table_export import TableExport
from ddb_pipeline_tests.deployed import Deployed, wait_until
from ddb_pipeline_tests.integration.baseline_stage import (
    OLD_ITEM,
    checks,
    deliver,
    deployment,
    key,
    make,
    place,
    remove,
    run,
    stage,
    state,
    switch,
    table,
    write,
)

__all__ = ["place", "stage"]

HOUR_US = 3_600_000_000


@pytest.fixture
def _margin_of_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Making, "_margin_us", HOUR_US)
    # on AWS ten minutes
    monkeypatch.setattr(capture, "_SURE_AFTER_US", 1_000_000)


def stream_of(stage: Deployed) -> str:
    """ARN of the stream that the table of `exports` streams into."""
    found = stage.client("dynamodb").describe_kinesis_streaming_destination(TableName=stage.names["exports"].table)
    return next(
        str(destination["StreamArn"])
        for destination in found["KinesisDataStreamDestinations"]
        if destination["DestinationStatus"] == "ACTIVE"
    )


@contextmanager
def made_again(stage: Deployed) -> Iterator[None]:
    """Delete the table of `exports`, make it again, and let it stream; what the block writes, the stream never sees."""
    dynamodb, name, stream = stage.client("dynamodb"), stage.names["exports"].table, stream_of(stage)
    described = dynamodb.describe_table(TableName=name)["Table"]
    dynamodb.delete_table(TableName=name)
    dynamodb.create_table(
        TableName=name,
        KeySchema=described["KeySchema"],
        AttributeDefinitions=described["AttributeDefinitions"],
        BillingMode="PAY_PER_REQUEST",
    )
    wait_until(
        lambda: dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE", "the table is there again"
    )
    dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    # the other tests know this item
    dynamodb.put_item(TableName=name, Item=OLD_ITEM)
    yield
    switch(stage, "exports", stream, on=True)


def complaint(pipeline: str) -> str | None:
    """What the check of that name says now."""
    with deployment(pipeline) as found:
        seen = capture.observe(found, datetime.now(UTC))
        return capture.complaint(found, seen, newest(found.baselines.manifests()))


@pytest.mark.usefixtures("_margin_of_an_hour")
def test_the_lives_of_a_table_that_was_made_again_are_not_mixed(stage: Deployed):
    make(stage, "exports")
    mark = uuid.uuid4().hex
    write(stage, "exports", mark, range(6), "in the first life")
    remove(stage, "exports", mark, range(5, 6))
    deliver(stage, "exports")
    with made_again(stage):
        write(stage, "exports", mark, range(1, 2), "in the second life, before it streamed")
    deliver(stage, "exports")
    check = checks(run(stage, "exports_refresh"))[CAPTURE_CHECK]
    assert not check.passed
    said = str(check.description)
    assert re.search(
        r"^the table was deleted and made again \(seen at .* UTC\), so baseline \S+-export may lack changes: run "
        r"exports_baseline$",
        said,
    )
    assert said in CliRunner().invoke(main, ["check"]).output

    write(stage, "exports", mark, range(2, 4), "in the second life")
    remove(stage, "exports", mark, range(3, 4))
    wait_until_settled()
    deliver(stage, "exports")
    result = run(stage, "exports_baseline", whole=True)

    assert result.success
    assert checks(result)[CAPTURE_CHECK].passed
    assert state(stage, "exports") == table(stage, "exports")
    # what is gone with the first life has no delete of its own; all lives are in the history
    gone = stage.ask("exports", f"SELECT item_key, deleted_at FROM deleted_items WHERE item_key LIKE '%{mark}%'")
    assert {key_text(json.loads(item)): at is None for item, at in gone} == {
        key_text(key("exports", number, mark)): number in {0, 4} for number in (0, 3, 4, 5)
    }
    history = f"SELECT count(*) FROM item_history WHERE item_key LIKE '%{mark}%'"
    assert stage.ask("exports", history) == [(6 + 1 + 2 + 1,)]

    # what changes afterwards is seen as ever
    write(stage, "exports", mark, range(4, 6), "later")
    remove(stage, "exports", mark, range(1, 2))
    deliver(stage, "exports")
    assert complaint("exports") is None
    assert state(stage, "exports") == table(stage, "exports")


@pytest.mark.usefixtures("_margin_of_an_hour")
def test_a_change_from_before_the_destination_was_off_does_not_decide_after_it(stage: Deployed):
    make(stage, "exports")
    mark, stream = uuid.uuid4().hex, stream_of(stage)
    write(stage, "exports", mark, range(3), "seen")
    deliver(stage, "exports")
    switch(stage, "exports", stream, on=False)
    write(stage, "exports", mark, range(1), "while nobody listened")
    remove(stage, "exports", mark, range(1, 2))
    assert "is not active: changes are being lost: enable it, then run exports_baseline" in str(complaint("exports"))
    switch(stage, "exports", stream, on=True)
    assert "the streaming destination was not active for a while" in str(complaint("exports"))
    then = datetime.now(UTC)

    wait_until_settled()
    assert run(stage, "exports_baseline", whole=True).success

    assert complaint("exports") is None
    assert state(stage, "exports") == table(stage, "exports")
    # nobody can tell what the table held between the gap and the export
    with deployment("exports") as found:
        assert "changes were not captured for a while" in str(gap_note(found, then))


def test_a_pipeline_of_snapshots_is_told_that_only_an_export_heals_it(stage: Deployed, monkeypatch: pytest.MonkeyPatch):
    make(stage, "shots")
    with deployment("shots") as found:
        known = found.baselines.capture()
        assert known is not None
        look = TableExport.look
        monkeypatch.setattr(TableExport, "look", lambda table, now: replace(look(table, now), table_id="another"))
        said = complaint("shots")
        found.baselines.note_capture(known)

    assert str(said).endswith(
        'may lack changes: set baseline = "export", deploy, and run the job: only an export of the table heals it'
    )


def wait_until_settled() -> None:
    """Wait until an export is allowed, after a look that found the destination active."""
    time.sleep(1.2)
