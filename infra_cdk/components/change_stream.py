"""The Kinesis stream that carries the change records from DynamoDB to Firehose."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_kms as kms
from constructs import Construct

from ddb_pipeline.declaration import Stage
from infra_cdk.components.acknowledged import acknowledge

MODES = {"on_demand": kinesis.StreamMode.ON_DEMAND, "provisioned": kinesis.StreamMode.PROVISIONED}


class ChangeStream(Construct):
    """A data stream, encrypted with the key.

    It goes with the stack in every stage: what it holds is in transit, and is kept as raw objects.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        key: Encrypts the records.
        stage: Its mode, `stream_mode` (default "on_demand"), its shards if it is provisioned, `stream_shards` (default
            none), and how many hours it keeps records, `stream_retention_hours` (default 168, from 24 to 8760): the
            time left to mend a broken delivery.

    Attributes:
        stream: The stream.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.stream = kinesis.Stream(
            self,
            "Stream",
            stream_mode=MODES[stage.stream_mode],
            shard_count=stage.stream_shards,
            retention_period=Duration.hours(stage.stream_retention_hours),
            encryption=kinesis.StreamEncryption.KMS,
            encryption_key=key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(
            self.stream,
            {"KDS3": "the key of the stack encrypts what goes through the stream, as it does what stays"},
        )
