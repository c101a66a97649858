"""Lambda without Docker: moto's Lambda backend, made to run the functions' own Python code.

A function runs in a process of its own (`function_process`) with this machine's Python, whatever `python3.x` its
runtime names; other languages are refused when the function is created. Invocations of one function wait for each
other. What a function prints goes to its log group.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote

from moto.awslambda import urls as lambda_urls
from moto.awslambda.exceptions import (
    InvalidParameterValueException,
    LambdaClientError,
    UnknownAliasException,
    UnknownFunctionException,
)
from moto.awslambda.models import LambdaBackend, LambdaFunction, lambda_backends
from moto.awslambda.responses import LambdaResponse

from ddb_pipeline.local_aws import function_events, function_pool
from ddb_pipeline.local_aws.function_pool import read_archive
from ddb_pipeline.local_aws.function_process import Run

REQUEST_BYTES = 6 * 1024 * 1024
"""Longest event (dg/gettingstarted-limits.html: 6 MB for a synchronous invocation)."""
RESPONSE_BYTES = 6_291_556
"""Longest answer, as the service states it in Function.ResponseSizeTooLarge."""
LOG_TAIL_BYTES = 4096
"""How much of the log `LogType=Tail` returns (API_Invoke.html: the last 4 KB)."""

_LOGS = threading.Lock()  # moto's log streams are not made for several threads


class FunctionNotFoundError(Exception):
    """No function of that name or ARN exists in the account and region."""


class RequestTooLargeError(LambdaClientError):
    """The event is longer than Lambda takes."""

    code = 413

    def __init__(self, most: int = REQUEST_BYTES) -> None:
        message = f"Request must be smaller than {most} bytes for the InvokeFunction operation"
        super().__init__("RequestTooLargeException", message)


@dataclass(frozen=True)
class Invocation:
    """An invocation's outcome.

    Attributes:
        payload: The answer, or the description of the error; JSON.
        function_error: `Unhandled` if the function failed, else None.
    """

    payload: bytes
    function_error: str | None


def install(endpoint: str | None = None, directory: Path | None = None) -> None:
    """Replace moto's Lambda backend.

    Args:
        endpoint: URL of local AWS, which the functions find as `AWS_ENDPOINT_URL`.
        directory: For the functions' code and nothing else, as `stop` removes it; a temporary one by default.
    """
    function_pool.configure(endpoint, directory)
    function_events.start()
    lambda_backends.backend = FunctionBackend
    lambda_backends.clear()


def stop() -> None:
    """End all functions' processes and remove the directory with their code."""
    function_events.stop()
    function_pool.end_all()


def invoke_function(function: str, payload: bytes, *, account_id: str, region: str) -> Invocation:
    """Invoke a function synchronously, as a service of local AWS does.

    Args:
        function: Name or ARN, with or without a qualifier.
        payload: The event, JSON.
        account_id: Account of the function.
        region: Region of the function.

    Returns:
        The answer; an error of the function is an answer too.

    Raises:
        FunctionNotFoundError: There is no such function.
        RequestTooLargeError: The event is too long.
    """
    try:
        found = lambda_backends[account_id][region].get_function(function)
    except (UnknownFunctionException, UnknownAliasException) as error:
        raise FunctionNotFoundError(f"no function {function} in account {account_id}, region {region}") from error
    return _outcome(_run(found, payload))


class OwnCodeFunction(LambdaFunction):
    """A function that runs its own code."""

    def __init__(self, account_id: str, spec: dict[str, Any], region: str, version: str | int = 1) -> None:
        super().__init__(account_id, spec, region, version)
        self.logging_config = spec.get("LoggingConfig") or {}

    @property
    def function_log_group(self) -> str:
        """The log group: that of the logging configuration, else `/aws/lambda/<name>`."""
        return str(self.logging_config.get("LogGroup") or f"/aws/lambda/{self.function_name}")

    def get_configuration(self, on_create: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - moto's signature
        """Return the configuration as the API shows it."""
        configuration: dict[str, Any] = super().get_configuration(on_create)
        logs = {"LogFormat": "Text", **self.logging_config, "LogGroup": self.function_log_group}
        return {**configuration, "LoggingConfig": logs}

    def update_configuration(self, config_updates: dict[str, Any]) -> dict[str, Any]:
        """Change the configuration; the next invocation sees it."""
        _refuse_what_cannot_run({"Runtime": self.run_time, "PackageType": "Zip", **config_updates})
        if "LoggingConfig" in config_updates:
            self.logging_config = config_updates["LoggingConfig"] or {}
        super().update_configuration(config_updates)
        return self.get_configuration()

    def invoke(self, body: str | bytes, request_headers: Any, response_headers: Any) -> bytes:
        """Answer the Invoke operation (API_Invoke.html)."""
        kind = request_headers.get("x-amz-invocation-type", "RequestResponse")
        if kind == "DryRun":
            return b""
        if kind not in {"Event", "RequestResponse"}:
            raise NotImplementedError(f"Invoke with InvocationType {kind}")
        payload = body.encode("utf-8") if isinstance(body, str) else body
        _check_json(payload or b"{}", function_events.EVENT_BYTES if kind == "Event" else REQUEST_BYTES)
        if kind == "Event":
            function_events.send(str(self.function_name), lambda: self._is_handled(payload))
            return b""
        run = _run(self, payload)
        outcome = _outcome(run)
        if outcome.function_error is not None:
            response_headers["x-amz-function-error"] = outcome.function_error
        response_headers["x-amz-executed-version"] = str(self.version)
        if request_headers.get("x-amz-log-type") == "Tail":
            tail = _log_text(self, run).encode("utf-8")[-LOG_TAIL_BYTES:]
            response_headers["x-amz-log-result"] = base64.b64encode(tail).decode("ascii")
        return outcome.payload

    def _is_handled(self, event: bytes) -> bool:
        """Run on an asynchronous event; whether it ends there: the function succeeded, or was deleted meanwhile."""
        try:
            lambda_backends[self.account_id][self.region].get_function(self.function_arn)
        except (UnknownFunctionException, UnknownAliasException):
            return True
        return not _run(self, event).failed


class FunctionResponse(LambdaResponse):
    """moto's Lambda API, with Lambda's own limits."""

    def invoke(self) -> tuple[int, dict[str, str], str | bytes]:
        """Answer Invoke; moto's own version fails answers above 6,000,000 bytes."""
        headers: dict[str, str] = {}
        # from the URL alone: moto's parameters may come from the body, which is the event
        qualifier = parse_qs(self.parsed_url.query).get("Qualifier", [None])[0]
        name = unquote(self.path.rstrip("/").split("/")[-2])
        function = self.backend.get_function(name, qualifier)
        payload = function.invoke(self.raw_body, self.headers, headers)
        headers["content-type"] = "application/json"
        status = {"DryRun": 204, "Event": 202}.get(str(self.headers.get("X-Amz-Invocation-Type")), 200)
        headers["status"] = str(status)
        return status, headers, payload

    def invoke_async(self) -> tuple[int, dict[str, str], str | bytes]:
        """Refuse the operation, which AWS has deprecated."""
        raise NotImplementedError("InvokeAsync")


class FunctionBackend(LambdaBackend):
    """moto's Lambda backend with functions that run."""

    SERVICE_NAMESPACE: ClassVar[str] = "lambda"

    @property
    def _url_module(self) -> Any:
        paths = dict.fromkeys(lambda_urls.url_paths, FunctionResponse.dispatch)
        return SimpleNamespace(url_bases=lambda_urls.url_bases, url_paths=paths)

    def create_function(self, spec: dict[str, Any]) -> LambdaFunction:
        """Create a function after looking whether it can run here."""
        _refuse_what_cannot_run(spec)
        # moto declares methods of its CloudFormation abstract that it never calls on functions
        function = OwnCodeFunction(  # type: ignore[abstract]
            self.account_id, spec, self.region_name, version="$LATEST"
        )
        read_archive(function.code_bytes)
        self._lambdas.put_function(function)
        if spec.get("Publish"):
            return self.publish_version(function.function_name) or function
        return function

    def delete_function(self, function_name: str, qualifier: str | None = None) -> None:
        """Delete a function and end its process."""
        name = self.get_function(function_name, qualifier).function_name
        super().delete_function(function_name, qualifier)
        function_pool.end_functions(self.account_id, self.region_name, name)

    def reset(self) -> None:
        """Forget all functions and end their processes."""
        function_pool.end_functions(self.account_id, self.region_name)
        super().reset()


def _refuse_what_cannot_run(spec: dict[str, Any]) -> None:
    """Refuse what local AWS would have to pass over in silence.

    Raises:
        InvalidParameterValueException: Names what is not possible.
    """
    runtime = str(spec.get("Runtime") or "")
    if spec.get("PackageType", "Zip") != "Zip":
        raise InvalidParameterValueException("Local AWS runs no container images: use PackageType Zip")
    if not runtime.startswith("python3."):
        raise InvalidParameterValueException(
            f"Local AWS runs functions in Python only, not in runtime '{runtime or 'none'}'"
        )
    for setting in ("Layers", "FileSystemConfigs"):
        if spec.get(setting):
            raise InvalidParameterValueException(f"Local AWS has no {setting} for functions")


def _check_json(event: bytes, most: int) -> None:
    """Refuse what a client sends and is no JSON; a service's own events are not looked at, they cost time."""
    if len(event) > most:
        raise RequestTooLargeError(most)
    try:
        json.loads(event)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise LambdaClientError("InvalidRequestContentException", message) from None


def _run(function: LambdaFunction, payload: bytes) -> Run:
    event = payload or b"{}"
    if len(event) > REQUEST_BYTES:
        raise RequestTooLargeError
    loaded = function_pool.loaded(function, _log_group(function))
    run = loaded.process.run(event)
    if len(run.payload) > RESPONSE_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({RESPONSE_BYTES} bytes)."
        error_document = {"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}
        run = replace(run, payload=json.dumps(error_document).encode(), failed=True)
    _write_log(function, run, loaded.log_stream)
    return run


def _outcome(run: Run) -> Invocation:
    return Invocation(run.payload, "Unhandled" if run.failed else None)


def _log_group(function: LambdaFunction) -> str:
    return function.function_log_group if isinstance(function, OwnCodeFunction) else str(function.logs_group_name)


def _log_text(function: LambdaFunction, run: Run) -> str:
    """The log of an invocation, with the lines that Lambda puts around it (dg/python-logging.html)."""
    body = run.log if not run.log or run.log.endswith("\n") else run.log + "\n"
    milliseconds = run.seconds * 1000
    return (
        f"START RequestId: {run.request_id} Version: {function.version}\n{body}END RequestId: {run.request_id}\n"
        f"REPORT RequestId: {run.request_id}\tDuration: {milliseconds:.2f} ms"
        f"\tBilled Duration: {int(milliseconds) + 1} ms\tMemory Size: {function.memory_size} MB\n"
    )


def _write_log(function: LambdaFunction, run: Run, stream: str) -> None:
    group = _log_group(function)
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in _log_text(function, run).splitlines() if line]
    backend = function.logs_backend
    with _LOGS:
        backend.ensure_log_group(group)
        backend.ensure_log_stream(group, stream)
        backend.put_log_events(group, stream, events)
