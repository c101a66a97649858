"""A table's export to S3: its request, its states, and the objects it leaves. Pure: no moto, no server.

The layout is that of amazondynamodb/latest/developerguide/S3DataExport.Output.html; that the checksums are named
`.md5` (the page says `.checksum`) and which errors come with which words is what ScyllaDB's tests saw on AWS
(github scylladb/scylladb, test/alternator/test_export*.py).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ddb_pipeline.local_aws.change_stream.images import Image

Status = Literal["IN_PROGRESS", "COMPLETED", "FAILED"]

CLIENT_TOKEN_SECONDS = 8 * 60 * 60
"""How long a client token stands for its first request (API_ExportTableToPointInTime.html)."""

_FULL, _DYNAMODB_JSON = "FULL_EXPORT", "DYNAMODB_JSON"
_CHOICES = {
    "ExportFormat": ("ION", _DYNAMODB_JSON),
    "ExportType": (_FULL, "INCREMENTAL_EXPORT"),
    "S3SseAlgorithm": ("AES256", "KMS"),
}
_BUCKET = re.compile(r"[a-z0-9A-Z]+[.\-\w]*[a-z0-9A-Z]+", re.ASCII)
_LONGEST_PREFIX = 1024
# A file of AWS is a partition of the table; so that no reader counts on one, there are several here, too.
_FILLED_FILES = 3
_ITEMS_PER_FILE = 50_000


class InvalidExportError(Exception):
    """DynamoDB answers with a ValidationException; the message is DynamoDB's."""


@dataclass(frozen=True)
class ExportRequest:
    """What ExportTableToPointInTime was asked.

    Attributes:
        table_arn: ARN of the table.
        bucket: Bucket to write to.
        prefix: Start of all keys, without the slash that follows it; None for none.
        moment: When to see the table; None for the present.
        parameters: The whole request as it was sent.
    """

    table_arn: str
    bucket: str
    prefix: str | None
    moment: datetime | None
    parameters: Mapping[str, Any]

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> ExportRequest:
        """Check a request.

        Raises:
            InvalidExportError: DynamoDB would refuse it.
            NotImplementedError: Local AWS does not do what it asks.
        """
        for name, choices in _CHOICES.items():
            value = parameters.get(name)
            if value is not None and value not in choices:
                raise _invalid(value, name, f"Member must satisfy enum value set: [{', '.join(choices)}]")
        for name in ("IncrementalExportSpecification", "FilterSpecification"):
            if name in parameters:
                raise NotImplementedError(name)
        for name, done in (("ExportFormat", _DYNAMODB_JSON), ("ExportType", _FULL)):
            if parameters.get(name, done) != done:
                raise NotImplementedError(f"{name} {parameters[name]}")
        bucket, prefix = str(parameters.get("S3Bucket", "")), parameters.get("S3Prefix")
        if not _BUCKET.fullmatch(bucket):
            raise _invalid(bucket, "S3Bucket", f"Member must satisfy regular expression pattern: ^{_BUCKET.pattern}$")
        if prefix is not None and len(prefix) > _LONGEST_PREFIX:
            raise _invalid(prefix, "S3Prefix", f"Member must have length less than or equal to {_LONGEST_PREFIX}")
        return cls(str(parameters.get("TableArn", "")), bucket, prefix, parameters.get("ExportTime"), parameters)


@dataclass
class Export:
    """One export of a table.

    Attributes:
        request: What was asked.
        table_id: Unique ID of the table.
        exported_at: The moment that the table is seen at, epoch seconds.
        export_id: The last part of its ARN, and its folder: when it was made, and a random part.
        started_at: Epoch seconds.
        status: Its state.
        ended_at: Epoch seconds, None while it is in progress.
        failure: Code and message of a failure.
        item_count: Items written.
        billed_bytes: Size of these items.
    """

    request: ExportRequest
    table_id: str
    exported_at: float
    started_at: float
    export_id: str = field(init=False)
    status: Status = "IN_PROGRESS"
    ended_at: float | None = None
    failure: tuple[str, str] | None = None
    item_count: int = 0
    billed_bytes: int = 0

    def __post_init__(self) -> None:
        self.export_id = f"{int(self.started_at * 1000):014d}-{uuid.uuid4().hex[:8]}"

    @property
    def arn(self) -> str:
        """ARN of the export."""
        return f"{self.request.table_arn}/export/{self.export_id}"

    @property
    def folder(self) -> str:
        """Start of the keys of its objects."""
        prefix = self.request.prefix
        return f"{prefix}/AWSDynamoDB/{self.export_id}" if prefix else f"AWSDynamoDB/{self.export_id}"

    def end(self, failure: tuple[str, str] | None = None) -> None:
        """Note that it has ended, and why if it failed."""
        self.ended_at = time.time()
        self.failure = failure
        self.status = "COMPLETED" if failure is None else "FAILED"

    def describe(self) -> dict[str, Any]:
        """The export as DescribeExport shows it."""
        same = ("ClientToken", "S3Bucket", "S3BucketOwner", "S3Prefix", "S3SseKmsKeyId")
        described = {name: self.request.parameters[name] for name in same if name in self.request.parameters}
        described |= {
            "ExportArn": self.arn,
            "ExportStatus": self.status,
            "StartTime": self.started_at,
            "TableArn": self.request.table_arn,
            "TableId": self.table_id,
            "ExportTime": self.exported_at,
            "S3SseAlgorithm": self.encryption,
            "ExportFormat": _DYNAMODB_JSON,
            "ExportType": _FULL,
        }
        if self.ended_at is not None:
            described["EndTime"] = self.ended_at
        if self.failure is not None:
            described["FailureCode"], described["FailureMessage"] = self.failure
        if self.status == "COMPLETED":
            described["ExportManifest"] = f"{self.folder}/manifest-summary.json"
            described["BilledSizeBytes"], described["ItemCount"] = self.billed_bytes, self.item_count
        return described

    def summary(self) -> dict[str, Any]:
        """The export as ListExports shows it."""
        return {"ExportArn": self.arn, "ExportStatus": self.status, "ExportType": _FULL}

    @property
    def encryption(self) -> str:
        """Encryption of the objects as it was asked for; nothing is encrypted here."""
        return str(self.request.parameters.get("S3SseAlgorithm", "AES256"))


def data_files(items: Iterable[tuple[str, Image]], count: int) -> Iterator[tuple[bytes, int, int]]:
    """Make the data files of an export: some with items and one without, as of a partition that holds none.

    Args:
        items: Text of the partition key, and image, of each item.
        count: How many items there are.

    Yields:
        Content, number of items, and size of these as DynamoDB counts it.
    """
    filled = _FILLED_FILES + count // _ITEMS_PER_FILE
    parts: list[list[Image]] = [[] for _ in range(filled + 1)]
    for key, image in items:
        # all items of a file are of one part of the hashed keys
        parts[int.from_bytes(_md5(key.encode())[:8], "big") % filled].append(image)
    for part in parts:
        lines = (f'{{"Item":{image.text}}}\n' for image in part)
        content = gzip.compress("".join(lines).encode(), compresslevel=6, mtime=0)
        yield content, len(part), sum(image.size for image in part)


def file_name() -> str:
    """Return a data file's name: 26 letters and digits, as on AWS."""
    return base64.b32encode(uuid.uuid4().bytes).decode().rstrip("=").lower() + ".json.gz"


def files_manifest(files: Iterable[tuple[str, int, bytes, str]]) -> bytes:
    """Return `manifest-files.json`, one line for each data file.

    Args:
        files: Key, number of items, checksum, and ETag of each.
    """
    lines = (
        {"itemCount": count, "md5Checksum": md5.decode(), "etag": etag, "dataFileS3Key": key}
        for key, count, md5, etag in files
    )
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()


def summary_manifest(export: Export, ended_at: float) -> bytes:
    """Return `manifest-summary.json`.

    Args:
        export: The export, all of its items written.
        ended_at: Epoch seconds.
    """
    summary = {
        "version": "2020-06-30",
        "exportArn": export.arn,
        "startTime": _iso(export.started_at),
        "endTime": _iso(ended_at),
        "tableArn": export.request.table_arn,
        "tableId": export.table_id,
        "exportTime": _iso(export.exported_at),
        "s3Bucket": export.request.bucket,
        "s3Prefix": export.request.prefix,
        "s3SseAlgorithm": export.encryption,
        "s3SseKmsKeyId": export.request.parameters.get("S3SseKmsKeyId"),
        "manifestFilesS3Key": f"{export.folder}/manifest-files.json",
        "billedSizeBytes": export.billed_bytes,
        "itemCount": export.item_count,
        "outputFormat": _DYNAMODB_JSON,
        "outputView": "NEW_IMAGE",
        "exportType": _FULL,
    }
    return json.dumps(summary, separators=(",", ":")).encode()


def checksum(content: bytes) -> bytes:
    """Return the MD5 of an object as the manifests and the `.md5` objects have it: base64."""
    return base64.b64encode(_md5(content))


def _md5(content: bytes) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _invalid(value: str, name: str, rule: str) -> InvalidExportError:
    where = name[0].lower() + name[1:]
    return InvalidExportError(
        f"1 validation error detected: Value '{value}' at '{where}' failed to satisfy constraint: {rule}"
    )
