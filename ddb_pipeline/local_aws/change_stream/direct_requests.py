"""DynamoDB's requests, handed to moto's handler without the web framework in between, which costs more than the write.

Only what this path's clients send is taken: a JSON request to `/` for an operation that is there. Anything else goes
the common way and gets its answer, or its error, from there.
"""

from __future__ import annotations

import functools
import json
from contextlib import suppress
from typing import Any, NamedTuple, cast
from urllib.parse import urlparse

from moto.core.model import StructureShape
from moto.core.parse import JSONParser
from moto.core.utils import camelcase_to_underscores, get_service_model
from moto.utilities.utils import get_partition
from werkzeug.datastructures import EnvironHeaders

from ddb_pipeline.local_aws.change_stream.api import CONTENT_TYPE, ChangeStreamHandler, takes_json
from ddb_pipeline.local_aws.change_stream.attribute_values import held

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
    operation = target.removeprefix(_TARGET)
    parser = _parser(operation)
    if parser is None:
        return None
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    document = _object(body)
    if document is None:
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
    handler.params = document if takes_json(operation, document) else parser.parse_document(document)
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


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


class _Parser(JSONParser):
    """moto's parser; of an attribute value it would look for each of the ten types, at every depth."""

    def parse_document(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters of the operation."""
        return cast("dict[str, Any]", self._parse_shape(self.operation_model.input_shape, document))  # type: ignore[no-untyped-call]

    def _parse_structure(self, shape: StructureShape, value: Any) -> Any:
        if shape.name == "AttributeValue":
            # what is no value moto answers as it does
            with suppress(AttributeError, TypeError, ValueError):
                return held(value)
        return super()._parse_structure(shape, value)  # type: ignore[no-untyped-call]


@functools.cache
def _parser(operation: str) -> _Parser | None:
    model = get_service_model("dynamodb")
    if operation not in model.operation_names or not hasattr(ChangeStreamHandler, camelcase_to_underscores(operation)):
        return None
    return _Parser(model.operation_model(operation))
