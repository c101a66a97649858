"""`ddb-pipeline verify`, whole: the CDK's command line deploys and destroys, and an hour passes between two crawls."""

from __future__ import annotations

import re

import pytest

from ddb_pipeline_tests.end_to_end.processes import command, project_copy, set_in_stage

pytestmark = pytest.mark.usefixtures("cdk_command_line")


def test_a_stage_is_verified_reported_and_destroyed(tmp_path):
    project = project_copy(tmp_path)
    set_in_stage(project, "dev", buffer_seconds=1)

    with command(["ddb_pipeline_tests.end_to_end.verified_here", "dev", "1000"], project) as verified:
        assert verified.wait() == 0, verified.output
        output = verified.output

    (file,) = (project / ".verify").glob("report-*.md")
    report = file.read_text()
    assert report in output
    assert report.startswith("# Verification of stage dev, pipeline persons: right\n")
    assert "0 differ | right" in report
    assert "| hours that Athena reads | 2 | right |" in report
    assert re.search(r"\| one row an item in latest_item_state \| (\d+) rows of \1 keys \| right \|", report)
    assert "| every view answers | 6 of 6 | right |" in report
    assert re.search(
        r"\| latest_item_state and a scan of the table, first \| \d+ items, 0 differ, .* \| right \|", report
    )
    # the checks that scan ran, too, and the views were measured
    assert re.search(
        r"\| row counts, previews .* \| 6 of 6 views measured; 1\d of 1\d checks passed.* \| right \|", report
    )
    # the change above 1 MiB is lost, as documented, and is the only thing that change_problems tells of
    assert re.search(r"\| change_problems \| [1-9]\d*, of which 0 not of the change above 1 MiB \| right \|", report)
    assert "the one above 1 MiB 0 times" in report
    assert "an item put twice with equal content has 1 rows of change" in report
    assert "6 of 6 views answered after the second crawl" in report
    assert "Not looked at" not in report
    assert "otherwise" not in report
    # nothing that must not be shown
    assert "123456789012" not in report
    assert "verify#" not in report
    # and nothing is left
    assert "left: []" in output
