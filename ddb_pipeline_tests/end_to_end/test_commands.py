"""What the commands say when something is in the way."""

from __future__ import annotations

import socket

import pytest

from ddb_pipeline_tests.end_to_end.processes import command, free_port, project_copy

pytestmark = pytest.mark.xdist_group("end_to_end")


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
            assert f"port {port} is taken" in up.output
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
