"""Local AWS checks no permissions, so bucket policies are kept and shown but not applied.

moto applies them without their conditions: a policy that denies what does not come through TLS, as every bucket of
the stack has one, would deny everything.
"""

from __future__ import annotations

from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

_moto_decides = FakeBucket.get_permission


def _nothing_is_decided(self: FakeBucket, action: str, resource: str) -> Any:  # noqa: ARG001 - moto's signature
    return PermissionResult.NEUTRAL


def install() -> None:
    """Apply no bucket policies."""
    FakeBucket.get_permission = _nothing_is_decided  # type: ignore[method-assign]  # every bucket is of this class


def stop() -> None:
    """Give moto its own behaviour back."""
    FakeBucket.get_permission = _moto_decides  # type: ignore[method-assign]
