"""One Lambda function's process, seen from local AWS: start it, send it an event, read answer and log, end it.

Knows nothing of moto. A function's process stays for many invocations, as an execution environment does in Lambda,
and is killed when an invocation passes the timeout.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ddb_pipeline.local_aws.function_worker import read_frame, write_frame

WORKER = Path(__file__).with_name("function_worker.py")
START_SECONDS = 30.0
"""Longest that the process may take to import the function's module. Lambda allows 10 s; a busy laptop needs more."""
LOG_BYTES = 1024 * 1024
"""Longest log kept of one invocation; the oldest bytes go first."""


@dataclass(frozen=True)
class Run:
    """What one invocation gave.

    Attributes:
        payload: The handler's answer, or the description of its error; JSON.
        failed: Whether `payload` describes an error.
        log: What the function printed and logged.
        request_id: The invocation's id.
        seconds: How long it ran.
    """

    payload: bytes
    failed: bool
    log: str
    request_id: str
    seconds: float


class FunctionProcess:
    """A worker process with one function loaded. Invocations wait for each other.

    Args:
        code: Directory with the function's code.
        environment: The process's whole environment.
        timeout_seconds: Longest that one invocation may take.
        function_arn: ARN that the function sees in its context.
    """

    def __init__(self, code: Path, environment: Mapping[str, str], timeout_seconds: float, function_arn: str) -> None:
        self._code = code
        self._environment = dict(environment)
        self._timeout = timeout_seconds
        self._arn = function_arn
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._log = _Log()
        self._ended = False

    def run(self, payload: bytes) -> Run:
        """Run the handler on one event.

        Args:
            payload: The event, JSON.

        Returns:
            The answer; an error of the function is an answer too.
        """
        request_id = str(uuid.uuid4())
        with self._lock:
            is_ready = self._start()
            started = time.monotonic()
            marker = f"end of log {uuid.uuid4().hex}"
            request = {
                "request_id": request_id,
                "function_arn": self._arn,
                "timeout_seconds": self._timeout,
                "end_of_log": marker,
            }
            deadline = started + self._timeout
            answer = self._exchange(json.dumps(request).encode(), payload, deadline) if is_ready else None
            seconds = time.monotonic() - started
            if answer is None:
                overdue = seconds >= self._timeout
                code = self._kill()
                document = self._death(request_id, code, overdue=overdue)
                return Run(document, failed=True, log=self._log.take(), request_id=request_id, seconds=seconds)
            failed, body = answer
            log = self._log.take_until(marker)
            return Run(body, failed=failed, log=log, request_id=request_id, seconds=seconds)

    def end(self) -> None:
        """End the process, also in the middle of an invocation; no invocation starts after that."""
        self._ended = True
        process = self._process
        if process is not None:
            _kill_group(process)

    def _start(self) -> bool:
        """Start the process if it is not there: at first, and after it died or was killed.

        Returns:
            Whether the process has imported the function's module, or tried to, and waits for events.
        """
        if self._process is not None and self._process.poll() is None:
            return True
        if self._ended:
            raise RuntimeError("local AWS has stopped: this function runs no more")
        self._close()
        self._frames = queue.SimpleQueue()
        self._log = _Log()
        self._process = subprocess.Popen(
            # -P: the worker's own folder is no place for the function to import from; -s: nor is the user's
            [sys.executable, "-s", "-P", "-u", "-X", "utf8", str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._code,
            env=self._environment,
            # a group of its own: Ctrl-C is for local AWS, and what the function starts is ended with it
            start_new_session=True,
        )
        answers, log = self._process.stdout, self._process.stderr
        if answers is None or log is None:
            raise RuntimeError("the worker process has no pipes")
        _start_thread(_forward_frames, answers, self._frames.put)
        _start_thread(self._log.follow, log)
        # The module is imported before the clock of the first invocation starts, as in Lambda's init phase.
        return self._frame(time.monotonic() + START_SECONDS) is not None

    def _exchange(self, head: bytes, payload: bytes, deadline: float) -> tuple[bool, bytes] | None:
        stdin = None if self._process is None else self._process.stdin
        if stdin is None:
            return None
        # A function that hangs does not read: writing may block, so it has its own thread.
        _start_thread(_send, stdin, (head, payload))
        answer_head = self._frame(deadline)
        body = None if answer_head is None else self._frame(deadline)
        if answer_head is None or body is None:
            return None
        return bool(json.loads(answer_head)["failed"]), body

    def _frame(self, deadline: float) -> bytes | None:
        try:
            return self._frames.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            return None

    def _kill(self) -> int:
        """Kill the process and return its exit status, negative for a signal."""
        if self._process is None:
            return 0
        status = _kill_group(self._process)
        self._log.wait()
        return status

    def _death(self, request_id: str, status: int, *, overdue: bool) -> bytes:
        """Describe an invocation that never answered (messages as Lambda words them)."""
        if overdue:
            error = ("Sandbox.Timedout", f"Task timed out after {self._timeout:.2f} seconds")
        else:
            reason = f"exit status {status}" if status >= 0 else f"signal {-status}"
            error = ("Runtime.ExitError", f"Runtime exited with error: {reason}")
        self._log.add(f"{request_id} {error[1]}\n".encode())
        return json.dumps(
            {"errorType": error[0], "errorMessage": f"RequestId: {request_id} Error: {error[1]}"}
        ).encode()

    def _close(self) -> None:
        """Let go of a dead process; the threads that read from it close their own pipes."""
        if self._process is not None and self._process.stdin is not None:
            _close_quietly(self._process.stdin)


class _Log:
    """What a process writes to its standard error, collected until it is taken."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._changed = threading.Condition()
        self._ended = False

    def follow(self, stream: IO[bytes]) -> None:
        with stream:
            while part := os.read(stream.fileno(), 65536):
                self.add(part)
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def add(self, part: bytes) -> None:
        with self._changed:
            self._bytes += part
            del self._bytes[: max(0, len(self._bytes) - LOG_BYTES)]
            self._changed.notify_all()

    def take_until(self, marker: str) -> str:
        """Take what was written before the marker, which the worker wrote before it answered."""
        end = f"\n{marker}\n".encode()
        with self._changed:
            self._changed.wait_for(lambda: end in self._bytes or self._ended, timeout=5)
            taken, _, rest = self._bytes.partition(end)
            self._bytes = rest
        return taken.decode("utf-8", "replace")

    def take(self) -> str:
        with self._changed:
            taken, self._bytes = self._bytes, bytearray()
        return taken.decode("utf-8", "replace")

    def wait(self) -> None:
        """Wait until the process's last words have been read."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended, timeout=2)


def _forward_frames(stream: IO[bytes], put: Callable[[bytes | None], None]) -> None:
    """Pass the process's frames on; None when it is gone."""
    try:
        with stream:
            while (frame := read_frame(stream)) is not None:
                put(frame)
    finally:
        put(None)


def _send(stream: IO[bytes], frames: tuple[bytes, ...]) -> None:
    try:
        for frame in frames:
            write_frame(stream, frame)
    except (BrokenPipeError, ValueError):
        # the process died, or was closed: the invocation sees that by itself
        return


def _close_quietly(pipe: IO[bytes]) -> None:
    try:
        pipe.close()
    except BrokenPipeError:
        # bytes for a process that is gone
        return


def _kill_group(process: subprocess.Popen[bytes]) -> int:
    """Kill the process and what it started; return its exit status, negative for a signal."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _start_thread(target: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=target, args=arguments, name="local-aws-function", daemon=True).start()
