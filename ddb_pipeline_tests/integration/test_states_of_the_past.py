"""States of the past: the command's and the saved query's answer, each held against a scan made at the moment."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from ddb_pipeline.cli import main
from ddb_pipeline.cli.as_of import EVERYTHING, statement_at
from ddb_pipeline.cli.console import UserError
from ddb_pipeline.resources.baseline_store import BaselineStore
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.integration.baseline_stage import (
    deliver,
    deployment,
    images,
    make,
    place,
    remove,
    run,
    saved_query,
    stage,
    table,
    write,
)

__all__ = ["place", "stage"]

Moment = tuple[datetime, dict[str, Any]]


def remember(stage: Deployed, pipeline: str, moments: list[Moment]) -> None:
    """Note what the table holds now; nothing changes within 20 milliseconds on either side."""
    time.sleep(0.02)
    now = datetime.now(UTC)
    moments.append((now.replace(microsecond=now.microsecond // 1000 * 1000), table(stage, pipeline)))
    time.sleep(0.02)


def at(stage: Deployed, pipeline: str, moment: datetime) -> dict[str, Any]:
    """What the command would ask, and what comes back."""
    with deployment(pipeline) as found:
        sql = statement_at(found, EVERYTHING, moment)
    return images(stage.ask(pipeline, f"WITH past AS ({sql}) SELECT item_key, image FROM past"))


def test_every_moment_of_the_past_is_what_the_table_held_then(stage: Deployed):
    moments: list[Moment] = []
    mark = uuid.uuid4().hex
    write(stage, "shots", mark, range(6), "first")
    remember(stage, "shots", moments)
    remove(stage, "shots", mark, range(2))
    remember(stage, "shots", moments)
    first = make(stage, "shots").manifest
    write(stage, "shots", mark, range(1, 4), "second")
    remember(stage, "shots", moments)
    second = make(stage, "shots").manifest
    remove(stage, "shots", mark, range(3, 6))
    write(stage, "shots", mark, range(8, 9), "third")
    remember(stage, "shots", moments)
    deliver(stage, "shots")
    assert run(stage, "shots_refresh").success

    for moment, held in moments:
        assert at(stage, "shots", moment) == held, moment
        assert saved_query(stage, "shots", moment) == held, moment
    for manifest in (first, second):
        taken = datetime.fromtimestamp(manifest.as_of_us // 1000 / 1000 + 0.001, UTC)
        assert at(stage, "shots", taken) == saved_query(stage, "shots", taken)


def test_an_export_serves_moments_from_a_minute_after_it(stage: Deployed, monkeypatch: pytest.MonkeyPatch):
    made = make(stage, "exports").manifest
    assert run(stage, "exports_refresh").success
    # another test may have made one minutes ago
    monkeypatch.setattr(BaselineStore, "manifests", lambda _store: [made])
    too_early = datetime.fromtimestamp(made.as_of_us / 1_000_000 + 1, UTC)
    with deployment("exports") as found, pytest.raises(UserError, match="lies before the first baseline that is kept"):
        statement_at(found, EVERYTHING, too_early)


def test_the_command_prints_the_past_and_refuses_what_it_cannot_know(stage: Deployed):
    mark = uuid.uuid4().hex
    write(stage, "shots", mark, range(3), "then")
    moments: list[Moment] = []
    remember(stage, "shots", moments)
    remove(stage, "shots", mark, range(3))
    deliver(stage, "shots")
    assert run(stage, "shots_refresh").success

    def query(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["query", "--pipeline", "shots", *arguments])
        return result.exit_code, result.output

    then = f"{moments[0][0].isoformat()}"
    sql = f"WITH mine AS (SELECT * FROM latest_item_state WHERE pk LIKE '{mark}%') SELECT count(*) AS n FROM mine"
    code, printed = query("--as-of", then, sql)
    assert (code, printed.split()[::2][:2]) == (0, ["n", "3"]), printed
    assert query(sql)[1].split()[2] == "0"
    assert "query" in query("--as-of", then)[1]
    before = datetime.now(UTC) - timedelta(days=200)
    for arguments, said in (
        (("--as-of", before.isoformat()), "lies before the first change that is known"),
        (("--as-of", "2999-01-01T00:00Z"), "lies in the future"),
        (("--as-of", "2026-11-01T12:00"), "says no time zone"),
        (("--as-of", then, "SELECT 1"), "reads none of the views"),
        ((), "say what to ask"),
        (("",), "say what to ask"),
        (("--as-of", "2026-11-01T00:00Z", " "), "say what to ask"),
    ):
        code, printed = query(*arguments)
        assert code == 1
        assert said in printed
