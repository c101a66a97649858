"""A tick ends within Dagster's minute, whatever it waits for.

Requests of a tick are given up early (`resources.tick_limit`). But no setting of a client bounds all that a call may
take: a host with many addresses, an answer that comes in drops, a name that is not resolved, a program that brings the
credentials, a lock that another thread holds meanwhile. So the work of a tick has a thread of its own, which is left
behind when the time is over. It changes nothing, and ends at its next request; until then no other tick of the same
sensor begins to wait for the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

from dagster import SkipReason

from ddb_pipeline.errors import PipelineError

T = TypeVar("T")

TICK_SECONDS = 52.0
"""How long a tick takes at most. Dagster counts 60 from when its daemon asks for it (dagster._grpc.utils): the rest is
for the way there, the wait for a thread of the code server, and the way back."""
_ADVICE = (
    "look at the network between here and AWS, and at what brings the credentials (.env, the profile); then reload the "
    "definitions (under Deployment)"
)
_left_behind: dict[str, threading.Thread] = {}


class GivenUpError(PipelineError):
    """Something took longer than there was time for.

    Attributes:
        thread: The thread that was left behind with it.
    """

    def __init__(self, message: str, thread: threading.Thread) -> None:
        super().__init__(message, transient=True)
        self.thread = thread


def ticked(name: str, work: Callable[[], T]) -> T | SkipReason:
    """Do the work of a tick in the time that it has; what a person can act on becomes the reason why it skips.

    Args:
        name: Name of the sensor or schedule.
        work: What the tick does.
    """
    before = _left_behind.get(name)
    if before is not None and before.is_alive():
        return SkipReason(f"an earlier tick was given up and still waits: if each tick says so, {_ADVICE}")
    _left_behind.pop(name, None)
    try:
        return in_time("this tick", work, TICK_SECONDS, f"the next one tries again; if each one says so, {_ADVICE}")
    except GivenUpError as error:
        _left_behind[name] = error.thread
        return SkipReason(str(error))
    except PipelineError as error:
        return SkipReason(str(error))


def in_time(what: str, work: Callable[[], T], seconds: float, advice: str) -> T:
    """Do some work in a thread of its own, and leave it behind when the time is over.

    Args:
        what: What is done, for the reader.
        work: Does it.
        seconds: How long it may take.
        advice: What to do when it takes longer.

    Returns:
        What the work returned; its errors come out as they are.

    Raises:
        GivenUpError: It takes longer.
    """
    done: Future[T] = Future()
    # the process may end while such a thread waits
    thread = threading.Thread(target=copy_context().run, args=(_fulfil, done, work), name=what, daemon=True)
    thread.start()
    thread.join(seconds)
    if not done.done():
        raise GivenUpError(f"{what} takes longer than {seconds:g} seconds and is given up: {advice}", thread)
    return done.result()


def _fulfil(done: Future[T], work: Callable[[], T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
        done.set_exception(error)
