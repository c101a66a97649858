"""`dagster dev` in a fresh clone: first with nothing started, then with local AWS, then after a restart."""

from __future__ import annotations

import pytest

from ddb_pipeline_tests.deployed import wait_until
from ddb_pipeline_tests.end_to_end.dagster_ui import DagsterUI
from ddb_pipeline_tests.end_to_end.processes import command, free_port, project_copy

ASSETS = [
    f"persons/{name}"
    for name in (
        "attribute_changes",
        "change_counts",
        "change_problems",
        "change_stream",
        "change_table",
        "deleted_items",
        "delivery_stream",
        "failed_deliveries",
        "item_attributes",
        "item_history",
        "latest_item_state",
        "raw_changes",
        "table",
    )
]
NO_STAGE = "no stage is configured: run `ddb-pipeline local up`"


@pytest.mark.timeout(900)
def test_a_clone_grows_from_nothing_to_answers(tmp_path):
    project = project_copy(tmp_path)
    ui_port, aws_port = free_port(), free_port()
    ui = DagsterUI(ui_port)
    dagster_dev = ["dagster", "dev", "--port", str(ui_port)]

    with command(dagster_dev, project) as dagster:
        ui.wait_until_it_answers()
        # with nothing started: everything shows, ticks skip and runs fail with one sentence
        assert ui.asset_keys() == ASSETS
        failed = ui.materialize_all()
        assert ui.run_status(failed) == "FAILURE"
        assert NO_STAGE in ui.failures(failed)
        for sensor in ("persons_arrivals", "persons_deliveries"):
            wait_until(lambda sensor=sensor: ui.skip_reasons(sensor), f"a tick of {sensor}")
            assert all(NO_STAGE in reason for reason in ui.skip_reasons(sensor))

        with command(["ddb_pipeline.cli", "local", "up", "--port", str(aws_port)], project) as local_aws:
            local_aws.wait_for("until Ctrl-C")
            with command(["ddb_pipeline.cli", "local", "load", "--items", "30", "--seed", "1"], project) as load:
                assert load.wait() == 0, load.output
            # the same `dagster dev`, not restarted
            succeeded = ui.materialize_all()
            assert ui.run_status(succeeded) == "SUCCESS", ui.failures(succeeded) + local_aws.output
            assert {"persons/change_table", "persons/latest_item_state"} <= ui.materialized()
            assert dagster.interrupt() == 0

            with command(
                ["ddb_pipeline.cli", "query", "SELECT count(*) AS items FROM latest_item_state"], project
            ) as ask:
                assert ask.wait() == 0, ask.output
                assert "items" in ask.output

            with command(["ddb_pipeline.cli", "local", "up", "--port", str(aws_port)], project) as second:
                assert second.wait() == 1
                assert "local AWS runs already" in second.output

            with command(["ddb_pipeline.cli", "local", "down"], project) as down:
                assert down.wait() == 0, down.output
            assert local_aws.wait() == 0
            assert local_aws.left_running() == []

    with command(dagster_dev, project):
        ui.wait_until_it_answers()
        # history survives the restart, and the gap is explained
        assert {"persons/change_table", "persons/latest_item_state"} <= ui.materialized()
        after = ui.materialize_all()
        assert ui.run_status(after) == "FAILURE"
        assert f"nothing answers at http://127.0.0.1:{aws_port}: run `ddb-pipeline local up`" in ui.failures(after)
