"""`make demo`, as a new user runs it: interrupted once, then to its end, in one folder."""

from __future__ import annotations

import json

import pytest

from ddb_pipeline_tests.end_to_end.processes import command, project_copy


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return project_copy(tmp_path_factory.mktemp("a project with spaces"))


def test_ctrl_c_leaves_nothing_running(project):
    with command(["ddb_pipeline.cli", "demo"], project) as demo:
        demo.wait_for("Write changes")
        assert demo.interrupt() == 130
        assert "Traceback" not in demo.output
        assert demo.left_running() == []


def test_it_ends_well_and_reports_no_difference(project):
    with command(["ddb_pipeline.cli", "demo", "--items", "60"], project) as demo:
        assert demo.wait() == 0, demo.output
        assert demo.left_running() == []
        output = demo.output
    report = json.loads((project / ".demo" / "report.json").read_text())
    assert report["mismatches"] == 0
    assert report["items_in_table"] == report["rows_in_latest_item_state"] > 30
    # 60 persons, and seven more changes and items of the demo's own at least
    assert report["changes_written"] == report["changes_counted"] > 67
    assert {"synthesize", "deploy", "write", "refresh", "compare"} <= report["seconds"].keys()
    assert "Nothing differs" in output
    assert "change_counts" in output
    assert "latest_item_state" in output
    assert "demo#returned" in output
