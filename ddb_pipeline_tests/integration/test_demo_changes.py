"""What the demo writes: as many changes as it says, under keys of any type."""

from __future__ import annotations

import time

import pytest

from ddb_pipeline.cli.demo_changes import write_changes
from ddb_pipeline.cli.table_scan import scan_items


@pytest.mark.parametrize("pipeline", ["persons", "orders"])
def test_every_change_that_is_counted_arrives_and_no_other(deployed, pipeline):
    names = deployed.names[pipeline]
    begin_us = int(time.time() * 1_000_000)
    before = scan_items(deployed.client("dynamodb"), names.table)

    written = write_changes(deployed.declaration.pipelines[pipeline], names, deployed.endpoint, items=40, seed=1)

    deployed.wait_for_rows(pipeline, f"changed_at_us >= {begin_us}", written.total)
    deployed.make_views(pipeline)
    counts = deployed.ask(
        pipeline,
        f"SELECT event_name, expired_by_ttl, count(DISTINCT event_id) FROM changes "
        f"WHERE changed_at_us >= {begin_us} GROUP BY 1, 2",
    )
    assert {(name, expired): changes for name, expired, changes in counts} == {
        key: changes
        for key, changes in {
            ("INSERT", False): written.inserted,
            ("MODIFY", False): written.updated,
            ("REMOVE", False): written.deleted,
            ("REMOVE", True): written.expired,
        }.items()
        if changes
    }
    after = scan_items(deployed.client("dynamodb"), names.table)
    assert len(after) - len(before) == written.inserted - written.deleted - written.expired
