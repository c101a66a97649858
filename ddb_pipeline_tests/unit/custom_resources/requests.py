"""Requests as CloudFormation sends them, and Lambda's context."""

import itertools
import json

OURS = "arn:aws:kinesis:eu-west-1:111122223333:stream/ours"
KEY = [{"name": "id", "type": "B"}, {"name": "line", "type": "N"}]


class LambdaContext:
    """Lambda's context of an invocation with so many seconds left each time that it is asked."""

    invoked_function_arn = "arn:aws:lambda:eu-west-1:111122223333:function:ddb-dev-orders-dest-00c0a"

    def __init__(self, *seconds: float) -> None:
        self._seconds = itertools.chain(seconds, itertools.repeat((seconds or (900,))[-1]))

    def get_remaining_time_in_millis(self):
        return int(next(self._seconds) * 1000)


def request(kind="Create", *, old=None, physical_id=None, **properties):
    event = {
        "RequestType": kind,
        "RequestId": "request-1",
        "StackId": "stack-1",
        "LogicalResourceId": "Thing",
        "ResponseURL": "https://answer.example/",
        "ResourceProperties": {
            "TableName": "orders",
            "StreamArn": OURS,
            "Precision": "MICROSECOND",
            "KeyAttributes": json.dumps(KEY),
            **properties,
        },
    }
    if old is not None:
        event["OldResourceProperties"] = {**event["ResourceProperties"], **old}
    if physical_id is not None:
        event["PhysicalResourceId"] = physical_id
    return event
