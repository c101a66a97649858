"""A tick sends AWS no request that it has no time for, in whatever thread and at whatever attempt.

Dagster ends a tick after 60 seconds, and then nothing of it counts: its cursor stays where it was, and the next one
fares no better. `ticks` ends it before that; what is here lets it end by itself before that, with what it has found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, ParamSpec, TypeVar

from ddb_pipeline.errors import AwsError

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_SECONDS, ANSWER_SECONDS, ATTEMPTS = 2, 5, 3
"""How long a request of a tick waits to be connected to an address of its host, and for each part of its answer; how
often a call is attempted. Between attempts pass at most one and two seconds (botocore, retry mode "standard")."""
READING_SECONDS = 15.0
"""How long after its start a tick may begin to read another page of S3. So time is left for what it asks besides, such
as two requests to the catalog where there are two formats: as long as a first attempt answers, within seven seconds, a
tick gets on."""
LAST_REQUEST_SECONDS = 40.0
"""How long after its start a tick may send a request."""
_until: ContextVar[float | None] = ContextVar("until", default=None)


class NoTimeLeftError(AwsError):
    """A request was not sent, because the tick might not end in time."""


class Threads(ThreadPoolExecutor):
    """A pool of threads whose work belongs to the tick that hands it in, if there is one."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Hand work in; `map` comes by here, too."""
        # a thread of its own has no context: its requests would never be late
        context = copy_context()
        return super().submit(lambda: context.run(fn, *args, **kwargs))


@contextmanager
def within_a_tick() -> Iterator[None]:
    """Let clients with a `refuse_late_requests` refuse what comes too late after now, in this thread and its `Threads`.

    Yields:
        Nothing. A request that is refused raises a `NoTimeLeftError`.
    """
    token = _until.set(time.monotonic() + LAST_REQUEST_SECONDS)
    try:
        yield
    finally:
        _until.reset(token)


def refuse_late_requests(client: Any) -> None:
    """Let a boto3 client send no request, and repeat none, when the tick in which it is used has no time for it.

    Args:
        client: The client.
    """
    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register_first(f"before-send.{service}", _refuse, unique_id="refuse-late-requests")


def _refuse(event_name: str, **_: Any) -> None:
    until = _until.get()
    if until is not None and time.monotonic() > until:
        raise NoTimeLeftError(
            f"AWS answers so slowly that this tick has no time left for {event_name.rpartition('.')[2]}: the next tick "
            "tries again; if each one says so, look at the network between here and AWS",
            transient=True,
        )
