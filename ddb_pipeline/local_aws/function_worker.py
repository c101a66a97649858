"""The process in which a Lambda function's own code runs: local AWS starts one for each function.

A script, not a module of the package: it is run by path, with nothing but the standard library and the function's
code, so that the code sees what it sees in Lambda. It speaks frames (4 bytes of length, then that many bytes) over
its standard input and output; whatever the function prints goes to standard error, which local AWS reads as its log.

Error names and messages are those of the Lambda runtime for Python
(https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html).
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import struct
import sys
import time
import traceback
from collections.abc import Callable
from typing import IO, Any

LENGTH = struct.Struct(">I")
Handler = Callable[[Any, Any], Any]


def read_frame(stream: IO[bytes]) -> bytes | None:
    """Read one frame; None when the other side is gone."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None


def write_frame(stream: IO[bytes], body: bytes) -> None:
    """Write one frame."""
    stream.write(LENGTH.pack(len(body)) + body)
    stream.flush()


class FunctionError(Exception):
    """An error of the runtime itself: the function could not be loaded, or its answer could not be written."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class Context:
    """The context object of an invocation (dg/python-context.html)."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.aws_request_id: str = request["request_id"]
        self.invoked_function_arn: str = request["function_arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline = time.monotonic() + request["timeout_seconds"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function's timeout."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


class LogHandler(logging.Handler):
    """Writes log records as Lambda's runtime does: level, UTC time, request id, message, tab-separated."""

    request_id = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record to standard error, the function's log."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = f"[{record.levelname}]\t{moment}.{int(record.msecs):03d}Z\t{self.request_id}\t{self.format(record)}\n"
        sys.stderr.write(text)


def load_handler(name: str) -> Handler:
    """Import the function's module and return its handler, as `_HANDLER` names it.

    Raises:
        FunctionError: The name is malformed, the module cannot be imported, or has no such function.
    """
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        raise FunctionError("Runtime.MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise FunctionError("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}") from None
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        raise FunctionError("Runtime.UserCodeSyntaxError", message) from None
    if not hasattr(module, function_name):
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise FunctionError("Runtime.HandlerNotFound", message)
    handler: Handler = getattr(module, function_name)
    return handler


def answer(handler: Handler, event: bytes, context: Context) -> bytes:
    """Run the handler and return its answer as JSON."""
    result = handler(json.loads(event), context)
    try:
        return json.dumps(result, ensure_ascii=False).encode("utf-8")
    except (TypeError, ValueError) as error:
        # ValueError: a circular structure, or text that is not UTF-8
        raise FunctionError("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def described(error: BaseException, request_id: str) -> dict[str, Any]:
    """Describe an error as Lambda answers it, and write it to the log."""
    if isinstance(error, FunctionError):
        document = {"errorMessage": str(error), "errorType": error.error_type, "requestId": request_id}
        lines: list[str] = []
    else:
        document = {"errorMessage": str(error), "errorType": type(error).__name__, "requestId": request_id}
        frames = traceback.extract_tb(error.__traceback__)
        lines = traceback.format_list([frame for frame in frames if frame.filename != __file__])
    sys.stderr.write(f"[ERROR] {document['errorType']}: {document['errorMessage']}\n")
    if lines:
        sys.stderr.write("Traceback (most recent call last):\n" + "".join(lines))
    return {**document, "stackTrace": lines}


def own_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Keep standard input and output for frames: what the function reads is empty, what it prints is log."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return requests, answers


def main() -> None:
    """Load the function, then answer requests until local AWS is gone."""
    requests, answers = own_streams()
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    log_handler = LogHandler()
    logging.getLogger().addHandler(log_handler)
    handler: Handler | None = None
    failure: BaseException | None = None
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Exception as error:  # noqa: BLE001 - whatever the module raises is the answer to the invocations
        failure = error
    write_frame(answers, b"{}")
    while (head := read_frame(requests)) is not None and (event := read_frame(requests)) is not None:
        request = json.loads(head)
        request_id = log_handler.request_id = request["request_id"]
        failed, payload = False, b""
        try:
            if handler is None:
                raise failure or RuntimeError("no handler")  # noqa: TRY301 - described like any other error
            payload = answer(handler, event, Context(request))
        except Exception as error:  # noqa: BLE001 - every error of the function is its answer
            failed = True
            payload = json.dumps(described(error, request_id)).encode("utf-8")
        # the log of this invocation ends here
        sys.stderr.write(f"\n{request['end_of_log']}\n")
        sys.stderr.flush()
        write_frame(answers, json.dumps({"failed": failed}).encode("utf-8"))
        write_frame(answers, payload)


if __name__ == "__main__":
    main()
