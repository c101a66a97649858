"""What the commands say when something is in the way."""

from __future__ import annotations

import signal
import socket

import pytest

from ddb_pipeline.cli.folder_lock import folder_lock
from ddb_pipeline_tests.end_to_end.processes import command, free_port, project_copy


@pytest.fixture
def project(tmp_path):
    return project_copy(tmp_path)


def test_a_taken_port_is_named_before_anything_starts(project):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with command(["ddb_pipeline.cli", "local", "up", "--port", str(port)], project) as up:
            assert up.wait() == 1
            assert f"port {port} is taken by another program" in up.output
            assert "Traceback" not in up.output
    assert not (project / ".env").exists()


def test_an_env_file_of_the_users_own_is_not_overwritten(project):
    (project / ".env").write_text("DDB_PIPELINE_STAGE=prod\n")
    with command(["ddb_pipeline.cli", "local", "up", "--port", str(free_port())], project) as up:
        assert up.wait() == 1
        assert ".env is there and has other content" in up.output
    assert (project / ".env").read_text() == "DDB_PIPELINE_STAGE=prod\n"


@pytest.mark.parametrize("words", [["status"], ["down"], ["load"]])
def test_without_local_aws_the_command_to_start_it_is_named(project, words):
    with command(["ddb_pipeline.cli", "local", *words], project) as run:
        assert run.wait() == 1
        assert "local AWS does not run in this folder: start it with `ddb-pipeline local up`" in run.output


def test_a_dead_local_aws_is_told_from_one_that_was_never_started(project):
    (project / ".local-aws").mkdir()
    (project / ".local-aws" / "running.json").write_text(f'{{"pid": 1, "endpoint": "http://127.0.0.1:{free_port()}"}}')
    with command(["ddb_pipeline.cli", "local", "status"], project) as run:
        assert run.wait() == 1
        assert "was started here and has died" in run.output


def test_a_query_without_a_stage_says_what_to_run(project):
    with command(["ddb_pipeline.cli", "query", "SELECT 1"], project) as run:
        assert run.wait() == 1
        assert "no stage is configured: run `ddb-pipeline local up`" in run.output


def test_a_wrong_pipeline_file_is_one_line(project):
    (project / "pipeline.toml").write_text("[pipelines]\n")
    with command(["ddb_pipeline.cli", "check"], project) as run:
        assert run.wait() == 1
        assert run.output.count("\n") == 1
        assert "pipelines: found {}; allowed is one table [pipelines.<name>] at least" in run.output


def test_definitions_validate_with_no_environment(project):
    with command(["dagster", "definitions", "validate", "-w", "workspace.yaml"], project) as run:
        assert run.wait() == 0, run.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_start_that_is_interrupted_leaves_nothing_behind(project, number):
    with command(["ddb_pipeline.cli", "local", "up", "--port", str(free_port())], project) as up:
        up.wait_for("Start local AWS")
        up.process.send_signal(number)
        assert up.wait(120) == 130
        assert "Traceback" not in up.output
        assert "stopped" in up.output
        assert up.left_running() == []
    assert not (project / ".env").exists()
    assert not (project / ".local-aws" / "running.json").exists()


def test_a_second_demo_in_one_folder_is_refused(project):
    (project / ".demo").mkdir()
    with folder_lock(project / ".demo"), command(["ddb_pipeline.cli", "demo"], project) as demo:
        assert demo.wait() == 1
        assert "another demo runs in" in demo.output
        assert "--directory" in demo.output


def test_a_local_aws_that_is_not_up_yet_is_not_called_dead(project):
    (project / ".local-aws").mkdir()
    with folder_lock(project / ".local-aws"):
        with command(["ddb_pipeline.cli", "local", "status"], project) as status:
            assert status.wait() == 1
            assert "local AWS is starting" in status.output
        with command(["ddb_pipeline.cli", "local", "up"], project) as up:
            assert up.wait() == 1
            assert "local AWS runs already in this folder" in up.output


@pytest.mark.parametrize("words", [["local", "up"], ["demo"]])
def test_a_folder_that_cannot_be_written_is_named(project, words):
    for name in (".local-aws", ".demo"):
        (project / name).write_text("in the way")
    with command(["ddb_pipeline.cli", *words], project) as run:
        assert run.wait() == 1
        assert str(project) in run.output
        assert "Traceback" not in run.output


def test_a_terminal_without_our_signs_is_no_failure(project):
    with command(
        ["ddb_pipeline.cli", "local", "up", "--port", str(free_port())], project, {"PYTHONIOENCODING": "ascii"}
    ) as up:
        up.wait_for("? Start local AWS")
        assert up.interrupt() == 130
