"""The local stage, brought up: synthesize, start local AWS, deploy. Used by `local up`, `demo` and `dev`."""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.process_group import process_group
from ddb_pipeline.declaration import Declaration
from ddb_pipeline.names import ComputedNames, PublishedNames

STAGE = "local"
REGION = "eu-central-1"
DEFAULT_PORT = 4577

_KEY = "local"
"""A made-up access key, and its secret: local AWS takes any."""

_making = threading.Lock()
"""A boto3 session is not safe between threads; the clients that it makes are."""


def environment(endpoint: str) -> dict[str, str]:
    """Return the settings of the local stage, as they stand in `.env`."""
    return {
        "DDB_PIPELINE_STAGE": STAGE,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": _KEY,
        "AWS_SECRET_ACCESS_KEY": _KEY,
    }


def synthesize(directory: Path) -> Path:
    """Synthesize the stacks of the local stage, in a process of its own: it takes hundreds of MiB.

    Args:
        directory: Where the cloud assembly goes.

    Raises:
        UserError: The CDK app failed; the message carries what it printed.
    """
    command = [sys.executable, "-m", "infra_cdk.app", "--stage", STAGE, "--output", str(directory)]
    with process_group(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        output, errors = process.communicate()
    if process.returncode != 0:
        raise UserError(f"the stack could not be synthesized:\n{(errors or output).strip()}")
    return directory


def published_names(declaration: Declaration, endpoint: str) -> dict[str, PublishedNames]:
    """Read what the deployed stacks publish, by pipeline.

    Raises:
        UserError: A pipeline's stack is not deployed.
    """
    parameters = client("ssm", endpoint)
    names = {}
    for pipeline in declaration.pipelines:
        parameter = ComputedNames(pipeline, STAGE).parameter
        try:
            value = parameters.get_parameter(Name=parameter)["Parameter"]["Value"]
        except parameters.exceptions.ParameterNotFound:
            raise UserError(
                f"pipeline {pipeline} is not deployed to the local AWS at {endpoint}: "
                "stop it with `ddb-pipeline local down` and run `ddb-pipeline local up`"
            ) from None
        names[pipeline] = PublishedNames.from_json(value)
    return names


def client(service: str, endpoint: str) -> Any:
    """Return a boto3 client of local AWS that reads no profile and no environment of the user."""
    from botocore.config import Config

    config = Config(retries={"total_max_attempts": 3, "mode": "standard"}, connect_timeout=5, read_timeout=120)
    with _making:
        return _session().client(service, endpoint_url=endpoint, config=config)


@cache
def _session() -> Any:
    """One for all clients: each new one reads megabytes of models again."""
    import boto3

    return boto3.session.Session(_KEY, _KEY, region_name=REGION)
