"""`ddb-pipeline deploy | diff | destroy | bootstrap | env`: the stacks of a stage on AWS, and the way to Dagster."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.canary_watch import say_what_is_not_proved, watch_arrivals
from ddb_pipeline.cli.catalog_safeguards import require_catalog_key
from ddb_pipeline.cli.cdk import fetch_cdk, require_infra, run_cdk
from ddb_pipeline.cli.console import Steps, UserError, console
from ddb_pipeline.cli.environment_file import write_stage
from ddb_pipeline.cli.interrupts import terminated_as_interrupt
from ddb_pipeline.cli.place import (
    DeployedStack,
    Place,
    deployed_stacks,
    find_place,
    require_bootstrap,
    undeclared_stacks,
)
from ddb_pipeline.cli.stack_safeguards import (
    release_never_made,
    require_as_declared,
    require_detached,
    require_same_key,
    require_whole,
)
from ddb_pipeline.cli.streaming import require_streaming
from ddb_pipeline.cli.stuck_stacks import finish_deletion
from ddb_pipeline.cli.table_keys import require_readable_afterwards
from ddb_pipeline.cli.table_safeguards import require_tables
from ddb_pipeline.declaration import Declaration, load_declaration
from ddb_pipeline.errors import NotDeployedError
from ddb_pipeline.resources.aws import published_names
from ddb_pipeline.resources.settings import ENVIRONMENT_FILE, STAGE_VARIABLE

DIRECTORY = "cdk.out"
"""Beside `pipeline.toml`: the assembly that is deployed."""


@dataclass(frozen=True)
class Ready:
    """What a command of the CDK starts from.

    Attributes:
        declaration: The pipelines.
        place: Where the stage is.
        program: The CDK's command line.
        assembly: The synthesized stage.
    """

    declaration: Declaration
    place: Place
    program: Path
    assembly: Path

    def run(self, arguments: Sequence[str], log: Path | None = None) -> int:
        """Run the CDK's command line; the exit code."""
        return run_cdk(
            arguments, program=self.program, assembly=self.assembly, environment=self.place.environment(), log=log
        )


def prepare(stage: str, steps: Steps) -> Ready:
    """Find out all that could be in the way, fetch the CDK and synthesize the stage.

    Args:
        stage: Name of the stage.
        steps: Tells of the steps.

    Raises:
        UserError: Something is in the way.
        PipelineError: Likewise, said by AWS.
    """
    declaration = load_declaration()
    require_infra()
    with steps.step("account", f"Look for the account of stage {stage}"):
        place = find_place(declaration, stage)
    console.print(f"  stage {stage}: account {place.account}, region {place.region}")
    with steps.step("fetch", "Fetch the CDK's command line"):
        program = fetch_cdk()
    with steps.step("synthesize", "Synthesize the stacks"):
        directory = declaration.path.parent / DIRECTORY / stage
        directory.parent.mkdir(exist_ok=True)
        assembly = local_stack.synthesize(declaration, directory, stage)
    return Ready(declaration, place, program, assembly)


def run_deploy(stage: str, options: Sequence[str], *, canary: bool) -> None:
    """Deploy a stage, see a change arrive, write `.env`.

    Args:
        stage: Name of the stage.
        options: Options of `cdk deploy`.
        canary: Whether an item is written to see whether it arrives.
    """
    steps = Steps()
    with terminated_as_interrupt():
        ready = prepare(stage, steps)
        require_bootstrap(ready.place)
        stacks = deployed_stacks(ready.declaration, ready.place)
        require_whole(ready.place, stacks)
        require_same_key(ready.declaration, ready.place, stacks)
        require_catalog_key(ready.declaration, ready.place)
        left = require_tables(ready.declaration, ready.place, stacks)
        release_never_made(ready.place, stacks)
        deploy(ready, options)
        for sentence in left:
            console.print(f"  [yellow]{sentence}[/]")
        require_streaming(ready.declaration, ready.place)
        if canary:
            say_what_is_not_proved(watch_arrivals(ready.declaration, ready.place, steps))
        _write_environment(ready.declaration, ready.place)
    console.print(f"\nStage {stage} is deployed. Next, in the activated environment: `dagster dev`")


def deploy(ready: Ready, options: Sequence[str], log: Path | None = None) -> None:
    """Run `cdk deploy` for all stacks of the stage.

    Raises:
        UserError: It failed; the CDK has said why.
    """
    code = ready.run(["deploy", "--all", *options], log)
    if code != 0:
        where = "above" if log is None else f"in {os.path.relpath(log)}"
        raise UserError(
            f"the CDK could not deploy stage {ready.place.stage} (exit code {code}): what it says {where} is the "
            "reason; nothing else was done, and the same command goes on from here"
        )


def run_diff(stage: str, options: Sequence[str]) -> None:
    """Say what a deployment would change."""
    with terminated_as_interrupt():
        ready = prepare(stage, Steps())
        require_bootstrap(ready.place)
        code = ready.run(["diff", *options])
    if code != 0:
        raise UserError(f"`cdk diff` ended with exit code {code}: what it says above is the reason")


def run_bootstrap(stage: str, options: Sequence[str]) -> None:
    """Make what the CDK deploys with, once for an account and region."""
    with terminated_as_interrupt():
        ready = prepare(stage, Steps())
        if endpoint := ready.place.settings.connection.endpoint_url:
            raise UserError(
                f"{endpoint} is no AWS of an account, and local AWS is bootstrapped as it is: go on with `ddb-pipeline "
                f"deploy --stage {stage}`, or take AWS_ENDPOINT_URL out of the environment and .env to reach AWS"
            )
        code = ready.run(["bootstrap", f"aws://{ready.place.account}/{ready.place.region}", *options])
    if code != 0:
        raise UserError(f"`cdk bootstrap` ended with exit code {code}: what it says above is the reason")


def run_destroy(stage: str, options: Sequence[str], *, yes: bool) -> None:
    """Say what goes and what stays, ask, and take the stacks of a stage away."""
    with terminated_as_interrupt():
        ready = prepare(stage, Steps())
        stacks = deployed_stacks(ready.declaration, ready.place)
        protected = sorted(name for name, stack in stacks.items() if stack.protected and not stack.was_never_made)
        if protected:
            raise UserError(
                f"stage {stage} is protected from deletion ({', '.join(protected)}): to give it up, set keep_data = "
                f'false and confirm_data_loss = "{stage}" for it in {ready.declaration.path.name}, deploy, and destroy '
                "then; nothing was destroyed"
            )
        require_as_declared(ready.declaration, ready.place, stacks)
        left = _said_of_undeclared(ready, undeclared_stacks(ready.declaration, ready.place))
        if not stacks:
            raise UserError(
                f"no stack of stage {stage} is in account {ready.place.account}, region {ready.place.region}: set "
                f"AWS_PROFILE or AWS_REGION if it is elsewhere{'; ' if left else ''}{left}"
            )
        require_detached(ready.place, stacks)
        require_readable_afterwards(ready.declaration, ready.place, stacks)
        _say_what_goes(ready, stacks)
        if left:
            console.print(f"  [yellow]{left}[/]")
        _ask(f"Destroy stage {stage}?", yes=yes)
        release_never_made(ready.place, stacks)
        destroy(ready, options)
    console.print(
        f"\n[yellow]What {ready.declaration.path.name} declares of stage {stage} is gone; {left}[/]"
        if left
        else f"\nStage {stage} is gone."
    )
    console.print('README, "Take it away again", lists what AWS keeps for a while.')


def _said_of_undeclared(ready: Ready, stacks: Sequence[str]) -> str:
    """What to do about stacks of the stage whose pipelines are not in the file; empty if there are none."""
    if not stacks:
        return ""
    commands = ", ".join(f"`aws cloudformation delete-stack --stack-name {stack}`" for stack in stacks)
    return (
        f"stacks of pipelines that {ready.declaration.path.name} does not declare are still there, and cost: "
        f"{', '.join(stacks)}: declare them again and destroy, or give them up with {commands}"
    )


def destroy(ready: Ready, options: Sequence[str] = (), log: Path | None = None) -> None:
    """Run `cdk destroy` for all stacks of the stage, do what its functions failed to, and look whether all are gone.

    Raises:
        UserError: They are not.
        PipelineError: CloudFormation cannot be asked.
    """
    declaration, place = ready.declaration, ready.place
    # what an earlier attempt left; of what is in the way even so, CloudFormation tells the reason
    finish_deletion(place, deployed_stacks(declaration, place))
    left = deployed_stacks(declaration, place)
    while left:
        before = len(left)
        code = ready.run(["destroy", "--all", "--force", *options], log)
        problems = finish_deletion(place, deployed_stacks(declaration, place))
        left = deployed_stacks(declaration, place)
        # the CDK stops at the first stack that it cannot delete: once that is gone, it goes on
        if len(left) == before:
            raise UserError(_not_destroyed(place, left, code, problems, log))


def _not_destroyed(
    place: Place, left: Mapping[str, DeployedStack], code: int, problems: Sequence[str], log: Path | None
) -> str:
    where = "above" if log is None else f"in {os.path.relpath(log)}"
    states = ", ".join(f"{pipeline} ({stack.state})" for pipeline, stack in left.items())
    reasons = "".join(f"; {problem}" for problem in problems)
    return (
        f"stage {place.stage} could not be destroyed whole (exit code {code}; still there: {states}): what the CDK "
        f"says {where} is the reason; the same command goes on from here{reasons}"
    )


def _say_what_goes(ready: Ready, stacks: dict[str, DeployedStack]) -> None:
    stage = ready.declaration.stage(ready.place.stage)
    console.print(f"  stacks: {', '.join(f'{pipeline} ({stack.state})' for pipeline, stack in stacks.items())}")
    existing = [
        name
        for pipeline in ready.declaration.pipelines.values()
        if (name := pipeline.existing_table.of(stage.name)) is not None
    ]
    if existing:
        console.print(f"  Your tables stay as they are, and stream no more: {', '.join(existing)}")
    if stage.keep_data:
        console.print(
            "  Nothing of them was ever deployed whole."
            if all(stack.was_never_made for stack in stacks.values())
            else "  They keep their data: tables, raw objects, baselines, query results and keys stay."
        )
        return
    console.print(
        "  keep_data = false: [bold]what the stacks made goes with what is in it[/]: tables, raw objects, "
        "baselines, query results. Nothing brings it back."
    )


def _ask(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not os.isatty(0):
        raise UserError("nothing was destroyed: there is nobody to ask here: say --yes")
    if not click.confirm(question):
        raise UserError("nothing was destroyed")


def run_env(stage: str) -> None:
    """Write `.env` for a stage that is deployed."""
    declaration = load_declaration()
    _write_environment(declaration, find_place(declaration, stage))


def _write_environment(declaration: Declaration, place: Place) -> None:
    """Put into `.env` what Dagster needs for the stage.

    Raises:
        NotDeployedError: No pipeline of the stage is deployed there.
    """
    missing = []
    for pipeline in declaration.pipelines:
        try:
            published_names(pipeline, place.settings)
        except NotDeployedError as error:
            missing.append(error)
    if len(missing) == len(declaration.pipelines):
        raise missing[0]
    for lacking in missing:
        console.print(f"[yellow]{lacking}[/]")
    connection = place.settings.connection
    settings = {STAGE_VARIABLE: place.stage, "AWS_REGION": place.region}
    settings |= {"AWS_PROFILE": connection.profile} if connection.profile else {}
    settings |= {"AWS_ENDPOINT_URL": connection.endpoint_url} if connection.endpoint_url else {}
    file = declaration.path.parent / ENVIRONMENT_FILE
    changed = write_stage(file, settings)
    console.print(
        f"{os.path.relpath(file)} {'says' if not changed else 'now says'}: stage {place.stage}, {place.region}"
    )
    if os.environ.get("AWS_ACCESS_KEY_ID") and connection.access_key_id == os.environ["AWS_ACCESS_KEY_ID"].strip():
        console.print("  The credentials are those of this shell: they are not written down; start Dagster from here.")
