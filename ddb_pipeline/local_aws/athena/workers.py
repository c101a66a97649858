"""Threads that run queries one after the other; one that DuckDB never gives back is replaced."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

from ddb_pipeline.local_aws.athena.execution import QueryExecution

# longer than a stopped query is waited for
_PATIENCE_SECONDS = 7.0


class Workers:
    """A fixed number of threads that run what is submitted, in its order.

    They end with the process: one that hangs inside DuckDB must not keep it alive.

    Args:
        count: How many run at a time.
        run: Runs one query to its end.
    """

    def __init__(self, count: int, run: Callable[[QueryExecution], None]) -> None:
        self._run = run
        self._waiting: queue.SimpleQueue[QueryExecution | None] = queue.SimpleQueue()
        self._count = count
        self._threads: list[threading.Thread] = []
        for _ in range(count):
            self._start()

    def submit(self, execution: QueryExecution) -> None:
        """Run a query as soon as a thread is free."""
        execution.when_abandoned = self._start
        self._waiting.put(execution)

    def end(self) -> None:
        """Let each thread end when it is free, and wait for that; those that hang are left behind."""
        for _ in range(self._count):
            self._waiting.put(None)
        end = time.monotonic() + _PATIENCE_SECONDS
        for thread in list(self._threads):
            thread.join(max(0.0, end - time.monotonic()))

    @property
    def are_busy(self) -> bool:
        """Whether a thread has not ended."""
        return any(thread.is_alive() for thread in self._threads)

    def _start(self) -> None:
        thread = threading.Thread(target=self._work, name="athena", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (execution := self._waiting.get()) is not None:
            self._run(execution)
            if execution.is_abandoned:
                # another thread has taken this one's place
                return
