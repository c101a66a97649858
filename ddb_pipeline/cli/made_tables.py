"""The table that a deployed stack has made, and what its template says of it.

By the deployed template, and by nothing that a table says of itself, CloudFormation decides whether it puts another
table in the place of one, and what becomes of one that leaves the stack.
"""

from __future__ import annotations

from dataclasses import dataclass

from ddb_pipeline.cli.deployed_templates import deployed_resource
from ddb_pipeline.cli.described_tables import NoTableError, described_table, key_of
from ddb_pipeline.cli.place import DeployedStack, Place
from ddb_pipeline.cli.stack_safeguards import KEY_OUTPUT
from ddb_pipeline.names import ComputedNames


@dataclass(frozen=True)
class MadeTable:
    """A table that a stack made.

    Attributes:
        name: Its name.
        key: Its key, as `key_text` says it.
        is_kept: Whether it stays when it leaves the stack.
        key_of_stack: ARN of the stack's KMS key, if that encrypts it, or nobody can say; None: another one does.
        streams_to: ARNs of the streams that are its destinations; None: nobody can say.
    """

    name: str
    key: str
    is_kept: bool
    key_of_stack: str | None = None
    streams_to: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Made:
    """What the deployed stack of a pipeline has made.

    Attributes:
        table: Its table; None: there is none, as where the stack streams a table that existed.
        stream: Name of its change stream; None: there is none.
    """

    table: MadeTable | None = None
    stream: str | None = None


def made_by(place: Place, pipeline: str, stack: DeployedStack | None) -> Made:
    """Find out what the stack of a pipeline has made.

    Args:
        place: Where the stage is.
        pipeline: Name of the pipeline.
        stack: Its stack; None: it is not deployed.

    Raises:
        UserError: The deployed template does not say what its table is.
        PipelineError: AWS cannot be asked.
    """
    if stack is None:
        return Made()
    name = ComputedNames(pipeline, place.stage).stack
    with place.explained():
        pages = place.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
        found = {
            str(one["ResourceType"]): one
            for page in pages
            for one in page["StackResourceSummaries"]
            # what could not be made has no name
            if not one["ResourceStatus"].startswith("DELETE_") and one.get("PhysicalResourceId")
        }
    stream, table = (
        str(found[kind]["PhysicalResourceId"]) if kind in found else None
        for kind in ("AWS::Kinesis::Stream", "AWS::DynamoDB::Table")
    )
    if table is None:
        return Made(stream=stream)
    try:
        described = described_table(place, table)
    except NoTableError:
        # somebody has deleted it: `--revert-drift` brings it back
        return Made(stream=stream)
    resource = deployed_resource(
        place,
        name,
        str(found["AWS::DynamoDB::Table"]["LogicalResourceId"]),
        "nobody can tell whether a deployment would delete that; nothing was deployed",
    )
    key = stack.outputs.get(KEY_OUTPUT)
    made = MadeTable(
        name=table,
        key=key_of(resource["Properties"]),
        is_kept=str(resource.get("DeletionPolicy", "Delete")).startswith("Retain"),
        key_of_stack=key if described is None or described.encrypted_with == key else None,
        streams_to=None if described is None else described.streams_to,
    )
    return Made(made, stream)
