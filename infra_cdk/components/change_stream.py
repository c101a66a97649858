"""The Kinesis stream that carries the change records from DynamoDB to Firehose."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra_cdk.components.acknowledged import acknowledge


class ChangeStream(Construct):
    """A data stream on demand, encrypted with the key.

    It goes with the stack in every stage: what it holds is in transit, and is kept as raw objects.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        key: Encrypts the records.
        retention: How long the stream keeps records, 24 hours to 365 days: the time left to mend a broken delivery.

    Attributes:
        stream: The stream.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey, retention: Duration) -> None:
        super().__init__(scope, construct_id)
        self.stream = kinesis.Stream(
            self,
            "Stream",
            stream_mode=kinesis.StreamMode.ON_DEMAND,
            retention_period=retention,
            encryption=kinesis.StreamEncryption.KMS,
            encryption_key=key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(
            self.stream,
            {"KDS3": "the key of the stack encrypts what goes through the stream, as it does what stays"},
        )
