"""`ddb-pipeline repair` where there are baselines: their catalog comes back, and an export heals what S3 has lost."""

from __future__ import annotations

import uuid

from click.testing import CliRunner

from ddb_pipeline.cli import main
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.integration.baseline_stage import (
    deliver,
    let_it_settle,
    make,
    manifests,
    place,
    run,
    seen,
    stage,
    state,
    table,
    write,
)

__all__ = ["place", "stage"]


def repair() -> str:
    answer = CliRunner().invoke(main, ["repair", "--pipeline", "exports"])
    assert answer.exit_code in {0, 1}, answer.output
    return answer.output


def test_the_table_of_baselines_comes_back_with_all_of_them_and_views_start_from_the_newest(stage: Deployed):
    write(stage, "exports", uuid.uuid4().hex, range(3), "there")
    made = make(stage, "exports").manifest
    before = seen(stage, "exports")
    stage.client("glue").delete_table(DatabaseName=stage.names["exports"].database, Name="baselines")

    said = repair()

    assert "exports.baselines is not in the Glue catalog: made" in said
    assert f"baselines that S3 holds are not in table {stage.names['exports'].database}.baselines" in said
    assert seen(stage, "exports") == before
    assert made.baseline_id in before
    text = stage.ask("exports", "SHOW CREATE VIEW latest_item_state")
    assert made.baseline_id in str(text)
    assert state(stage, "exports") == table(stage, "exports")


def test_items_whose_raw_objects_are_gone_come_back_with_an_export(stage: Deployed):
    names, s3 = stage.names["exports"], stage.client("s3")
    make(stage, "exports")  # also: a destination that was just switched on has settled
    mark = uuid.uuid4().hex
    write(stage, "exports", mark, range(4), "there")
    deliver(stage, "exports")
    repair()
    assert state(stage, "exports") == table(stage, "exports")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=names.raw_bucket, Prefix=names.changes_prefix):
        for found in page["Contents"]:
            s3.delete_object(Bucket=names.raw_bucket, Key=found["Key"])

    said = repair()

    assert "are gone from S3 though the views read them" in said
    assert "holds what every item is now: run exports_baseline" in said
    assert not any(mark in item for item in state(stage, "exports"))

    let_it_settle()  # the margin, so that no change that is gone would have to decide
    assert run(stage, "exports_baseline").success
    assert len(manifests("exports")) > 1
    assert state(stage, "exports") == table(stage, "exports")
