"""A request of a tick is not sent when the tick might not end in time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError

import ddb_pipeline
from ddb_pipeline.errors import AwsError
from ddb_pipeline.resources import aws, tick_limit
from ddb_pipeline.resources.aws import make_client
from ddb_pipeline.resources.settings import Connection
from ddb_pipeline.resources.tick_limit import (
    ANSWER_SECONDS,
    ATTEMPTS,
    CONNECT_SECONDS,
    LAST_REQUEST_SECONDS,
    NoTimeLeftError,
    Threads,
    within_a_tick,
)
from ddb_pipeline.ticks import TICK_SECONDS

CONNECTION = Connection("eu-central-1", "http://127.0.0.1:1", None, "key", "secret", None)
"""Where nothing answers."""


class Clock:
    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class Body:
    def stream(self, *_arguments: Any, **_more: Any) -> Iterator[bytes]:
        yield b"<ListAllMyBucketsResult><Buckets><Bucket><Name>b</Name></Bucket></Buckets></ListAllMyBucketsResult>"


class Server:
    """S3 as a client reaches it: answers after some seconds, or never."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.requests = 0
        self.takes = 0.0
        self.answers = True

    @contextmanager
    def behind(self, client: Any) -> Iterator[None]:
        client.meta.events.register("before-send.s3", self.send, unique_id="server")
        try:
            yield
        finally:
            client.meta.events.unregister("before-send.s3", self.send, unique_id="server")

    def send(self, request: Any, **_: Any) -> AWSResponse:
        self.requests += 1
        self.clock.seconds += self.takes
        if not self.answers:
            raise ReadTimeoutError(endpoint_url=request.url)
        return AWSResponse(request.url, 200, {}, Body())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(tick_limit, "time", made)
    return made


@pytest.fixture
def server(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(botocore.endpoint.time, "sleep", lambda _seconds: None)
    return Server(clock)


def answered(server: Server, *, hurried: bool) -> bool:
    """Whether a call is made and answered."""
    client = make_client("s3", CONNECTION, hurried=hurried)
    with server.behind(client):
        return bool(client.list_buckets()["Buckets"])


def test_a_request_that_may_outlast_the_tick_is_refused_with_what_to_do(clock: Clock, server: Server):
    with within_a_tick():
        clock.seconds = LAST_REQUEST_SECONDS
        assert answered(server, hurried=True)
        clock.seconds = LAST_REQUEST_SECONDS + 1
        with pytest.raises(AwsError, match=r"no time left for ListBuckets: the next tick tries again") as refused:
            answered(server, hurried=True)
        assert refused.value.transient
        assert answered(server, hurried=False), "what a run calls has its own time"


def test_outside_a_tick_nothing_is_refused(clock: Clock, server: Server):
    with within_a_tick():
        pass
    clock.seconds = 1000

    assert answered(server, hurried=True)


def test_a_request_is_not_repeated_when_it_has_become_late(clock: Clock, server: Server):
    """A host with many addresses takes the time to connect once for each, whatever one attempt is said to take."""
    server.answers, server.takes = False, 21

    with within_a_tick(), pytest.raises(NoTimeLeftError):
        answered(server, hurried=True)
    assert server.requests == 2


def test_threads_of_a_tick_are_refused_as_it_is_itself(clock: Clock, server: Server):
    client = make_client("s3", CONNECTION, hurried=True)

    def buckets(_number: int) -> int:
        return len(client.list_buckets()["Buckets"])

    # one server for both threads: they have the same client
    with server.behind(client), within_a_tick(), Threads(2) as threads:
        assert list(threads.map(buckets, range(2))) == [1, 1]
        clock.seconds = LAST_REQUEST_SECONDS + 1
        with pytest.raises(NoTimeLeftError):
            list(threads.map(buckets, range(2)))


def test_nothing_that_a_tick_calls_has_threads_of_another_kind():
    of_runs = {"baseline_making/export.py", "cli/erase.py", "resources/tick_limit.py"}
    top = Path(ddb_pipeline.__file__).parent
    files = [file for file in top.rglob("*.py") if "local_aws" not in file.parts]

    found = {str(file.relative_to(top)) for file in files if re.search(r"\bThreadPoolExecutor\b", file.read_text())}

    assert found - of_runs == set(), "there is `Threads`; or is it of runs alone?"


def test_a_tick_has_time_to_tell_what_it_found_when_its_last_request_is_not_answered():
    config = make_client("s3", CONNECTION, hurried=True).meta.config

    assert (config.connect_timeout, config.read_timeout) == (CONNECT_SECONDS, ANSWER_SECONDS)
    assert config.retries == {"mode": "standard", "total_max_attempts": ATTEMPTS}
    pause = 2
    assert LAST_REQUEST_SECONDS + CONNECT_SECONDS + ANSWER_SECONDS + pause < TICK_SECONDS < 60


@pytest.mark.parametrize("service", ["sts", "sso", "sso-oidc"])
def test_who_brings_credentials_is_given_up_as_early(service: str):
    """botocore makes these clients from its session alone, when a profile assumes a role or signs in."""
    config = aws._make_session(CONNECTION, hurried=True).client(service).meta.config

    assert (config.connect_timeout, config.read_timeout) == (CONNECT_SECONDS, ANSWER_SECONDS)
    assert config.retries == {"mode": "standard", "total_max_attempts": ATTEMPTS}
