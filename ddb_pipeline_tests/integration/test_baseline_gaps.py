"""What the stream never saw: a table made again or exchanged for another, a destination that was off for a while.

The margin is an hour, as it is on AWS unless somebody says otherwise: what was captured before the gap is within it.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from ddb_pipeline.baseline_making import capture
from ddb_pipeline.baseline_making.making import Making
from ddb_pipeline.baselines.choice import newest
from ddb_pipeline.baselines.records import Pending
from ddb_pipeline.checks.baselines import CAPTURE_CHECK, EXPIRY_CHECK
from ddb_pipeline.checks.problems import PROBLEMS_CHECK
from ddb_pipeline.cli import main
from ddb_pipeline.cli.as_of import EVERYTHING, gap_note, statement_at
from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.table_scan import key_text
from ddb_pipeline.resources import aws
from ddb_pipeline.resources.table_export import TableExport
from ddb_pipeline_tests.deployed import Deployed, wait_until
from ddb_pipeline_tests.integration.baseline_stage import (
    OLD_ITEM,
    checks,
    deliver,
    deployment,
    key,
    let_it_settle,
    make,
    place,
    remove,
    run,
    saved_query,
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


def stream_of(stage: Deployed, pipeline: str = "exports") -> str:
    """ARN of the stream that the table of a pipeline streams into."""
    found = stage.client("dynamodb").describe_kinesis_streaming_destination(TableName=stage.names[pipeline].table)
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
    make_table(stage, name, described)
    # the other tests know this item
    dynamodb.put_item(TableName=name, Item=OLD_ITEM)
    yield
    switch(stage, "exports", stream, on=True)


def make_table(stage: Deployed, name: str, described: dict[str, Any]) -> None:
    """Make a table with the key of another one, and wait until it is there."""
    dynamodb = stage.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        KeySchema=described["KeySchema"],
        AttributeDefinitions=described["AttributeDefinitions"],
        BillingMode="PAY_PER_REQUEST",
    )
    wait_until(
        lambda: dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE", "the table is there"
    )
    dynamodb.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )


@contextmanager
def another_table(stage: Deployed, pipeline: str, before: Callable[[Deployed], None]) -> Iterator[Deployed]:
    """Let a pipeline stream another table, as a deployment does that names it; what `before` writes is older.

    Afterwards the pipeline streams its own table as if nothing had been.
    """
    names, stream, dynamodb = stage.names[pipeline], stream_of(stage, pipeline), stage.client("dynamodb")
    other = replace(names, table=f"another-{uuid.uuid4().hex}")
    changed = replace(stage, names={**stage.names, pipeline: other})
    make_table(stage, other.table, dynamodb.describe_table(TableName=names.table)["Table"])
    before(changed)
    with deployment(pipeline) as found:
        known = found.baselines.capture()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aws, "published_names", lambda name, *_rest, **_named: changed.names[name])
        switch(changed, pipeline, stream, on=True)
        yield changed
        switch(changed, pipeline, stream, on=False)
    with deployment(pipeline) as found:
        assert known
        found.baselines.note_capture(known)
        for manifest in found.baselines.manifests_of_all_tables():
            if manifest.table == other.table:
                found.baselines.retire(manifest.baseline_id)


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


@pytest.mark.parametrize("pipeline", ["shots", "exports"])
def test_the_items_of_a_table_that_was_streamed_before_are_not_those_of_the_one_that_is(
    stage: Deployed, monkeypatch: pytest.MonkeyPatch, pipeline: str
):
    mark = uuid.uuid4().hex
    write(stage, pipeline, mark, range(4), "in the table before")
    remove(stage, pipeline, mark, range(3, 4))
    let_it_settle()
    begun = make(stage, pipeline).manifest
    then, name = datetime.now(UTC), stage.names[pipeline].table
    with deployment(pipeline) as found:
        pending = Pending(begun.baseline_id.replace("Z-", "1Z-"), begun.source, begun.as_of_us + 1, 0,
                          begun.read_at_us + 1, begun.read_at_us + 1, None, begun.capture, table=name)  # fmt: skip
        found.baselines.note(pending)

    def older(changed: Deployed) -> None:
        if pipeline == "exports":
            write(changed, pipeline, mark, range(9, 10), "older than the stream")

    with another_table(stage, pipeline, older) as changed:
        write(changed, pipeline, mark, range(2, 7), "in the table now")
        remove(changed, pipeline, mark, range(6, 7))
        deliver(changed, pipeline)
        first = checks(run(changed, f"{pipeline}_refresh"))
        # before it has a baseline of its own, its changes are what is known of it
        older_key = key_text(key(pipeline, 9, mark))
        assert state(changed, pipeline) == {k: v for k, v in table(changed, pipeline).items() if k != older_key}
        said = f"table {name} was streamed before, and no baseline was made since: items and changes may be missing"
        assert str(first[CAPTURE_CHECK].description).startswith(said) == (pipeline == "exports")
        assert first[CAPTURE_CHECK].passed == (pipeline == "shots")
        assert first[EXPIRY_CHECK].passed

        let_it_settle()
        made = make(changed, pipeline)
        assert (made.resumed, made.manifest.table, made.manifest.parent) == (False, changed.names[pipeline].table, None)
        assert made.manifest.rows == len(table(changed, pipeline))
        refreshed = checks(run(changed, f"{pipeline}_refresh", whole=pipeline == "shots"))
        assert {name for name, check in refreshed.items() if not check.passed} == set()
        assert state(changed, pipeline) == table(changed, pipeline)
        if pipeline == "shots":
            assert PROBLEMS_CHECK in refreshed
            gone = changed.ask(pipeline, f"SELECT item_key FROM deleted_items WHERE item_key LIKE '%{mark}%'")
            assert [key_text(json.loads(item)) for (item,) in gone] == [key_text(key(pipeline, 6, mark))]
            # the next one starts from its own
            second = make(changed, pipeline).manifest
            assert (second.parent, second.rows) == (made.manifest.baseline_id, made.manifest.rows)
            # the query that was saved for the table before finds its own items and baselines
            assert saved_query(stage, pipeline, datetime.now(UTC)) == table(stage, pipeline)
            with deployment(pipeline) as found:
                assert "another table was streamed" in str(gap_note(found, then))
                assert gap_note(found, datetime.now(UTC)) is None
                with pytest.raises(UserError, match=r"lies before this pipeline streamed table another-.* it streamed"):
                    statement_at(found, EVERYTHING, then - timedelta(hours=1))

        with monkeypatch.context() as patch:
            patch.setattr(aws, "published_names", lambda one, *_rest, **_named: stage.names[one])
            returned = complaint(pipeline)
        assert re.match(rf"table {changed.names[pipeline].table} was streamed before \(seen .*\), so baseline "
                        rf"{begun.baseline_id} may lack changes: ", str(returned))  # fmt: skip
    assert run(stage, f"{pipeline}_refresh").success
    assert state(stage, pipeline) == table(stage, pipeline)


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
