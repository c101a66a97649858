"""What the functions behind the stack's custom resources share: an answer is always sent, and long work goes on."""

import io
import itertools
import json
import time
import urllib.error
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline_tests.unit.custom_resources.requests import (
    LambdaContext,
    request,
)


@pytest.fixture
def answers(functions, monkeypatch):
    """What CloudFormation is told, after as many failures to tell it as the test asks for."""
    sent = SimpleNamespace(bodies=[], headers=[], lengths=[], failures=0)

    def urlopen(request, timeout):
        if sent.failures:
            sent.failures -= 1
            raise urllib.error.URLError("no route")
        sent.headers.append((request.method, request.full_url, request.get_header("Content-type")))
        sent.lengths.append(len(request.data))
        sent.bodies.append(json.loads(request.data))
        return io.BytesIO()

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return sent


@pytest.fixture
def invoked(functions, monkeypatch):
    """How the function invoked itself."""
    calls = []
    client = SimpleNamespace(invoke=lambda **call: calls.append(call))
    monkeypatch.setattr(functions.custom_resource, "client", lambda _service: client)
    return calls


def told_as(_request, reason):
    """What a deletion that failed is told as, by the function of these tests."""
    return {"Status": "SUCCESS", "Reason": f"not done: {reason}"}


def answer(functions, event, context, work):
    functions.custom_resource.answer(event, context, work, told_as)


def done(functions):
    return lambda _event, _clock: functions.custom_resource.Outcome("the-thing", {"Colour": "green"})


def test_success_is_told_with_the_physical_id(functions, answers):
    answer(functions, request(), LambdaContext(), done(functions))
    assert answers.bodies == [
        {
            "Status": "SUCCESS",
            "PhysicalResourceId": "the-thing",
            "Data": {"Colour": "green"},
            "StackId": "stack-1",
            "RequestId": "request-1",
            "LogicalResourceId": "Thing",
        }
    ]
    # S3 has signed the URL for a PUT without a content type
    assert answers.headers == [("PUT", "https://answer.example/", "")]


@pytest.mark.parametrize(("physical_id", "known_as"), [(None, "not-created-request-1"), ("before", "before")])
def test_any_failure_is_told_with_its_reason_and_the_id_that_there_was(functions, answers, physical_id, known_as):
    def work(event, clock):
        raise KeyError("Surprise")

    answer(functions, request(physical_id=physical_id), LambdaContext(), work)
    (told,) = answers.bodies
    assert (told["Status"], told["Reason"], told["PhysicalResourceId"]) == (
        "FAILED",
        "KeyError: 'Surprise'",
        known_as,
    )


def test_a_reason_is_cut_to_what_cloudformation_takes(functions, answers):
    def work(event, clock):
        raise functions.custom_resource.NotPossibleError("\N{GRINNING FACE}" * 10_000)

    answer(functions, request() | {"StackId": "x" * 300}, LambdaContext(), work)
    assert 3500 < answers.lengths[0] <= 4096
    assert set(answers.bodies[0]["Reason"]) == {"\N{GRINNING FACE}"}


def test_an_answer_that_is_lost_is_sent_again_and_in_the_end_lambda_repeats_the_request(functions, answers):
    answers.failures = 4
    answer(functions, request(), LambdaContext(), done(functions))
    assert len(answers.bodies) == 1

    answers.failures = 5
    with pytest.raises(OSError, match="no route"):
        answer(functions, request(), LambdaContext(), done(functions))


def endless(event, clock):
    while True:
        clock.pause("it is half done")


def test_work_that_outlasts_an_invocation_goes_on_in_another_with_the_same_deadline(functions, answers, invoked):
    began = time.time()
    answer(functions, request(), LambdaContext(120, 61, 59), endless)

    assert answers.bodies == []
    (call,) = invoked
    event = json.loads(call["Payload"])
    deadline = event.pop("Deadline")
    assert (call["FunctionName"], call["InvocationType"]) == (LambdaContext.invoked_function_arn, "Event")
    assert event == request()
    assert began + 55 * 60 <= deadline <= time.time() + 55 * 60

    answer(functions, event | {"Deadline": deadline}, LambdaContext(59), endless)
    assert json.loads(invoked[1]["Payload"])["Deadline"] == deadline


def test_work_that_outlasts_cloudformation_is_told_as_a_failure_while_it_listens(functions, answers, invoked):
    answer(functions, request() | {"Deadline": time.time() - 1}, LambdaContext(800), endless)

    assert invoked == []
    (told,) = answers.bodies
    assert (told["Status"], told["Reason"]) == ("FAILED", "it is half done, after 55 minutes: deploy again")


def test_a_deletion_that_fails_is_told_as_its_function_says_for_nobody_asks_it_again(functions, answers, monkeypatch):
    """CloudFormation deletes the function and its role whatever the answer is."""

    def broken(event, clock):
        raise KeyError("Surprise")

    def refused(event, clock):
        raise functions.custom_resource.NotPossibleError("somebody is in the way")

    event = request("Delete", physical_id="before")
    answer(functions, event | {"Deadline": time.time() - 1}, LambdaContext(800), endless)
    for work in (broken, refused):
        answer(functions, event, LambdaContext(), work)
    client = SimpleNamespace(invoke=lambda **_call: denied())
    monkeypatch.setattr(functions.custom_resource, "client", lambda _service: client)
    answer(functions, event, LambdaContext(1), endless)

    assert [(one["Status"], one["PhysicalResourceId"]) for one in answers.bodies] == [("SUCCESS", "before")] * 4
    late, surprised, in_the_way, alone = (one["Reason"] for one in answers.bodies)
    assert late == "not done: it is half done, after 55 minutes"
    assert surprised == "not done: KeyError: 'Surprise'"
    assert in_the_way == "not done: somebody is in the way"
    assert alone.startswith("not done: it is half done, and the function could not invoke itself to go on: ClientError")


def test_a_function_that_cannot_invoke_itself_says_so(functions, answers, monkeypatch):
    def refused(**call):
        raise PermissionError("not allowed")

    monkeypatch.setattr(functions.custom_resource, "client", lambda _service: SimpleNamespace(invoke=refused))
    answer(functions, request(), LambdaContext(1), endless)
    assert answers.bodies[0]["Reason"] == (
        "it is half done, and the function could not invoke itself to go on: PermissionError: not allowed"
    )


def denied(*_arguments):
    raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}, "DescribeTable")


def test_a_role_that_is_new_is_given_a_minute(functions, answers, pauses):
    attempts = [denied, denied, done(functions)]

    def work(event, clock):
        return attempts.pop(0)(event, clock)

    answer(functions, request(), LambdaContext(), work)
    assert [told["Status"] for told in answers.bodies] == ["SUCCESS"]
    assert len(pauses) == 2


def test_what_is_not_allowed_after_that_is_told(functions, answers, monkeypatch):
    moments = itertools.count(0, 25)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(moments)))
    answer(functions, request(), LambdaContext(), denied)
    assert "not authorized" in answers.bodies[0]["Reason"]


def test_pauses_grow_to_some_seconds(functions, pauses, clock):
    for _ in range(20):
        clock.pause("waiting")
    assert 0.15 < pauses[0] < 0.35
    assert 3.5 < pauses[-1] < 6.5
