"""What is remembered is forgotten whole: keys hold credentials, which come and go."""

from __future__ import annotations

import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from ddb_pipeline.resources import remembered
from ddb_pipeline.resources.remembered import Remembered


class Key:
    """Stands for a connection with its credentials."""


def test_nothing_keeps_the_key_of_what_was_forgotten(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr(remembered, "time", SimpleNamespace(monotonic=lambda: now[0]))
    kept: Remembered[str] = Remembered(60)
    key = Key()
    gone = weakref.ref(key)

    assert kept.get(key, lambda: "made") == "made"
    del key
    assert gone() is not None, "it is of use for a while"
    now[0] = 61
    kept.get("another", lambda: "made")

    assert gone() is None


def test_threads_that_ask_for_the_same_have_it_made_once():
    made: list[int] = []
    kept: Remembered[int] = Remembered(60)
    together = threading.Barrier(2)

    def make() -> int:
        made.append(1)
        time.sleep(0.05)
        return len(made)

    def ask(_number: int) -> int:
        together.wait()
        return kept.get("key", make)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, range(2))) == [1, 1]
