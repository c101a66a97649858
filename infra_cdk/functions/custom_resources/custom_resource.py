"""What the functions behind the stack's custom resources share: an answer is always sent, and long work goes on.

CloudFormation sends a request as an asynchronous event, which may come more than once, and waits an hour for an answer
at the URL in it (AWSCloudFormation/latest/UserGuide/crpg-ref-requesttypes.html, crpg-ref-responses.html). Lambda stops
a function after 15 minutes: work that takes longer ends shortly before, and the function invokes itself to go on.

A deletion that is answered with FAILED is never asked for again: CloudFormation deletes the function and its role all
the same (aws-cloudformation/cloudformation-coverage-roadmap, issues 852 and 1508). So each module says what a deletion
that fails is told as: `FailedDeletion`.
"""

from __future__ import annotations

import json
import logging
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

LONGEST_SECONDS = 55 * 60.0
"""Work is given up after so long, while CloudFormation still waits for the answer."""
RESERVE_SECONDS = 60.0
"""Work ends so long before Lambda's timeout: one call to AWS may be under way, and the answer has to be sent."""
LONGEST_PAUSE_SECONDS = 5.0
RESPONSE_BYTES = 4096
"""Longest answer that CloudFormation takes."""
SENDING_ATTEMPTS = 5

NEW_ROLE_SECONDS = 60.0
"""A role that was made a moment ago is not known everywhere (IAM/latest/UserGuide/troubleshoot.html: eventual)."""
DENIED = {"AccessDenied", "AccessDeniedException"}

LOG = logging.getLogger()
LOG.setLevel(logging.INFO)

Event = Mapping[str, Any]


class Context(Protocol):
    """What is used of Lambda's context object."""

    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda stops the function."""


class NotPossibleError(Exception):
    """The resource cannot be as it is wanted. The message is for the person who deploys."""


class OutOfTimeError(Exception):
    """The work is not done. The message says what it waits for or what is left."""


@dataclass(frozen=True)
class Outcome:
    """What the resource is now.

    Attributes:
        physical_id: Names it; when an update gives another name, CloudFormation has the old one deleted.
        data: What `Fn::GetAtt` gives.
    """

    physical_id: str
    data: Mapping[str, str] = field(default_factory=dict)


class Clock:
    """How much time the work has.

    Args:
        context: Lambda's context, which knows the end of this invocation.
        deadline: Epoch second at which the work is given up.
    """

    def __init__(self, context: Context, deadline: float) -> None:
        self._context = context
        self._deadline = deadline
        self._next_pause = 0.25

    def check(self, state: str) -> None:
        """Go on only while there is time.

        Args:
            state: What the work waits for, or what is left of it.

        Raises:
            OutOfTimeError: There is none.
        """
        left = self._context.get_remaining_time_in_millis() / 1000
        if left < RESERVE_SECONDS or time.time() > self._deadline:
            raise OutOfTimeError(state)

    def pause(self, state: str) -> None:
        """Wait before AWS is asked again, longer each time.

        Raises:
            OutOfTimeError: There is no time for it.
        """
        self.check(state)
        time.sleep(self._next_pause * random.uniform(0.8, 1.2))
        self._next_pause = min(LONGEST_PAUSE_SECONDS, self._next_pause * 1.5)


Work = Callable[[Event, Clock], Outcome]
FailedDeletion = Callable[[Event, str], dict[str, str]]
"""Status and Reason of the answer to a deletion that failed, made of the request and of why."""


def client(service: str) -> Any:
    """A boto3 client whose calls end well before the reserve of time is used up."""
    # here, as most requests need no client and importing takes half a second
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 3, "mode": "standard"})
    session: Any = boto3.session.Session()
    return session.client(service, config=config)


def error_code(error: Exception) -> str:
    """The code of an error that AWS answered with; empty for any other error."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def answer(event: Event, context: Context, work: Work, failed_deletion: FailedDeletion) -> None:
    """Do what CloudFormation asks for, and tell it how that went.

    Args:
        event: The request; `Deadline` in it says that an earlier invocation began.
        context: Lambda's context.
        work: Makes the resource what the request wants, from whatever it is: a request may come again.
        failed_deletion: What a deletion is told as that fails.
    """
    is_deletion = event["RequestType"] == "Delete"

    def fail(reason: str) -> None:
        known_as = event.get("PhysicalResourceId") or f"not-created-{event['RequestId']}"
        told = failed_deletion(event, reason) if is_deletion else {"Status": "FAILED", "Reason": reason}
        _send(event, {**told, "PhysicalResourceId": known_as})

    deadline = float(event.get("Deadline") or time.time() + LONGEST_SECONDS)
    try:
        outcome = _with_a_new_role(work, event, Clock(context, deadline))
    except OutOfTimeError as error:
        if time.time() >= deadline:
            fail(f"{error}, after {LONGEST_SECONDS / 60:.0f} minutes{'' if is_deletion else ': deploy again'}")
        elif (refusal := _go_on(event, context, deadline, str(error))) is not None:
            fail(f"{error}, and the function could not invoke itself to go on: {refusal}")
    except NotPossibleError as error:
        fail(str(error))
    except Exception as error:  # whatever it is: without an answer, CloudFormation waits for an hour
        LOG.exception("%s of %s failed", event["RequestType"], event["LogicalResourceId"])
        fail(f"{type(error).__name__}: {error}")
    else:
        _send(event, {"Status": "SUCCESS", "PhysicalResourceId": outcome.physical_id, "Data": dict(outcome.data)})


def _with_a_new_role(work: Work, event: Event, clock: Clock) -> Outcome:
    """Do the work, and again for a while when it is not allowed: the function may be older than what it may do."""
    began = time.monotonic()
    while True:
        try:
            return work(event, clock)
        except Exception as error:
            if error_code(error) not in DENIED or time.monotonic() - began > NEW_ROLE_SECONDS:
                raise
            refusal = str(error)
        clock.pause(refusal)


def _go_on(event: Event, context: Context, deadline: float, state: str) -> str | None:
    """Do the rest in another invocation; why that cannot be, if it cannot."""
    LOG.info("%s: going on in another invocation", state)
    try:
        client("lambda").invoke(
            FunctionName=context.invoked_function_arn,
            InvocationType="Event",
            Payload=json.dumps({**event, "Deadline": deadline}).encode(),
        )
    except Exception as error:  # nobody else would answer
        LOG.exception("the function could not invoke itself")
        return f"{type(error).__name__}: {error}"
    return None


def _send(event: Event, result: Mapping[str, Any]) -> None:
    """Put the answer where CloudFormation looks for it.

    Raises:
        OSError: It could not be sent. Lambda then invokes the function again with the same request.
    """
    LOG.info("%s of %s: %s", event["RequestType"], event["LogicalResourceId"], json.dumps(result))
    same = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body = _fitting({**result, **same})
    # the URL is signed for an empty content type
    request = urllib.request.Request(event["ResponseURL"], body, {"Content-Type": ""}, method="PUT")  # noqa: S310 - CloudFormation's
    for attempt in range(1, SENDING_ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(request, timeout=10):  # noqa: S310
                return
        except (OSError, urllib.error.URLError):
            if attempt == SENDING_ATTEMPTS:
                raise
            LOG.exception("the answer could not be sent, attempt %d", attempt)
            time.sleep(random.uniform(0.5, 1.5) * attempt)


def _fitting(document: Mapping[str, Any]) -> bytes:
    """The answer as JSON, its reason cut to what CloudFormation takes."""
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "backslashreplace")
    if len(body) <= RESPONSE_BYTES or not document.get("Reason"):
        return body
    reason = str(document["Reason"])
    return _fitting({**document, "Reason": reason[: len(reason) * 9 // 10]})
