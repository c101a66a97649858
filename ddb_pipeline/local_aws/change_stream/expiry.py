"""Time to live in the background: what DynamoDB does within days of an item's expiry, done every few seconds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

LOG = logging.getLogger(__name__)


class Sweeper:
    """A thread that has expired items deleted every so often.

    Args:
        sweep: Deletes what has expired.
        interval_seconds: From one sweep to the next.
    """

    def __init__(self, sweep: Callable[[], object], interval_seconds: float) -> None:
        self._sweep = sweep
        self._interval_seconds = interval_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="time to live", daemon=True)

    def start(self) -> None:
        """Start to sweep."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the sweep that is going on."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._interval_seconds):
            try:
                self._sweep()
            except Exception:  # one table's trouble must not end the sweeping of all
                LOG.exception("expired items could not be deleted")
