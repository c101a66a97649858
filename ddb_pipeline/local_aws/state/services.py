"""Which services have state that is kept, and what of it a request can have changed or told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from moto.backends import get_backend
from moto.core.base_backend import BackendDict

from ddb_pipeline.local_aws.deployment.stack_backend import stack_backends
from ddb_pipeline.local_aws.lean_ssm import load_ssm

SERVICES = (
    "athena",
    "budgets",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "firehose",
    "glue",
    "iam",
    "kinesis",
    "kms",
    "lambda",
    "logs",
    "s3",
    "sns",
    "ssm",
)
"""By moto's names, as its backends have them."""

BACKGROUND = frozenset({"athena", "cloudformation", "firehose", "glue", "logs"})
"""What changes without a request: statements that run, stacks that are worked on, crawls, log streams that others
write."""

_OTHER_NAMES = {"monitoring": "cloudwatch", "streams.dynamodb": "dynamodb", "awslambda": "lambda"}
_ALSO = {"athena": ("glue",), "firehose": ("logs",), "lambda": ("logs",), "s3control": ("s3",)}
"""What a request to a service can change in another one."""

# these touch items, records, events and the answers of queries alone, which are kept one by one or not at all
_DATA = re.compile(
    r"DynamoDB\w*\.(Get|Put|Update|Delete|Batch\w+|TransactGet|TransactWrite)Items?|"
    r"DynamoDB\w*\.(Query|Scan|BatchExecuteStatement|ExecuteStatement|ExecuteTransaction)|"
    r"Kinesis\w*\.(PutRecords?|GetRecords|GetShardIterator)|"
    r"Logs\w*\.(PutLogEvents|GetLogEvents|FilterLogEvents)|"
    r"GraniteServiceVersion\w+\.(Put|Get)Metric\w+"
)
_SIGNED_FOR = re.compile(r"Credential=[^/,\s]*/\d+/[^/]*/([^/]+)/aws4_request")


def backends_of(service: str) -> BackendDict[Any]:
    """All state of a service, by account and region."""
    if service == "cloudformation":
        return stack_backends
    if service == "ssm":
        load_ssm()
    return cast("BackendDict[Any]", get_backend(service))  # type: ignore[call-overload]  # one for each literal


def each_backend(service: str) -> list[tuple[str, str, Any]]:
    """Account, region and state of a service wherever it has any; a list of its own, as requests make others."""
    return list(backends_of(service).iter_backends())


def services_of(environ: Mapping[str, Any]) -> frozenset[str]:
    """The services whose settings a request can have changed, or told of.

    Args:
        environ: The request, as WSGI has it.
    """
    signed = _SIGNED_FOR.search(str(environ.get("HTTP_AUTHORIZATION", "")))
    name = signed.group(1) if signed else "s3"
    service = _OTHER_NAMES.get(name, name)
    if _DATA.search(str(environ.get("HTTP_X_AMZ_TARGET", ""))):
        return frozenset()
    if service == "s3" and _is_plain_object(environ):
        return frozenset()
    return frozenset({service, *_ALSO.get(service, ())}) & frozenset(SERVICES)


def _is_plain_object(environ: Mapping[str, Any]) -> bool:
    """Whether an S3 request reads, or writes, or deletes whole objects and nothing else."""
    method, query = str(environ.get("REQUEST_METHOD", "")), str(environ.get("QUERY_STRING", ""))
    if method in {"GET", "HEAD"}:
        return True
    bucket, _, key = str(environ.get("PATH_INFO", "")).strip("/").partition("/")
    is_tagged = "HTTP_X_AMZ_TAGGING" in environ or "HTTP_X_AMZ_COPY_SOURCE" in environ
    return bool(bucket and key) and query in {"", "x-id=PutObject", "x-id=DeleteObject"} and not is_tagged
