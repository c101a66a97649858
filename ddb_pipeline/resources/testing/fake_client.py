"""What the played clients have in common: a clock that only sleeping moves, and resources that keep to it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from ddb_pipeline.resources.boto_resource import BotoResource

R = TypeVar("R", bound=BotoResource)

REGION = "eu-central-1"


class FakeClient:
    """A boto3 client of which nothing is real.

    Attributes:
        now: The time in seconds; it begins at 0, and moves when the resource sleeps.
        on_sleep: Called after each sleep: for what is to happen meanwhile, or an interrupt to be raised.
        refusals: Errors of the next calls, first one first, such as `refusal("ThrottlingException", "slower")`.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.on_sleep: Callable[[], None] = lambda: None
        self.refusals: list[Exception] = []
        self.meta = SimpleNamespace(region_name=REGION)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        # a pause of nothing must not keep the time from moving
        self.now += max(seconds, 0.001)
        self.on_sleep()

    def refuse_if_told(self) -> None:
        """Raise the next of the refusals, if there is one."""
        if self.refusals:
            raise self.refusals.pop(0)

    def behind(self, resource: type[R], settings: dict[str, Any]) -> R:
        """Return a resource that has this client and this clock, in every copy that Dagster makes of it.

        Args:
            resource: Its class.
            settings: Its settings.
        """
        fake = self

        class Played(resource):  # type: ignore[valid-type,misc]  # mypy knows no base class in a variable
            def model_post_init(self, context: Any, /) -> None:
                super().model_post_init(context)
                self.with_client(fake, clock=lambda: fake.now, sleep=fake.sleep)

        Played.__name__ = Played.__qualname__ = resource.__name__
        played: R = Played(**settings)
        return played


def refusal(code: str, message: str = "", kind: type[ClientError] = ClientError) -> ClientError:
    """Return an error as boto3 raises it.

    Args:
        code: AWS' code of the error.
        message: AWS' message.
        kind: The class of the error.
    """
    return kind({"Error": {"Code": code, "Message": message}}, "Operation")
