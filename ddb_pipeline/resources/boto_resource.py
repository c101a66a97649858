"""What the resources that call AWS have in common: how AWS is reached, a clock, and no setting that is not known."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, ClassVar, Self

from dagster import ConfigurableResource
from pydantic import ConfigDict, Field, PrivateAttr

from ddb_pipeline.resources.remembered import Remembered
from ddb_pipeline.resources.whole_answers import refuse_cut_answers

# making one reads megabytes of models; boto3's clients may be shared by threads
_clients: Remembered[Any] = Remembered(60)


class BotoResource(ConfigurableResource):  # type: ignore[type-arg]  # the parameter is for resources that hand out another type
    """A resource with one boto3 client. A setting that it does not have is refused, not passed over."""

    model_config = ConfigDict(extra="forbid")
    service: ClassVar[str]
    """boto3's name of the service."""

    region_name: str | None = Field(default=None, description="AWS region; boto3 looks for one when not given.")
    endpoint_url: str | None = Field(default=None, description="Endpoint of the service, when it is not AWS' own.")
    profile_name: str | None = Field(default=None, description="Profile in the AWS configuration files.")
    aws_access_key_id: str | None = Field(default=None, description="Access key; needs the secret one too.")
    aws_secret_access_key: str | None = Field(default=None, description="Secret access key.")
    aws_session_token: str | None = Field(default=None, description="Token of temporary credentials.")
    max_attempts: int = Field(
        default=4,
        description="How often boto3 makes one call before it counts as failed; throttled calls are waited out beyond.",
    )

    _client: Any = PrivateAttr(default=None)
    _clock: Callable[[], float] = PrivateAttr(default=time.monotonic)
    _sleep: Callable[[float], None] = PrivateAttr(default=time.sleep)

    def with_client(
        self,
        client: Any,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Self:
        """Use a given client and clock instead of those made from the fields.

        For use without Dagster: Dagster makes a copy of a resource from its fields, and the copy has its own again.

        Args:
            client: A boto3 client of the service.
            clock: Monotonic time in seconds.
            sleep: Sleeps for some seconds.
        """
        self._client, self._clock, self._sleep = client, clock, sleep
        return self

    def get_client(self) -> Any:
        """Return the boto3 client."""
        if self._client is not None:
            return self._client
        settings = tuple((name, getattr(self, name)) for name in BotoResource.model_fields)
        return _clients.get((self.service, settings), self._make_client)

    def _make_client(self) -> Any:
        import boto3
        from botocore.config import Config

        session: Any = boto3.Session(
            profile_name=self.profile_name,
            region_name=self.region_name,
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
            aws_session_token=self.aws_session_token,
        )
        config = Config(connect_timeout=5, retries={"mode": "standard", "total_max_attempts": self.max_attempts})
        client = session.client(self.service, endpoint_url=self.endpoint_url, config=config)
        refuse_cut_answers(client)
        return client
