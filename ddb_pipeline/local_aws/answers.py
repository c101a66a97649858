"""Answers of local AWS's own, errors above all, in the protocol of the request."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

NOT_IMPLEMENTED = "NotImplementedByLocalAws"
"""Error code of everything that local AWS does not do."""

StartResponse = Callable[..., Any]


class Answer:
    """Writes answers of our own in the protocol of the request."""

    def __init__(self, environ: dict[str, Any], start_response: StartResponse) -> None:
        self._environ = environ
        self._start_response = start_response

    def json(self, status: int, document: dict[str, Any]) -> Iterable[bytes]:
        """Write a JSON object."""
        return self._write(status, "application/json", json.dumps(document).encode("utf-8"))

    def not_implemented(self, reason: str) -> Iterable[bytes]:
        """Say which operation of which service is missing. boto3 does not repeat a request after status 501."""
        service = signed_service(self._environ)
        target = str(self._environ.get("HTTP_X_AMZ_TARGET", "")).rpartition(".")[2]
        action = re.search(r"The (\w+) action has not been implemented", reason)
        if target:
            what = target if action is not None or not reason else f"{target}: {reason}"
        elif action is not None:
            what = "".join(part.capitalize() for part in action.group(1).split("_"))
        else:
            what = reason or f"{self._environ['REQUEST_METHOD']} {self._environ.get('PATH_INFO', '')}"
        return self.error(501, NOT_IMPLEMENTED, f"local AWS does not implement {service} {what}")

    def error(self, status: int, code: str, message: str) -> Iterable[bytes]:
        """Write an error in the request's protocol (smithy.io: AWS protocols)."""
        content_type = str(self._environ.get("CONTENT_TYPE", ""))
        request_id = str(uuid.uuid4())
        if self._environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
            content = b"\xa2" + b"".join(map(_cbor_text, ("__type", code, "message", message)))
            headers = {"smithy-protocol": "rpc-v2-cbor", "x-amzn-RequestId": request_id}
            return self._write(status, "application/cbor", content, headers)
        if self._environ.get("HTTP_X_AMZ_TARGET") or signed_service(self._environ) == "lambda":
            document = {"__type": code, "message": message}
            # of REST the header alone says which error it is
            headers = {"x-amzn-ErrorType": code, "x-amzn-RequestId": request_id}
            written = content_type if content_type.startswith("application/x-amz-json") else "application/json"
            return self._write(status, written, json.dumps(document).encode("utf-8"), headers)
        error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        if content_type.startswith("application/x-www-form-urlencoded"):
            fault = "Sender" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "Receiver"
            error = f"<Error><Type>{fault}</Type>{error}</Error><RequestId>{request_id}</RequestId>"
            text, header = f"<ErrorResponse>{error}</ErrorResponse>", "x-amzn-RequestId"
        else:
            text, header = f"<Error>{error}<RequestId>{request_id}</RequestId></Error>", "x-amz-request-id"
        return self._write(status, "application/xml", text.encode("utf-8"), {header: request_id})

    def _write(
        self, status: int, content_type: str, content: bytes, headers: dict[str, str] | None = None
    ) -> Iterable[bytes]:
        head = [("Content-Type", content_type), ("Content-Length", str(len(content))), *(headers or {}).items()]
        self._start_response(f"{status} {HTTPStatus(status).phrase}", head)
        return [] if self._environ.get("REQUEST_METHOD") == "HEAD" else [content]


def signed_service(environ: dict[str, Any]) -> str:
    """The service that the request is signed for (SigV4: key/date/region/service/aws4_request)."""
    match = re.search(r"Credential=[^/,\s]*/\d+/[^/]*/([^/]+)/aws4_request", str(environ.get("HTTP_AUTHORIZATION", "")))
    return match.group(1) if match else "s3"


def _cbor_text(text: str) -> bytes:
    """CBOR: a text with a length of four bytes (RFC 8949, major type 3)."""
    data = text.encode("utf-8")
    return b"\x7a" + len(data).to_bytes(4, "big") + data
