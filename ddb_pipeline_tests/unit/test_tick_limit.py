"""A call of a tick is not begun when the tick might not end in time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.stub import Stubber

from ddb_pipeline.errors import AwsError
from ddb_pipeline.resources import tick_limit
from ddb_pipeline.resources.aws import make_client
from ddb_pipeline.resources.settings import Connection
from ddb_pipeline.resources.tick_limit import CALL_SECONDS, within_a_tick

CONNECTION = Connection("eu-central-1", "http://127.0.0.1:1", None, "key", "secret", None)
"""Where nothing answers."""


class Clock:
    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(tick_limit, "time", made)
    return made


def answered(*, hurried: bool) -> bool:
    """Whether a call is made: the answer is a stub's."""
    client = make_client("s3", CONNECTION, hurried=hurried)
    with Stubber(client) as stub:
        stub.add_response(
            "list_buckets", {"Buckets": [{"Name": "b", "CreationDate": datetime(2026, 1, 1, tzinfo=UTC)}]}
        )
        return bool(client.list_buckets()["Buckets"])


def test_a_call_that_may_outlast_the_minute_is_refused_with_what_to_do(clock: Clock):
    with within_a_tick():
        clock.seconds = 60 - CALL_SECONDS - 1
        assert answered(hurried=True)
        clock.seconds = 60 - CALL_SECONDS
        with pytest.raises(AwsError, match=r"no time left for ListBuckets: the next tick tries again") as refused:
            answered(hurried=True)
        assert refused.value.transient
        assert answered(hurried=False), "what a run calls has its own time"


def test_outside_a_tick_nothing_is_refused(clock: Clock):
    with within_a_tick():
        pass
    clock.seconds = 1000

    assert answered(hurried=True)


def test_a_call_of_a_tick_takes_no_longer_than_is_counted_for_it():
    config = make_client("s3", CONNECTION, hurried=True).meta.config

    assert config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert 3 * (config.connect_timeout + config.read_timeout) + 1 + 2 == CALL_SECONDS
