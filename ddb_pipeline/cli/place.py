"""Where a stage is deployed: the account and region that the settings lead to, looked at before the CDK starts.

What is in the way is said in one sentence here; the CDK would print pages, or fail in the middle.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.console import UserError
from ddb_pipeline.declaration import Declaration
from ddb_pipeline.errors import STAGE_ADVICE, CallAdvice, explained, is_denied
from ddb_pipeline.names import PROJECT, ComputedNames
from ddb_pipeline.resources.aws import make_client
from ddb_pipeline.resources.settings import CREDENTIALS, STAGE_VARIABLE, Settings, read_settings

BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
"""Where `cdk bootstrap` leaves its version (aws-cdk, bootstrap-template.yaml)."""

_DEPLOYER_ADVICE = replace(
    STAGE_ADVICE,
    denied="deploying and destroying take rights that the stack's policies for Dagster do not hold: use credentials "
    "that may deploy, such as an administrator's",
)


@dataclass(frozen=True)
class Place:
    """A stage, and the account and region that it is, or is to be, deployed to."""

    settings: Settings
    account: str
    region: str

    @property
    def stage(self) -> str:
        """Name of the stage."""
        return self.settings.stage

    def client(self, service: str) -> Any:
        """Return a boto3 client."""
        return make_client(service, self.settings.connection)

    @contextmanager
    def explained(self, advice: CallAdvice = _DEPLOYER_ADVICE) -> Iterator[None]:
        """Turn botocore's errors inside the block into sentences.

        Args:
            advice: What to do, where that depends on the caller.
        """
        with explained(self.settings.where, advice):
            yield

    def environment(self) -> dict[str, str]:
        """Return this process's variables, with the very credentials, region and endpoint that were looked at."""
        connection = self.settings.connection
        found = {
            "AWS_PROFILE": connection.profile,
            "AWS_ACCESS_KEY_ID": connection.access_key_id,
            "AWS_SECRET_ACCESS_KEY": connection.secret_access_key,
            "AWS_SESSION_TOKEN": connection.session_token,
        }
        variables = dict(os.environ)
        if any(found.values()):
            # all from one place: a profile beside keys would win in one program and lose in another
            variables = {name: value for name, value in variables.items() if name not in CREDENTIALS}
        found |= {"AWS_ENDPOINT_URL": connection.endpoint_url, "AWS_REGION": self.region}
        return variables | {name: value for name, value in found.items() if value}


@dataclass(frozen=True)
class DeployedStack:
    """A stack that is there.

    Attributes:
        state: What CloudFormation says of it, such as CREATE_COMPLETE.
        protected: Whether its termination protection is on.
        outputs: What it publishes, by the names of the outputs.
    """

    state: str
    protected: bool
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def was_never_made(self) -> bool:
        """Whether its first deployment failed, and was rolled back, perhaps deleted in part since.

        A stack that was made once publishes something, also when it could not be deleted whole.
        """
        return self.state in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"} or (
            self.state == "DELETE_FAILED" and not self.outputs
        )


def find_place(declaration: Declaration, stage: str) -> Place:
    """Find out which account and region the settings for a stage lead to.

    Args:
        declaration: Where the stage is declared, with `.env` beside it.
        stage: Name of the stage.

    Raises:
        UserError: The stage is the laptop's, or the region does not exist.
        DeclarationError: There is no such stage.
        PipelineError: There are no credentials, they have expired, or AWS cannot be reached.
    """
    from botocore.exceptions import EndpointConnectionError

    declaration.stage(stage)
    if stage == local_stack.STAGE:
        raise UserError(
            f"stage {stage} is the one of this machine: `ddb-pipeline local up` brings it up; choose another stage of "
            f"{declaration.path.name}, such as --stage dev"
        )
    settings = read_settings(declaration.path.parent, {**os.environ, STAGE_VARIABLE: stage})
    with explained(settings.where, _DEPLOYER_ADVICE):
        # not of STS, which answers without a region too
        region = str(make_client("ssm", settings.connection).meta.region_name)
        try:
            account = str(make_client("sts", settings.connection).get_caller_identity()["Account"])
        except EndpointConnectionError:
            if settings.connection.endpoint_url is None and region not in known_regions():
                raise UserError(_no_such_region(region)) from None
            raise
    return Place(settings, account, region)


def require_bootstrap(place: Place) -> None:
    """Check that the account can be deployed to.

    Raises:
        UserError: `cdk bootstrap` has not been run there.
    """
    from botocore.exceptions import ClientError

    client = place.client("ssm")
    with place.explained():
        try:
            client.get_parameter(Name=BOOTSTRAP_PARAMETER)
        except client.exceptions.ParameterNotFound:
            raise UserError(
                f"the account of these credentials is not bootstrapped for the CDK in {place.region}: run once "
                f"`make bootstrap STAGE={place.stage}` with the rights of an administrator, or set AWS_REGION if "
                "another region is meant"
            ) from None
        except ClientError as error:
            # who may only assume the CDK's roles may not read it either: the CDK looks for itself
            if not is_denied(error):
                raise


def stack_names(declaration: Declaration, stage: str) -> dict[str, str]:
    """Return the name of the stack of each pipeline."""
    return {pipeline: ComputedNames(pipeline, stage).stack for pipeline in declaration.pipelines}


def deployed_stacks(declaration: Declaration, place: Place) -> dict[str, DeployedStack]:
    """Return each stack that is there, by pipeline.

    Raises:
        PipelineError: CloudFormation cannot be asked.
    """
    from botocore.exceptions import ClientError

    client = place.client("cloudformation")
    found = {}
    for pipeline, stack in stack_names(declaration, place.stage).items():
        with place.explained():
            try:
                described = client.describe_stacks(StackName=stack)["Stacks"][0]
            except ClientError as error:
                if "does not exist" in str(error):
                    continue
                raise
        found[pipeline] = DeployedStack(
            str(described["StackStatus"]),
            protected=bool(described.get("EnableTerminationProtection")),
            outputs={str(one["OutputKey"]): str(one["OutputValue"]) for one in described.get("Outputs", [])},
        )
    return found


def undeclared_stacks(declaration: Declaration, place: Place) -> list[str]:
    """Return the names of the stage's stacks that are there and whose pipelines `pipeline.toml` does not declare.

    Raises:
        PipelineError: CloudFormation cannot be asked.
    """
    declared = set(stack_names(declaration, place.stage).values())
    ours = {("project", PROJECT), ("stage", place.stage)}
    with place.explained():
        return sorted(
            str(stack["StackName"])
            for page in place.client("cloudformation").get_paginator("describe_stacks").paginate()
            for stack in page["Stacks"]
            if ours <= {(tag["Key"], tag["Value"]) for tag in stack.get("Tags", [])}
            and stack["StackName"] not in declared
        )


def known_regions() -> set[str]:
    """Return the regions that this version of boto3 has heard of."""
    import boto3

    session = boto3.Session()
    return {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("cloudformation", partition)
    }


def _no_such_region(region: str) -> str:
    close = difflib.get_close_matches(region, sorted(known_regions()), n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"there is no AWS region {region}{hint}: correct AWS_REGION in .env or in the environment"
