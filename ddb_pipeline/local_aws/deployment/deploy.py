"""What `cdk deploy` does, over the API alone: bootstrap, publish the assembly's assets, create or update its stacks.

Works against any endpoint that speaks AWS, but is meant for local AWS: it gives itself made-up keys.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ddb_pipeline.local_aws.deployment.assembly import Assembly, AssemblyError, Asset, StackArtifact, read_assembly
from ddb_pipeline.local_aws.deployment.place import Clients

BOOTSTRAP_VERSION = "30"
"""Version of the bootstrap template that local AWS stands for (aws-cdk, bootstrap-template.yaml)."""
BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"
DEADLINE_SECONDS = 300.0
Progress = Callable[[str], None]


class DeploymentError(Exception):
    """The assembly could not be deployed. The message names the resource and the reason."""


def deploy(
    assembly: Path, endpoint: str, region: str, *, progress: Progress | None = None
) -> dict[str, dict[str, str]]:
    """Deploy a CDK assembly: bootstrap, assets, then its stacks, each after those that it depends on.

    Args:
        assembly: Directory that `cdk synth` wrote.
        endpoint: URL of local AWS.
        region: Region to deploy to.
        progress: Takes a line of text at each step.

    Returns:
        The outputs of each stack, by its name.

    Raises:
        DeploymentError: The assembly is not understood, or a resource could not be made.
    """
    try:
        return _deploy(assembly, endpoint, region, progress or (lambda _line: None))
    except (BotoCoreError, ClientError) as error:
        raise DeploymentError(f"local AWS at {endpoint} does not answer as it should: {error}") from error


def _deploy(assembly: Path, endpoint: str, region: str, tell: Progress) -> dict[str, dict[str, str]]:
    clients = Clients(endpoint, region)
    account = str(clients("sts").get_caller_identity()["Account"])
    try:
        content = read_assembly(assembly, account, region)
    except AssemblyError as error:
        raise DeploymentError(str(error)) from error
    _bootstrap(clients, account, region)
    _publish(clients, content, tell)
    outputs = {}
    for stack in content.stacks:
        outputs[stack.name] = _deploy_stack(clients, region, stack, tell)
    return outputs


def bootstrap(endpoint: str, region: str) -> None:
    """Do what `cdk bootstrap` does, for the CDK's own command line to find."""
    clients = Clients(endpoint, region)
    _bootstrap(clients, str(clients("sts").get_caller_identity()["Account"]), region)


def _bootstrap(clients: Clients, account: str, region: str) -> None:
    """Put in place what `cdk bootstrap` makes and this path uses."""
    clients("ssm").put_parameter(Name=BOOTSTRAP_PARAMETER, Type="String", Value=BOOTSTRAP_VERSION, Overwrite=True)
    bucket = f"cdk-hnb659fds-assets-{account}-{region}"
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        clients("s3").create_bucket(Bucket=bucket, **where)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise


def _publish(clients: Clients, content: Assembly, tell: Progress) -> None:
    s3 = clients("s3")
    for asset in content.assets:
        try:
            s3.head_object(Bucket=asset.bucket, Key=asset.key)
        except ClientError as error:
            # a HEAD has no body, so the code is the bare status
            if error.response["Error"]["Code"] not in {"404", "NoSuchKey"}:
                raise
            tell(f"publishing {asset.title}")
            s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=_asset_content(asset))


def _asset_content(asset: Asset) -> bytes:
    if asset.packaging == "file":
        return asset.path.read_bytes()
    return zip_directory(asset.path)


def zip_directory(directory: Path) -> bytes:
    """Zip a directory so that equal contents give equal bytes: sorted names, one date, one mode."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(directory.rglob("*")):
            if not path.is_file():
                continue
            # the earliest date that a zip can hold
            entry = zipfile.ZipInfo(path.relative_to(directory).as_posix(), date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o755 if path.stat().st_mode & 0o100 else 0o644) << 16
            archive.writestr(entry, path.read_bytes())
    return content.getvalue()


def _deploy_stack(clients: Clients, region: str, stack: StackArtifact, tell: Progress) -> dict[str, str]:
    cloudformation = clients("cloudformation")
    arguments = {
        "StackName": stack.name,
        "TemplateURL": f"https://{stack.template_bucket}.s3.{region}.amazonaws.com/{stack.template_key}",
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
    }
    status = _status(cloudformation, stack.name)
    told = set() if status is None else {event["EventId"] for event in _events(cloudformation, stack.name)}
    try:
        if status is None:
            tell(f"creating stack {stack.name}")
            cloudformation.create_stack(**arguments, EnableTerminationProtection=stack.termination_protection)
        elif status in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}:
            raise DeploymentError(f"stack {stack.name} is in state {status}: delete it first, or start local AWS anew")
        else:
            tell(f"updating stack {stack.name}")
            # the CDK command line sets it before the update, whichever way it goes
            cloudformation.update_termination_protection(
                StackName=stack.name, EnableTerminationProtection=stack.termination_protection
            )
            cloudformation.update_stack(**arguments)
    except ClientError as error:
        message = error.response["Error"]["Message"]
        if message == "No updates are to be performed.":
            tell(f"stack {stack.name} is unchanged")
        else:
            raise DeploymentError(f"stack {stack.name}: {message}") from error
    described = _wait(cloudformation, stack.name, told, tell)
    if described["StackStatus"] not in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
        raise DeploymentError(_failure(cloudformation, stack.name, described))
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def _status(cloudformation: Any, name: str) -> str | None:
    try:
        return str(cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return None
        raise


def _wait(cloudformation: Any, name: str, told: set[str], tell: Progress) -> dict[str, Any]:
    """Wait until nobody works on the stack any more; tell what gets done.

    Raises:
        DeploymentError: It takes longer than `DEADLINE_SECONDS`.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    pause = 0.05
    while True:
        described: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        for event in reversed(_events(cloudformation, name)):
            if event["EventId"] not in told and event["ResourceStatus"] in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
                tell(f"{event['ResourceType']} {event['LogicalResourceId']}")
            told.add(event["EventId"])
        if not described["StackStatus"].endswith("_IN_PROGRESS"):
            return described
        if time.monotonic() > deadline:
            raise DeploymentError(
                f"stack {name} is still in state {described['StackStatus']} after {DEADLINE_SECONDS:.0f} s"
            )
        time.sleep(pause)
        pause = min(1.0, pause * 1.5)


def _events(cloudformation: Any, name: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return events


def _failure(cloudformation: Any, name: str, described: dict[str, Any]) -> str:
    """The first failures of the stack's last operation, in the order in which they happened."""
    unknown = "no reason given"
    lines = [
        f"{event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', unknown)}"
        for event in reversed(_events(cloudformation, name))
        if event["ResourceStatus"] in {"CREATE_FAILED", "UPDATE_FAILED", "DELETE_FAILED"}
    ]
    reason = "\n".join(lines) or described.get("StackStatusReason", unknown)
    return f"stack {name} ended in state {described['StackStatus']}\n{reason}"
