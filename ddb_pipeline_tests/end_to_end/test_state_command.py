"""`ddb-pipeline local up --state`: killed, started again, and everything is there."""

from __future__ import annotations

import signal

from ddb_pipeline_tests.end_to_end.processes import command, free_port, project_copy


def test_local_up_goes_on_with_what_it_held_when_it_was_killed(tmp_path):
    project, port = project_copy(tmp_path), free_port()
    up = ["ddb_pipeline.cli", "local", "up", "--port", str(port), "--yes", "--state", str(tmp_path / "state")]

    def contents() -> str:
        with command(["ddb_pipeline.cli", "local", "status"], project) as status:
            assert status.wait() == 0, status.output
            return status.output

    with command(up, project) as first:
        first.wait_for("until Ctrl-C")
        with command(["ddb_pipeline.cli", "local", "load", "--items", "20"], project) as load:
            assert load.wait() == 0, load.output
        before = contents().split(" items in table")[0].rpartition(" ")[2]
        first.process.send_signal(signal.SIGKILL)
        first.wait()

    with command(up, project) as second:
        second.wait_for("until Ctrl-C")
        assert contents().split(" items in table")[0].rpartition(" ")[2] == before
        with command(["ddb_pipeline.cli", "local", "down"], project) as down:
            assert down.wait() == 0, down.output
            assert f"What it held is in {tmp_path / 'state'}" in down.output.replace("\n", "")
        assert second.wait() == 0
    assert int(before) > 0
