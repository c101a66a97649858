"""What of a deployed stage forbids to deploy over it or to destroy it: looked at before the CDK starts.

`pipeline.toml` says what a stage is to be; what would be lost is decided by what is deployed.
"""

from __future__ import annotations

from collections.abc import Mapping

from ddb_pipeline.cli.console import UserError, console
from ddb_pipeline.cli.deployed_templates import keeps_its_data
from ddb_pipeline.cli.place import DeployedStack, Place
from ddb_pipeline.declaration import Declaration
from ddb_pipeline.names import ComputedNames

_POLICY_OUTPUTS = ("PipelinePolicyArn", "PipelineUpkeepPolicyArn")
KEY_OUTPUT = "KeyArn"
"""Says the key that the data of a stack is encrypted with, made by the stack or given to it."""


def require_same_key(declaration: Declaration, place: Place, stacks: Mapping[str, DeployedStack]) -> None:
    """Check that a stage that is deployed keeps the key that its data is encrypted with.

    Args:
        declaration: The pipelines.
        place: Where the stage is.
        stacks: What is deployed, by pipeline.

    Raises:
        UserError: `pipeline.toml` says another key.
        PipelineError: CloudFormation cannot be asked.
    """
    stage = declaration.stage(place.stage)
    for pipeline, stack in stacks.items():
        key = stack.outputs.get(KEY_OUTPUT)
        if key is None or key == stage.encryption_key:
            # one that was never deployed whole has no outputs, and no data
            continue
        is_made = has_made(place, ComputedNames(pipeline, stage.name).stack, key)
        if is_made and stage.encryption_key is None:
            continue
        before = "without encryption_key" if is_made else f'with encryption_key = "{key}"'
        raise UserError(
            f"stage {stage.name}, pipeline {pipeline}: what is there is encrypted with key {key}, and nothing could "
            f"read it with another one: declare the stage {before} again in {declaration.path.name}; another key takes "
            "a stage of its own, or a stage that was destroyed before; nothing was deployed"
        )


def require_whole(place: Place, stacks: Mapping[str, DeployedStack]) -> None:
    """Check that no stack is deleted in part: CloudFormation updates none that is.

    Args:
        place: Where the stage is.
        stacks: What is deployed, by pipeline.

    Raises:
        UserError: One is.
    """
    half = sorted(name for name, stack in stacks.items() if stack.state == "DELETE_FAILED")
    if half:
        raise UserError(
            f"stage {place.stage}: {', '.join(half)} could not be deleted whole (DELETE_FAILED), and CloudFormation "
            f"updates no such stack: `make destroy STAGE={place.stage}` goes on with the deletion, and says what is in "
            "its way; deploy then; nothing was deployed"
        )


def release_never_made(place: Place, stacks: Mapping[str, DeployedStack]) -> None:
    """Take the protection off stacks whose first deployment failed: to make one anew, the CDK deletes it before.

    It protects a stack before it makes it, and AWS deletes none that is protected. Nothing is lost: what such a stack
    made was rolled back, and what that left is retained.

    Args:
        place: Where the stage is.
        stacks: What is deployed, by pipeline.

    Raises:
        PipelineError: CloudFormation refuses.
    """
    for pipeline, stack in stacks.items():
        if not (stack.protected and stack.was_never_made):
            continue
        name = ComputedNames(pipeline, place.stage).stack
        with place.explained():
            place.client("cloudformation").update_termination_protection(
                StackName=name, EnableTerminationProtection=False
            )
        console.print(f"  stack {name} was never deployed whole ({stack.state}): it is protected no more")


def require_as_declared(declaration: Declaration, place: Place, stacks: Mapping[str, DeployedStack]) -> None:
    """Check that a stage that is declared to keep its data was deployed so: CloudFormation goes by what is deployed.

    Of one that was, and is deleted in part since somebody took its protection away, the rest can go: the data stays.

    Args:
        declaration: Where the stage is declared.
        place: Where it is.
        stacks: What is deployed, by pipeline.

    Raises:
        UserError: Its data would be deleted.
        PipelineError: CloudFormation cannot be asked.
    """
    stage = place.stage
    if not declaration.stage(stage).keep_data:
        return
    loose = {name: stack for name, stack in sorted(stacks.items()) if not (stack.protected or stack.was_never_made)}
    whole = [name for name, stack in loose.items() if stack.state != "DELETE_FAILED"]
    half = [name for name in loose if name not in whole and not keeps_its_data(place, ComputedNames(name, stage).stack)]
    if half:
        raise UserError(
            f"stage {stage} has keep_data = true in {declaration.path.name}, but {', '.join(half)} was deployed "
            "without keep_data, and is deleted in part (DELETE_FAILED): what is left can only be deleted too. For that "
            f'set keep_data = false and confirm_data_loss = "{stage}", and destroy again; nothing was destroyed'
        )
    if whole:
        raise UserError(
            f"stage {stage} has keep_data = true in {declaration.path.name}, but {', '.join(whole)} was deployed "
            "without keep_data, or is protected from deletion no more: deploy first; nothing was destroyed"
        )


def require_detached(place: Place, stacks: Mapping[str, DeployedStack]) -> None:
    """Check that nobody has the policies of the stacks: IAM deletes no policy that is attached (API_DeletePolicy.html).

    Args:
        place: Where the stage is.
        stacks: What is deployed, by pipeline.

    Raises:
        UserError: Somebody has one.
        PipelineError: IAM cannot be asked.
    """
    commands = [
        f"aws iam detach-{kind}-policy --{kind}-name {name} --policy-arn {arn}"
        for stack in stacks.values()
        for arn in (stack.outputs[output] for output in _POLICY_OUTPUTS if output in stack.outputs)
        for kind, name in _holders(place, arn)
    ]
    if commands:
        listed = "\n  ".join(commands)
        raise UserError(
            f"policies of stage {place.stage} are attached, and IAM deletes none that is; nothing was destroyed. Stop "
            f"the Dagster that uses them, take them away, and destroy then:\n  {listed}"
        )


def has_made(place: Place, stack: str, key: str) -> bool:
    """Whether a key is a resource of the stack."""
    with place.explained():
        pages = place.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
        return any(
            one["ResourceType"] == "AWS::KMS::Key" and key.endswith(f"/{one['PhysicalResourceId']}")
            for page in pages
            for one in page["StackResourceSummaries"]
        )


def _holders(place: Place, arn: str) -> list[tuple[str, str]]:
    """Who has a policy: kind and name of each."""
    from botocore.exceptions import ClientError

    pages = place.client("iam").get_paginator("list_entities_for_policy").paginate(PolicyArn=arn)
    with place.explained():
        try:
            return [
                (kind, str(one[f"{kind.title()}Name"]))
                for page in pages
                for kind in ("role", "user", "group")
                for one in page.get(f"Policy{kind.title()}s", [])
            ]
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            if code == "NoSuchEntity":
                # a deletion that failed later took it away
                return []
            if code != "AccessDenied":
                raise
    # who may only assume the CDK's roles may not see it: CloudFormation refuses by itself then
    console.print(f"  [yellow]whether {arn} is attached to anybody could not be seen: iam:ListEntitiesForPolicy[/]")
    return []
