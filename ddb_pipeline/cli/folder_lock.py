"""One local AWS, and one demo, in a folder at a time.

The lock is the kernel's (`flock`): it is gone when its process is, however that ended, so nothing stale is left.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FILE = "lock"
_PATIENCE_SECONDS = 1.0
"""Longest wait for somebody who only looks whether the folder is locked."""


class FolderLockedError(Exception):
    """Another process holds the folder's lock."""


@contextmanager
def folder_lock(directory: Path) -> Iterator[None]:
    """Hold the lock of a folder that is there.

    Args:
        directory: The folder; a file `lock` in it stays.

    Raises:
        FolderLockedError: Another process holds it.
    """
    with (directory / _FILE).open("w") as file:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise FolderLockedError(str(directory)) from None
                time.sleep(0.05)
        yield


def is_locked(directory: Path) -> bool:
    """Whether a process holds the folder's lock."""
    try:
        with (directory / _FILE).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
