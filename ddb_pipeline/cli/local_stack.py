"""The local stage, brought up: synthesize, start local AWS, deploy. Used by `local up`, `demo` and `dev`."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

from ddb_pipeline.cli import kept_assemblies
from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.process_group import process_group
from ddb_pipeline.declaration import FILE_VARIABLE, Declaration
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


def synthesize(declaration: Declaration, directory: Path, stage: str = STAGE) -> Path:
    """Synthesize the stacks of a stage, in a process of its own: it takes hundreds of MiB.

    What was synthesized from the same sources before is taken from the user's cache.

    Args:
        declaration: Whose stacks.
        directory: Where the cloud assembly goes; what is there is replaced.
        stage: Name of the stage.

    Raises:
        UserError: The CDK app failed; the message carries what it printed.
    """
    try:
        key = kept_assemblies.fingerprint(declaration.path, stage)
    except importlib.metadata.PackageNotFoundError:
        key = ""  # the CDK is not installed: its app says what to do
    if key and kept_assemblies.take(key, directory):
        return directory
    command = [sys.executable, "-m", "infra_cdk.app", "--stage", stage, "--output", str(directory)]
    environment = {**os.environ, FILE_VARIABLE: str(declaration.path)}
    with process_group(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        output, errors = process.communicate()
    if process.returncode != 0:
        raise UserError(f"the stack could not be synthesized:\n{(errors or output).strip()}")
    # sources that were edited meanwhile may be in it or not
    if key and kept_assemblies.fingerprint(declaration.path, stage) == key:
        kept_assemblies.keep(key, directory)
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
