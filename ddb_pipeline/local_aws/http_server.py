"""HTTP on loopback: the socket, a thread for each connection, and the log of the requests."""

from __future__ import annotations

import socket
import threading
import traceback
from pathlib import Path
from typing import Any, TextIO

from werkzeug.serving import ThreadedWSGIServer

from ddb_pipeline.local_aws.connections import Connection
from ddb_pipeline.local_aws.gateway import Gateway

HOST = "127.0.0.1"
LOG_FILE = "requests.log"
_LONGEST_LOG = 10 * 2**20
"""Characters; what is older is kept in one more file of that size."""


class LocalAwsError(Exception):
    """Local AWS cannot start."""


class PortTakenError(LocalAwsError):
    """Another program listens on the port."""


class RequestLog:
    """The request log, in a file or nowhere; `make dev` may run for days, so it does not grow without end."""

    def __init__(self, directory: Path | None) -> None:
        self._lock = threading.Lock()
        self._path = None if directory is None else directory / LOG_FILE
        self._file: TextIO | None = None
        self._length = 0
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("w", encoding="utf-8", buffering=1)

    def write(self, text: str) -> None:
        """Write one line or more; nothing once the log is closed."""
        with self._lock:
            if self._path is None or self._file is None:
                return
            self._length += self._file.write(text if text.endswith("\n") else text + "\n")
            if self._length > _LONGEST_LOG:
                self._file.close()
                self._path.replace(self._path.with_suffix(".old.log"))
                self._file, self._length = self._path.open("w", encoding="utf-8", buffering=1), 0

    def close(self) -> None:
        """Write nothing more."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


class _Handler(Connection):
    """Handles one connection, and logs to our file instead of standard error."""

    server: Server

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002 - its signature
        """Log a request: time, method, path, the operation if a header names it, status."""
        target = self.headers.get("X-Amz-Target", "-")
        # what a client sends may hold line ends and colours
        line = f"{self.log_date_time_string()} {self.requestline} {target} {code}"
        if not line.isprintable():
            line = "".join(part if part.isprintable() else "?" for part in line)
        self.server.log("info", "%s", line)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's name
        """Log anything else, with its time."""
        self.server.log(type, f"{self.log_date_time_string()} {message}", *args)


class Server(ThreadedWSGIServer):
    """A thread for each connection, on a socket that is bound already."""

    def __init__(self, listener: socket.socket, gateway: Gateway, log: RequestLog) -> None:
        host, port = listener.getsockname()
        super().__init__(host, port, gateway, _Handler, fd=listener.fileno())
        self._log_file = log

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002, ARG002 - werkzeug's name
        """Log a line."""
        self._log_file.write(message % args if args else message)

    def close_log(self) -> None:
        """Log nothing more."""
        self._log_file.close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - werkzeug's signature
        """Log an error of a connection, such as a client that went away."""
        self._log_file.write(traceback.format_exc())


def listen(port: int) -> socket.socket:
    """Take the port, on loopback only.

    Raises:
        PortTakenError: Another program has it.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # a port that was served a moment ago can be taken again; one that is listened on cannot
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PortTakenError(
            f"port {port} of {HOST} cannot be taken ({error.strerror}): stop the program that uses it "
            "(`ddb-pipeline local down`, if it is local AWS), or choose another port"
        ) from error
    return listener
