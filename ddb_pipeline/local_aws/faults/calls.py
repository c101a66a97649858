"""Which operation of which service a request asks for, in each of AWS's protocols (smithy.io: AWS protocols).

Most protocols name the operation. Those of S3 and Lambda do not: there it follows from method, path, query and headers,
by the bindings of botocore's service models.
"""

from __future__ import annotations

import functools
import re
from typing import Any, NamedTuple
from urllib.parse import parse_qs, parse_qsl

from botocore.model import OperationModel, ServiceModel
from moto.core.utils import get_service_model

from ddb_pipeline.local_aws.faults.rules import Call, Fault, InvalidFaultError

# boto3's names, where a request is signed for another one
_SIGNED_AS = {"monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi"}


class _Route(NamedTuple):
    operation: str
    method: str
    path: re.Pattern[str]
    literals: frozenset[tuple[str, str]]
    parameters: frozenset[str]
    headers: frozenset[str]

    @property
    def demands(self) -> int:
        return len(self.literals) + len(self.parameters) + len(self.headers)


def call_of(environ: dict[str, Any], signed_service: str) -> Call:
    """Return what a request asks for.

    Args:
        environ: The request; its body can be read again.
        signed_service: The service that it is signed for.
    """
    service = _SIGNED_AS.get(signed_service, signed_service)
    prefix, _, target = str(environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")
    if target:
        return Call("dynamodbstreams" if prefix.startswith("DynamoDBStreams") else service, target)
    path = str(environ.get("PATH_INFO", ""))
    if environ.get("HTTP_SMITHY_PROTOCOL"):
        return Call(service, path.rpartition("/")[2])
    if str(environ.get("CONTENT_TYPE", "")).startswith("application/x-www-form-urlencoded"):
        body = environ["wsgi.input"].read()
        environ["wsgi.input"].seek(0)
        return Call(service, parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0])
    return Call(service, _rest_operation(service, environ, path))


def check_exists(fault: Fault) -> None:
    """Refuse a fault that could never strike, for the sake of who mistyped a name.

    Raises:
        InvalidFaultError: There is no such service, or it has no such operation.
    """
    if not fault.service:
        return
    try:
        model = get_service_model(fault.service)
    except Exception as error:
        raise InvalidFaultError(f"boto3 knows no service {fault.service!r}") from error
    if fault.operation and fault.operation not in model.operation_names:
        raise InvalidFaultError(f"{fault.service} has no operation {fault.operation!r}")


def _rest_operation(service: str, environ: dict[str, Any], path: str) -> str:
    bucket, dot, _ = str(environ.get("HTTP_HOST", "")).rpartition(".localhost")
    if service == "s3" and dot:
        # a bucket in the host's name
        path = f"/{bucket}{path}"
    query = frozenset(parse_qsl(str(environ.get("QUERY_STRING", "")), keep_blank_values=True))
    names = {name for name, _ in query}
    fitting = [
        route
        for route in _routes(service)
        if route.method == environ.get("REQUEST_METHOD")
        and route.path.fullmatch(path)
        and route.literals <= query
        and route.parameters <= names
        and all(f"HTTP_{name.upper().replace('-', '_')}" in environ for name in route.headers)
    ]
    return max(fitting, key=lambda route: route.demands).operation if fitting else ""


@functools.cache
def _routes(service: str) -> list[_Route]:
    try:
        model: ServiceModel = get_service_model(service)
    except Exception:  # noqa: BLE001 - botocore and moto raise what they like for a name that somebody made up
        return []
    return [_route(model.operation_model(name)) for name in model.operation_names]


def _route(operation: OperationModel) -> _Route:
    path, _, query = operation.http["requestUri"].partition("?")
    # {Bucket} is one part of a path, {Key+} all the rest
    pattern = re.sub(
        r"\\\{(\w+)(\\\+)?\\\}", lambda found: "(.+)" if found.group(2) else "([^/]+)", re.escape(path.rstrip("/"))
    )
    shape = operation.input_shape
    required = [shape.members[name].serialization for name in shape.required_members] if shape else []
    return _Route(
        operation.name,
        operation.http["method"],
        re.compile(f"{pattern}/?" if not pattern.endswith("(.+)") else pattern, re.DOTALL),
        frozenset(parse_qsl(query, keep_blank_values=True)),
        frozenset(one["name"] for one in required if one.get("location") == "querystring"),
        frozenset(one["name"] for one in required if one.get("location") == "header"),
    )
