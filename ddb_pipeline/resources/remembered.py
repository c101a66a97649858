"""What is dear to make or read is used again for a while, by all threads of the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


class Remembered(Generic[T]):
    """What was made or read is used again for a while: a sensor ticks every few seconds, a run asks many queries.

    Only for a while, so that a new deployment and new credentials are noticed without a restart. For one key one thread
    makes at a time; another key does not wait for it.
    """

    def __init__(self, seconds: float) -> None:
        """Nothing is remembered yet.

        Args:
            seconds: How long something is used after it was made.
        """
        self._seconds = seconds
        self._lock = threading.Lock()
        # a lock stays as long as some thread makes or waits: keys hold credentials, which come and go
        self._making: WeakValueDictionary[Hashable, threading.Lock] = WeakValueDictionary()
        self._entries: dict[Hashable, tuple[float, T]] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made for a key, or make it.

        Args:
            key: What it is made from.
            make: Makes it.
        """
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            now = time.monotonic()
            with self._lock:
                self._entries = {key: entry for key, entry in self._entries.items() if now - entry[0] < self._seconds}
                if key in self._entries:
                    return self._entries[key][1]
            made = make()
            with self._lock:
                self._entries[key] = (now, made)
            return made
