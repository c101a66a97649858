"""Lambda functions really run: their own code, in a process of their own, with Lambda's limits and errors."""

from __future__ import annotations

import base64
import io
import json
import os
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline.local_aws.functions import FunctionNotFoundError, invoke_function
from ddb_pipeline_tests.deployed import Deployed, wait_until

ROLE = "arn:aws:iam::123456789012:role/functions-of-a-test"
Create = Callable[..., str]


def archive(source: str, name: str = "index.py") -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(name, source)
    return content.getvalue()


@pytest.fixture
def lambdas(deployed: Deployed) -> Any:
    iam, role = deployed.client("iam"), ROLE.rpartition("/")[2]
    if role not in [item["RoleName"] for item in iam.list_roles()["Roles"]]:
        principal = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [principal]})
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)
    return deployed.client("lambda")


@pytest.fixture
def create(lambdas: Any) -> Iterator[Create]:
    """Creates functions and deletes them afterwards."""
    names: list[str] = []

    def created(source: str, **settings: Any) -> str:
        name = f"function-{uuid.uuid4().hex[:8]}"
        arguments = {"Handler": "index.handler", "Runtime": "python3.13", "Role": ROLE, "Timeout": 20, **settings}
        lambdas.create_function(FunctionName=name, Code={"ZipFile": archive(source)}, **arguments)
        names.append(name)
        return name

    yield created
    for name in names:
        lambdas.delete_function(FunctionName=name)


def invoke(lambdas: Any, name: str, event: Any = None, **arguments: Any) -> tuple[Any, str | None]:
    answer = lambdas.invoke(FunctionName=name, Payload=json.dumps(event), **arguments)
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")


def test_the_handler_gets_the_event_and_its_result_is_the_answer(lambdas: Any, create: Create) -> None:
    name = create("def handler(event, context):\n    return {'seen': event, 'text': 'ž'}")

    assert invoke(lambdas, name, {"a": [1, None]}) == ({"seen": {"a": [1, None]}, "text": "ž"}, None)


def test_a_function_sees_its_environment_and_context(lambdas: Any, create: Create) -> None:
    source = """
import os
def handler(event, context):
    return [os.environ["GREETING"], os.environ["AWS_REGION"], context.function_name, context.aws_request_id != "",
            context.get_remaining_time_in_millis() <= 20000, context.invoked_function_arn.split(":")[-1]]
"""
    name = create(source, Environment={"Variables": {"GREETING": "hello"}})

    assert invoke(lambdas, name)[0] == ["hello", "eu-central-1", name, True, True, name]


def test_a_function_reaches_local_aws_and_nothing_of_the_user(
    lambdas: Any, create: Create, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_USER", "secret")
    source = """
import boto3, os
def handler(event, context):
    return [boto3.client("sts").get_caller_identity()["Account"], "A_SECRET_OF_THE_USER" in os.environ]
"""

    assert invoke(lambdas, create(source)) == (["123456789012", False], None)


def test_an_exception_is_answered_with_its_type_message_and_place(lambdas: Any, create: Create) -> None:
    answer, failure = invoke(lambdas, create("def handler(event, context):\n    raise ValueError('not this one')"))

    assert failure == "Unhandled"
    assert (answer["errorType"], answer["errorMessage"]) == ("ValueError", "not this one")
    assert "index.py" in answer["stackTrace"][0]
    assert answer["requestId"]


@pytest.mark.parametrize(
    ("source", "handler", "error_type"),
    [
        ("import a_module_that_is_nowhere", "index.handler", "Runtime.ImportModuleError"),
        ("def handler(", "index.handler", "Runtime.UserCodeSyntaxError"),
        ("def handler(event, context): return 1", "index.other", "Runtime.HandlerNotFound"),
        ("def handler(event, context): return 1", "handler", "Runtime.MalformedHandlerName"),
        ("def handler(event, context): return {1, 2}", "index.handler", "Runtime.MarshalError"),
        ("import os\ndef handler(event, context): os._exit(3)", "index.handler", "Runtime.ExitError"),
        ("raise SystemExit(4)", "index.handler", "Runtime.ExitError"),
    ],
)
def test_what_the_runtime_cannot_run_has_the_runtimes_error(
    lambdas: Any, create: Create, source: str, handler: str, error_type: str
) -> None:
    answer, failure = invoke(lambdas, create(source, Handler=handler))

    assert (answer["errorType"], failure) == (error_type, "Unhandled")


def test_an_invocation_ends_at_the_timeout_and_the_next_one_works(lambdas: Any, create: Create) -> None:
    source = "import time\ndef handler(event, context):\n    time.sleep(event)\n    return 'rested'"
    name = create(source, Timeout=1)

    started = time.monotonic()
    answer, failure = invoke(lambdas, name, 60)

    assert time.monotonic() - started < 5
    assert failure == "Unhandled"
    assert answer["errorMessage"].endswith("Task timed out after 1.00 seconds")
    assert invoke(lambdas, name, 0) == ("rested", None)


def test_state_stays_between_invocations_as_in_a_warm_function(lambdas: Any, create: Create) -> None:
    name = create("seen = []\ndef handler(event, context):\n    seen.append(event)\n    return seen")

    invoke(lambdas, name, 1)

    assert invoke(lambdas, name, 2)[0] == [1, 2]


def test_what_a_function_prints_is_its_log_and_never_its_answer(
    deployed: Deployed, lambdas: Any, create: Create
) -> None:
    source = """
import logging, os, subprocess, sys
def handler(event, context):
    print("printed")
    os.write(1, b"written\\n")
    subprocess.run(["echo", "by another program"])
    logging.getLogger().warning("a warning")
    sys.stdin.read()
    return "answer"
"""
    name = create(source, LoggingConfig={"LogGroup": "a-group-of-its-own"})

    answer = lambdas.invoke(FunctionName=name, Payload="{}", LogType="Tail")

    assert json.loads(answer["Payload"].read()) == "answer"
    tail = base64.b64decode(answer["LogResult"]).decode()
    for line in ("START RequestId", "printed", "written", "by another program", "a warning", "END RequestId", "REPORT"):
        assert line in tail
    logged = deployed.client("logs").filter_log_events(logGroupName="a-group-of-its-own")["events"]
    assert "printed" in [event["message"] for event in logged]


def test_the_log_of_a_function_goes_to_its_own_group_by_default(
    deployed: Deployed, lambdas: Any, create: Create
) -> None:
    name = create("def handler(event, context):\n    print('here')\n    raise KeyError('gone')")

    invoke(lambdas, name)

    logged = deployed.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    messages = [event["message"] for event in logged]
    assert "here" in messages
    assert "[ERROR] KeyError: 'gone'" in messages


def test_invocations_at_once_get_their_own_answers(lambdas: Any, create: Create) -> None:
    name = create("import time\ndef handler(event, context):\n    time.sleep(0.01)\n    return event")

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: invoke(lambdas, name, number)[0], range(40)))

    assert answers == list(range(40))


def test_requests_and_answers_above_the_limit_are_refused(lambdas: Any, create: Create) -> None:
    name = create("def handler(event, context):\n    return 'x' * event")

    assert invoke(lambdas, name, 6_291_554)[1] is None
    answer, failure = invoke(lambdas, name, 6_291_555)
    assert (answer["errorType"], failure) == ("Function.ResponseSizeTooLarge", "Unhandled")
    with pytest.raises(ClientError, match="RequestTooLargeException"):
        invoke(lambdas, name, "x" * 6_291_456)


def test_an_event_that_is_not_json_is_refused(lambdas: Any, create: Create) -> None:
    name = create("def handler(event, context):\n    return event")

    with pytest.raises(ClientError, match="InvalidRequestContentException"):
        lambdas.invoke(FunctionName=name, Payload=b"{not json")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"Runtime": "nodejs22.x"}, "nodejs22.x"),
        ({"PackageType": "Image"}, "container images"),
        ({"Layers": ["arn:aws:lambda:eu-central-1:123456789012:layer:some:1"]}, "Layers"),
    ],
)
def test_what_cannot_run_here_is_refused_by_name(create: Create, settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(ClientError, match=reason):
        create("def handler(event, context): return 1", **settings)


def test_code_that_is_no_archive_is_refused(lambdas: Any) -> None:
    with pytest.raises(ClientError, match="Could not unzip"):
        lambdas.create_function(
            FunctionName="broken", Code={"ZipFile": b"no zip"}, Handler="a.b", Runtime="python3.13", Role=ROLE
        )


def test_new_code_and_settings_are_what_the_next_invocation_runs(lambdas: Any, create: Create) -> None:
    name = create("def handler(event, context): return 'old'")
    assert invoke(lambdas, name)[0] == "old"

    lambdas.update_function_code(
        FunctionName=name, ZipFile=archive("import os\ndef handler(event, context): return os.environ['WHICH']")
    )
    lambdas.update_function_configuration(FunctionName=name, Environment={"Variables": {"WHICH": "new"}})

    assert invoke(lambdas, name)[0] == "new"


def test_a_deleted_function_leaves_no_process(lambdas: Any, create: Create) -> None:
    name = create("import os\ndef handler(event, context): return os.getpid()")
    process = invoke(lambdas, name)[0]

    lambdas.delete_function(FunctionName=name)

    wait_until(lambda: not is_alive(process), "the function's process has ended", seconds=5)
    lambdas.create_function(
        FunctionName=name,
        Code={"ZipFile": archive("def handler(event, context): return 'again'")},
        Handler="index.handler",
        Runtime="python3.13",
        Role=ROLE,
    )
    assert invoke(lambdas, name)[0] == "again"


def test_services_invoke_by_name_and_by_arn_with_or_without_a_qualifier(lambdas: Any, create: Create) -> None:
    name = create("def handler(event, context): return event + 1")
    arn = lambdas.get_function(FunctionName=name)["Configuration"]["FunctionArn"]

    for function in (name, arn, f"{arn}:$LATEST", f"{name}:$LATEST"):
        outcome = invoke_function(function, b"41", account_id="123456789012", region="eu-central-1")
        assert (outcome.payload, outcome.function_error) == (b"42", None)
        assert invoke(lambdas, function, 1)[0] == 2


def test_invoking_what_is_not_there_says_so(lambdas: Any) -> None:
    with pytest.raises(FunctionNotFoundError, match="nowhere"):
        invoke_function("nowhere", b"{}", account_id="123456789012", region="eu-central-1")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        lambdas.invoke(FunctionName="nowhere")


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
