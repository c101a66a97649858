"""A tick ends within Dagster's minute, however slowly AWS answers.

Dagster ends a tick after 60 seconds, and then nothing of it counts: its cursor stays where it was, and the next one
fares no better. So no call of a tick is begun so late that it might outlast the minute.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ddb_pipeline.errors import AwsError

CALL_SECONDS = 24
"""How long a call of a tick takes at most: three attempts, each 2 seconds to connect and 5 to be answered, and pauses
of at most one and two seconds between them (botocore, retry mode "standard")."""
READING_SECONDS = 15.0
"""How long after its start a tick may begin to read another page of S3. So time is left for what it asks besides, such
as two requests to the catalog where there are two formats: as long as a first attempt answers, within seven seconds, a
tick gets on."""
_LAST_CALL_SECONDS = 60 - CALL_SECONDS - 1
_until: ContextVar[float | None] = ContextVar("until", default=None)


class NoTimeLeftError(AwsError):
    """A call was not begun, because the tick might not end in time."""


@contextmanager
def within_a_tick() -> Iterator[None]:
    """Let clients with a `refuse_late_calls` refuse what is begun too late after now, in this thread.

    Yields:
        Nothing. A call that is refused raises a `NoTimeLeftError`.
    """
    token = _until.set(time.monotonic() + _LAST_CALL_SECONDS)
    try:
        yield
    finally:
        _until.reset(token)


def refuse_late_calls(client: Any) -> None:
    """Let a boto3 client begin no call when the tick in which it is used has no time for it.

    Args:
        client: The client, one that gives a call up after `CALL_SECONDS`.
    """
    client.meta.events.register("before-parameter-build", _refuse, unique_id="refuse-late-calls")


def _refuse(model: Any, **_: Any) -> None:
    until = _until.get()
    if until is not None and time.monotonic() > until:
        raise NoTimeLeftError(
            f"AWS answers so slowly that this tick has no time left for {model.name}: the next tick tries again; if "
            "each one says so, look at the network between here and AWS",
            transient=True,
        )
