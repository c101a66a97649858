"""How long local AWS takes to start, and how much memory it then holds; three of them at once besides.

Each start is a process of its own, from its first line of Python to the answer to a first request. The limits are
those of the project: 2 seconds and 150 MB.
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

from ddb_pipeline_tests.benchmarks.figures import Figure

ROUNDS = 5
AT_ONCE = 3
LIMIT_SECONDS = 2
LIMIT_MEGABYTES = 150

SERVE = """
import sys
from ddb_pipeline.local_aws.server import LocalAws

with LocalAws() as server:
    print(server.endpoint, flush=True)
    sys.stdin.readline()
"""


@contextmanager
def started() -> Iterator[tuple[float, float]]:
    """A local AWS of its own; seconds until its first answer, and megabytes that it held then."""
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{endpoint}/_local_aws/health") as answer:
            answer.read()
        seconds = time.perf_counter() - begun
        try:
            yield seconds, psutil.Process(process.pid).memory_info().rss / 1e6
        finally:
            process.communicate("\n")


def run() -> Iterator[Figure]:
    """Yield the figures."""
    found = []
    for _ in range(ROUNDS):
        with started() as figures:
            found.append(figures)
    seconds, megabytes = min(one for one, _ in found), max(other for _, other in found)
    yield Figure(f"start to first answer, best of {ROUNDS}", seconds, "limit", LIMIT_SECONDS, "s")
    yield Figure(f"memory after the start, most of {ROUNDS}", megabytes, "limit", LIMIT_MEGABYTES, "MB")
    with ExitStack() as stack:
        all_megabytes = sum(stack.enter_context(started())[1] for _ in range(AT_ONCE))
    yield Figure(f"memory of {AT_ONCE} at once", all_megabytes, "limit", AT_ONCE * LIMIT_MEGABYTES, "MB")
