"""DynamoDB's streaming destinations, in memory."""
# ruff: noqa: N803 - boto3 names arguments as AWS does

import json

from botocore.exceptions import ClientError

from ddb_pipeline_tests.unit.custom_resources.requests import OURS

FORMER = "arn:aws:kinesis:eu-west-1:111122223333:stream/former"
THEIRS = "arn:aws:kinesis:eu-west-1:111122223333:stream/theirs"
ENDED = {"DISABLED", "ENABLE_FAILED"}


class DynamoDb:
    """DynamoDB's streaming destinations, which take `steps` looks to reach the state that they are on their way to.

    Its rules and states are those of the API reference and of facts in `local_aws/change_stream/destinations.py`.
    """

    def __init__(self, *, steps=2, tables=("orders",), **statuses):
        self.steps = steps
        self.tables = {table: {} for table in tables}
        self.calls = []
        self.fails = set()
        self._ways = {}
        for name, status in statuses.items():
            arn = {"ours": OURS, "former": FORMER, "theirs": THEIRS}[name]
            self.tables["orders"][arn] = {"StreamArn": arn, "DestinationStatus": status}

    def _error(self, code, message):
        return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")

    def _go(self, table, arn, passing, settled, **settings):
        entry = self.tables[table].setdefault(arn, {"StreamArn": arn})
        entry["DestinationStatus"] = passing
        entry.update(settings)
        self._ways[table, arn] = [self.steps, settled]

    def describe_table(self, TableName):
        if TableName not in self.tables:
            raise self._error("ResourceNotFoundException", "Requested resource not found")
        return {
            "Table": {
                "KeySchema": [
                    {"AttributeName": "id", "KeyType": "HASH"},
                    {"AttributeName": "line", "KeyType": "RANGE"},
                ],
                "AttributeDefinitions": [
                    {"AttributeName": "by_index", "AttributeType": "S"},
                    {"AttributeName": "line", "AttributeType": "N"},
                    {"AttributeName": "id", "AttributeType": "B"},
                ],
            }
        }

    def describe_kinesis_streaming_destination(self, TableName):
        if TableName not in self.tables:
            raise self._error("ResourceNotFoundException", "Requested resource not found")
        for (table, arn), way in list(self._ways.items()):
            way[0] -= 1
            if way[0] < 0:
                self.tables[table][arn]["DestinationStatus"] = way[1]
                del self._ways[table, arn]
        entries = json.loads(json.dumps(list(self.tables[TableName].values())))
        return {"TableName": TableName, "KinesisDataStreamDestinations": entries}

    def enable_kinesis_streaming_destination(self, TableName, StreamArn, EnableKinesisStreamingConfiguration):
        self.calls.append(("enable", TableName, StreamArn))
        if any(one["DestinationStatus"] not in ENDED for one in self.tables[TableName].values()):
            raise self._error("ValidationException", "must be DISABLED or ENABLE_FAILED")
        failed = StreamArn in self.fails
        settled = "ENABLE_FAILED" if failed else "ACTIVE"
        more = {"DestinationStatusDescription": "no permission"} if failed else {}
        self._go(TableName, StreamArn, "ENABLING", settled, **EnableKinesisStreamingConfiguration, **more)

    def update_kinesis_streaming_destination(self, TableName, StreamArn, UpdateKinesisStreamingConfiguration):
        self.calls.append(("update", TableName, StreamArn))
        self._go(TableName, StreamArn, "UPDATING", "ACTIVE", **UpdateKinesisStreamingConfiguration)

    def disable_kinesis_streaming_destination(self, TableName, StreamArn):
        self.calls.append(("disable", TableName, StreamArn))
        if self.tables[TableName][StreamArn]["DestinationStatus"] != "ACTIVE":
            raise self._error("ValidationException", "must be ACTIVE")
        self._go(TableName, StreamArn, "DISABLING", "DISABLED")

    def statuses(self, table="orders"):
        return {arn: one["DestinationStatus"] for arn, one in self.tables[table].items()}
