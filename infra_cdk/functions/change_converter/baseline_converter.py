"""The Lambda function that makes rows of a baseline of one data file of a DynamoDB export.

Event: `{"baseline_id", "source_key", "item_count", "md5", "table_name", "aws_region", "key_attributes", "as_of_us"}`,
the third and fourth as the export's manifest has them. Answer: `{"target_key", "items"}`. Environment: BUCKET,
SOURCE_PREFIX, TARGET_PREFIX. The same event writes the same object again, so a repeated call does no harm. The file is
streamed both ways: memory does not grow with it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import re
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
from exported_item import row_line
from strict_json import RefusedError

PART_BYTES = 16 * 2**20
"""Of a multipart upload: S3 takes 10,000 parts of 5 MiB at least (userguide/qfacts.html), so this is up to 160 GB."""
_CHUNK_BYTES = 2**20


class ExportError(Exception):
    """The data file is not what the export's manifest says, or holds a line that is no item."""


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda passes the context
    """Entry point of the function.

    Raises:
        ExportError: The file is not the one of the manifest. Nothing has been written then.
    """
    source, target = str(event["source_key"]), target_key(event)
    if not source.startswith(os.environ["SOURCE_PREFIX"]):
        raise ExportError(f"{source} is not below {os.environ['SOURCE_PREFIX']}")
    bucket, s3 = os.environ["BUCKET"], _client()
    reader = CheckedReader(s3.get_object(Bucket=bucket, Key=source)["Body"])
    upload = Upload(s3, bucket, target)
    try:
        items = convert(reader, upload, event)
        reader.check(str(event["md5"]))
        upload.finish()
    except BaseException:
        upload.abort()
        raise
    return {"target_key": target, "items": items}


def target_key(event: dict[str, Any]) -> str:
    """Where the rows of a data file go: one object, always the same for the same file.

    Raises:
        ExportError: The event names no file of a baseline.
    """
    name, baseline_id = str(event["source_key"]).rpartition("/")[2], str(event["baseline_id"])
    if not re.fullmatch(r"[A-Za-z0-9_-]+\.json\.gz", name) or not re.fullmatch(r"[A-Za-z0-9-]+", baseline_id):
        raise ExportError(f"no data file of a baseline: {name[:80]!r} for {baseline_id[:80]!r}")
    return f"{os.environ['TARGET_PREFIX']}baseline_id={baseline_id}/{name}"


def convert(source: io.RawIOBase, target: io.RawIOBase, event: dict[str, Any]) -> int:
    """Write a row for each item.

    Args:
        source: Gzipped JSON lines of the export.
        target: Where the gzipped rows go.
        event: The function's event.

    Returns:
        The number of items.

    Raises:
        ExportError: A line is not an item of this table, there are more or fewer than the manifest says, or the file
            is no whole gzip file.
    """
    items = 0
    with gzip.GzipFile(fileobj=target, mode="wb", compresslevel=6, mtime=0) as rows:
        for line in _lines(source, str(event["source_key"])):
            try:
                row = row_line(
                    line,
                    key_attributes=event["key_attributes"],
                    table_name=event["table_name"],
                    aws_region=event["aws_region"],
                    as_of_us=event["as_of_us"],
                )
            except RefusedError as error:
                # the content stays out of the log
                raise ExportError(f"{event['source_key']}, line {items + 1}: {error}") from None
            rows.write(row)
            items += 1
    if items != event["item_count"]:
        raise ExportError(f"{event['source_key']} holds {items} items, and the manifest says {event['item_count']}")
    return items


def _lines(source: io.RawIOBase, key: str) -> Iterator[bytes]:
    # an export of an empty partition of the table is an empty file, gzipped or of no bytes at all
    with gzip.GzipFile(fileobj=source, mode="rb") as lines:
        while line := _line(lines, key):
            if line.strip():
                yield line


def _line(lines: gzip.GzipFile, key: str) -> bytes:
    try:
        return lines.readline()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ExportError(f"{key} is no whole gzip file: {error}") from None


class CheckedReader(io.RawIOBase):
    """Reads a stream and takes its MD5 on the way."""

    def __init__(self, body: Any) -> None:
        self._body = body
        # a check against damage, as the manifest has it, not against forgery
        self._digest = hashlib.md5(usedforsecurity=False)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; 0 at the end."""
        chunk = self._body.read(len(buffer))
        self._digest.update(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def check(self, md5: str) -> None:
        """Read what is left, and compare.

        Raises:
            ExportError: The stream had another MD5 (base64, as the manifest writes it).
        """
        while chunk := self._body.read(_CHUNK_BYTES):
            self._digest.update(chunk)
        found = base64.b64encode(self._digest.digest()).decode("ascii")
        if found != md5:
            raise ExportError(f"the file's MD5 is {found}, and the manifest says {md5}")


class Upload(io.RawIOBase):
    """An object that is written part by part, and is there as a whole or not at all."""

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3, self._place = s3, {"Bucket": bucket, "Key": key}
        self._waiting = bytearray()
        self._upload_id: str | None = None
        self._etags: list[str] = []

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Take bytes; full parts are sent at once."""
        self._waiting += data
        while len(self._waiting) >= PART_BYTES:
            self._send(bytes(self._waiting[:PART_BYTES]))
            del self._waiting[:PART_BYTES]
        return len(data)

    def finish(self) -> None:
        """Send the rest: from now on the object is there."""
        if self._upload_id is None:
            self._s3.put_object(**self._place, Body=bytes(self._waiting))
            return
        if self._waiting:
            self._send(bytes(self._waiting))
        parts = [{"ETag": etag, "PartNumber": number} for number, etag in enumerate(self._etags, start=1)]
        self._s3.complete_multipart_upload(**self._place, UploadId=self._upload_id, MultipartUpload={"Parts": parts})

    def abort(self) -> None:
        """Forget what was sent."""
        if self._upload_id is not None:
            self._s3.abort_multipart_upload(**self._place, UploadId=self._upload_id)

    def _send(self, part: bytes) -> None:
        if self._upload_id is None:
            self._upload_id = self._s3.create_multipart_upload(**self._place)["UploadId"]
        number = len(self._etags) + 1
        answer = self._s3.upload_part(**self._place, UploadId=self._upload_id, PartNumber=number, Body=part)
        self._etags.append(answer["ETag"])


@cache
def _client() -> Any:
    return boto3.client("s3")
