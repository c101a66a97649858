"""What is in the way of a deployment, in one sentence each; and that the CDK gets the credentials looked at."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from ddb_pipeline.cli import place as place_module
from ddb_pipeline.cli.cdk import _reason
from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.place import Place, find_place, require_bootstrap
from ddb_pipeline.declaration import Declaration, DeclarationError, load_declaration
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.resources.settings import Connection, Settings
from ddb_pipeline_tests.conftest import REPOSITORY


class NotFoundError(Exception):
    """As boto3 makes one for a client."""


class FakeClient:
    """A client whose one call fails as it is told."""

    def __init__(self, region: str, error: Exception | None) -> None:
        self.meta = type("Meta", (), {"region_name": region})()
        self.exceptions = type("Exceptions", (), {"ParameterNotFound": NotFoundError})()
        self._error = error

    def get_caller_identity(self) -> dict[str, str]:
        if self._error:
            raise self._error
        return {"Account": "111122223333"}

    def get_parameter(self, **_request: str) -> dict[str, Any]:
        if self._error:
            raise self._error
        return {"Parameter": {"Value": "30"}}


@pytest.fixture
def declaration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declaration:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "pipeline.toml"
    file.write_text((REPOSITORY / "pipeline.toml").read_text())
    return load_declaration(file)


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetCallerIdentity")


def aws(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None, region: str = "eu-central-1") -> None:
    monkeypatch.setattr(place_module, "make_client", lambda _service, _connection: FakeClient(region, error))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NoCredentialsError(), "no AWS credentials are configured"),
        (NoRegionError(), "no AWS region is configured"),
        (refused("ExpiredToken"), "the AWS credentials have expired"),
        (refused("InvalidClientTokenId"), "AWS does not accept the credentials"),
    ],
)
def test_credentials_that_do_not_work_are_a_sentence(declaration, monkeypatch, error, sentence):
    aws(monkeypatch, error)

    with pytest.raises(PipelineError, match=sentence):
        find_place(declaration, "dev")


def test_without_a_region_aws_is_not_asked(declaration, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)

    with pytest.raises(PipelineError, match=r"no AWS region is configured .* set AWS_REGION"):
        find_place(declaration, "dev")


def test_a_region_that_is_none_is_named_with_the_one_that_may_be_meant(declaration, monkeypatch):
    aws(monkeypatch, EndpointConnectionError(endpoint_url="https://sts.eu-centrall-1.amazonaws.com"), "eu-centrall-1")

    with pytest.raises(UserError, match=r"no AWS region eu-centrall-1 \(did you mean eu-central-1\?\)"):
        find_place(declaration, "dev")


def test_a_region_that_exists_and_does_not_answer_is_a_matter_of_the_network(declaration, monkeypatch):
    aws(monkeypatch, EndpointConnectionError(endpoint_url="https://sts.eu-central-1.amazonaws.com"))

    with pytest.raises(PipelineError, match="nothing answers at"):
        find_place(declaration, "dev")


def test_a_stage_that_is_not_declared_or_is_the_laptops_is_refused(declaration, monkeypatch):
    aws(monkeypatch)

    with pytest.raises(DeclarationError, match="nowhere"):
        find_place(declaration, "nowhere")
    with pytest.raises(UserError, match="`ddb-pipeline local up` brings it up"):
        find_place(declaration, "local")


def test_an_account_without_bootstrap_is_told_how_to_get_it(declaration, monkeypatch):
    aws(monkeypatch)
    place = find_place(declaration, "dev")
    aws(monkeypatch, NotFoundError())

    with pytest.raises(UserError, match=r"not bootstrapped.*eu-central-1.*make bootstrap STAGE=dev.*set AWS_REGION"):
        require_bootstrap(place)


def test_who_may_not_read_the_bootstrap_leaves_the_look_to_the_cdk(declaration, monkeypatch):
    aws(monkeypatch)
    place = find_place(declaration, "dev")
    aws(monkeypatch, refused("AccessDeniedException"))

    require_bootstrap(place)


def test_the_cdk_gets_the_very_credentials_that_were_looked_at(monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_PROFILE", "of-the-shell")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-the-shell")
    keys = Connection(region=None, access_key_id="A", secret_access_key="B", endpoint_url="http://127.0.0.1:1")

    variables = Place(Settings("dev", keys), "111122223333", "eu-west-1").environment()

    assert {name: value for name, value in variables.items() if name.startswith("AWS_")} == {
        "AWS_ACCESS_KEY_ID": "A",
        "AWS_SECRET_ACCESS_KEY": "B",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_REGION": "eu-west-1",
    }


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (
            "npm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error network request failed\n",
            "ENOTFOUND, network",
        ),
        ("npm error code E404\nnpm error 404 Not Found - GET\n", "E404, 404 Not Found"),
        ("Killed\n", "npm does not say why"),
    ],
)
def test_what_npm_says_is_a_part_of_the_sentence(output, reason):
    assert _reason(output).startswith(reason)
