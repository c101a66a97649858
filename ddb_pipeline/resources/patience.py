"""One call of AWS, made until it is answered: throttling and faults of the service are waited out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ddb_pipeline.errors import is_transient
from ddb_pipeline.resources.waiting import Waiting

T = TypeVar("T")

UNREACHABLE_SECONDS = 120.0
"""How long something under way is waited for without an answer; boto3's own attempts come on top."""


def patiently(
    call: Callable[[], T], waiting: Waiting, pause: Callable[[str], None], operation: str, *, under_way: bool
) -> T:
    """Call AWS.

    Args:
        call: Makes the call.
        waiting: Tells how much time has passed.
        pause: Waits a moment for what it is told; raises when the time is over.
        operation: boto3's name of the operation, for the reader.
        under_way: Whether something runs at AWS that is lost when we give up: then an AWS that cannot be reached is
            waited for, but not for long. A call that begins something says at once that it cannot be reached.

    Returns:
        What the call returned.

    Raises:
        botocore.exceptions.ClientError: AWS refused the call for good.
        botocore.exceptions.BotoCoreError: AWS cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    silent_since: float | None = None
    while True:
        try:
            return call()
        except ClientError as error:
            if not is_transient(error):
                raise
            pause(f"{operation} to be accepted ({error})")
        except BotoCoreError as error:
            silent_since = waiting.elapsed if silent_since is None else silent_since
            if not under_way or waiting.elapsed - silent_since >= UNREACHABLE_SECONDS:
                raise
            pause(f"an answer to {operation} ({error})")
