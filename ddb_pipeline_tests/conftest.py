"""What the tests share: one local AWS for each worker process, with the synthesized stacks deployed to it."""

from __future__ import annotations

import fcntl
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ddb_pipeline.cli import local_stack
from ddb_pipeline.declaration import load_declaration
from ddb_pipeline_tests.deployed import Deployed, local_stage
from ddb_pipeline_tests.lean_libraries import lighten, lighten_dagster

REPOSITORY = Path(__file__).parent.parent
PIPELINES = Path(__file__).parent / "pipelines.toml"

lighten()

# how long something took says nothing of it where other processes share the machine
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are named by their length: worker processes must agree on names, and a gzip file may hold the time."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Let each worker process start reading the test files elsewhere, if it is to read them all.

    pytest rewrites the assertions of each file once and keeps the result. In a fresh clone all workers would do so with
    the same file at the same time; so, each does its part, and finds the parts of the others done.
    """
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER"), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if worker is None or session.config.args != session.config.getini("testpaths"):
        return
    files = sorted(Path(__file__).parent.rglob("test_*.py"))
    first = len(files) * int(worker.removeprefix("gw")) // workers
    for file in files[first:] + files[:first]:
        try:
            importlib.import_module(".".join(file.relative_to(REPOSITORY).with_suffix("").parts))
        except Exception:  # noqa: BLE001 - whatever it is, pytest says it when it reads the file itself
            return


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_developer() -> Iterator[None]:
    """No test may reach the developer's AWS account, read a profile, or find a stage that is not its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "DDB_PIPELINE_", "DAGSTER_")):
                patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="module", autouse=True)
def _no_instance_of_an_earlier_test() -> Iterator[None]:
    """Dagster remembers the last instance in a context variable, and fails to load definitions once that is gone.

    The variable cannot be trusted to be empty: what an interrupted run left open is closed by the garbage collector, at
    any time, and then brings back what was there before. Of a module, so that what its tests share is spared, too.
    """
    if "dagster" not in sys.modules:
        yield
        return
    from dagster._core.storage.defs_state.base import DefsStateStorage

    lighten_dagster()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DefsStateStorage, "get", lambda: None)
        yield


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cloud assembly of `pipelines.toml`, synthesized once for all worker processes."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    directory = shared / "assembly"
    with (shared / "assembly.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "manifest.json").exists():
            local_stack.synthesize(load_declaration(PIPELINES), directory)
    return directory


@pytest.fixture(scope="session")
def deployed(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A local AWS of this worker process, with every pipeline of `pipelines.toml` deployed."""
    with local_stage(load_declaration(PIPELINES), assembly, tmp_path_factory.mktemp("local_aws")) as stage:
        yield stage


@pytest.fixture
def stage(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """The environment as `.env` gives it after `ddb-pipeline local up`, for code that reads its settings."""
    for name, value in local_stack.environment(deployed.endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DDB_PIPELINE_FILE", str(PIPELINES))
    return deployed
