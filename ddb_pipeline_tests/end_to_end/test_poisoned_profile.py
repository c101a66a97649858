"""The user's own AWS profile is never read when local AWS is in use: here it would run a program that tells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ddb_pipeline.cli import local_stack
from ddb_pipeline_tests.conftest import PIPELINES
from ddb_pipeline_tests.deployed import Deployed


@pytest.fixture
def poisoned(tmp_path: Path, deployed: Deployed) -> dict[str, str]:
    """A home whose every profile runs a program and leads elsewhere, and the `.env` of local AWS as environment."""
    folder = tmp_path / "home" / ".aws"
    folder.mkdir(parents=True)
    told = tmp_path / "told"
    lines = [
        "region = us-west-2",
        "endpoint_url = http://127.0.0.1:9",
        f"credential_process = {sys.executable} -c \"open('{told}', 'w').close()\"",
        "ca_bundle = /nowhere",
    ]
    sections = "\n".join(f"[{name}]\n" + "\n".join(lines) for name in ("default", "profile theirs"))
    (folder / "config").write_text(sections + "\n")
    (folder / "credentials").write_text("[default]\naws_access_key_id = THEIRS\naws_secret_access_key = THEIRS\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **environment,
        **local_stack.environment(deployed.endpoint),
        "HOME": str(tmp_path / "home"),
        "DDB_PIPELINE_FILE": str(PIPELINES),
        "TOLD": str(told),
    }


@pytest.mark.parametrize("profile", [None, "theirs"])
def test_the_commands_read_no_profile(poisoned: dict[str, str], tmp_path: Path, profile: str | None) -> None:
    environment = poisoned if profile is None else {**poisoned, "AWS_PROFILE": profile}

    done = subprocess.run(
        [sys.executable, "-m", "ddb_pipeline.cli", "query", "--pipeline", "persons", "SELECT 1 AS one"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "one" in done.stdout
    assert not Path(poisoned["TOLD"]).exists()


SERVE = """
import boto3, sys
from ddb_pipeline.local_aws.server import LocalAws

with LocalAws() as server:
    print(boto3.client("sts", endpoint_url=server.endpoint, region_name="us-east-1").get_caller_identity()["Account"])
"""


def test_the_server_reads_no_profile(poisoned: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVE],
        env={name: value for name, value in poisoned.items() if not name.startswith("AWS_")}
        | {"AWS_PROFILE": "theirs"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout.strip() == "123456789012", done.stderr
    assert not Path(poisoned["TOLD"]).exists()
