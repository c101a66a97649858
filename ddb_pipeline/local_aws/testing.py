"""Local AWS for the tests of other projects: pytest fixtures.

In a `conftest.py`:

    from ddb_pipeline.local_aws.testing import local_aws, local_aws_server

(or `pytest_plugins = ["ddb_pipeline.local_aws.testing"]`). A test that asks for `local_aws` finds an empty AWS, and
code that makes its clients with plain `boto3.client(...)` uses it. One server serves all tests of a process, so tests
in parallel need a process each, as pytest-xdist has it.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config

from ddb_pipeline.local_aws.faults import Fault
from ddb_pipeline.local_aws.server import LocalAws

__all__ = ["REGION", "AwsOfTest", "Fault", "faulty", "local_aws", "local_aws_server"]

REGION = "eu-central-1"
"""Region of the clients, unless a test says otherwise."""


@dataclass(frozen=True)
class AwsOfTest:
    """The AWS of one test.

    Attributes:
        endpoint: Its URL.
        region: Region of `client` and of the environment.
    """

    endpoint: str
    region: str = REGION

    @property
    def environment(self) -> dict[str, str]:
        """What other processes need in their environment to use it, and to find nothing of the user's own AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, region: str | None = None) -> Any:
        """Return a boto3 client.

        Args:
            service: Such as `dynamodb`.
            region: Another region than `region`.
        """
        session: Any = boto3.session.Session("local", "local", region_name=region or self.region)
        config = Config(retries={"total_max_attempts": 1})
        return session.client(service, endpoint_url=self.endpoint, config=config)

    @contextmanager
    def faulty(self, *faults: Fault) -> Iterator[Callable[[], list[int]]]:
        """Let requests go wrong for as long as the block lasts.

        Args:
            faults: What is to go wrong.

        Yields:
            A function that says how many requests each of them has struck so far.
        """
        with faulty(self.endpoint, *faults) as struck:
            yield struck


@contextmanager
def faulty(endpoint: str, *faults: Fault) -> Iterator[Callable[[], list[int]]]:
    """Let requests to a local AWS, of this process or another, go wrong for as long as the block lasts.

    Args:
        endpoint: Its URL.
        faults: What is to go wrong.

    Yields:
        A function that says how many requests each of them has struck so far.
    """

    def call(body: bytes | None = None) -> dict[str, Any]:
        with urllib.request.urlopen(f"{endpoint}/_local_aws/faults", body, timeout=30) as answer:  # noqa: S310
            document: dict[str, Any] = json.load(answer)
        return document

    call(json.dumps({"faults": [fault.settings() for fault in faults]}).encode())
    try:
        yield lambda: [fault["struck"] for fault in call()["faults"]]
    finally:
        call(json.dumps({"faults": []}).encode())


@pytest.fixture(scope="session")
def local_aws_server() -> Iterator[LocalAws]:
    """The server behind `local_aws`; a test that uses only this sees what others have left."""
    with LocalAws() as server:
        yield server


@pytest.fixture
def local_aws(local_aws_server: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsOfTest]:
    """An AWS without anything in it, which boto3 uses by itself for as long as the test runs."""
    aws = AwsOfTest(local_aws_server.endpoint)
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    # an endpoint for one service, such as AWS_ENDPOINT_URL_S3, would come before the one for all
    for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL_")]:
        monkeypatch.delenv(name)
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    # boto3 remembers a session with the settings of its first use
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    yield aws
    local_aws_server.reset()
