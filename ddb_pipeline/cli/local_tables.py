"""Tables that `pipeline.toml` says exist in stage `local`: on a machine's own AWS nobody else makes them."""

from __future__ import annotations

from ddb_pipeline.cli import local_stack
from ddb_pipeline.cli.console import UserError, console
from ddb_pipeline.declaration import Declaration, Pipeline
from ddb_pipeline.names import PublishedNames


def existing_table(pipeline: Pipeline) -> str | None:
    """Name of the table that exists in stage `local`; None: the stack makes the table."""
    return pipeline.existing_table.of(local_stack.STAGE)


def make_existing_tables(declaration: Declaration, endpoint: str) -> None:
    """Make the tables that are said to exist and do not, empty and with the declared keys, and say so.

    Args:
        declaration: The pipelines.
        endpoint: Endpoint of local AWS, before anything is deployed to it.
    """
    dynamodb = local_stack.client("dynamodb", endpoint)
    there = {name for page in dynamodb.get_paginator("list_tables").paginate() for name in page["TableNames"]}
    for pipeline in declaration.pipelines.values():
        table = existing_table(pipeline)
        if table is None or table in there:
            continue
        dynamodb.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": key.name, "KeyType": kind}
                for key, kind in zip(pipeline.key_attributes, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[
                {"AttributeName": key.name, "AttributeType": key.type} for key in pipeline.key_attributes
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        console.print(f"  made table {table}, empty: pipelines.{pipeline.name}.existing_table says that it exists")


def require_loader(names: PublishedNames) -> None:
    """Refuse to fill a table that the stack did not make.

    Raises:
        UserError: It is one that existed.
    """
    if not names.item_loader:
        raise UserError(
            f"pipeline {names.pipeline} streams the existing table {names.table}, and nothing here writes to a table "
            "of yours: write to it with any DynamoDB client and the settings in .env, or leave stage "
            f"{names.stage} out of existing_table, so that the stack makes a table there"
        )
