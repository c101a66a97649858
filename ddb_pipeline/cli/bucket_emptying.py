"""A bucket that its stack could not empty: everything in it is deleted, in the order in which S3 lists it."""

from __future__ import annotations

from typing import Any

from ddb_pipeline.cli.console import UserError
from ddb_pipeline.cli.place import Place
from ddb_pipeline.errors import CallAdvice
from ddb_pipeline.names import EMPTIED_TAG
from ddb_pipeline.resources.waiting import Waiting

PAGE = 1000
"""Most objects of one DeleteObjects request."""
_PASSING = {"InternalError", "ServiceUnavailable", "SlowDown"}
"""Codes of objects that could not be deleted this time."""
_PATIENCE_SECONDS = 120.0
"""How long objects are tried again of which S3 deletes none."""
_DENIED = (
    "emptying a bucket takes s3:GetBucketTagging, ListBucketVersions, DeleteObject, DeleteObjectVersion, "
    "ListBucketMultipartUploads and AbortMultipartUpload: destroy with credentials that have them"
)


def empty_bucket(place: Place, bucket: str) -> int:
    """Delete all objects of a bucket, with all versions and delete markers, and all uploads that were never completed.

    Args:
        place: Where the bucket is.
        bucket: Its name; one that is gone is empty.

    Returns:
        How many objects, versions and markers were deleted.

    Raises:
        UserError: The bucket holds something and does not say that its contents go with its stack, or S3 does not
            delete an object.
        PipelineError: S3 cannot be asked.
    """
    from botocore.exceptions import ClientError

    s3 = place.client("s3")
    with place.explained(CallAdvice(denied=_DENIED)):
        try:
            if not _goes_with_its_stack(s3, bucket):
                if not _listed(s3, bucket):
                    return 0
                raise UserError(
                    f"bucket {bucket} holds objects and has no tag {EMPTIED_TAG}, so nothing empties it: look at "
                    f"what is in it, and if that may go, `aws s3 rm --recursive s3://{bucket}` before you destroy again"
                )
            count = _delete_objects(s3, bucket)
            _abort_uploads(s3, bucket)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "NoSuchBucket":
                return 0
            raise
    return count


def _goes_with_its_stack(s3: Any, bucket: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "NoSuchTagSet":
            return False
        raise
    return {"Key": EMPTIED_TAG, "Value": "true"} in tags


def _listed(s3: Any, bucket: str) -> list[dict[str, str]]:
    """The first objects, versions and markers of a bucket, as DeleteObjects names them."""
    page = s3.list_object_versions(Bucket=bucket, MaxKeys=PAGE)
    found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]


def _delete_objects(s3: Any, bucket: str) -> int:
    count, waiting = 0, Waiting(_PATIENCE_SECONDS)
    while doomed := _listed(s3, bucket):
        errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True}).get("Errors", [])
        count += len(doomed) - len(errors)
        if not errors:
            waiting = Waiting(_PATIENCE_SECONDS)
            continue
        refused = [error for error in errors if error["Code"] not in _PASSING]
        if refused or waiting.is_over:
            error = (refused or errors)[0]
            raise UserError(
                f"S3 does not delete {error['Key']} of bucket {bucket} ({error['Code']}: "
                f"{error.get('Message', 'no reason given')}): take away what protects it, and destroy again"
            )
        waiting.pause()
    return count


def _abort_uploads(s3: Any, bucket: str) -> None:
    from botocore.exceptions import ClientError

    while uploads := s3.list_multipart_uploads(Bucket=bucket, MaxUploads=PAGE).get("Uploads", []):
        for upload in uploads:
            try:
                s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            except ClientError as error:
                # aborted or completed since it was listed
                if error.response.get("Error", {}).get("Code") != "NoSuchUpload":
                    raise
