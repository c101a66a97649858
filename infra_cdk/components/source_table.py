"""The DynamoDB table whose changes are streamed."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct, IDependable

from ddb_pipeline.declaration import KeyAttribute, Pipeline
from infra_cdk.components.acknowledged import acknowledge

ATTRIBUTE_TYPES = {
    "S": dynamodb.AttributeType.STRING,
    "N": dynamodb.AttributeType.NUMBER,
    "B": dynamodb.AttributeType.BINARY,
}


class SourceTable(Construct):
    """A table on demand, encrypted with the key, streaming into the change stream.

    It has point-in-time recovery, which DynamoDB bills by the size of the table, where something needs it: baselines
    that are exports do, and where data outlives the stack it is the backup.

    `Table` and not `TableV2`, which cannot have a customer-managed key in a stack without a fixed region. The stream
    gets times with microseconds: two changes of one item in one instant are then next to impossible.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        pipeline: What the table has: `partition_key` (required), `sort_key` (default none) and
            `time_to_live_attribute` (default none); and whether baselines are exported of it, `baseline` (default
            "none").
        key: Encrypts the table.
        stream: Where the change records go.
        after: What must exist before the first change is streamed. Firehose reads a stream from LATEST, the moment
            of its own creation, so the delivery stream has to be there first.
        keep_data: True: the table outlives the stack and refuses to be deleted.

    Attributes:
        table: The table.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        pipeline: Pipeline,
        key: kms.IKey,
        stream: kinesis.IStream,
        after: IDependable,
        keep_data: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=_attribute(pipeline.partition_key),
            sort_key=None if pipeline.sort_key is None else _attribute(pipeline.sort_key),
            time_to_live_attribute=pipeline.time_to_live_attribute,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=keep_data or pipeline.baseline == "export"
            ),
            kinesis_stream=stream,
            kinesis_precision_timestamp=dynamodb.ApproximateCreationDateTimePrecision.MICROSECOND,
            deletion_protection=keep_data,
            # also where its creation is rolled back: CloudFormation cannot delete a table that is protected, and would
            # end in ROLLBACK_FAILED with all that the table needs
            removal_policy=RemovalPolicy.RETAIN if keep_data else RemovalPolicy.DESTROY,
        )
        self.table.node.add_dependency(after)
        if not (keep_data or pipeline.baseline == "export"):
            acknowledge(self.table, {"DDB3": "a table that goes with its stack, and no baseline is made of it"})


def _attribute(key: KeyAttribute) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=key.name, type=ATTRIBUTE_TYPES[key.type])
