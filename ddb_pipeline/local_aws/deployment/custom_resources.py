"""Custom resources: CloudFormation asks a Lambda function of the template, and waits for its answer.

The function puts its answer to the `ResponseURL` of the request: here that is an endpoint of local AWS itself.
(AWSCloudFormation/latest/UserGuide/crpg-ref-requesttypes.html and crpg-ref-responses.html.)
"""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from ddb_pipeline.local_aws.deployment.intrinsic_functions import Made
from ddb_pipeline.local_aws.deployment.place import HalfMadeError, Place, Properties, ResourceError, ResourceType

KIND = "AWS::CloudFormation::CustomResource"
RESPONSE_PATH = "custom-resource-response"
"""Below the control path of local AWS."""
RESPONSE_BYTES = 4096
"""Longest answer."""
LONGEST_WAIT_SECONDS = 3600
"""How long CloudFormation waits unless `ServiceTimeout` says less (TemplateReference, CustomResource)."""

_HEAD = ("StackId", "RequestId", "LogicalResourceId")
"""What an answer repeats of its request."""


class _NotAskedError(ResourceError):
    """The function could not be invoked: nothing was done."""


@dataclass
class _Waiting:
    """A request whose answer has not come."""

    request: Properties
    arrived: threading.Event = field(default_factory=threading.Event)
    answer: Properties | None = None


_waiting: dict[str, _Waiting] = {}


def is_custom(resource_type: str) -> bool:
    """Whether resources of a type are made by a function of the template."""
    return resource_type == KIND or resource_type.startswith("Custom::")


def stop() -> None:
    """Wait for no answer any more."""
    for waiting in list(_waiting.values()):
        waiting.arrived.set()


def respond(**answer: Any) -> dict[str, Any]:
    """Take the answer of a function.

    Args:
        answer: Its answer, a JSON object.

    Raises:
        ValueError: Nobody waits for it.
    """
    waiting = _waiting.get(str(answer.get("RequestId")))
    if waiting is None:
        raise ValueError(f"no request {answer.get('RequestId')} of a custom resource waits for an answer")
    # the first answer counts
    if not waiting.arrived.is_set():
        waiting.answer = answer
        waiting.arrived.set()
    return {}


def _make(place: Place, properties: Properties) -> Made:
    return _asked(place, "Create", properties, None)


def _update(place: Place, made: Made, old: Properties, new: Properties) -> Made:
    return _asked(place, "Update", new, made.physical_id, OldResourceProperties=_as_text(old))


def _delete(place: Place, made: Made, properties: Properties) -> None:
    _asked(place, "Delete", properties, made.physical_id)


def _asked(place: Place, what: str, properties: Properties, physical_id: str | None, **more: Any) -> Made:
    """Send a request to the function, wait for its answer, and say what the resource is from then on.

    Raises:
        HalfMadeError: It could not be created, and has to be deleted.
        ResourceError: It could not be changed or deleted.
    """
    token = str(properties["ServiceToken"])
    if ":lambda:" not in token:
        raise ResourceError(f"local AWS has custom resources of Lambda functions only, not of {token}")
    request = {
        "RequestType": what,
        "ServiceToken": token,
        "ResponseURL": f"{place.client('lambda').meta.endpoint_url}/_local_aws/{RESPONSE_PATH}",
        "StackId": place.stack_id,
        "RequestId": str(uuid.uuid4()),
        "ResourceType": place.resource_type,
        "LogicalResourceId": place.logical_id,
        **({} if physical_id is None else {"PhysicalResourceId": physical_id}),
        "ResourceProperties": _as_text(properties),
        **more,
    }
    answer: Properties = {}
    try:
        answer = _answer(place, request, float(properties.get("ServiceTimeout", LONGEST_WAIT_SECONDS)))
        return made_by(answer, what)
    except ResourceError as error:
        if what != "Create" or isinstance(error, _NotAskedError):
            raise
        # a resource that says no name gets one: it is deleted under that
        known_as = str(answer.get("PhysicalResourceId") or place.generated_name(128))
        raise HalfMadeError(str(error), Made(known_as)) from error


def _answer(place: Place, request: Properties, seconds: float) -> Properties:
    waiting = _waiting[request["RequestId"]] = _Waiting(request)
    try:
        _invoke(place, request)
        if not waiting.arrived.wait(seconds) or waiting.answer is None:
            raise ResourceError(
                "CloudFormation did not receive a response from your Custom Resource. Please check your logs for "
                f"requestId [{request['RequestId']}]."
            )
        return waiting.answer
    finally:
        del _waiting[request["RequestId"]]


def _invoke(place: Place, request: Properties) -> None:
    token = request["ServiceToken"]
    try:
        place.client("lambda").invoke(FunctionName=token, InvocationType="Event", Payload=json.dumps(request).encode())
    except ClientError as error:
        # not as it is: a function that is gone does not mean that the resource is
        raise _NotAskedError(f"{token} could not be invoked: {error}") from error


def made_by(answer: Properties, what: str) -> Made:
    """What an answer makes of a resource.

    Args:
        answer: The function's answer.
        what: Kind of the request.

    Raises:
        ResourceError: It says that the work failed, or is none that CloudFormation takes.
    """
    if len(json.dumps(answer)) > RESPONSE_BYTES:
        raise ResourceError("Response object is too long.")
    missing = [name for name in _HEAD if name not in answer]
    if missing or answer.get("Status") not in {"SUCCESS", "FAILED"}:
        raise ResourceError(f"Invalid response of a custom resource: {json.dumps(answer)[:200]}")
    if answer["Status"] == "FAILED":
        reason = answer.get("Reason")
        if not reason:
            raise ResourceError("Invalid response of a custom resource: FAILED without a Reason")
        raise ResourceError(f"Received response status [FAILED] from custom resource. Message returned: {reason}")
    physical_id = answer.get("PhysicalResourceId")
    if not physical_id or not isinstance(physical_id, str):
        raise ResourceError(f"Invalid PhysicalResourceId in the response of a custom resource to {what}")
    return Made(physical_id, answer.get("Data") or {})


def _as_text(value: Any) -> Any:
    """Properties as a function gets them: every value is text."""
    if isinstance(value, dict):
        return {key: _as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return value if isinstance(value, str) else json.dumps(value)


TYPE = ResourceType(_make, _delete, update=_update)
