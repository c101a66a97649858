"""A table that streams to a Kinesis stream of its own, and what tests do with both."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ddb_pipeline_tests.deployed import Deployed, wait_until

ACCOUNT = "123456789012"
SORTED = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]


@dataclass
class Table:
    """A table that streams to a Kinesis stream of its own."""

    dynamodb: Any
    kinesis: Any
    name: str
    stream_arn: str
    _iterators: dict[str, str] = field(default_factory=dict)

    def new_records(self) -> list[dict[str, Any]]:
        """The records since the last call, shard by shard."""
        records = []
        for shard in self.kinesis.list_shards(StreamARN=self.stream_arn)["Shards"]:
            name = shard["ShardId"]
            if name not in self._iterators:
                self._iterators[name] = self.kinesis.get_shard_iterator(
                    StreamARN=self.stream_arn,
                    StreamName=self.stream_arn.split("/")[-1],
                    ShardId=name,
                    ShardIteratorType="TRIM_HORIZON",
                )["ShardIterator"]
            answer = self.kinesis.get_records(ShardIterator=self._iterators[name])
            self._iterators[name] = answer["NextShardIterator"]
            records += answer["Records"]
        return records

    def new_changes(self) -> list[dict[str, Any]]:
        return [json.loads(record["Data"]) for record in self.new_records()]

    def destinations(self) -> dict[str, str]:
        """Status by ARN of the stream."""
        found = self.dynamodb.describe_kinesis_streaming_destination(TableName=self.name)
        return {one["StreamArn"]: one["DestinationStatus"] for one in found["KinesisDataStreamDestinations"]}

    def put(self, **attributes: Any) -> None:
        self.dynamodb.put_item(TableName=self.name, Item=attributes)

    def update(self, expression: str, values: dict[str, Any] | None = None, key: str = "a", **more: Any) -> Any:
        if values is not None:
            more["ExpressionAttributeValues"] = values
        return self.dynamodb.update_item(
            TableName=self.name, Key={"pk": {"S": key}}, UpdateExpression=expression, **more
        )

    def item(self, key: str = "a") -> dict[str, Any] | None:
        return self.dynamodb.get_item(TableName=self.name, Key={"pk": {"S": key}}, ConsistentRead=True).get("Item")


def make_table(deployed: Deployed, schema: list[dict[str, str]] | None = None, precision: str | None = "MICROSECOND"):
    dynamodb, kinesis = deployed.client("dynamodb"), deployed.client("kinesis")
    name = f"table-{uuid.uuid4().hex[:8]}"
    schema = schema or SORTED[:1]
    dynamodb.create_table(
        TableName=name,
        KeySchema=schema,
        AttributeDefinitions=[
            {"AttributeName": part["AttributeName"], "AttributeType": "S" if part["KeyType"] == "HASH" else "N"}
            for part in schema
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    kinesis.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    settings = {} if precision is None else {"ApproximateCreationDateTimePrecision": precision}
    dynamodb.enable_kinesis_streaming_destination(
        TableName=name, StreamArn=arn, EnableKinesisStreamingConfiguration=settings
    )
    table = Table(dynamodb, kinesis, name, arn)
    wait_until(lambda: table.destinations() == {arn: "ACTIVE"}, "changes are streamed")
    return table


def images(change):
    return change["eventName"], change["dynamodb"].get("OldImage"), change["dynamodb"].get("NewImage")


def refused(code, call, *args, **kwargs):
    with pytest.raises(ClientError) as error:
        call(*args, **kwargs)
    assert error.value.response["Error"]["Code"] == code
    return error.value.response["Error"]["Message"]


def connection(deployed):
    client = deployed.client("dynamodb")
    return {
        "endpoint_url": deployed.endpoint,
        "region_name": client.meta.region_name,
        "aws_access_key_id": "local",
        "aws_secret_access_key": "local",
    }
