"""The fixtures for the tests of other projects, as such a project uses them; and several local AWS at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from ddb_pipeline_tests.deployed import Deployed

PROJECT = """
import os
import time

import boto3
import pytest
from ddb_pipeline.local_aws.testing import local_aws, local_aws_server

TABLE = {
    "TableName": "one",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.mark.parametrize("number", range(3))
def test_each_test_finds_an_empty_aws(local_aws, number):
    # plain boto3, as code under test has it
    dynamodb, s3 = boto3.client("dynamodb"), boto3.client("s3")
    assert dynamodb.list_tables()["TableNames"] == []
    assert s3.list_buckets()["Buckets"] == []
    dynamodb.create_table(**TABLE)
    dynamodb.put_item(TableName="one", Item={"pk": {"S": "a"}})
    s3.create_bucket(Bucket="one", CreateBucketConfiguration={"LocationConstraint": local_aws.region})
    s3.put_object(Bucket="one", Key="a", Body=b"a")
    assert local_aws.client("dynamodb").scan(TableName="one")["Count"] == 1


def test_no_profile_of_the_user_is_seen(local_aws):
    assert "AWS_PROFILE" not in os.environ
    assert boto3.Session().available_profiles == []


def test_a_reset_is_fast(local_aws, local_aws_server):
    boto3.client("dynamodb").create_table(**TABLE)
    started = time.perf_counter()
    local_aws_server.reset()
    assert time.perf_counter() - started < 0.1
    assert boto3.client("dynamodb").list_tables()["TableNames"] == []
"""


def test_another_project_has_an_empty_aws_for_each_of_its_tests(tmp_path: Path) -> None:
    (tmp_path / "test_project.py").write_text(PROJECT)
    poisoned = tmp_path / "home" / ".aws"
    poisoned.mkdir(parents=True)
    (poisoned / "config").write_text("[profile theirs]\nregion = us-west-2\n")
    environment = {**os.environ, "HOME": str(tmp_path / "home"), "AWS_PROFILE": "theirs"}
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        environment.pop(name, None)

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


SERVE = """
import sys
from ddb_pipeline.local_aws.server import LocalAws

with LocalAws() as server:
    print(server.endpoint, flush=True)
    sys.stdin.readline()
"""


def test_several_run_at_once_on_ports_of_their_own_and_share_nothing() -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        endpoints = [process.stdout.readline().strip() for process in started if process.stdout]
        assert len(set(endpoints)) == 2
        for number, endpoint in enumerate(endpoints):
            session = boto3.session.Session("test", "test", region_name="us-east-1")
            s3 = session.client("s3", endpoint_url=endpoint)
            s3.create_bucket(Bucket=f"bucket-{number}")
        for number, endpoint in enumerate(endpoints):
            s3 = boto3.session.Session("test", "test").client("s3", endpoint_url=endpoint)
            assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [f"bucket-{number}"]
    finally:
        for process in started:
            process.communicate("\n", timeout=30)
    assert [process.returncode for process in started] == [0, 0]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.com"])
def test_no_argument_makes_it_listen_beyond_loopback(deployed: Deployed, host: str) -> None:
    from ddb_pipeline.local_aws.server import LocalAws

    with pytest.raises(TypeError):
        LocalAws(host=host)
    assert json.loads(json.dumps(deployed.endpoint)).startswith("http://127.0.0.1:")
