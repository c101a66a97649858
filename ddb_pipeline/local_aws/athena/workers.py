"""Threads that run queries one after the other; one that DuckDB never gives back is replaced."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from ddb_pipeline.local_aws.athena.execution import QueryExecution


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
        for _ in range(count):
            self._start()

    def submit(self, execution: QueryExecution) -> None:
        """Run a query as soon as a thread is free."""
        execution.when_abandoned = self._start
        self._waiting.put(execution)

    def end(self) -> None:
        """Let each thread end when it is free."""
        for _ in range(self._count):
            self._waiting.put(None)

    def _start(self) -> None:
        threading.Thread(target=self._work, name="athena", daemon=True).start()

    def _work(self) -> None:
        while (execution := self._waiting.get()) is not None:
            self._run(execution)
            if execution.is_abandoned:
                # another thread has taken this one's place
                return
