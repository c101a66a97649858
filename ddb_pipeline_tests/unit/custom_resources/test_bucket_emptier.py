"""The function that empties a bucket which goes with its stack: everything goes, or nothing."""

import time

import boto3
import pytest
from moto import mock_aws

from ddb_pipeline_tests.unit.custom_resources.requests import (
    LambdaContext,
    request,
)


@pytest.fixture
def s3(monkeypatch, functions):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="raw")
        tag = {"Key": functions.bucket_emptier.EMPTIED_TAG, "Value": "true"}
        client.put_bucket_tagging(Bucket="raw", Tagging={"TagSet": [tag]})
        yield client


def delete_bucket_resource(functions, clock, bucket="raw"):
    event = request("Delete", BucketName=bucket, physical_id=bucket)
    return functions.bucket_emptier.bring_about(event, clock)


@pytest.mark.parametrize("versioning", [None, "Enabled", "Suspended"])
def test_a_bucket_is_emptied_of_objects_versions_markers_and_uploads(functions, s3, clock, versioning):
    s3.put_object(Bucket="raw", Key="before", Body=b"1")
    if versioning:
        s3.put_bucket_versioning(Bucket="raw", VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_versioning(Bucket="raw", VersioningConfiguration={"Status": versioning})
    for number in range(3):
        s3.put_object(Bucket="raw", Key="changes/a b+%&<é>.json.gz", Body=b"%d" % number)
    s3.delete_object(Bucket="raw", Key="before")
    s3.create_multipart_upload(Bucket="raw", Key="never-completed")

    assert delete_bucket_resource(functions, clock).physical_id == "raw"
    # what CloudFormation does next, and S3 refuses for a bucket that holds anything
    s3.delete_bucket(Bucket="raw")


def test_a_bucket_of_more_than_a_page_is_emptied(functions, s3, clock, monkeypatch):
    monkeypatch.setattr(functions.bucket_emptier, "PAGE", 3)
    for number in range(10):
        s3.put_object(Bucket="raw", Key=str(number), Body=b"1")
    delete_bucket_resource(functions, clock)
    assert s3.list_objects_v2(Bucket="raw")["KeyCount"] == 0


def test_what_is_left_after_a_quarter_of_an_hour_is_left_for_the_next_invocation(functions, s3, monkeypatch):
    monkeypatch.setattr(functions.bucket_emptier, "PAGE", 3)
    for number in range(10):
        s3.put_object(Bucket="raw", Key=str(number), Body=b"1")
    clock = functions.custom_resource.Clock(LambdaContext(100, 59), time.time() + 60)
    with pytest.raises(functions.custom_resource.OutOfTimeError, match="bucket raw still holds objects"):
        delete_bucket_resource(functions, clock)
    assert s3.list_objects_v2(Bucket="raw")["KeyCount"] == 4


@pytest.mark.parametrize("tags", [[], [{"Key": "stage", "Value": "dev"}], "other value"])
def test_a_bucket_that_is_to_be_kept_is_never_emptied(functions, s3, clock, tags):
    if tags == "other value":
        tags = [{"Key": functions.bucket_emptier.EMPTIED_TAG, "Value": "false"}]
    s3.delete_bucket_tagging(Bucket="raw")
    if tags:
        s3.put_bucket_tagging(Bucket="raw", Tagging={"TagSet": tags})
    s3.put_object(Bucket="raw", Key="kept", Body=b"1")

    delete_bucket_resource(functions, clock)
    assert s3.list_objects_v2(Bucket="raw")["KeyCount"] == 1


def test_a_bucket_that_is_gone_is_empty(functions, s3, clock):
    assert delete_bucket_resource(functions, clock, "no-such-bucket").physical_id == "no-such-bucket"


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_nothing_is_emptied_before_the_deletion(functions, s3, clock, kind):
    s3.put_object(Bucket="raw", Key="kept", Body=b"1")
    assert functions.bucket_emptier.bring_about(request(kind, BucketName="raw"), clock).physical_id == "raw"
    assert s3.list_objects_v2(Bucket="raw")["KeyCount"] == 1


def test_a_bucket_that_could_not_be_emptied_is_left_to_cloudformation_which_deletes_none_that_holds_anything(functions):
    """With FAILED, the stack could not go before somebody gives the resource up: its function is gone by then."""
    told = functions.bucket_emptier.let_go(request("Delete"), "bucket raw still holds objects, after 55 minutes")
    assert told == {"Status": "SUCCESS", "Reason": "bucket raw still holds objects, after 55 minutes"}


class Stubborn:
    """A bucket with one object, which S3 does not delete for some reason at first."""

    def __init__(self, code, times):
        self.code, self.times = code, times

    def list_object_versions(self, **_call):
        return {"Versions": [{"Key": "one", "VersionId": "null"}]} if self.times >= 0 else {}

    def list_multipart_uploads(self, **_call):
        return {}

    def delete_objects(self, **_call):
        self.times -= 1
        return {"Errors": [{"Key": "one", "Code": self.code, "Message": "not now"}]} if self.times >= 0 else {}


def test_a_passing_error_of_an_object_is_waited_out_and_a_refusal_is_told(functions, clock, pauses):
    functions.bucket_emptier.empty(Stubborn("SlowDown", 2), "raw", clock)
    assert len(pauses) == 2
    with pytest.raises(
        functions.custom_resource.NotPossibleError, match="bucket raw could not be emptied: one: not now"
    ):
        functions.bucket_emptier.empty(Stubborn("AccessDenied", 2), "raw", clock)
