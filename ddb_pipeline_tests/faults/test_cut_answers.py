"""A connection that ends in the middle of an answer: what boto3's clients make of it, and ours."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from ddb_pipeline.errors import CUT_SHORT
from ddb_pipeline.local_aws.testing import Fault, faulty
from ddb_pipeline.resources.aws import make_client
from ddb_pipeline.resources.settings import read_settings
from ddb_pipeline.resources.whole_answers import refuse_cut_answers
from ddb_pipeline_tests.deployed import Deployed

READS = [
    ("athena", "list_work_groups", "WorkGroups"),
    ("dynamodb", "list_tables", "TableNames"),
    ("glue", "get_databases", "DatabaseList"),
    ("lambda", "list_functions", "Functions"),
    ("s3", "list_buckets", "Buckets"),
    ("ssm", "describe_parameters", "Parameters"),
    ("sts", "get_caller_identity", "Account"),
]
EACH = pytest.mark.parametrize(("service", "method", "member"), READS, ids=lambda value: value)


def client(deployed: Deployed, service: str, attempts: int) -> Any:
    session: Any = boto3.session.Session("test", "test", region_name="eu-central-1")
    config = Config(retries={"mode": "standard", "total_max_attempts": attempts})
    made = session.client(service, endpoint_url=deployed.endpoint, config=config)
    refuse_cut_answers(made)
    return made


@EACH
def test_half_an_answer_is_asked_for_again(deployed: Deployed, service: str, method: str, member: str) -> None:
    with faulty(deployed.endpoint, Fault("cut", service, count=1)) as struck:
        assert getattr(client(deployed, service, attempts=2), method)()[member]
        assert struck() == [1]


@EACH
def test_half_an_answer_is_an_error_and_never_an_empty_one(
    deployed: Deployed, service: str, method: str, member: str
) -> None:
    with faulty(deployed.endpoint, Fault("cut", service)), pytest.raises(ClientError) as caught:
        getattr(client(deployed, service, attempts=1), method)()

    assert caught.value.response["Error"]["Code"] == CUT_SHORT


def test_half_a_refusal_is_asked_for_again_and_keeps_its_code(deployed: Deployed) -> None:
    glue = client(deployed, "glue", attempts=2)
    with faulty(deployed.endpoint, Fault("cut", "glue", count=1)) as struck:
        with pytest.raises(glue.exceptions.EntityNotFoundException):
            glue.get_database(Name="none")
        assert struck() == [1]


def test_boto3_itself_takes_half_a_page_of_json_for_an_empty_one(deployed: Deployed) -> None:
    """Why all this is there: should botocore mend it, `whole_answers` can go."""
    session: Any = boto3.session.Session("test", "test", region_name="eu-central-1")
    plain = session.client("glue", endpoint_url=deployed.endpoint)

    with faulty(deployed.endpoint, Fault("cut", "glue", count=1)):
        assert "DatabaseList" not in plain.get_databases()


def test_the_pipelines_own_clients_demand_whole_answers(stage: Deployed) -> None:
    connection = read_settings(stage.declaration.path.parent).connection
    for service in ("glue", "dynamodb", "lambda", "ssm"):
        with faulty(stage.endpoint, Fault("cut", service, count=1)) as struck:
            method = next(method for name, method, _ in READS if name == service)
            answer = getattr(make_client(service, connection), method)()
            assert next(member for name, _, member in READS if name == service) in answer
            assert struck() == [1]
