"""A DynamoDB table that exists already, and is made to stream its changes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

from aws_cdk import CustomResource, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct, IDependable

from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.names import ComputedNames
from infra_cdk.components.custom_resource_function import CustomResourceFunction
from infra_cdk.components.permissions import allow

SERVICE_LINKED_ROLE = (
    "role/aws-service-role/kinesisreplication.dynamodb.amazonaws.com/"
    "AWSServiceRoleForDynamoDBKinesisDataStreamsReplication"
)


def suffix_of(table_name: str) -> str:
    """What tells the function of one table from that of another, in as many characters as its name has left."""
    return f"dest-{hashlib.sha256(table_name.encode()).hexdigest()[:5]}"


class ExistingTable(Construct):
    """The table of a name, and a custom resource that is its streaming destination: the change stream.

    Nothing else of the table is made, changed or deleted, and no item is written: point-in-time recovery, time to live,
    encryption and deletion protection stay what they are. A table that streams to another Kinesis stream is refused,
    as is one whose key is not the declared one.

    Role, function and custom resource are those of one table: when the setting names another one, they are made for
    that, and the former go in the clean-up, where CloudFormation deletes the destination before what it is deleted
    with. A role that both tables shared would have been updated by then, and could not disable the former's streaming.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Where the function's name comes from.
        pipeline: Where the key attributes come from: `partition_key` (required) and `sort_key` (default none).
        table_name: Name of the table, in the account and region of the stack.
        key: Encrypts the change stream and the function's log.
        stream: Where the change records go.
        after: What must exist before the first change is streamed, as for `SourceTable`.
        removal_policy: What becomes of the log group when the stack is deleted.

    Attributes:
        table: The table.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: ComputedNames,
        pipeline: Pipeline,
        table_name: str,
        key: kms.IKey,
        stream: kinesis.IStream,
        after: IDependable,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table.from_table_name(self, "Table", table_name)
        stack = Stack.of(self)
        suffix = suffix_of(table_name)
        function = CustomResourceFunction(
            self,
            f"Function-{suffix}",
            names=names,
            suffix=suffix,
            module="streaming_destination",
            description="Streams the changes of a table that exists",
            key=key,
            removal_policy=removal_policy,
            statements=[
                allow(
                    "StreamTable",
                    [
                        "dynamodb:DescribeKinesisStreamingDestination",
                        "dynamodb:DescribeTable",
                        "dynamodb:DisableKinesisStreamingDestination",
                        "dynamodb:EnableKinesisStreamingDestination",
                        "dynamodb:UpdateKinesisStreamingDestination",
                    ],
                    [self.table.table_arn],
                ),
                # DynamoDB asks Kinesis in the name of its caller (developerguide/kds_iam.html has these lists)
                allow(
                    "UseStream",
                    ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:PutRecords"],
                    [stream.stream_arn],
                ),
                allow("FindStream", ["kinesis:ListStreams"], ["*"]),
                # the first destination of an account
                allow(
                    "LetDynamoDBWrite",
                    ["iam:CreateServiceLinkedRole"],
                    [stack.format_arn(service="iam", region="", resource=SERVICE_LINKED_ROLE)],
                    {"StringEquals": {"iam:AWSServiceName": "kinesisreplication.dynamodb.amazonaws.com"}},
                ),
            ],
            wildcards={"FindStream": "Kinesis knows no narrower resource for listing streams"},
        )
        destination = CustomResource(
            self,
            f"Destination-{suffix}",
            resource_type="Custom::StreamingDestination",
            service_token=function.service_token,
            properties={
                "TableName": table_name,
                "StreamArn": stream.stream_arn,
                "Precision": "MICROSECOND",
                "KeyAttributes": json.dumps([asdict(attribute) for attribute in pipeline.key_attributes]),
            },
        )
        destination.node.add_dependency(after)
