"""Where resources are made: account and region, boto3 clients of this very server, generated names.

Resources are made through the services' own APIs and nothing else, so that a stack is what any client could have made.
"""

from __future__ import annotations

import secrets
import string
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from ddb_pipeline.local_aws.deployment.intrinsic_functions import Made

SETTLE_SECONDS = 30.0
"""Longest wait for a resource to become active."""
_SUFFIX = string.ascii_uppercase + string.digits


class ResourceError(Exception):
    """A resource cannot be made, changed or deleted as its template says. The message becomes the event's reason."""


class HalfMadeError(ResourceError):
    """A resource could not be made, and is to be deleted all the same.

    Args:
        message: Why.
        made: What it is known as.
    """

    def __init__(self, message: str, made: Made) -> None:
        super().__init__(message)
        self.made = made


class Clients:
    """boto3 clients of one endpoint and region, each made once."""

    def __init__(self, endpoint: str, region: str) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        # made-up keys, which local AWS takes as it would take any other
        self._session: Any = boto3.session.Session("local", "local", region_name=region)
        self._clients: dict[str, Any] = {}

    def __call__(self, service: str) -> Any:
        """Return the client of a service."""
        with self._lock:
            if service not in self._clients:
                config = Config(
                    connect_timeout=5,
                    read_timeout=60,
                    retries={"total_max_attempts": 1},
                    s3={"addressing_style": "path"},
                )
                self._clients[service] = self._session.client(service, endpoint_url=self._endpoint, config=config)
            return self._clients[service]


@dataclass(frozen=True)
class Place:
    """Where one resource is made.

    Attributes:
        client: Gives the boto3 client of a service.
        account: Account id.
        region: Region.
        stack: Name of the stack.
        logical_id: The resource's name in the template.
        stack_id: ARN of the stack.
        resource_type: Type of the resource.
    """

    client: Callable[[str], Any]
    account: str
    region: str
    stack: str
    logical_id: str
    stack_id: str
    resource_type: str

    def generated_name(self, longest: int) -> str:
        """A name as CloudFormation makes one: stack, logical id, 12 random characters.

        Args:
            longest: The service's limit; stack and logical id are cut to fit, as
                TemplateReference/aws-properties-name.html describes.
        """
        suffix = "".join(secrets.choice(_SUFFIX) for _ in range(12))
        room = longest - len(suffix) - 2
        stack = self.stack[: max(room - len(self.logical_id), room // 2)].rstrip("-")
        logical_id = self.logical_id[: room - len(stack)]
        return f"{stack}-{logical_id}-{suffix}"

    def arn(self, service: str, resource: str) -> str:
        """An ARN of this account and region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


Properties = Mapping[str, Any]


def _nothing(place: Place, made: Made, properties: Properties) -> None:
    """For types that need no step of the kind."""


@dataclass(frozen=True)
class ResourceType:
    """How resources of one type are made.

    Attributes:
        make: Creates the resource and says what `Ref` and `Fn::GetAtt` give.
        delete: Deletes it.
        configure: Sets what creation alone does not, and waits until it is active. When this fails the resource
            is deleted, as it exists by then.
        update: Changes it in place from old to new properties, and says what `Ref` and `Fn::GetAtt` give from then on,
            if that is not what they gave before; None where every change replaces the resource. A custom
            resource of another physical id is another one: the old one is to be deleted.
    """

    make: Callable[[Place, Properties], Made]
    delete: Callable[[Place, Made, Properties], None]
    configure: Callable[[Place, Made, Properties], None] = field(default=_nothing)
    update: Callable[[Place, Made, Properties, Properties], Made | None] | None = None


def picked(properties: Properties, *names: str) -> dict[str, Any]:
    """Those of the properties that are there."""
    return {name: properties[name] for name in names if name in properties}


def tag_table(properties: Properties) -> dict[str, str]:
    """The tags as a table; most types have them as a list, some (AWS::SSM::Parameter) as a table already."""
    tags = properties.get("Tags") or {}
    return dict(tags) if isinstance(tags, Mapping) else {tag["Key"]: tag["Value"] for tag in tags}


def tag_list(properties: Properties) -> dict[str, Any]:
    """The tags as the argument `Tags`, for APIs that take a list."""
    tags = [{"Key": key, "Value": value} for key, value in tag_table(properties).items()]
    return {"Tags": tags} if tags else {}


def differ(old: Properties, new: Properties, *names: str) -> bool:
    """Whether any of these properties changes."""
    return any(old.get(name) != new.get(name) for name in names)


def retag(
    old: Properties, new: Properties, add: Callable[[dict[str, str]], object], remove: Callable[[list[str]], object]
) -> None:
    """Bring a resource's tags from old to new properties.

    Args:
        old: The properties that it has.
        new: Those that it is to have.
        add: Sets tags.
        remove: Takes the tags of these keys away.
    """
    before, after = tag_table(old), tag_table(new)
    gone = sorted(before.keys() - after.keys())
    if gone:
        remove(gone)
    changed = {key: value for key, value in after.items() if before.get(key) != value}
    if changed:
        add(changed)


def wait_until(what: str, is_so: Callable[[], bool]) -> None:
    """Wait for something that the service does by itself.

    Raises:
        ResourceError: It did not happen within `SETTLE_SECONDS`.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise ResourceError(f"{what} within {SETTLE_SECONDS:.0f} s")
        time.sleep(0.05)
