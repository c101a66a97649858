"""A database, a workgroup and tables of their own in a running local Athena, for tests."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
import uuid
from collections.abc import Iterator

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer
from pyathena import connect

from ddb_pipeline.change_row import COLUMNS, PARTITION_COLUMNS, STORAGES
from ddb_pipeline.local_aws import athena

REGION = "eu-west-1"
JSON = STORAGES["json"]
KEYS = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": REGION}


class LocalAthena:
    """A database, a workgroup and a table `changes` of their own in a running server."""

    def __init__(self, endpoint):
        own = uuid.uuid4().hex[:8]
        self.endpoint = endpoint
        self.database, self.group = f"db_{own}", f"group-{own}"
        self.raw, self.results = f"raw-{own}", f"results-{own}"
        self.athena, self.glue, self.s3 = (self.client(name) for name in ("athena", "glue", "s3"))
        for bucket in (self.raw, self.results):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.glue.create_database(DatabaseInput={"Name": self.database})
        self.make_group(self.group)
        self.make_table("changes")

    def client(self, service):
        return boto3.client(service, endpoint_url=self.endpoint, config=Config(retries={"max_attempts": 1}), **KEYS)

    def make_group(self, name, **configuration):
        result = {
            "OutputLocation": f"s3://{self.results}/out/",
            "EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": "alias/own"},
        }
        self.athena.create_work_group(
            Name=name,
            Configuration={"ResultConfiguration": result, "EnforceWorkGroupConfiguration": True, **configuration},
        )

    def make_table(self, name, columns=COLUMNS, serde=JSON.serialization_library):
        storage = {
            "Columns": [{"Name": column.name, "Type": column.type} for column in columns],
            "Location": f"s3://{self.raw}/{name}/",
            "InputFormat": JSON.input_format,
            "OutputFormat": JSON.output_format,
            "SerdeInfo": {"SerializationLibrary": serde},
        }
        keys = [{"Name": column.name, "Type": column.type} for column in PARTITION_COLUMNS]
        self.glue.create_table(
            DatabaseName=self.database,
            TableInput={
                "Name": name, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage, "PartitionKeys": keys,
                "Parameters": {"classification": "json"},
            },
        )  # fmt: skip

    def put(self, lines, hour="00", table="changes", name=None, register=True):
        prefix = f"{table}/year=2026/month=01/day=02/hour={hour}/"
        body = gzip.compress("".join(line + "\n" for line in lines).encode())
        self.s3.put_object(Bucket=self.raw, Key=f"{prefix}{name or uuid.uuid4().hex}.json.gz", Body=body)
        if register:
            storage = self.glue.get_table(DatabaseName=self.database, Name=table)["Table"]["StorageDescriptor"]
            entry = {
                "Values": ["2026", "01", "02", hour],
                "StorageDescriptor": {**storage, "Location": f"s3://{self.raw}/{prefix}"},
            }
            with contextlib.suppress(self.glue.exceptions.AlreadyExistsException):
                self.glue.create_partition(DatabaseName=self.database, TableName=table, PartitionInput=entry)
        return len(body)

    def start(self, sql, group=None, **request):
        request.setdefault("QueryExecutionContext", {"Database": self.database})
        return self.athena.start_query_execution(QueryString=sql, WorkGroup=group or self.group, **request)[
            "QueryExecutionId"
        ]

    def wait(self, identity, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.athena.get_query_execution(QueryExecutionId=identity)["QueryExecution"]
            if found["Status"]["State"] in {"SUCCEEDED", "FAILED", "CANCELLED"}:
                return found
            time.sleep(0.02)
        raise AssertionError("the query did not end")

    def run(self, sql, **request):
        return self.wait(self.start(sql, **request))

    def rows(self, sql):
        """Rows as GetQueryResults gives them, without the header; None is NULL."""
        found = self.run(sql)
        assert found["Status"]["State"] == "SUCCEEDED", found["Status"]["StateChangeReason"]
        page = self.athena.get_query_results(QueryExecutionId=found["QueryExecutionId"])
        lines = [[cell.get("VarCharValue") for cell in row["Data"]] for row in page["ResultSet"]["Rows"]]
        return lines[1:]

    def reason(self, sql, **request):
        found = self.run(sql, **request)
        assert found["Status"]["State"] == "FAILED"
        return found["Status"]["StateChangeReason"]

    def pyathena(self, **options):
        return connect(
            work_group=self.group,
            schema_name=self.database,
            endpoint_url=self.endpoint,
            poll_interval=0.05,
            **KEYS,
            **options,
        )


@contextlib.contextmanager
def running() -> Iterator[LocalAthena]:
    """Start a server, and end it."""
    athena.install()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield LocalAthena(f"http://{host}:{port}")
    finally:
        server.stop()
        athena.stop()


def change(**values):
    row = dict.fromkeys(column.name for column in COLUMNS)
    row |= {
        "row_version": 1,
        "event_id": uuid.uuid4().hex,
        "event_name": "INSERT",
        "changed_at_us": 1_700_000_000_000_000,
    }
    return json.dumps(row | values)
