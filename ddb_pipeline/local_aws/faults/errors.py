"""What AWS answers to a request that it throttles, cannot serve or whose credentials have expired.

Codes and statuses are those that the operation's service model declares, else those of "Common errors" of the services
and of S3's "Error responses"; botocore's retry lists name the same.
"""

from __future__ import annotations

from typing import NamedTuple

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError, ServiceModel
from moto.core.utils import get_service_model

from ddb_pipeline.local_aws.faults.rules import Call, Fault


class RefusedWith(NamedTuple):
    """An error as AWS answers it."""

    status: int
    code: str
    message: str


# the first that an operation declares is what it answers
_THROTTLED = ("ProvisionedThroughputExceededException", "TooManyRequestsException", "ThrottlingException")
_FAILED = (
    "InternalServerError",
    "InternalServerException",
    "InternalServiceException",
    "InternalFailureException",
    "ServiceException",
)
_MESSAGES = {
    "ProvisionedThroughputExceededException": "The level of configured provisioned throughput for the table was "
    "exceeded. Consider increasing your provisioning level with the UpdateTable API.",
    "SlowDown": "Please reduce your request rate.",
    "InternalError": "We encountered an internal error. Please try again.",
}


def refusal(fault: Fault, call: Call) -> RefusedWith:
    """Return what a fault of kind throttle, fail or expire answers to a request."""
    if fault.kind == "throttle":
        return _throttled(call)
    if fault.kind == "expire":
        return _expired(call)
    if not fault.code:
        default = _failed(call)
        return RefusedWith(fault.status or default.status, default.code, fault.message or default.message)
    status = fault.status or _declared_status(call, fault.code) or 400
    return RefusedWith(status, fault.code, fault.message or _MESSAGES.get(fault.code, "made to fail by local AWS"))


def _throttled(call: Call) -> RefusedWith:
    if call.service == "s3":
        return RefusedWith(503, "SlowDown", _MESSAGES["SlowDown"])
    if _protocol(call) == "query":
        return RefusedWith(400, "Throttling", "Rate exceeded")
    code = _first_declared(call, _THROTTLED) or "ThrottlingException"
    # a stream has no table whose throughput could be raised
    message = "Rate exceeded" if call.service == "kinesis" else _MESSAGES.get(code, "Rate exceeded")
    return RefusedWith(_declared_status(call, code) or 400, code, message)


def _failed(call: Call) -> RefusedWith:
    if call.service == "s3":
        return RefusedWith(500, "InternalError", _MESSAGES["InternalError"])
    code = _first_declared(call, _FAILED) or "InternalFailure"
    return RefusedWith(500, code, "The request processing has failed because of an unknown error")


def _expired(call: Call) -> RefusedWith:
    if call.service == "s3":
        return RefusedWith(400, "ExpiredToken", "The provided token has expired.")
    said = "The security token included in the request is expired"
    protocol = _protocol(call)
    if protocol == "query":
        return RefusedWith(403, "ExpiredToken", said)
    return RefusedWith(403 if protocol == "rest-json" else 400, "ExpiredTokenException", said)


def _model(call: Call) -> ServiceModel | None:
    try:
        return get_service_model(call.service)
    except UnknownServiceError:
        return None


def _protocol(call: Call) -> str:
    model = _model(call)
    return str(model.metadata.get("protocol")) if model else ""


def _declared(call: Call) -> dict[str, int | None]:
    """The errors that an operation declares, and their statuses as far as it says."""
    model = _model(call)
    try:
        shapes = model.operation_model(call.operation).error_shapes if model else []
    except OperationNotFoundError:
        return {}
    return {shape.name: shape.metadata.get("error", {}).get("httpStatusCode") for shape in shapes}


def _first_declared(call: Call, codes: tuple[str, ...]) -> str | None:
    declared = _declared(call)
    return next((code for code in codes if code in declared), None)


def _declared_status(call: Call, code: str) -> int | None:
    return _declared(call).get(code)
