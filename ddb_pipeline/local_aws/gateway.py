"""What every request to local AWS passes first: who may ask, our own control endpoints, and errors as AWS words them.

moto answers what it lacks with an HTML page and status 500, which boto3 repeats and cannot read; here that becomes an
AWS error with a code of its own. Requests that a web page of another site makes its visitor's browser send are
refused: local AWS runs code that it is given, so it must not take it from there.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from moto.backends import SERVICE_NAMES, list_of_moto_modules
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from ddb_pipeline.local_aws import change_stream, lean_answers
from ddb_pipeline.local_aws.answers import Answer, StartResponse
from ddb_pipeline.local_aws.deployment.stack_api import create_stack_app
from ddb_pipeline.local_aws.faults import CutError, Faults
from ddb_pipeline.local_aws.lean_ssm import load_ssm

CONTROL_PATH = "/_local_aws/"
SERVICES = frozenset(
    {
        "athena",
        "awslambda",
        "budgets",
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
        "sns",
        "ssm",
        "sts",
    }
)
"""The services of the path, by moto's names; moto's others are refused."""

Control = Callable[..., dict[str, Any]]


class Dispatcher(DomainDispatcherApplication):
    """moto's choice of a backend by request, narrowed to the services of the path."""

    def __init__(self) -> None:
        super().__init__(_create_app)
        lean_answers.remember()
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
        faults: What is to go wrong with requests to services.
        before_answer: Is called with a request when it has been worked on and before its answer leaves; when it
            raises, the answer is an error.
    """

    def __init__(
        self,
        controls: dict[tuple[str, str], Control],
        report: Callable[[str], None],
        faults: Faults,
        before_answer: Callable[[dict[str, Any]], None] = lambda _environ: None,
    ) -> None:
        self._controls = controls
        self._report = report
        self._faults = faults
        self._before_answer = before_answer
        self._services = Dispatcher()
        self._open = True

    def close(self) -> None:
        """Answer nothing more, also on connections that stay open."""
        self._open = False

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        answer = Answer(environ, start_response)
        if not self._open:
            return answer.error(503, "ServiceUnavailable", "local AWS has stopped")
        refusal = _refusal(environ)
        if refusal is not None:
            return answer.error(403, "AccessDeniedException", refusal)
        if str(environ.get("PATH_INFO", "")).startswith(CONTROL_PATH):
            return self._control(environ, answer)
        serve = self._faults.around(self._service) if self._faults.are_set else self._service
        try:
            return serve(environ, start_response)
        except CutError:
            raise
        except NotImplementedError as error:
            return answer.not_implemented(str(error))
        except Exception:  # noqa: BLE001 - any failure of a backend must become an AWS error, and is reported
            import traceback

            self._report(traceback.format_exc())
            return answer.error(500, "InternalFailure", "local AWS failed: the server's log has the reason")

    def _control(self, environ: dict[str, Any], answer: Answer) -> Iterable[bytes]:
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

    def _service(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
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
                return Answer(environ, start_response).not_implemented("")
            body = [content]
        self._before_answer(environ)
        start_response(*held[0])
        return body  # type: ignore[no-any-return]


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
