"""Asynchronous invocations: an event that nobody waits for, and that is tried again when the function fails.

(lambda/latest/dg/invocation-async.html and invocation-async-error-handling.html: two retries, a minute after the
first attempt and two minutes after the second.)
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

EVENT_BYTES = 1024 * 1024
"""Longest event (dg/gettingstarted-limits.html: 1 MB for an asynchronous invocation)."""
RETRY_SECONDS = (60.0, 120.0)
"""Pauses before an event is tried again."""

LOG = logging.getLogger(__name__)


class _Stopping:
    """Whether local AWS ends; one for each time that it is started."""

    def __init__(self) -> None:
        self.event = threading.Event()


_stopping = _Stopping()


def start() -> None:
    """Take events from now on."""
    _stopping.event = threading.Event()


def stop() -> None:
    """Try nothing again."""
    _stopping.event.set()


def send(name: str, attempt: Callable[[], bool]) -> None:
    """Invoke a function in the background.

    Args:
        name: Name of the function, for the log.
        attempt: Invokes it once, and says whether that is the end of the event.
    """
    stopping = _stopping.event

    def work() -> None:
        for pause in (0.0, *RETRY_SECONDS):
            if stopping.wait(pause):
                return
            try:
                if attempt():
                    return
            except Exception:  # a thread of its own: nobody else would hear of it
                if not stopping.is_set():
                    LOG.exception("function %s", name)
                return
        LOG.warning("function %s failed on an event %d times: the event is dropped", name, 1 + len(RETRY_SECONDS))

    threading.Thread(target=work, name="local-aws-function-event", daemon=True).start()
