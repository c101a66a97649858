"""DynamoDB's requests, handed to moto's handler without the web framework in between, which costs more than the write.

Only what this path's clients send is taken: a JSON request to `/` for an operation that is there. Anything else goes
the common way and gets its answer, or its error, from there.
"""

from __future__ import annotations

import functools
import json
from typing import Any, NamedTuple, cast
from urllib.parse import urlparse

from moto.core.parse import JSONParser
from moto.core.utils import camelcase_to_underscores, get_service_model
from moto.utilities.utils import get_partition
from werkzeug.datastructures import EnvironHeaders

from ddb_pipeline.local_aws.change_stream.api import CONTENT_TYPE, ChangeStreamHandler

_TARGET = "DynamoDB_20120810."


class Answer(NamedTuple):
    """Status, headers and body of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class _Request(NamedTuple):
    """What moto's handler asks a request for."""

    headers: EnvironHeaders


def answer(environ: dict[str, Any]) -> Answer | None:
    """Answer a request to DynamoDB; None if it has to go the common way, and nothing of it has been read."""
    target = str(environ.get("HTTP_X_AMZ_TARGET", ""))
    if not target.startswith(_TARGET) or not _is_plain(environ):
        return None
    parser = _parser(target.removeprefix(_TARGET))
    if parser is None:
        return None
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    if not _is_object(body):
        error = {"__type": "com.amazon.coral.service#SerializationException", "Message": "Malformed JSON"}
        data = json.dumps(error).encode()
        return Answer(400, {"Content-Type": CONTENT_TYPE, "Content-Length": str(len(data))}, data)
    handler = ChangeStreamHandler()
    headers = EnvironHeaders(environ)
    url = f"http://{environ['HTTP_HOST']}/"
    handler.is_werkzeug_request = True
    handler.headers, handler.response_headers = headers, {"server": "amazon.com"}
    handler.raw_body = handler.body = body
    handler.uri, handler.parsed_url, handler.path, handler.method = url, urlparse(url), "/", "POST"
    handler.querystring = handler.data = {}
    handler.uri_match = {}
    handler.region = handler.get_region_from_url(_Request(headers), url)
    handler.partition = get_partition(handler.region)
    handler.access_key = handler.get_access_key()
    handler.current_account = handler.get_current_account()
    handler.params = parser.parse(cast("Any", {"body": body}))
    status, found, content = handler.call_action()
    data = content.encode() if isinstance(content, str) else content
    sent = {name: str(value) for name, value in found.items() if name.lower() not in {"status", "content-length"}}
    return Answer(status, {**sent, "Content-Length": str(len(data))}, data)


def _is_plain(environ: dict[str, Any]) -> bool:
    return (
        environ.get("REQUEST_METHOD") == "POST"
        and environ.get("PATH_INFO") == "/"
        and not environ.get("QUERY_STRING")
        and environ.get("CONTENT_TYPE") == CONTENT_TYPE
        and str(environ.get("CONTENT_LENGTH", "")).isdecimal()
        and "HTTP_CONTENT_ENCODING" not in environ
    )


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


@functools.cache
def _parser(operation: str) -> JSONParser | None:
    model = get_service_model("dynamodb")
    if operation not in model.operation_names or not hasattr(ChangeStreamHandler, camelcase_to_underscores(operation)):
        return None
    return JSONParser(model.operation_model(operation))
