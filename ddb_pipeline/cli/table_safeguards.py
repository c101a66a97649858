"""What the tables of a stage forbid to deploy: looked at before the CDK starts, when a refusal leaves nothing behind.

For who may deploy but not describe tables, the custom resource of an existing table looks at the same in the middle of
the deployment (`infra_cdk/functions/custom_resources/streaming_destination.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from ddb_pipeline.cli.console import UserError, console
from ddb_pipeline.cli.described_tables import (
    DescribedTable,
    NoTableError,
    described_table,
    is_key_of_aws,
    key_text,
    recovery_is_on,
)
from ddb_pipeline.cli.made_tables import Made, MadeTable, made_by
from ddb_pipeline.cli.place import DeployedStack, Place
from ddb_pipeline.cli.table_keys import another_key_command, made_keys, require_another_key
from ddb_pipeline.declaration import Declaration, Pipeline, Stage
from ddb_pipeline.names import PROJECT
from ddb_pipeline.resources.table_export import recovery_command


def require_tables(declaration: Declaration, place: Place, stacks: Mapping[str, DeployedStack]) -> list[str]:
    """Check that each table of a stage can be streamed as declared, and that none is lost by that.

    Args:
        declaration: The pipelines.
        place: Where the stage is, or is to be.
        stacks: What is deployed, by pipeline.

    Returns:
        What is left to do after the deployment, a sentence each.

    Raises:
        UserError: A table would be lost or made anew, or cannot be streamed.
        PipelineError: AWS cannot be asked.
    """
    stage = declaration.stage(place.stage)
    _require_key_of_the_region(stage, place)
    left = []
    for pipeline in declaration.pipelines.values():
        made = made_by(place, pipeline.name, stacks.get(pipeline.name))
        existing = pipeline.existing_table.of(stage.name)
        if existing is None:
            _require_same_key_attributes(place, pipeline, made.table)
        else:
            _require_not_lost(place, pipeline, existing, made)
            found = _existing_table(place, existing)
            _require_fits(place, pipeline, found, made.stream)
            if found is not None and not stage.keep_data:
                require_another_key(found, made_keys(place, stacks), "nothing was deployed")
            left += _said_of_former(stage, pipeline, existing, made.table)
            left += _said_of_recovery(place, pipeline, found)
    return left


def _require_key_of_the_region(stage: Stage, place: Place) -> None:
    """Check that the key that is given to a stage is where the stage is."""
    if stage.encryption_key is None:
        return
    region, account = stage.encryption_key.split(":")[3:5]
    if region != place.region:
        raise UserError(
            f"encryption_key of stage {stage.name} is a key in {region}, and the stage is deployed to {place.region}: "
            f"name a key of that region, or set AWS_REGION={region}; nothing was deployed"
        )
    if account != place.account:
        console.print(
            f"  [yellow]encryption_key of stage {stage.name} is a key of account {account}, and the stage is deployed "
            f"to account {place.account}[/]: if that is meant, the key's policy must let that account use it"
        )


def _existing_table(place: Place, name: str) -> DescribedTable | None:
    try:
        return described_table(place, name)
    except NoTableError:
        raise UserError(
            f"there is no table {name} in account {place.account}, region {place.region}: existing_table names a table "
            "that is there, and without it the stack makes one; nothing was deployed"
        ) from None


def _require_same_key_attributes(place: Place, pipeline: Pipeline, made: MadeTable | None) -> None:
    """Check that a table of the stack keeps its key: CloudFormation would put another, empty one in its place."""
    declared = key_text(pipeline.key_attributes)
    if made is not None and made.key != declared:
        raise UserError(
            f"stage {place.stage}, pipeline {pipeline.name}: its table {made.name} has the key {made.key}, and "
            f"pipeline.toml says {declared}: DynamoDB changes no key, and an empty table would take its place; say "
            "the key again that it has; another one takes a pipeline of its own, or a stage that was destroyed "
            "before; nothing was deployed"
        )


def _require_not_lost(place: Place, pipeline: Pipeline, existing: str, made: Made) -> None:
    """Check that a stack that is to stream its own table as an existing one does not delete it."""
    if made.table is not None and made.table.name == existing and not made.table.is_kept:
        raise UserError(
            f"stage {place.stage}, pipeline {pipeline.name}: existing_table names {existing}, the table that the stack "
            "made, and would delete with all its items: take the name out, set keep_data = true, deploy, and name it "
            "then; nothing was deployed"
        )


def _require_fits(place: Place, pipeline: Pipeline, found: DescribedTable | None, stream: str | None) -> None:
    """Check that an existing table can be streamed.

    Args:
        place: Where the stage is.
        pipeline: The pipeline.
        found: The table; None: nobody can say.
        stream: Name of the pipeline's change stream, if there is one.
    """
    if found is None:
        return
    declared = key_text(pipeline.key_attributes)
    if found.key != declared:
        raise UserError(
            f"pipeline {pipeline.name}: table {found.name} has the key {found.key}, and pipeline.toml says {declared}: "
            "correct partition_key and sort_key there; nothing was deployed"
        )
    for arn in found.streams_to or ():
        if arn.endswith(f":{place.region}:{place.account}:stream/{stream}"):
            continue
        whose = (
            "that is a stream of this project: if another stage or pipeline has the table, let existing_table name it "
            "for one of them only, such as { prod = ... }; "
            if f":stream/{PROJECT}-" in arn
            else ""
        )
        raise UserError(
            f"pipeline {pipeline.name}: table {found.name} streams to {arn} already, and DynamoDB streams a table to "
            f"one Kinesis stream only; nothing was deployed; {whose}if nothing needs that stream any more, disable "
            f"it: {_disabling(found.name, arn)}"
        )
    _require_same_table_key(place, pipeline, found)


def _require_same_table_key(place: Place, pipeline: Pipeline, found: DescribedTable) -> None:
    """Check that the declared key encrypts a table; if none is declared, say what that costs: streaming needs none."""
    declared, key = pipeline.existing_table_key.of(place.stage), found.encrypted_with
    if declared is None:
        if key is not None:
            _say_of_undeclared_key(place, pipeline, found.name, key)
    elif key is None:
        raise UserError(
            f"pipeline {pipeline.name}: existing_table_key says {declared}, and table {found.name} is encrypted with "
            f"a key of DynamoDB's own: leave stage {place.stage} out there; nothing was deployed"
        )
    elif declared != key:
        raise UserError(
            f"pipeline {pipeline.name}: existing_table_key says {declared}, and table {found.name} is encrypted with "
            f"{key}: say that one; nothing was deployed"
        )


def _say_of_undeclared_key(place: Place, pipeline: Pipeline, table: str, key: str) -> None:
    of_aws = is_key_of_aws(place, key)
    if of_aws:
        return
    whose = "which is yours" if of_aws is False else "which may be yours"
    console.print(
        f"  [yellow]pipeline {pipeline.name}: table {table} is encrypted with {key}, {whose}[/]: say so in "
        "existing_table_key, or Dagster may neither compare its items with the views nor export it"
    )


def _said_of_recovery(place: Place, pipeline: Pipeline, found: DescribedTable | None) -> list[str]:
    """Say that an existing table cannot be exported: else the first baseline would be the first to say it."""
    if found is None or pipeline.baseline != "export" or recovery_is_on(place, found.name) is not False:
        return []
    sentence = (
        f"pipeline {pipeline.name}: point-in-time recovery of table {found.name} is off, and each baseline, which is "
        f"an export, fails without it. It is your table, so switch it on yourself: {recovery_command(found.name)}"
    )
    return [sentence]


def _said_of_former(stage: Stage, pipeline: Pipeline, existing: str, table: MadeTable | None) -> list[str]:
    """Say what becomes of the table that the stack made when one that exists is to stream; what is left to do then."""
    if table is None:
        return []
    if table.name == existing:
        console.print(
            f"  pipeline {pipeline.name}: table {table.name}, which the stack made, is kept, is yours from then on, "
            "and streams on. [yellow]If this deployment fails, it streams no more until the next one that succeeds[/]"
        )
        return _said_of_key(stage, pipeline, table)
    if not table.is_kept:
        console.print(
            f"  [yellow]pipeline {pipeline.name}: table {table.name}, which the stack made, is deleted with all its "
            "items[/]: that is what keep_data = false means"
        )
        return []
    kept = f"pipeline {pipeline.name}: table {table.name}, which the stack made, is kept, and "
    if table.streams_to is None:
        look = f"aws dynamodb describe-kinesis-streaming-destination --table-name {table.name}"
        streaming = [f"{kept}may stream on into the same change stream as {existing}: look with `{look}`"]
    else:
        streaming = [
            f"{kept}streams on into the same change stream as {existing}. Unless that is meant, disable it: "
            f"{_disabling(table.name, arn)}"
            for arn in table.streams_to
        ]
    return streaming + _said_of_key(stage, pipeline, table)


def _said_of_key(stage: Stage, pipeline: Pipeline, table: MadeTable) -> list[str]:
    """Say that the key of a table that leaves its stack stays in the stack, while the stack knows its name."""
    if table.key_of_stack is None or stage.encryption_key is not None:
        return []
    sentence = (
        f"pipeline {pipeline.name}: table {table.name} is encrypted with {table.key_of_stack}, the key of the stack, "
        "which is deleted when the stage is given up (keep_data = false), and nothing could read the table then. "
        f"Encrypt it with another key before: {another_key_command(table.name)}"
    )
    return [sentence]


def _disabling(table: str, arn: str) -> str:
    return f"aws dynamodb disable-kinesis-streaming-destination --table-name {table} --stream-arn {arn}"
