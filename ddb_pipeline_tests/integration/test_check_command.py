"""`ddb-pipeline check` on a stage with baselines: what it says of the newest one, and what is to be done."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from ddb_pipeline.baseline_making.late import LateChanges
from ddb_pipeline.cli import baseline_report, main
from ddb_pipeline.resources.baseline_store import BaselineStore
from ddb_pipeline.view_sql import ViewInputs
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.integration.baseline_stage import (
    deployment,
    let_it_settle,
    make,
    place,
    stage,
    write,
)

__all__ = ["place", "stage"]


def said(pipeline: str) -> list[str]:
    """The sentences below a pipeline."""
    answer = CliRunner().invoke(main, ["check"])
    assert answer.exit_code == 0, answer.output
    (found,) = re.findall(rf"^  pipeline {pipeline}: .*\n((?:    .*\n)*)", answer.output, re.MULTILINE)
    return [line.strip() for line in found.splitlines()]


@pytest.mark.parametrize(
    ("pipeline", "source"), [("shots", "a snapshot of our own state"), ("exports", "an export of the table")]
)
def test_a_baseline_that_stands(stage: Deployed, pipeline: str, source: str):
    write(stage, pipeline, uuid.uuid4().hex, range(2), "there")
    let_it_settle()
    made = make(stage, pipeline).manifest
    newest = f"the newest baseline is {made.baseline_id}, verified: {made.rows} items, from {source} as of "

    first, *rest = said(pipeline)
    assert first.startswith(newest)
    assert re.search(r" UTC, \d+ (s|min( \d+ s)?) ago$", first)
    assert rest == [
        "no change came too late for it",
        f"the views do not start from it yet: run {pipeline}_refresh in Dagster",
    ]

    stage.make_views(pipeline, ViewInputs(baseline=made.baseline))
    assert said(pipeline)[1:] == ["no change came too late for it", "nothing is to be done"]


def test_no_baseline_yet(stage: Deployed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(BaselineStore, "manifests", lambda _store: [])

    assert said("shots")[-1] == (
        f"there is no baseline of table {stage.names['shots'].table} yet, so the views read all its changes: run "
        "shots_baseline in Dagster, or leave it to its schedule (0 3 * * 0)"
    )


def test_late_changes_and_a_schedule_that_is_silent(stage: Deployed, monkeypatch: pytest.MonkeyPatch):
    made = make(stage, "shots").manifest
    stage.make_views("shots", ViewInputs(baseline=made.baseline))
    late = LateChanges(changes=3, oldest_us=made.cut_us - 1, keys=(), bytes_scanned=2**20)
    monkeypatch.setattr(baseline_report, "late_changes", lambda _deployment, _manifest: late)
    with deployment("shots") as found:
        sentences = list(baseline_report.baseline_report(found, datetime.now(UTC) + timedelta(days=9)))

    assert len(sentences) == 3
    assert sentences[0].endswith(" UTC, 9 d ago")
    assert sentences[1].startswith("3 changes from before ")
    assert sentences[1].endswith(
        ": the next baseline heals it (run shots_baseline); if this comes back, raise baseline_margin_seconds"
    )
    assert sentences[2] == (
        "it was made 9 d ago, and the schedule (0 3 * * 0) makes one every 7 d at least: see in Dagster whether "
        "shots_baseline is on, and what its last run says"
    )


def test_without_a_stage_the_declaration_is_right_all_the_same(stage: Deployed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DDB_PIPELINE_STAGE")
    (sentence,) = said("exports")
    assert sentence.startswith("baselines from exports: not looked at: no stage is configured: run `ddb-pipeline")
