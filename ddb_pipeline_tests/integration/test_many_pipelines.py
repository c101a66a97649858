"""Several pipelines in one code location, under a real sensor daemon: trouble in one is no trouble of the others."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance
from dagster._core.scheduler.instigation import InstigatorTick, TickStatus
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import PythonFileTarget
from dagster._daemon.daemon import SensorDaemon

from ddb_pipeline.arrivals import hour_prefix
from ddb_pipeline_tests.deployed import Deployed, wait_until
from ddb_pipeline_tests.integration.test_assets import deliver

REPOSITORY = Path(__file__).parents[2]
HOUR = datetime(2026, 11, 5, 7, tzinfo=UTC)

DEFINITIONS = """
import time
from pathlib import Path

from ddb_pipeline.declaration import load_declaration
from ddb_pipeline.definitions import build_definitions
from ddb_pipeline.sensors import arrivals

tick = arrivals._tick


def tick_in_trouble(context, deployment, until):
    if deployment.pipeline.name == "defective":
        raise RuntimeError("a defect of ours")
    while deployment.pipeline.name == "slow" and not Path("released").exists():
        time.sleep(0.1)
    return tick(context, deployment, until)


arrivals._tick = tick_in_trouble
defs = build_definitions(load_declaration())
"""


@pytest.fixture
def folder(stage: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of `orders`, which is well, and four pipelines that are not."""
    sick = ("defective", "slow", "gone", "missing")
    declared = stage.declaration.path.read_text(encoding="utf-8")
    for name in sick:
        declared += f'\n[pipelines.{name}]\npartition_key = {{ name = "pk", type = "S" }}\nstart_date = 2026-11-01\n'
    (tmp_path / "pipeline.toml").write_text(declared, encoding="utf-8")
    (tmp_path / "several.py").write_text(DEFINITIONS, encoding="utf-8")
    shutil.copy(REPOSITORY / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DDB_PIPELINE_FILE", str(tmp_path / "pipeline.toml"))
    monkeypatch.chdir(tmp_path)
    client, names = stage.client("ssm"), stage.names["orders"]
    published = {
        "defective": names,
        "slow": names,
        # somebody deleted the bucket; of `missing` no stack was deployed at all
        "gone": replace(names, raw_bucket="a-bucket-that-is-gone"),
    }
    for name, one in published.items():
        value = replace(one, pipeline=name).to_json()
        client.put_parameter(Name=f"/ddb-change-analytics/local/{name}", Value=value, Type="String")
    deliver(stage, HOUR)
    yield tmp_path
    prefix = f"{names.changes_prefix}{hour_prefix(HOUR)}"
    for found in stage.client("s3").list_objects_v2(Bucket=names.raw_bucket, Prefix=prefix)["Contents"]:
        stage.client("s3").delete_object(Bucket=names.raw_bucket, Key=found["Key"])
    for name in published:
        client.delete_parameter(Name=f"/ddb-change-analytics/local/{name}")


class Daemon:
    """A sensor daemon with the settings of dagster.yaml, and what came of its ticks."""

    def __init__(self, instance: DagsterInstance, context: Any) -> None:
        self._instance, self._context = instance, context
        self._stopped = threading.Event()

    def run(self) -> None:
        with SensorDaemon(self._instance.get_settings("sensors")) as daemon:
            for _ in daemon.core_loop(self._context, self._stopped):
                if self._stopped.is_set():
                    return

    def stop(self) -> None:
        self._stopped.set()

    def first_tick(self, pipeline: str) -> InstigatorTick | None:
        """The first tick of a pipeline's arrivals sensor, once it has ended."""
        for state in self._instance.all_instigator_state():
            if state.instigator_name == f"{pipeline}_arrivals":
                ticks = self._instance.get_ticks(state.instigator_origin_id, state.selector_id)
                return ticks[-1] if ticks and ticks[-1].status != TickStatus.STARTED else None
        return None

    def wait(self, pipeline: str) -> InstigatorTick:
        wait_until(lambda: self.first_tick(pipeline) is not None, f"a tick of {pipeline} has ended")
        tick = self.first_tick(pipeline)
        assert tick is not None
        return tick


def test_a_pipeline_in_trouble_neither_stops_nor_delays_another(folder: Path):
    target = PythonFileTarget(
        str(folder / "several.py"), attribute=None, working_directory=None, location_name="several"
    )
    with (
        DagsterInstance.from_config(str(folder)) as instance,
        create_test_daemon_workspace_context(target, instance) as context,
        ThreadPoolExecutor(1) as pool,
    ):
        daemon = Daemon(instance, context)
        running = pool.submit(daemon.run)
        try:
            well = daemon.wait("orders")
            defective, gone, missing = (daemon.wait(name) for name in ("defective", "gone", "missing"))
            assert daemon.first_tick("slow") is None, "it waits, and has kept nobody else waiting"
            (folder / "released").touch()
            slow = daemon.wait("slow")
        finally:
            (folder / "released").touch()
            daemon.stop()
            running.result()

    assert well.status == slow.status == TickStatus.SUCCESS
    assert len(well.run_ids) == 1
    assert defective.status == TickStatus.FAILURE
    assert defective.error is not None
    assert "a defect of ours" in str(defective.error)
    assert gone.status == missing.status == TickStatus.SKIPPED
    assert "a-bucket-that-is-gone" in str(gone.skip_reason) or "does not exist" in str(gone.skip_reason)
    assert "stage local of pipeline missing is not deployed" in str(missing.skip_reason)
