"""The faults of a server: what is to go wrong now, and the answer to a request that is struck."""

from __future__ import annotations

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ddb_pipeline.local_aws.answers import Answer, StartResponse, signed_service
from ddb_pipeline.local_aws.faults.calls import call_of, check_exists
from ddb_pipeline.local_aws.faults.errors import refusal
from ddb_pipeline.local_aws.faults.rules import Call, Fault, InvalidFaultError, Standing

Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class CutError(ConnectionAbortedError):
    """The connection is to end here; to the server it is a client that went away, so it closes without a word."""


class Faults:
    """What is to go wrong with the requests of one server. Nothing, until it is told.

    Args:
        may_kill: Whether a fault of kind kill may end this process, since it is local AWS's own.

    Attributes:
        are_set: Whether there is any. All that a server without faults looks at.
    """

    def __init__(self, *, may_kill: bool) -> None:
        self.are_set = False
        self._may_kill = may_kill
        self._lock = threading.Lock()
        self._standing: list[Standing] = []
        self._changed = threading.Event()

    def set(self, faults: Iterable[Fault]) -> None:
        """Let these faults be, and no others. Requests that are stalled go on.

        Of several that could strike a request, the first one that does is the only one.

        Args:
            faults: What is to go wrong.

        Raises:
            InvalidFaultError: A fault could never strike, or would kill a process that is not local AWS's own.
        """
        standing = [Standing(fault) for fault in faults]
        for one in standing:
            check_exists(one.fault)
            if one.fault.kind == "kill" and not self._may_kill:
                raise InvalidFaultError(
                    "local AWS runs in a process of others, which it does not kill: start it with "
                    "`ddb-pipeline local up` for that"
                )
        with self._lock:
            self._standing, self.are_set = standing, bool(standing)
            self._changed.set()
            self._changed = threading.Event()

    def describe(self) -> dict[str, Any]:
        """Return all faults, with what came of them, as a JSON object."""
        with self._lock:
            return {
                "faults": [
                    {**standing.fault.settings(), "met": standing.met, "struck": standing.struck}
                    for standing in self._standing
                ]
            }

    def around(self, serve: Application) -> Application:
        """Return an application that answers requests as another does, and wrongly those that a fault strikes.

        Args:
            serve: Carries a request out and answers it.
        """
        return functools.partial(self._answer, serve)

    def _answer(self, serve: Application, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        call = call_of(environ, signed_service(environ))
        fault, changed = self._strike(call)
        if fault is None:
            return serve(environ, start_response)
        if not fault.carried_out and fault.kind != "cut":
            if fault.kind == "stall":
                changed.wait(fault.seconds)
                return serve(environ, start_response)
            return self._instead(fault, call, environ, start_response)
        held: list[Any] = []
        body = b"".join(serve(environ, lambda *arguments: held.append(arguments)))
        if fault.kind == "cut":
            return _cut(held[-1], body, start_response)
        if fault.kind == "stall":
            changed.wait(fault.seconds)
            start_response(*held[-1])
            return [body]
        return self._instead(fault, call, environ, start_response)

    def _strike(self, call: Call) -> tuple[Fault | None, threading.Event]:
        with self._lock:
            struck = next((standing for standing in self._standing if standing.strikes(call)), None)
            return struck.fault if struck else None, self._changed

    def _instead(
        self, fault: Fault, call: Call, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        if fault.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        refused = refusal(fault, call)
        return Answer(environ, start_response).error(refused.status, refused.code, refused.message)


def _cut(head: tuple[Any, ...], body: bytes, start_response: StartResponse) -> Iterator[bytes]:
    """Promise the whole body, send half of it and close the connection."""
    if not body:
        raise CutError
    status, headers = head[:2]
    kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
    start_response(status, [*kept, ("Content-Length", str(len(body)))])

    def half() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        raise CutError

    return half()
