"""Dagster itself is killed: a run's process, then daemon, webserver and all; each time it goes on by itself.

`dagster dev` as a user starts it, with the project's own dagster.yaml; local AWS is that of the other tests.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from dagster import DagsterInstance

from ddb_pipeline.cli import local_stack
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.local_aws.testing import Fault, faulty
from ddb_pipeline_tests.conftest import PIPELINES, REPOSITORY
from ddb_pipeline_tests.deployed import Deployed, wait_until
from ddb_pipeline_tests.end_to_end.dagster_ui import DagsterUI
from ddb_pipeline_tests.end_to_end.processes import MARK, Command, command, free_port
from ddb_pipeline_tests.faults.conftest import Scene

RUNS = """{ runsOrError(filter: {pipelineName: "persons_refresh"}) { ... on Runs { results {
    runId status parentRunId } } } }"""


def runs(ui: DagsterUI) -> list[dict[str, Any]]:
    """The runs of the refresh job, newest first."""
    return list(ui.ask(RUNS)["runsOrError"]["results"])


def processes(of: Command) -> list[psutil.Process]:
    """Everything that the command started, and itself."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK) == of.mark:
                found.append(process)
    return found


def run_worker(of: Command) -> int:
    """The process that runs a run: the code server starts it, and nothing else."""
    servers = [process.pid for process in processes(of) if "api" in process.cmdline() and "grpc" in process.cmdline()]
    workers = [
        process
        for process in processes(of)
        if process.ppid() in servers
        and any("multiprocessing" in part for part in process.cmdline())
        and not any("resource_tracker" in part for part in process.cmdline())
    ]
    assert len(workers) == 1, [process.cmdline() for process in processes(of)]
    return workers[0].pid


@pytest.mark.timeout(900)
def test_daemon_webserver_and_runs_are_killed_and_all_goes_on(stage: Deployed, tmp_path: Path) -> None:
    # one pipeline alone, so that it is clear whose run it is
    text = PIPELINES.read_text(encoding="utf-8")
    declared = tmp_path / "pipeline.toml"
    others, stages = text.index("[pipelines.orders]"), text.index("[stages.local]")
    declared.write_text(text[:others] + text[stages:], encoding="utf-8")
    environment = {**local_stack.environment(stage.endpoint), "DDB_PIPELINE_FILE": str(declared)}
    for name in ("workspace.yaml", "dagster.yaml"):
        (tmp_path / name).write_bytes((REPOSITORY / name).read_bytes())
    port = free_port()
    ui, dagster_dev = DagsterUI(port), ["dagster", "dev", "--port", str(port)]
    loaded = build_definitions(stage.declaration).get_repository_def()
    with DagsterInstance.ephemeral() as unused:
        scene = Scene(stage, loaded, unused)
    scene.write()
    scene.forget_hours()
    crawls = len(scene.crawls())
    started = Fault("stall", "glue", "StartCrawler", count=1, seconds=300, carried_out=True)

    with command(dagster_dev, tmp_path, environment) as dagster:
        with faulty(stage.endpoint, started) as struck:
            # the sensor asks for a refresh by itself; its crawl has begun, but it never hears of it
            wait_until(lambda: struck() == [1], "a run has started a crawl", seconds=300)
            os.kill(run_worker(dagster), signal.SIGKILL)
        wait_until(
            lambda: any(run["parentRunId"] and run["status"] == "SUCCESS" for run in runs(ui)),
            "Dagster has started the run again, and it has succeeded",
            seconds=300,
            pause=1,
        )
        assert [run["status"] for run in runs(ui)].count("FAILURE") == 1
        assert len(scene.crawls()) == crawls + 1, "the crawl was found, not started again"
        scene.assert_state_is_right()

        # a run is under way when everything is killed at once, as when the machine goes down
        scene.write()
        scene.forget_hours()
        crawls = len(scene.crawls())
        with faulty(stage.endpoint, started) as struck:
            ui.materialize_all()
            wait_until(lambda: struck() == [1], "another run has started a crawl", seconds=300)
            known = {run["runId"] for run in runs(ui)}
            for process in processes(dagster):
                with suppress(psutil.Error):
                    process.kill()
            dagster.process.wait()
        scene.write()

    with command(dagster_dev, tmp_path, environment):
        ui.wait_until_it_answers(seconds=300)
        assert known <= {run["runId"] for run in runs(ui)}, "history is kept"
        again = ui.materialize_all()
        assert ui.run_status(again, seconds=300) == "SUCCESS", ui.failures(again)
        scene.assert_state_is_right()
        # the crawl that was left behind has found the hour; a second one only if the hour has turned meanwhile
        assert len(scene.crawls()) in {crawls + 1, crawls + 2}
