"""Exports of tables to S3: the table as it was at a moment, in the files that AWS writes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from ddb_pipeline_tests.deployed import Deployed, wait_until
from ddb_pipeline_tests.streamed_table import SORTED, Table, make_table, refused

RECOVERY = {"PointInTimeRecoveryEnabled": True}


@pytest.fixture
def table(deployed: Deployed) -> Table:
    table = make_table(deployed)
    table.dynamodb.update_continuous_backups(TableName=table.name, PointInTimeRecoverySpecification=RECOVERY)
    return table


@pytest.fixture
def bucket(deployed: Deployed) -> str:
    name = f"exports-{uuid.uuid4().hex[:12]}"
    where = {"LocationConstraint": deployed.client("s3").meta.region_name}
    deployed.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=where)
    return name


def arn(table):
    return table.dynamodb.describe_table(TableName=table.name)["Table"]["TableArn"]


def ended(table, export_arn):
    def description():
        return table.dynamodb.describe_export(ExportArn=export_arn)["ExportDescription"]

    wait_until(lambda: description()["ExportStatus"] != "IN_PROGRESS", "the export has ended")
    return description()


def export(table, bucket, **more):
    begun = table.dynamodb.export_table_to_point_in_time(TableArn=arn(table), S3Bucket=bucket, **more)
    assert begun["ExportDescription"]["ExportStatus"] == "IN_PROGRESS"
    found = ended(table, begun["ExportDescription"]["ExportArn"])
    assert found["ExportStatus"] == "COMPLETED", found
    return found


def objects(deployed, bucket):
    s3 = deployed.client("s3")
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def exported(deployed, bucket, export_description):
    """The lines of an export, found as a reader finds them: through its manifests."""
    found = objects(deployed, bucket)
    summary = json.loads(found[export_description["ExportManifest"]])
    files = [json.loads(line) for line in found[summary["manifestFilesS3Key"]].splitlines()]
    return [json.loads(line) for file in files for line in gzip.decompress(found[file["dataFileS3Key"]]).splitlines()]


def items(deployed, bucket, description):
    lines = exported(deployed, bucket, description)
    assert all(list(line) == ["Item"] for line in lines)
    return sorted((line["Item"] for line in lines), key=str)


def test_the_objects_are_those_that_aws_writes(deployed, table, bucket):
    for number in range(20):
        table.put(pk={"S": f"item {number}"})
    description = export(table, bucket, S3Prefix="some/prefix")

    found = objects(deployed, bucket)
    export_id = description["ExportArn"].rpartition("/")[2]
    folder = f"some/prefix/AWSDynamoDB/{export_id}/"
    data = {key: content for key, content in found.items() if key.startswith(f"{folder}data/")}
    assert set(found) - set(data) == {
        folder + name
        for name in (
            "_started",
            "manifest-files.json",
            "manifest-files.md5",
            "manifest-summary.json",
            "manifest-summary.md5",
        )
    }
    assert found[f"{folder}_started"] == b""
    assert all(key.endswith(".json.gz") for key in data)
    counts = [len(gzip.decompress(content).splitlines()) for content in data.values()]
    assert sum(counts) == 20
    assert sum(count > 0 for count in counts) > 1, "more than one file holds items"
    assert 0 in counts, "and one holds none"

    for name in ("manifest-files", "manifest-summary"):
        digest = hashlib.md5(found[f"{folder}{name}.json"]).digest()
        assert found[f"{folder}{name}.md5"] == base64.b64encode(digest)
    listed = [json.loads(line) for line in found[f"{folder}manifest-files.json"].splitlines()]
    assert {file["dataFileS3Key"] for file in listed} == set(data)
    for file in listed:
        content = data[file["dataFileS3Key"]]
        assert list(file) == ["itemCount", "md5Checksum", "etag", "dataFileS3Key"]
        assert file["itemCount"] == len(gzip.decompress(content).splitlines())
        assert base64.b64decode(file["md5Checksum"]) == hashlib.md5(content).digest()
        head = deployed.client("s3").head_object(Bucket=bucket, Key=file["dataFileS3Key"])
        assert head["ETag"].strip('"') == file["etag"]


def test_the_summary_says_what_was_exported(deployed, table, bucket):
    table.put(pk={"S": "a"})
    description = export(table, bucket)

    summary = json.loads(objects(deployed, bucket)[description["ExportManifest"]])
    assert datetime.fromisoformat(summary.pop("startTime")) <= datetime.fromisoformat(summary.pop("endTime"))
    assert abs(datetime.fromisoformat(summary.pop("exportTime")) - description["ExportTime"]) < timedelta(seconds=1)
    assert str(uuid.UUID(summary["tableId"])) == description["TableId"]
    export_id = description["ExportArn"].rpartition("/")[2]
    assert description["ExportArn"] == f"{arn(table)}/export/{export_id}"
    assert [len(part) for part in export_id.split("-")] == [14, 8]
    assert summary == {
        "version": "2020-06-30",
        "exportArn": description["ExportArn"],
        "tableArn": arn(table),
        "tableId": description["TableId"],
        "s3Bucket": bucket,
        "s3Prefix": None,
        "s3SseAlgorithm": "AES256",
        "s3SseKmsKeyId": None,
        "manifestFilesS3Key": f"AWSDynamoDB/{export_id}/manifest-files.json",
        "billedSizeBytes": 3,
        "itemCount": 1,
        "outputFormat": "DYNAMODB_JSON",
        "outputView": "NEW_IMAGE",
        "exportType": "FULL_EXPORT",
    }
    assert description["ItemCount"] == 1
    assert description["BilledSizeBytes"] == 3
    assert description["StartTime"] <= description["EndTime"]


def test_items_are_dynamodb_json_as_stored(deployed, table, bucket):
    table.put(
        pk={"S": "ä"},
        n={"N": "-1.50E2"},
        b={"B": b"\x00\xff"},
        bs={"BS": [b"\x01"]},
        ns={"NS": ["1.0"]},
        m={"M": {"l": {"L": [{"NULL": True}, {"BOOL": False}]}}},
        s={"S": "a\nb\u2028"},
    )

    assert items(deployed, bucket, export(table, bucket)) == [
        {
            "pk": {"S": "ä"},
            "n": {"N": "-150"},
            "b": {"B": "AP8="},
            "bs": {"BS": ["AQ=="]},
            "ns": {"NS": ["1"]},
            "m": {"M": {"l": {"L": [{"NULL": True}, {"BOOL": False}]}}},
            "s": {"S": "a\nb\u2028"},
        }
    ]


def test_an_empty_table_has_files_without_items(deployed, table, bucket):
    description = export(table, bucket)

    assert description["ItemCount"] == 0
    assert exported(deployed, bucket, description) == []


def test_an_export_of_the_past_shows_the_table_as_it_was(deployed, table, bucket):
    table.put(pk={"S": "changed"}, n={"N": "1"})
    table.put(pk={"S": "deleted"})
    table.put(pk={"S": "updated"}, l={"L": [{"N": "1"}]})
    until_next_second()
    moment = int(time.time())
    until_next_second()
    table.put(pk={"S": "changed"}, n={"N": "2"})
    table.update("SET l[0] = :two", {":two": {"N": "2"}}, key="updated")
    table.put(pk={"S": "new"})
    table.dynamodb.transact_write_items(
        TransactItems=[
            {"Delete": {"TableName": table.name, "Key": {"pk": {"S": "deleted"}}}},
            {"Put": {"TableName": table.name, "Item": {"pk": {"S": "deleted later"}}}},
        ]
    )
    table.dynamodb.execute_statement(Statement=f"DELETE FROM \"{table.name}\" WHERE pk = 'deleted later'")

    then = export(table, bucket, ExportTime=moment)
    assert then["ExportTime"] == datetime.fromtimestamp(moment, UTC)
    assert items(deployed, bucket, then) == [
        {"pk": {"S": "changed"}, "n": {"N": "1"}},
        {"pk": {"S": "deleted"}},
        {"pk": {"S": "updated"}, "l": {"L": [{"N": "1"}]}},
    ]
    assert items(deployed, bucket, export(table, bucket)) == [
        {"pk": {"S": "changed"}, "n": {"N": "2"}},
        {"pk": {"S": "new"}},
        {"pk": {"S": "updated"}, "l": {"L": [{"N": "2"}]}},
    ]


def until_next_second():
    time.sleep(1.01 - time.time() % 1)


def test_a_table_needs_no_stream_to_be_exported(deployed, bucket):
    table = make_table(deployed, SORTED)
    table.dynamodb.disable_kinesis_streaming_destination(TableName=table.name, StreamArn=table.stream_arn)
    table.dynamodb.update_continuous_backups(TableName=table.name, PointInTimeRecoverySpecification=RECOVERY)
    for number in ("1", "2"):
        table.put(pk={"S": "a"}, sk={"N": number})

    assert items(deployed, bucket, export(table, bucket)) == [
        {"pk": {"S": "a"}, "sk": {"N": "1"}},
        {"pk": {"S": "a"}, "sk": {"N": "2"}},
    ]


def test_moments_outside_the_window_are_refused(table, bucket):
    def try_at(moment):
        call = table.dynamodb.export_table_to_point_in_time
        return refused("InvalidExportTimeException", call, TableArn=arn(table), S3Bucket=bucket, ExportTime=moment)

    window = table.dynamodb.describe_continuous_backups(TableName=table.name)["ContinuousBackupsDescription"]
    earliest = window["PointInTimeRecoveryDescription"]["EarliestRestorableDateTime"]
    assert try_at(earliest - timedelta(seconds=1)) == "Export Time is invalid"
    assert try_at(time.time() + 60) == "Export Time is invalid"
    export(table, bucket, ExportTime=earliest)


def test_recovery_goes_on_and_off(table, bucket):
    dynamodb = table.dynamodb

    def described(name=table.name):
        found = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        assert found["ContinuousBackupsStatus"] == "ENABLED"
        return found["PointInTimeRecoveryDescription"]

    def switch(**specification):
        dynamodb.update_continuous_backups(TableName=table.name, PointInTimeRecoverySpecification=specification)

    on = described()
    assert (on["PointInTimeRecoveryStatus"], on["RecoveryPeriodInDays"]) == ("ENABLED", 35)
    assert on["EarliestRestorableDateTime"] <= on["LatestRestorableDateTime"]
    switch(PointInTimeRecoveryEnabled=True, RecoveryPeriodInDays=7)
    assert described()["RecoveryPeriodInDays"] == 7
    assert described()["EarliestRestorableDateTime"] == on["EarliestRestorableDateTime"]
    switch(PointInTimeRecoveryEnabled=False)
    assert described() == {"PointInTimeRecoveryStatus": "DISABLED"}

    call = {"TableArn": arn(table), "S3Bucket": bucket}
    message = refused("PointInTimeRecoveryUnavailableException", dynamodb.export_table_to_point_in_time, **call)
    assert message == f"Point in time recovery is not enabled for table '{table.name}'"
    switch(PointInTimeRecoveryEnabled=True)
    dynamodb.delete_table(TableName=table.name)
    refused("TableNotFoundException", dynamodb.describe_continuous_backups, TableName=table.name)
    refused("TableNotFoundException", dynamodb.export_table_to_point_in_time, **call)


def test_a_recovery_period_has_35_days_at_most(table):
    refused(
        "ValidationException",
        table.dynamodb.update_continuous_backups,
        TableName=table.name,
        PointInTimeRecoverySpecification={**RECOVERY, "RecoveryPeriodInDays": 36},
    )


def test_a_client_token_stands_for_one_export(table, bucket):
    call = {"TableArn": arn(table), "S3Bucket": bucket, "ClientToken": uuid.uuid4().hex}
    begin = table.dynamodb.export_table_to_point_in_time
    first, second = (begin(**call)["ExportDescription"]["ExportArn"] for _ in range(2))

    assert first == second
    for change in ({"S3Prefix": "x"}, {"ExportTime": time.time()}, {"S3SseAlgorithm": "AES256"}):
        assert "Duplicate request detected" in refused("ExportConflictException", begin, **call, **change)
    assert begin(**{**call, "ClientToken": uuid.uuid4().hex})["ExportDescription"]["ExportArn"] != first


def test_an_export_to_no_bucket_fails(table):
    begin = table.dynamodb.export_table_to_point_in_time
    begun = begin(TableArn=arn(table), S3Bucket=f"none-{uuid.uuid4().hex}")["ExportDescription"]

    description = ended(table, begun["ExportArn"])
    assert description["ExportStatus"] == "FAILED"
    assert description["FailureCode"] == "S3NoSuchBucket"
    assert description["FailureMessage"] == "The specified bucket does not exist"
    assert "ExportManifest" not in description


def test_exports_are_listed_by_arn_and_page(table, bucket, deployed):
    other = make_table(deployed)
    other.dynamodb.update_continuous_backups(TableName=other.name, PointInTimeRecoverySpecification=RECOVERY)
    export(other, bucket)
    made = sorted(export(table, bucket)["ExportArn"] for _ in range(3))
    dynamodb = table.dynamodb

    first = dynamodb.list_exports(TableArn=arn(table), MaxResults=2)
    rest = dynamodb.list_exports(TableArn=arn(table), MaxResults=2, NextToken=first["NextToken"])
    assert [one["ExportArn"] for one in first["ExportSummaries"] + rest["ExportSummaries"]] == made
    assert first["ExportSummaries"][0] == {
        "ExportArn": made[0],
        "ExportStatus": "COMPLETED",
        "ExportType": "FULL_EXPORT",
    }
    assert "NextToken" not in rest
    everything = [one["ExportArn"] for page in pages(dynamodb) for one in page["ExportSummaries"]]
    assert set(made) < set(everything)
    assert refused("ValidationException", dynamodb.list_exports, MaxResults=26)


def pages(dynamodb):
    page = dynamodb.list_exports()
    yield page
    while "NextToken" in page:
        page = dynamodb.list_exports(NextToken=page["NextToken"])
        yield page


def test_unknown_exports_are_told(table):
    describe = table.dynamodb.describe_export
    refused("ExportNotFoundException", describe, ExportArn=f"{arn(table)}/export/01234567890123-a1b2c3d4")
    assert refused("ValidationException", describe, ExportArn=arn(table)) == "Invalid Export ARN"


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ({"TableArn": "nowhere"}, "TableNotFoundException", "Table not found: nowhere"),
        ({"ExportFormat": "QWERTY"}, "ValidationException", "[ION, DYNAMODB_JSON]"),
        ({"ExportType": "QWERTY"}, "ValidationException", "'exportType' failed"),
        ({"S3Bucket": "-"}, "ValidationException", "'s3Bucket' failed"),
        ({"ExportFormat": "ION"}, "NotImplementedByLocalAws", "ExportFormat ION"),
        ({"ExportType": "INCREMENTAL_EXPORT"}, "NotImplementedByLocalAws", "INCREMENTAL_EXPORT"),
        ({"IncrementalExportSpecification": {}}, "NotImplementedByLocalAws", "IncrementalExportSpecification"),
        ({"S3BucketOwner": "000000000000"}, "NotImplementedByLocalAws", "S3BucketOwner"),
    ],
)
def test_what_is_wrong_or_not_done_is_refused(table, bucket, parameters, code, message):
    call = {"TableArn": arn(table), "S3Bucket": bucket, **parameters}
    assert message in refused(code, table.dynamodb.export_table_to_point_in_time, **call)


def test_a_restore_is_refused_by_name(table):
    message = refused(
        "NotImplementedByLocalAws",
        table.dynamodb.restore_table_to_point_in_time,
        SourceTableName=table.name,
        TargetTableName="restored",
        UseLatestRestorableTime=True,
    )
    assert "RestoreTableToPointInTime" in message
