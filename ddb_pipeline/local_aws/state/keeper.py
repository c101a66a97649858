"""Keeps the state of local AWS on disk: reads it at the start, and writes what changed before an answer leaves.

What was answered is on disk, so a client finds it again whatever ended the process. What a client could not know of
yet, such as a crawl that goes on, follows within a second.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ddb_pipeline.local_aws.state import watched
from ddb_pipeline.local_aws.state.collecting import Collector
from ddb_pipeline.local_aws.state.loading import Loader
from ddb_pipeline.local_aws.state.services import BACKGROUND, SERVICES, services_of
from ddb_pipeline.local_aws.state.store import StateError, Store

LOG = logging.getLogger(__name__)

_TICK_SECONDS = 0.5


class Keeper:
    """The state of one local AWS in one directory.

    Args:
        directory: Where it is; made if it is not there.

    Raises:
        StateError: The directory cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self._store = Store(directory)
        self._collector = Collector()
        self._lock = threading.Lock()
        self._failure: str | None = None
        self._stopping = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="local-aws-state", daemon=True)
        watched.install()

    def start(self) -> None:
        """Put everything back into the services, which must be empty, and begin to follow what changes.

        Raises:
            StateError: What was written cannot be read.
        """
        try:
            Loader(self._store, self._collector).load()
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise StateError(f"the state cannot be read ({reason}): use another directory") from error
        self._ticker.start()

    def answer_may_leave(self, environ: Mapping[str, Any]) -> None:
        """Write everything that the answer to a request can rest on.

        Args:
            environ: The request, as WSGI has it.

        Raises:
            StateError: It cannot be written: the answer must not say that anything was done.
        """
        self._write(services_of(environ))

    def stop(self) -> None:
        """Write everything; the services must be at rest."""
        self._stopping.set()
        if self._ticker.is_alive():
            self._ticker.join()
        if self._failure is None:
            self._write(frozenset(SERVICES))

    def close(self) -> None:
        """Leave the directory to others."""
        watched.stop()
        with self._lock:
            self._store.close()

    def _tick(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            try:
                self._write(BACKGROUND)
            except StateError:
                # every request is told from now on
                LOG.exception("the state of local AWS")
                return

    def _write(self, services: frozenset[str]) -> None:
        with self._lock:
            if self._failure is not None:
                raise StateError(self._failure)
            try:
                statements = list(self._collector.changes(services))
                if statements:
                    self._store.write(statements)
            except Exception as error:
                # what was found is taken as written: from here on nothing can be promised
                reason = f"{type(error).__name__}: {error}"
                self._failure = f"local AWS cannot write its state any more ({reason}): end it, and start it anew"
                raise StateError(self._failure) from error
