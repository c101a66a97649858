"""Waiting for something remote: a deadline, and pauses that grow and never march in step."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Waiting:
    """Pauses between two looks at a remote run.

    Attributes:
        deadline_seconds: Longest time to wait in all.
        first_seconds: The first pause is about this long; each next one half as long again.
        longest_seconds: No pause is longer than this.
        clock: Monotonic time in seconds.
        sleep: Sleeps for some seconds; tests put their own here.
    """

    deadline_seconds: float
    first_seconds: float = 0.25
    longest_seconds: float = 15.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._start = self.clock()
        self._pause = self.first_seconds

    @property
    def elapsed(self) -> float:
        """Seconds since the waiting began."""
        return self.clock() - self._start

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed."""
        return self.elapsed >= self.deadline_seconds

    def pause(self) -> None:
        """Sleep before the next look; never much beyond the deadline."""
        # half to whole of the pause: clients that began together drift apart
        jittered = self._pause * random.uniform(0.5, 1.0)
        left = self.deadline_seconds - self.elapsed
        self.sleep(max(0.0, min(jittered, left)))
        self._pause = min(self._pause * 1.5, self.longest_seconds)
