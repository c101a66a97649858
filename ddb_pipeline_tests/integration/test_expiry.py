"""Time to live: what has expired is deleted by DynamoDB itself, and its stream says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from ddb_pipeline.local_aws import change_stream
from ddb_pipeline_tests.deployed import Deployed
from ddb_pipeline_tests.streamed_table import Table, make_table


@pytest.fixture
def table(deployed: Deployed) -> Table:
    return make_table(deployed)


def test_items_expire_by_the_tables_time_to_live(table):
    now = time.time()
    table.dynamodb.update_time_to_live(
        TableName=table.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"}
    )
    for name, value in {
        "expired": {"N": str(int(now) - 10)},
        "fraction": {"N": str(int(now) - 10) + ".5"},
        "later": {"N": str(int(now) + 1000)},
        "text": {"S": str(int(now) - 10)},
        "ancient": {"N": str(int(now) - 6 * 365 * 24 * 3600)},
    }.items():
        table.put(pk={"S": name}, expires_at=value)
    table.put(pk={"S": "never"})
    table.new_changes()

    assert change_stream.expire_items()[table.name] == 2
    assert change_stream.expire_items()[table.name] == 0

    changes = table.new_changes()
    assert sorted(change["dynamodb"]["OldImage"]["pk"]["S"] for change in changes) == ["expired", "fraction"]
    for change in changes:
        assert change["eventName"] == "REMOVE"
        assert "NewImage" not in change["dynamodb"]
        assert change["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert change_stream.expire_items(now + 2000)[table.name] == 1


BY_ITSELF = """
import json, time
import boto3
from ddb_pipeline.local_aws.change_stream import StreamFaults, stream_faults
from ddb_pipeline.local_aws.server import LocalAws

with LocalAws(expiry_seconds=0.1, faults=StreamFaults(losses=0.25, seed=3)) as server:
    dynamodb = boto3.client("dynamodb", endpoint_url=server.endpoint, region_name="eu-central-1")
    dynamodb.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.update_time_to_live(TableName="t", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    dynamodb.put_item(TableName="t", Item={"pk": {"S": "stays"}})
    dynamodb.put_item(TableName="t", Item={"pk": {"S": "goes"}, "until": {"N": str(int(time.time()) - 1)}})
    deadline = time.monotonic() + 20
    while len(dynamodb.scan(TableName="t")["Items"]) == 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    print(json.dumps({"left": dynamodb.scan(TableName="t")["Items"], "faults": stream_faults()["everywhere"]}))
"""


def test_items_expire_by_themselves_when_the_server_is_asked_for_it():
    done = subprocess.run(
        [sys.executable, "-c", BY_ITSELF], env=dict(os.environ), capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["left"] == [{"pk": {"S": "stays"}}]
    assert found["faults"]["losses"] == 0.25
