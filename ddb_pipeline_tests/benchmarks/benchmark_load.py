"""How long Dagster takes to load twenty pipelines: a new process, from its first line of Python to all definitions.

The limit is the project's: 4 seconds. What importing Dagster alone takes on the same machine stands beside it, and what
of it is work, whatever else the machine does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ddb_pipeline_tests.benchmarks.figures import Figure

ROUNDS = 3
PIPELINES = 20
LIMIT_SECONDS = 4

LOAD = """
from ddb_pipeline.definitions import defs

defs().get_repository_def().load_all_definitions()
"""


def seconds(code: str, folder: Path) -> tuple[float, float]:
    """How long Python takes to run this in a folder, and how long the processor works for it: the best of each."""
    found = []
    for _ in range(ROUNDS):
        begun, before = time.perf_counter(), os.times()
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
        after = os.times()
        worked = after.children_user + after.children_system - before.children_user - before.children_system
        found.append((time.perf_counter() - begun, worked))
    return min(whole for whole, _ in found), min(worked for _, worked in found)


def run() -> Iterator[Figure]:
    """Yield the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables = [
            f'[pipelines.p{number}]\npartition_key = {{ name = "pk", type = "S" }}\nstart_date = 2026-01-01\n'
            for number in range(PIPELINES)
        ]
        (folder / "pipeline.toml").write_text("".join(tables) + "[stages.local]\n", encoding="utf-8")
        (loaded, worked), (imported, _) = seconds(LOAD, folder), seconds("import dagster", folder)
    what = f"loading {PIPELINES} pipelines, best of {ROUNDS}"
    yield Figure(what, loaded, "limit", LIMIT_SECONDS, "s")
    yield Figure(f"{what}, processor time", worked, "limit", LIMIT_SECONDS, "s")
    yield Figure(what, loaded, "import dagster alone", imported, "s")
