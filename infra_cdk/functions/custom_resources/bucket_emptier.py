"""Lambda function behind `Custom::EmptiedBucket`: empties a bucket that is deleted with its stack.

Property: BucketName. CloudFormation deletes no bucket that holds anything. When it asks to delete this resource, all
objects go, with all their versions and delete markers, and all uploads that were never completed. But only while the
bucket has the tag `EMPTIED_TAG`: a stage that comes to keep its data loses the tag first and this resource afterwards,
and then nothing must be deleted.
"""

from __future__ import annotations

from typing import Any

from custom_resource import Clock, Context, Event, NotPossibleError, Outcome, answer, client, error_code

EMPTIED_TAG = "ddb-change-analytics:emptied-with-its-stack"
PAGE = 1000
"""Most objects of one DeleteObjects request."""
PASSING = {"InternalError", "ServiceUnavailable", "SlowDown"}
"""Codes of objects that could not be deleted this time."""


def handler(event: Event, context: Context) -> None:
    """Entry point of the function."""
    answer(event, context, bring_about, let_go)


def let_go(_request: Event, reason: str) -> dict[str, str]:
    """A bucket that could not be emptied is told as emptied: CloudFormation does not delete it then, and says so.

    Nothing is lost by that, and the bucket is all that is left: whoever empties it can delete the stack. With FAILED
    this resource would be left too, whose function is gone by then.
    """
    return {"Status": "SUCCESS", "Reason": reason}


def bring_about(request: Event, clock: Clock) -> Outcome:
    """Do what a request of CloudFormation wants; there is nothing to do before the deletion.

    Raises:
        NotPossibleError: An object may not be deleted.
        OutOfTimeError: There is more than this invocation can delete.
    """
    bucket = request["ResourceProperties"]["BucketName"]
    if request["RequestType"] == "Delete":
        s3 = client("s3")
        if is_to_be_emptied(s3, bucket):
            empty(s3, bucket, clock)
        return Outcome(request["PhysicalResourceId"])
    return Outcome(bucket)


def is_to_be_emptied(s3: Any, bucket: str) -> bool:
    """Whether the bucket is there and says that its contents go with its stack."""
    try:
        tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    except Exception as error:
        if error_code(error) in {"NoSuchBucket", "NoSuchTagSet"}:
            return False
        raise
    return {"Key": EMPTIED_TAG, "Value": "true"} in tags


def empty(s3: Any, bucket: str, clock: Clock) -> None:
    """Delete everything in a bucket, in the order in which S3 lists it.

    Raises:
        NotPossibleError: An object may not be deleted.
        OutOfTimeError: There is more than this invocation can delete.
    """
    while True:
        page = s3.list_object_versions(Bucket=bucket, MaxKeys=PAGE)
        versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        if not versions:
            break
        doomed = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in versions]
        errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True}).get("Errors", [])
        refused = [error for error in errors if error["Code"] not in PASSING]
        if refused:
            first = refused[0]
            raise NotPossibleError(
                f"bucket {bucket} could not be emptied: {first['Key']}: {first.get('Message', first['Code'])}"
            )
        state = f"bucket {bucket} still holds objects"
        if errors:
            clock.pause(state)
        clock.check(state)
    while uploads := s3.list_multipart_uploads(Bucket=bucket, MaxUploads=PAGE).get("Uploads", []):
        for upload in uploads:
            clock.check(f"bucket {bucket} still holds uploads that were never completed")
            _abort(s3, bucket, upload)


def _abort(s3: Any, bucket: str, upload: dict[str, Any]) -> None:
    try:
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    except Exception as error:
        if error_code(error) != "NoSuchUpload":
            raise
