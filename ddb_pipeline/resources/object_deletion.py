"""Objects of S3 that are deleted by their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ddb_pipeline.errors import PipelineError

# API_DeleteObjects.html: up to 1000 keys
_KEYS_AT_ONCE = 1000


def delete_objects(s3: Any, bucket: str, keys: Sequence[str]) -> None:
    """Delete objects; keys that are not there are in nobody's way.

    Args:
        s3: boto3's S3 client.
        bucket: Name of the bucket.
        keys: Their keys, any number.

    Raises:
        PipelineError: One cannot be deleted.
    """
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        batch = [{"Key": key} for key in keys[start : start + _KEYS_AT_ONCE]]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        if failed := answer.get("Errors"):
            raise PipelineError(f"s3://{bucket}/{failed[0]['Key']} cannot be deleted: {failed[0]['Message']}")
