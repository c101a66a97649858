"""The objects below `errors/` in the raw bucket: listed by time, read, and tagged with receipts.

Firehose names them after the hour of arrival, below a folder for each type of error. They are few as long as all is
well, so one LIST a type tells those since an hour (1000 keys a request; `StartAfter` begins there).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ddb_pipeline.arrivals import hour_of, hour_of_prefix, hour_prefix
from ddb_pipeline.failed_deliveries.receipts import Receipt

PAGE = 1000
"""As many objects as a request lists at most."""
_HOUR_PARTS = 4


@dataclass(frozen=True)
class ErrorObject:
    """An object that Firehose wrote about records that it could not deliver.

    Attributes:
        key: Its key.
        error_type: What failed, such as `processing-failed`.
        hour: Hour of arrival of its oldest record; if its name tells none, that in which it was written.
        size: Bytes.
        last_modified: When it was written.
    """

    key: str
    error_type: str
    hour: datetime
    size: int
    last_modified: datetime


@dataclass(frozen=True)
class FailedDeliveries:
    """What Firehose could not deliver, of one pipeline.

    Attributes:
        client: boto3's S3 client.
        bucket: Name of the raw bucket.
        prefix: Prefix of the errors, with a `/` at its end.
    """

    client: Any
    bucket: str
    prefix: str

    def objects(self, first: datetime | None = None) -> Iterator[ErrorObject]:
        """List objects as they are asked for, the oldest hour first.

        Args:
            first: First hour wanted; all by default.
        """
        pages = self.client.get_paginator("list_objects_v2")
        types = [
            str(found["Prefix"])
            for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix, Delimiter="/")
            for found in page.get("CommonPrefixes", [])
        ]
        yield from heapq.merge(*(self._objects(folder, first) for folder in types), key=lambda one: one.hour)

    def uri(self, key: str) -> str:
        """Return the address of an object."""
        return f"s3://{self.bucket}/{key}"

    def body(self, key: str) -> bytes | None:
        """Read an object; None: it is gone."""
        try:
            return bytes(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        except self.client.exceptions.NoSuchKey:
            return None

    def receipt(self, key: str) -> Receipt | None:
        """Read the receipt of an object; None: it has none, or is gone."""
        return Receipt.of(self._tags(key))

    def write_receipt(self, key: str, receipt: Receipt) -> None:
        """Tag an object with a receipt; its other tags stay. One that is gone needs none."""
        from botocore.exceptions import ClientError

        tags = self._tags(key) | receipt.tags()
        tag_set = [{"Key": name, "Value": value} for name, value in tags.items()]
        try:
            self.client.put_object_tagging(Bucket=self.bucket, Key=key, Tagging={"TagSet": tag_set})
        except ClientError as error:
            if not _is_gone(error):
                raise

    def _objects(self, folder: str, first: datetime | None) -> Iterator[ErrorObject]:
        arguments = {"Bucket": self.bucket, "Prefix": folder}
        if first:
            arguments["StartAfter"] = folder + hour_prefix(first)
        for page in self.client.get_paginator("list_objects_v2").paginate(**arguments):
            for found in page.get("Contents", []):
                yield self._object(folder, found)

    def _tags(self, key: str) -> dict[str, str]:
        from botocore.exceptions import ClientError

        try:
            found = self.client.get_object_tagging(Bucket=self.bucket, Key=key)["TagSet"]
        except ClientError as error:
            if not _is_gone(error):
                raise
            return {}
        return {str(tag["Key"]): str(tag["Value"]) for tag in found}

    def _object(self, folder: str, found: dict[str, Any]) -> ErrorObject:
        parts = str(found["Key"]).removeprefix(folder).split("/")
        return ErrorObject(
            key=str(found["Key"]),
            error_type=folder.removeprefix(self.prefix).rstrip("/"),
            hour=hour_of_prefix("".join(f"{part}/" for part in parts[:_HOUR_PARTS])) or hour_of(found["LastModified"]),
            size=int(found["Size"]),
            last_modified=found["LastModified"],
        )


def _is_gone(error: Any) -> bool:
    return error.response.get("Error", {}).get("Code") in {"NoSuchKey", "404"}
