"""Twenty pipelines in one code location: what loading them costs, counted, and how their ticks are run."""

from __future__ import annotations

import cProfile
import pstats
import shutil
import threading
from pathlib import Path

import pytest
from dagster import DagsterInstance, SkipReason, build_sensor_context
from dagster._cli.api import grpc_command

from ddb_pipeline import definitions
from ddb_pipeline.cli import dagster_processes
from ddb_pipeline.declaration import Declaration, load_declaration
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.resources.remembered import Remembered

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


def test_while_the_file_is_wrong_every_tick_names_the_place_and_goes_on_once_it_is_right(tmp_path: Path):
    """Half a file is not read: a pipeline left out would look like one that was taken away."""
    path = write(tmp_path, 2)
    right = path.read_text(encoding="utf-8")
    loaded = build_definitions(load_declaration(path)).get_repository_def()

    def said() -> str:
        with DagsterInstance.ephemeral() as instance:
            context = build_sensor_context(instance, resources=loaded.get_top_level_resources())
            tick = loaded.get_sensor_def("p0_arrivals")(context)
        assert isinstance(tick, SkipReason)
        return str(tick.skip_message)

    path.write_text(right.replace("[pipelines.p1]\n", "[pipelines.p1]\ntypo = 1\n"), encoding="utf-8")
    assert "pipelines.p1" in said()
    assert "typo" in said()

    path.write_text(right, encoding="utf-8")
    assert said().startswith("no stage is configured")
