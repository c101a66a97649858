"""What every request to local AWS passes first: who may ask, our own control endpoints, and errors as AWS words them.

moto answers what it lacks with an HTML page and status 500, which boto3 repeats and cannot read; here that becomes an
AWS error with a code of its own. Requests that a web page of another site makes its visitor's browser send are
refused: local AWS runs code that it is given, so it must not take it from there.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from flask import Flask
from moto.backends import SERVICE_NAMES, list_of_moto_modules
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from ddb_pipeline.local_aws import change_stream
from ddb_pipeline.local_aws.deployment.stack_api import create_stack_app
from ddb_pipeline.local_aws.lean_ssm import load_ssm

CONTROL_PATH = "/_local_aws/"
NOT_IMPLEMENTED = "NotImplementedByLocalAws"
"""Error code of everything that local AWS does not do."""

SERVICES = frozenset(
    {
        "athena",
        "awslambda",
        "cloudformation",
        "cloudwatch",
        "dynamodb",
        "dynamodbstreams",
        "firehose",
        "glue",
        "iam",
        "kinesis",
        "kms",
        "logs",
        "resourcegroupstaggingapi",
        "s3",
        "ssm",
        "sts",
    }
)
"""The services of the path, by moto's names; moto's others are refused."""

StartResponse = Callable[..., Any]
Control = Callable[..., dict[str, Any]]


class Dispatcher(DomainDispatcherApplication):
    """moto's choice of a backend by request, narrowed to the services of the path."""

    def __init__(self) -> None:
        super().__init__(_create_app)
        self._known_hosts: dict[str, str] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        """Name the backend of an AWS host name.

        Raises:
            NotImplementedError: The service is none of the path.
        """
        if host is None:
            return None
        if host not in self._known_hosts:
            matches = (backend for backend, pattern in self.backend_url_patterns if pattern.match(f"http://{host}"))
            found = host if host in list_of_moto_modules() else next(matches, None)
            if found not in SERVICES:
                raise NotImplementedError(f"the service {host.split('.')[0]}")
            self._known_hosts[host] = found
        return self._known_hosts[host]


def _create_app(service: SERVICE_NAMES) -> Flask:
    """Our own CloudFormation, moto's other services."""
    if service == "ssm":
        load_ssm()
    return create_stack_app() if service == "cloudformation" else create_backend_app(service)


class Gateway:
    """The WSGI application of local AWS.

    Args:
        controls: Own endpoints: method and name below `CONTROL_PATH`, and what they do. A JSON object as the
            request's body gives their arguments by name; they answer JSON, and raise ValueError to refuse.
        report: Takes the text of an error that local AWS did not expect.
        before_answer: Is called with a request when it has been worked on and before its answer leaves; when it
            raises, the answer is an error.
    """

    def __init__(
        self,
        controls: dict[tuple[str, str], Control],
        report: Callable[[str], None],
        before_answer: Callable[[dict[str, Any]], None] = lambda _environ: None,
    ) -> None:
        self._controls = controls
        self._report = report
        self._before_answer = before_answer
        self._services = Dispatcher()
        self._open = True

    def close(self) -> None:
        """Answer nothing more, also on connections that stay open."""
        self._open = False

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        answer = _Answer(environ, start_response)
        if not self._open:
            return answer.error(503, "ServiceUnavailable", "local AWS has stopped")
        refusal = _refusal(environ)
        if refusal is not None:
            return answer.error(403, "AccessDeniedException", refusal)
        if str(environ.get("PATH_INFO", "")).startswith(CONTROL_PATH):
            return self._control(environ, answer)
        try:
            return self._service(environ, start_response, answer)
        except NotImplementedError as error:
            return answer.not_implemented(str(error))
        except Exception:  # noqa: BLE001 - any failure of a backend must become an AWS error, and is reported
            import traceback

            self._report(traceback.format_exc())
            return answer.error(500, "InternalFailure", "local AWS failed: the server's log has the reason")

    def _control(self, environ: dict[str, Any], answer: _Answer) -> Iterable[bytes]:
        name = str(environ["PATH_INFO"]).removeprefix(CONTROL_PATH)
        control = self._controls.get((str(environ["REQUEST_METHOD"]), name))
        if control is None:
            known = ", ".join(f"{method} {CONTROL_PATH}{path}" for method, path in self._controls)
            return answer.json(404, {"error": f"no such control; there are {known}"})
        try:
            arguments = _arguments(environ, control)
        except (TypeError, ValueError) as error:
            return answer.json(400, {"error": str(error)})
        try:
            document = control(**arguments)
            self._before_answer(environ)
            return answer.json(200, document)
        except ValueError as error:
            return answer.json(400, {"error": str(error)})

    def _service(self, environ: dict[str, Any], start_response: StartResponse, answer: _Answer) -> Iterable[bytes]:
        direct = change_stream.answer(environ)
        if direct is not None:
            self._before_answer(environ)
            start_response(f"{direct.status} {HTTPStatus(direct.status).phrase}", list(direct.headers.items()))
            return [direct.body]
        held: list[Any] = []
        body = self._services(environ, lambda *arguments: held.append(arguments))
        status = str(held[0][0])
        if status.startswith(("404", "405")):
            # a URL that moto does not know gets Flask's HTML page
            content = b"".join(body)
            if content.lstrip()[:9].lower() == b"<!doctype":
                return answer.not_implemented("")
            body = [content]
        self._before_answer(environ)
        start_response(*held[0])
        return body  # type: ignore[no-any-return]


class _Answer:
    """Writes answers of our own in the protocol of the request."""

    def __init__(self, environ: dict[str, Any], start_response: StartResponse) -> None:
        self._environ = environ
        self._start_response = start_response

    def json(self, status: int, document: dict[str, Any]) -> Iterable[bytes]:
        return self._write(status, "application/json", json.dumps(document).encode("utf-8"))

    def not_implemented(self, reason: str) -> Iterable[bytes]:
        """Say which operation of which service is missing. boto3 does not repeat a request after status 501."""
        service = _signed_service(self._environ)
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
        if self._environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
            content = b"\xa2" + b"".join(map(_cbor_text, ("__type", code, "message", message)))
            return self._write(status, "application/cbor", content, code)
        if self._environ.get("HTTP_X_AMZ_TARGET") or _signed_service(self._environ) == "lambda":
            document = {"__type": code, "message": message}
            return self._write(status, "application/json", json.dumps(document).encode("utf-8"), code)
        error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        if content_type.startswith("application/x-www-form-urlencoded"):
            error = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>"
        else:
            error = f"<Error>{error}</Error>"
        return self._write(status, "application/xml", error.encode("utf-8"), code)

    def _write(self, status: int, content_type: str, content: bytes, code: str | None = None) -> Iterable[bytes]:
        headers = [("Content-Type", content_type), ("Content-Length", str(len(content)))]
        if code is not None:
            headers.append(("x-amzn-ErrorType", code))
        if content_type == "application/cbor":
            headers.append(("smithy-protocol", "rpc-v2-cbor"))
        self._start_response(f"{status} {code or 'OK'}", headers)
        return [] if self._environ.get("REQUEST_METHOD") == "HEAD" else [content]


def is_loopback_host(host: str) -> bool:
    """Whether a Host header (or the host of an origin) names this machine's loopback, with any port.

    A name that a stranger's DNS points at 127.0.0.1 is none of these, which is how DNS rebinding is refused.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in {"127.0.0.1", "localhost", "::1"} or name.endswith(".localhost")


def _arguments(environ: dict[str, Any], control: Control) -> dict[str, Any]:
    """Read the arguments of a control.

    Raises:
        TypeError: The control does not take them.
        ValueError: The body is no JSON object.
    """
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    arguments = json.loads(body) if body else {}
    if not isinstance(arguments, dict):
        raise TypeError("the arguments of a control are a JSON object")
    inspect.signature(control).bind(**arguments)
    return arguments


def _refusal(environ: dict[str, Any]) -> str | None:
    """Why a request is refused, whatever it asks for; None if it is not."""
    if not is_loopback_host(str(environ.get("HTTP_HOST", ""))):
        return "local AWS answers requests to 127.0.0.1 and localhost only"
    # a browser says so when it sends for a page of another site (fetch.spec.whatwg.org: Origin, Sec-Fetch-Site)
    origin = environ.get("HTTP_ORIGIN")
    is_foreign = origin is not None and not is_loopback_host(str(origin).rpartition("//")[2])
    if is_foreign or environ.get("HTTP_SEC_FETCH_SITE") in {"cross-site", "same-site"}:
        return "local AWS answers no requests of web pages"
    return None


def _signed_service(environ: dict[str, Any]) -> str:
    """The service that the request is signed for (SigV4: key/date/region/service/aws4_request)."""
    match = re.search(r"Credential=[^/,\s]*/\d+/[^/]*/([^/]+)/aws4_request", str(environ.get("HTTP_AUTHORIZATION", "")))
    return match.group(1) if match else "s3"


def _cbor_text(text: str) -> bytes:
    """CBOR: a text with a length of four bytes (RFC 8949, major type 3)."""
    data = text.encode("utf-8")
    return b"\x7a" + len(data).to_bytes(4, "big") + data
