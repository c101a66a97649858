"""Who asks local AWS for what: the calls of chosen access keys, as they come in at its door.

On AWS the caller has a role; here it has an access key that says who it is. Functions have their name as one.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from ddb_pipeline.local_aws.gateway import Gateway

_SIGNED = re.compile(r"Credential=([^/,\s]*)/\d+/[^/]*/([^/]+)/aws4_request")

_OTHER_NAMES = {"monitoring": "cloudwatch"}
"""Where a request is signed for another name than boto3's."""

_S3_MARKS = ("delete", "location", "tagging", "uploadId", "uploads", "versions")
_S3_OPERATIONS = {
    ("GET", False): "ListObjectsV2",
    ("GET", False, "location"): "GetBucketLocation",
    ("GET", False, "tagging"): "GetBucketTagging",
    ("GET", False, "uploads"): "ListMultipartUploads",
    ("GET", False, "versions"): "ListObjectVersions",
    ("POST", False, "delete"): "DeleteObjects",
    ("GET", True): "GetObject",
    ("HEAD", True): "HeadObject",
    ("PUT", True): "PutObject",
    ("DELETE", True): "DeleteObject",
    ("GET", True, "tagging"): "GetObjectTagging",
    ("PUT", True, "tagging"): "PutObjectTagging",
    ("POST", True, "uploads"): "CreateMultipartUpload",
    ("PUT", True, "uploadId"): "UploadPart",
    ("POST", True, "uploadId"): "CompleteMultipartUpload",
    ("DELETE", True, "uploadId"): "AbortMultipartUpload",
}
"""By method, whether there is a key, and what the query says."""


@dataclass(frozen=True)
class Call:
    """A call of an API operation.

    Attributes:
        caller: Access key that it was signed with.
        service: The service, by the name that boto3 has for it.
        operation: Name of the operation.
        parameters: What it was called with; of S3: `Bucket`, `Key`, `Keys`, and whether `Versions` are named.
    """

    caller: str
    service: str
    operation: str
    parameters: dict[str, Any] = field(hash=False)


@contextmanager
def recording(callers: Collection[str], patch: pytest.MonkeyPatch) -> Iterator[list[Call]]:
    """Record the calls of some callers that come in at a local AWS in this process.

    Args:
        callers: Access keys; those of everybody else pass by.
        patch: Puts the recorder before the gateway.
    """
    calls: list[Call] = []
    answer = Gateway.__call__

    def record(self: Gateway, environ: dict[str, Any], start_response: Any) -> Any:
        signed = _SIGNED.search(str(environ.get("HTTP_AUTHORIZATION", "")))
        if signed is not None and signed.group(1) in callers:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            service = _OTHER_NAMES.get(signed.group(2), signed.group(2))
            calls.append(Call(signed.group(1), service, *_read(service, environ, body)))
        return answer(self, environ, start_response)

    with patch.context() as patched:
        patched.setattr(Gateway, "__call__", record)
        yield calls


def _read(service: str, environ: dict[str, Any], body: bytes) -> tuple[str, dict[str, Any]]:
    """Operation and parameters of a request, in the protocol of its service."""
    target = environ.get("HTTP_X_AMZ_TARGET")
    path, query = unquote(environ["PATH_INFO"]), parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    if target:
        return target.rpartition(".")[2], json.loads(body or b"{}")
    smithy = re.fullmatch(r"/service/\w+/operation/(\w+)", path)
    if smithy:
        # of the services that speak CBOR none is needed by its parameters
        return smithy.group(1), {}
    if service == "s3":
        return _s3(environ["REQUEST_METHOD"], path, query, body)
    if service == "lambda" and path.endswith("/invocations"):
        return "Invoke", {"FunctionName": path.split("/")[3]}
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        parameters = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        return parameters.pop("Action"), parameters
    raise AssertionError(f"a call that nobody can read: {service} {environ['REQUEST_METHOD']} {path}")


def _s3(method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[str, dict[str, Any]]:
    bucket, _, key = path.removeprefix("/").partition("/")
    marks = [mark for mark in _S3_MARKS if mark in query]
    found = _S3_OPERATIONS.get((method, bool(key), *marks))
    assert found is not None, f"a call of S3 that nobody can read: {method} {path} {sorted(query)}"
    text = body.decode(errors="replace")
    keys = re.findall("<Key>(.*?)</Key>", text)
    return found, {"Bucket": bucket, "Key": key, "Keys": keys, "Versions": "<VersionId>" in text}
