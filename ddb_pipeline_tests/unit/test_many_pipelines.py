"""Twenty pipelines in one code location: what loading them costs, counted, and how their ticks are run."""

from __future__ import annotations

import cProfile
import pstats
import shutil
import threading
from pathlib import Path

import pytest
from dagster import DagsterInstance, RepositoryDefinition, SkipReason, build_sensor_context
from dagster._cli.api import grpc_command

from ddb_pipeline import definitions
from ddb_pipeline.cli import dagster_processes
from ddb_pipeline.declaration import Declaration, load_declaration
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.resources.remembered import Remembered
from ddb_pipeline.sensors.left_out import PipelinesLeftOut

REPOSITORY = Path(__file__).parents[2]
STAGE = '[stages.local]\nautomation = "running"\n'


def write(folder: Path, pipelines: int) -> Path:
    path = folder / "pipeline.toml"
    tables = [
        f'[pipelines.p{number}]\npartition_key = {{ name = "pk", type = "S" }}\nstart_date = 2026-01-01\n'
        for number in range(pipelines)
    ]
    path.write_text("".join(tables) + STAGE, encoding="utf-8")
    return path


def calls(declaration: Declaration) -> int:
    """How many functions are called to build the definitions and their repository."""
    profile = cProfile.Profile()
    profile.runcall(lambda: build_definitions(declaration).get_repository_def().load_all_definitions())
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]  # typeshed lacks it


def test_what_loading_costs_grows_with_the_number_of_pipelines_and_no_faster(tmp_path: Path):
    few, many = (load_declaration(write(tmp_path, number)) for number in (2, 8))
    calls(few)  # what is made once for all

    assert calls(many) < 4.4 * calls(few)


def test_the_definitions_are_built_once_though_dagster_asks_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DDB_PIPELINE_FILE", str(write(tmp_path, 2)))
    built = []
    monkeypatch.setattr(definitions, "build_definitions", lambda declaration: built.append(declaration) or object())
    definitions._loaded.cache_clear()
    try:
        assert definitions._loaded() is definitions._loaded()
    finally:
        definitions._loaded.cache_clear()

    assert len(built) == 1


def test_each_of_twenty_pipelines_has_a_sensor_schedules_and_a_job_of_its_own(tmp_path: Path):
    loaded = build_definitions(load_declaration(write(tmp_path, 20))).get_repository_def()

    for number in range(20):
        assert loaded.has_sensor_def(f"p{number}_arrivals")
        assert loaded.has_schedule_def(f"p{number}_crawl")
        assert loaded.has_job(f"p{number}_refresh")


def test_the_daemon_runs_ticks_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Dagster would evaluate one after the other, if dagster.yaml did not say otherwise."""
    shutil.copy(REPOSITORY / "dagster.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        for kind in ("sensors", "schedules"):
            assert instance.get_settings(kind)["use_threads"] is True
            assert instance.get_settings(kind)["num_workers"] == 8


def test_the_server_of_the_code_location_has_threads_for_all_ticks_at_once():
    """Dagster reads how many from the environment; by default a small machine has fewer than the daemon asks for."""
    ((name, threads),) = dagster_processes._TICKS_AT_ONCE.items()

    assert name in {option.envvar for option in grpc_command.params}
    assert int(threads) > 8 + 8


def test_what_is_made_for_one_pipeline_is_not_waited_for_by_another():
    remembered: Remembered[str] = Remembered(60)
    begun, released = threading.Event(), threading.Event()

    def stalled() -> str:
        begun.set()
        assert released.wait(60)
        return "slow"

    slow = threading.Thread(target=remembered.get, args=("a stalled pipeline", stalled))
    slow.start()
    try:
        assert begun.wait(60)
        assert remembered.get("another", lambda: "quick") == "quick"
    finally:
        released.set()
        slow.join()

    assert remembered.get("a stalled pipeline", lambda: "made twice") == "slow"


def test_one_thread_makes_what_many_ask_for_at_once():
    remembered: Remembered[int] = Remembered(60)
    made: list[int] = []
    together = threading.Barrier(4)

    def make() -> int:
        made.append(1)
        return len(made)

    def ask() -> None:
        together.wait()
        remembered.get("key", make)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made == [1]


def test_a_pipeline_that_becomes_wrong_skips_its_ticks_and_the_others_go_on(tmp_path: Path):
    path = write(tmp_path, 2)
    right = path.read_text(encoding="utf-8")
    loaded = build_definitions(load_declaration(path)).get_repository_def()
    assert not loaded.has_sensor_def("pipelines_left_out")

    path.write_text(right.replace("[pipelines.p1]\n", "[pipelines.p1]\ntypo = 1\n"), encoding="utf-8")
    assert f"{path}: pipelines.p1.typo" in said(loaded, "p1_arrivals")
    assert said(loaded, "p0_arrivals").startswith("no stage is configured")

    path.write_text(right.replace("[stages.local]\n", "[stages.local]\ntypo = 1\n"), encoding="utf-8")
    assert "stages.local.typo" in said(loaded, "p0_arrivals")

    path.write_text(right, encoding="utf-8")
    assert said(loaded, "p1_arrivals").startswith("no stage is configured")


def test_a_pipeline_that_is_wrong_is_left_out_loudly_and_the_others_are_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    path = write(tmp_path, 3)
    right = path.read_text(encoding="utf-8")
    wrong = right.replace("[pipelines.p1]", '[pipelines."P 1"]').replace("[pipelines.p2]\n", "[pipelines.p2]\nx = 1\n")
    path.write_text(wrong, encoding="utf-8")
    monkeypatch.setenv("DDB_PIPELINE_FILE", str(path))
    definitions._loaded.cache_clear()
    try:
        loaded = definitions._loaded().get_repository_def()
    finally:
        definitions._loaded.cache_clear()

    assert loaded.has_sensor_def("p0_arrivals")
    assert not loaded.has_sensor_def("p2_arrivals")
    with pytest.raises(PipelinesLeftOut) as told:
        said(loaded, "pipelines_left_out")
    for place in ("pipelines.P 1: ", "pipelines.p2.x: "):
        assert f"left out until it is right and the definitions are reloaded: {path}: {place}" in caplog.text
        assert f"{path}: {place}" in str(told.value)
    assert "Left out: P 1, p2. Correct the file, then reload the definitions" in str(told.value)

    path.write_text(right, encoding="utf-8")
    assert said(loaded, "pipelines_left_out").endswith("is right again: reload the definitions to have P 1, p2")


def said(loaded: RepositoryDefinition, sensor: str) -> str:
    """Why a tick skipped."""
    resources = loaded.get_top_level_resources()
    with DagsterInstance.ephemeral() as instance, build_sensor_context(instance, resources=resources) as context:
        tick = loaded.get_sensor_def(sensor)(context)
    assert isinstance(tick, SkipReason)
    return str(tick.skip_message)
