"""DynamoDB's API on moto, with the operations on Kinesis streaming destinations."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from moto.core.responses import ActionResult
from moto.dynamodb import urls as dynamodb_urls
from moto.dynamodb.exceptions import MockValidationException
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.responses import DynamoHandler

from ddb_pipeline.local_aws.change_stream.backend import ChangeStreamBackend
from ddb_pipeline.local_aws.change_stream.destinations import InvalidRequestError, TableDestinations
from ddb_pipeline.local_aws.change_stream.point_in_time import table_id

CONTENT_TYPE = "application/x-amz-json-1.0"

_RANDOM = random.Random()

_PLAIN_PUT = {"TableName", "Item"}


def change_stream_backend(account_id: str, region: str) -> ChangeStreamBackend:
    """Return the tables of an account and region.

    Raises:
        TypeError: moto uses its own DynamoDB.
    """
    backend = dynamodb_backends[account_id][region]
    if not isinstance(backend, ChangeStreamBackend):
        raise TypeError("moto's own DynamoDB is in use: call install() before the server starts")
    return backend


def takes_json(operation: str, request: dict[str, Any]) -> bool:
    """Whether a request's attribute values are for our own code alone, which reads them as they are in JSON."""
    return operation == "BatchWriteItem" or (operation == "PutItem" and request.keys() == _PLAIN_PUT)


class _JsonAnswer(ActionResult):
    """An answer without times and binary."""


class ChangeStreamHandler(DynamoHandler):
    """moto's DynamoDB API with the operations on Kinesis streaming destinations."""

    @cached_property
    def dynamodb_backend(self) -> ChangeStreamBackend:
        """The tables of the request's account and region."""
        return change_stream_backend(self.current_account, self.region)

    def serialized(self, action_result: ActionResult) -> Any:
        """Write an answer; that to most writes is JSON already, which needs no look at the operation's model."""
        if isinstance(action_result, _JsonAnswer) or action_result.result == {}:
            return 200, {"Content-Type": CONTENT_TYPE, **self.response_headers}, json.dumps(action_result.result)
        return super().serialized(action_result)

    @staticmethod
    def _enrich_response(headers: dict[str, str], body: Any) -> tuple[dict[str, str], Any]:
        """Add a request's id, without moto's search for a place in the body."""
        if "status" in headers:
            headers["status"] = str(headers["status"])
        headers["x-amzn-requestid"] = f"{_RANDOM.getrandbits(256):052X}"[:52]
        return headers, body

    def put_item(self) -> ActionResult:
        """PutItem: condition, write and returned values are one step."""
        if self.body.keys() == _PLAIN_PUT:
            self.dynamodb_backend.put_item(self.body["TableName"], self.body["Item"])
            return _JsonAnswer({})
        with self.dynamodb_backend.lock:
            return super().put_item()

    def update_item(self) -> ActionResult:
        """UpdateItem: condition, write and returned values are one step."""
        with self.dynamodb_backend.lock:
            return super().update_item()

    def delete_item(self) -> ActionResult:
        """DeleteItem: condition, write and returned values are one step."""
        if self.body.get("Expected"):
            # moto would delete without looking at it
            raise MockValidationException("Local AWS does not support Expected in DeleteItem: use ConditionExpression")
        with self.dynamodb_backend.lock:
            return super().delete_item()

    def batch_write_item(self) -> ActionResult:
        """BatchWriteItem."""
        self.dynamodb_backend.write_batch(self.body["RequestItems"])
        answer: dict[str, Any] = {"UnprocessedItems": {}}
        if self.body.get("ReturnConsumedCapacity", "NONE") != "NONE":
            answer["ConsumedCapacity"] = [
                {"TableName": name, "CapacityUnits": float(len(requests))}
                for name, requests in self.body["RequestItems"].items()
            ]
        return _JsonAnswer(answer)

    def execute_statement(self) -> ActionResult:
        """ExecuteStatement."""
        self._refuse("ConsistentRead", "Limit", "NextToken", "ReturnConsumedCapacity")
        return super().execute_statement()

    def batch_execute_statement(self) -> ActionResult:
        """BatchExecuteStatement."""
        self._refuse("ReturnConsumedCapacity")
        return super().batch_execute_statement()

    def execute_transaction(self) -> ActionResult:
        """ExecuteTransaction."""
        self._refuse("ReturnConsumedCapacity")
        return super().execute_transaction()

    def _refuse(self, *parameters: str) -> None:
        for name in parameters:
            # every read is consistent here
            if name in self.body and (name, self.body[name]) not in {
                ("ConsistentRead", True),
                ("ConsistentRead", False),
            }:
                raise NotImplementedError(name)

    def enable_kinesis_streaming_destination(self) -> ActionResult:
        """EnableKinesisStreamingDestination."""
        with self._destinations() as (name, destinations):
            answer = destinations.enable(
                self.body["StreamArn"],
                self.body.get("EnableKinesisStreamingConfiguration"),
                self.dynamodb_backend.stream_exists,
            )
        return ActionResult({"TableName": name, **answer})

    def disable_kinesis_streaming_destination(self) -> ActionResult:
        """DisableKinesisStreamingDestination."""
        with self._destinations() as (name, destinations):
            answer = destinations.disable(self.body["StreamArn"], self.body.get("EnableKinesisStreamingConfiguration"))
        return ActionResult({"TableName": name, **answer})

    def update_kinesis_streaming_destination(self) -> ActionResult:
        """UpdateKinesisStreamingDestination."""
        with self._destinations() as (name, destinations):
            table = self.dynamodb_backend.get_table(name)
            configuration = self.body.get("UpdateKinesisStreamingConfiguration")
            answer = destinations.update(name, table_id(table), self.body["StreamArn"], configuration)
        return ActionResult({"TableName": name, **answer})

    def describe_kinesis_streaming_destination(self) -> ActionResult:
        """DescribeKinesisStreamingDestination."""
        with self._destinations() as (name, destinations):
            return ActionResult({"TableName": name, "KinesisDataStreamDestinations": destinations.describe()})

    def update_continuous_backups(self) -> ActionResult:
        """UpdateContinuousBackups."""
        recovery, specification = self.dynamodb_backend.recovery, self.body["PointInTimeRecoverySpecification"]
        return ActionResult({"ContinuousBackupsDescription": recovery.update(self.body["TableName"], specification)})

    def describe_continuous_backups(self) -> ActionResult:
        """DescribeContinuousBackups."""
        description = self.dynamodb_backend.recovery.describe(self.body["TableName"])
        return ActionResult({"ContinuousBackupsDescription": description})

    def export_table_to_point_in_time(self) -> ActionResult:
        """ExportTableToPointInTime."""
        return ActionResult({"ExportDescription": self.dynamodb_backend.recovery.export(self.body)})

    def describe_export(self) -> ActionResult:
        """DescribeExport."""
        description = self.dynamodb_backend.recovery.describe_export(self.body["ExportArn"])
        return ActionResult({"ExportDescription": description})

    def list_exports(self) -> ActionResult:
        """ListExports."""
        table_arn, limit, after = (self.body.get(name) for name in ("TableArn", "MaxResults", "NextToken"))
        return ActionResult(self.dynamodb_backend.recovery.list_exports(table_arn, limit, after))

    def restore_table_to_point_in_time(self) -> ActionResult:
        """RestoreTableToPointInTime: moto would restore the present, whatever moment was asked for."""
        raise NotImplementedError

    @contextmanager
    def _destinations(self) -> Iterator[tuple[str, TableDestinations]]:
        with self.dynamodb_backend.lock:
            try:
                yield self.dynamodb_backend.destinations_of(self.body["TableName"])
            except InvalidRequestError as error:
                raise MockValidationException(str(error)) from None


# moto finds the API's address and paths by these names
url_bases = dynamodb_urls.url_bases
url_paths = {"{0}/": ChangeStreamHandler.dispatch}
