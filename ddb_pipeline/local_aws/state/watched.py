"""S3's objects, noting which names were touched, so that only those are written again."""

from __future__ import annotations

from typing import Any

from moto.s3 import models
from moto.s3.utils import _VersionedKeyStore

_motos = _VersionedKeyStore


class WatchedKeys(_VersionedKeyStore):
    """moto's objects of a bucket by name, each with its versions.

    Attributes:
        touched: Names that were given another object or version, or taken away, since somebody last looked.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.touched: set[str] = set()

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self.touched.add(key)

    def setlist(self, key: Any, list_: Any) -> None:
        """Replace all versions."""
        super().setlist(key, list_)
        self.touched.add(key)

    def pop(self, key: str) -> None:  # type: ignore[override]  # moto's signature
        """Take an object away."""
        super().pop(key)
        self.touched.add(key)


def install() -> None:
    """Let moto make its buckets with these."""
    # the name by which moto's buckets find it
    vars(models)["_VersionedKeyStore"] = WatchedKeys


def stop() -> None:
    """Give moto its own back."""
    vars(models)["_VersionedKeyStore"] = _motos
