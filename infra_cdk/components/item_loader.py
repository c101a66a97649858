"""The function `item_loader`, which gives the table a life: it writes, changes and deletes fake persons."""

from __future__ import annotations

import json
from dataclasses import asdict

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from ddb_pipeline.declaration import Pipeline
from infra_cdk.components.permissions import allow, use_key_through
from infra_cdk.components.python_function import PythonFunction


class ItemLoader(Construct):
    """The function, told of table and key attributes by its environment.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        pipeline: Where the key attributes come from: `partition_key` (required) and `sort_key` (default none).
        table: The table that it writes to.
        key: Encrypts table and logs.
        removal_policy: What becomes of the log group when the stack is deleted.

    Attributes:
        function: The function; its event is `{"batchSize": n}` and, if wanted, `"seed": s`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline: Pipeline,
        table: dynamodb.ITable,
        key: kms.IKey,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = PythonFunction(
            self,
            "Loader",
            name="item_loader",
            description="Writes, changes and deletes fake persons",
            key=key,
            removal_policy=removal_policy,
            timeout=Duration.minutes(5),
            environment={
                "TABLE_NAME": table.table_name,
                "KEY_ATTRIBUTES": json.dumps([asdict(attribute) for attribute in pipeline.key_attributes]),
            },
            statements=[
                allow(
                    "WriteItems", ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [table.table_arn]
                ),
                # DynamoDB uses the key in the name of its caller (developerguide/encryption.usagenotes.html). Without
                # its encryption context, which DescribeKey has not; no other table has this key.
                use_key_through(
                    self,
                    "dynamodb",
                    key.key_arn,
                    [
                        "kms:Decrypt",
                        "kms:DescribeKey",
                        "kms:Encrypt",
                        "kms:GenerateDataKey",
                        "kms:ReEncryptFrom",
                        "kms:ReEncryptTo",
                    ],
                ),
            ],
        ).function
