"""Local AWS as one server on loopback: moto's backends, extended by the modules of this package.

All state is in memory and in this process; a second server in the same process starts empty, but two at once would
share their state, so `start` refuses that.
"""

from __future__ import annotations

import atexit
import os
import threading
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data

from ddb_pipeline.local_aws import (
    athena,
    change_stream,
    crawler,
    delivery,
    deployment,
    functions,
    lean_moto,
    permissions,
)
from ddb_pipeline.local_aws.faults import Fault, Faults
from ddb_pipeline.local_aws.gateway import Gateway
from ddb_pipeline.local_aws.http_server import HOST, LocalAwsError, PortTakenError, RequestLog, Server, listen
from ddb_pipeline.local_aws.process_environment import restore_environment, set_environment
from ddb_pipeline.names import PROJECT

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.state import Keeper

__all__ = ["HOST", "LocalAws", "LocalAwsError", "PortTakenError"]

_NO_FAULTS_WITH_STATE = "a stream that does wrong on request cannot be kept on disk: start local AWS without a state"

_running = threading.Lock()


class LocalAws:
    """An AWS on this machine's loopback, for the services of the path.

    Args:
        port: Port to listen on; 0 takes a free one.
        directory: Where the request log and the functions' code go; without it there is no log, and the code
            goes to a temporary directory.
        faults: What every change stream is to do wrong, for tests of consumers; nothing by default. `POST
            /_local_aws/stream-faults` changes it later, for one stream or for all.
        expiry_seconds: How often items whose time to live has passed are deleted; by default only when asked for, by
            `POST /_local_aws/expire-items`.
        state: Where the state is kept, for a later local AWS to go on with; without it everything is in memory only.
        may_be_killed: Whether this process is local AWS's own, so that a fault may kill it.

    Attributes:
        request_faults: What is to go wrong with requests, for tests of clients; nothing by default.
    """

    def __init__(
        self,
        port: int = 0,
        directory: Path | None = None,
        *,
        faults: change_stream.StreamFaults | None = None,
        expiry_seconds: float | None = None,
        state: Path | None = None,
        may_be_killed: bool = False,
    ) -> None:
        if state is not None and faults is not None and faults.any:
            raise LocalAwsError(_NO_FAULTS_WITH_STATE)
        self.request_faults = Faults(may_kill=may_be_killed)
        self._port = port
        self._state = state
        self._keeper: Keeper | None = None
        self._directory = directory
        self._faults = faults
        self._expiry_seconds = expiry_seconds
        self._server: Server | None = None
        self._gateway: Gateway | None = None
        self._thread: threading.Thread | None = None
        self._environment: dict[str, str | None] = {}
        self._stop_lock = threading.Lock()
        self._stopped = threading.Event()

    @property
    def endpoint(self) -> str:
        """The URL to give to clients, such as in `AWS_ENDPOINT_URL`.

        Raises:
            LocalAwsError: Local AWS has not been started.
        """
        if self._server is None:
            raise LocalAwsError("local AWS has not been started: call start() first")
        return f"http://{HOST}:{self._server.port}"

    def start(self) -> None:
        """Take the port, make the backends ready and serve from threads of this process.

        Raises:
            PortTakenError: Another program listens on the port; nothing was started.
            LocalAwsError: A local AWS runs in this process already, or the directory of the state cannot be used.
        """
        if not _running.acquire(blocking=False):
            raise LocalAwsError("a local AWS runs in this process already: stop it first")
        try:
            listener = listen(self._port)
        except BaseException:
            _running.release()
            raise
        self._stopped.clear()
        self._environment = set_environment()
        try:
            with listener:
                log = RequestLog(self._directory)
                self._keeper = _keeper(self._state)
                before_answer = self._keeper.answer_may_leave if self._keeper else lambda _environ: None
                self._gateway = Gateway(self._controls(), log.write, self.request_faults, before_answer)
                self._server = Server(listener, self._gateway, log)
            self._install()
            if self._keeper is not None:
                _start_keeping(self._keeper)
        except BaseException:
            if self._server is not None:
                self._server.server_close()
            if self._keeper is not None:
                self._keeper.close()
            self._server = self._gateway = self._keeper = None
            restore_environment(self._environment)
            _running.release()
            raise
        self._thread = threading.Thread(target=self._serve, args=(self._server,), name="local-aws", daemon=True)
        self._thread.start()
        # what still runs when the interpreter goes away would hold DuckDB's objects, of which DuckDB then complains
        atexit.register(self.stop)

    def _install(self) -> None:
        """Put our backends in the place of moto's."""
        lean_moto.install()
        functions.install(self.endpoint, None if self._directory is None else self._directory / "functions")
        change_stream.install(self._faults, self._expiry_seconds)
        delivery.install()
        crawler.install()
        athena.install()
        deployment.install(self.endpoint)
        permissions.install()

    def stop(self) -> None:
        """End background work and functions, stop serving, and forget everything. Stopping twice is harmless."""
        with self._stop_lock:
            if self._server is None or self._gateway is None or self._thread is None:
                return
            atexit.unregister(self.stop)
            self.request_faults.set([])
            self._end_work()
            self._gateway.close()
            self._server.shutdown()
            self._thread.join(timeout=5)
            self._server.close_log()
            if self._keeper is not None:
                self._keeper.stop()
                self._keeper.close()
                self._keeper = None
            BackendDict.reset()
            reset_model_data()
            restore_environment(self._environment)
            self._server, self._gateway, self._thread = None, None, None
            _running.release()
            self._stopped.set()

    def reset(self) -> None:
        """Forget everything, and go on serving: as a stop and a start at the same port, in a few milliseconds.

        Raises:
            LocalAwsError: The state is kept on disk, where it is to stay.
        """
        with self._stop_lock:
            if self._server is None:
                raise LocalAwsError("local AWS has not been started: call start() first")
            if self._keeper is not None:
                raise LocalAwsError("local AWS keeps its state on disk, and so forgets nothing")
            self.request_faults.set([])
            self._end_work()
            BackendDict.reset()
            reset_model_data()
            self._install()

    @staticmethod
    def _end_work() -> None:
        deployment.stop()
        change_stream.stop()
        delivery.stop()
        crawler.stop()
        athena.stop()
        functions.stop()
        permissions.stop()

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait until local AWS has stopped, for instance by `POST /_local_aws/shutdown`.

        Args:
            timeout_seconds: Longest wait; None waits for ever.

        Returns:
            Whether it has stopped.
        """
        return self._stopped.wait(timeout_seconds)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @staticmethod
    def _serve(server: Server) -> None:
        # the default of 0.5 s makes every stop that slow
        server.serve_forever(poll_interval=0.05)

    def _controls(self) -> dict[tuple[str, str], Any]:
        return {
            ("GET", "health"): self._health,
            ("POST", "reset"): self._reset,
            ("POST", "shutdown"): self._shutdown,
            ("POST", "expire-items"): change_stream.expire_items,
            ("GET", "faults"): self.request_faults.describe,
            ("POST", "faults"): self._set_faults,
            ("GET", "stream-faults"): change_stream.stream_faults,
            ("POST", "stream-faults"): self._set_stream_faults,
            ("PUT", deployment.RESPONSE_PATH): deployment.respond,
        }

    @staticmethod
    def _health() -> dict[str, Any]:
        return {"status": "ok", "pid": os.getpid(), "version": metadata.version(PROJECT)}

    def _set_faults(self, faults: list[dict[str, Any]]) -> dict[str, Any]:
        if not isinstance(faults, list) or not all(isinstance(fault, dict) for fault in faults):
            raise ValueError("faults is a list of objects")
        self.request_faults.set([Fault.of(fault) for fault in faults])
        return self.request_faults.describe()

    def _set_stream_faults(self, stream: str | None = None, **settings: Any) -> dict[str, Any]:
        if self._keeper is not None:
            raise ValueError(_NO_FAULTS_WITH_STATE)
        change_stream.set_stream_faults(change_stream.StreamFaults.of(settings), stream)
        return change_stream.stream_faults()

    def _reset(self) -> dict[str, Any]:
        try:
            self.reset()
        except LocalAwsError as error:
            raise ValueError(str(error)) from error
        return {"status": "empty"}

    def _shutdown(self) -> dict[str, Any]:
        # from another thread: stop() waits for this one's answer
        threading.Timer(0.1, self.stop).start()
        return {"status": "stopping", "pid": os.getpid()}


def _keeper(state: Path | None) -> Keeper | None:
    """What keeps the state in a directory, if it is to be kept.

    Raises:
        LocalAwsError: The directory cannot be used.
    """
    if state is None:
        return None
    from ddb_pipeline.local_aws.state import Keeper, StateError

    try:
        return Keeper(state)
    except StateError as error:
        raise LocalAwsError(str(error)) from error


def _start_keeping(keeper: Keeper) -> None:
    """Put back what was kept.

    Raises:
        LocalAwsError: It cannot be read.
    """
    from ddb_pipeline.local_aws.state import StateError

    try:
        keeper.start()
    except StateError as error:
        raise LocalAwsError(str(error)) from error
