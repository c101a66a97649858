"""Point-in-time recovery and exports of the tables of one account and region, on moto's tables and buckets."""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from moto.dynamodb.exceptions import (
    DynamodbException,
    MockValidationException,
    PointInTimeRecoveryUnavailable,
    ResourceNotFoundException,
    TableNotFoundException,
)
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.s3.exceptions import MissingBucket
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition

from ddb_pipeline.local_aws.change_stream import exports
from ddb_pipeline.local_aws.change_stream.exports import Export, ExportRequest, InvalidExportError
from ddb_pipeline.local_aws.change_stream.items import as_stored
from ddb_pipeline.local_aws.change_stream.recovery import LONGEST_PERIOD_DAYS, History, OutsideWindowError

if TYPE_CHECKING:
    from ddb_pipeline.local_aws.change_stream.backend import ChangeStreamBackend

LOG = logging.getLogger(__name__)

ItemKey = tuple[DynamoType, DynamoType | None]

_ERRORS = "com.amazonaws.dynamodb.v20120810#"
_LONGEST_LIST = 25
_STOP_SECONDS = 10.0
_EXPORT_ARN = re.compile(r"arn:[^:]+:dynamodb:[^:]+:\d{12}:table/[^/]+/export/[^/]+", re.ASCII)


class PointInTimeRecovery:
    """The histories of the tables that have point-in-time recovery, and all exports.

    Args:
        backend: The tables; its lock is held by callers that say so.
    """

    def __init__(self, backend: ChangeStreamBackend) -> None:
        self._backend = backend
        self._histories: dict[str, History[ItemKey, Item]] = {}
        self._exports: dict[str, Export] = {}
        self._threads: list[threading.Thread] = []

    def resume(self) -> None:
        """Go on in another process: recovery reaches back to now, and exports that ran have failed."""
        self._threads = []
        for history in self._histories.values():
            history.started_us = self._backend.now_us()
        for export in self._exports.values():
            if export.status == "IN_PROGRESS":
                export.end(("InternalServerError", "Local AWS ended while the export ran"))

    def record(self, table_name: str, changed_at_us: int, before: Item | None, after: Item | None) -> None:
        """Remember a change of a table that has recovery; the caller holds the lock."""
        history = self._histories.get(table_name)
        item = before if after is None else after
        if history is not None and item is not None:
            history.record(changed_at_us, (item.hash_key, item.range_key), before)

    def forget(self, table_name: str) -> None:
        """Forget what a table held, when it is deleted. Its exports stay listed, as on AWS."""
        self._histories.pop(table_name, None)

    def update(self, table_name: str, specification: dict[str, Any]) -> dict[str, Any]:
        """Switch recovery of a table on or off, or change its period.

        Raises:
            TableNotFoundException: There is no such table.
            MockValidationException: The period is none that DynamoDB has.
        """
        with self._backend.lock:
            name = str(self._table(table_name).name)
            days = specification.get("RecoveryPeriodInDays")
            if days is not None and not 1 <= days <= LONGEST_PERIOD_DAYS:
                raise MockValidationException(
                    f"1 validation error detected: Value '{days}' at 'pointInTimeRecoverySpecification."
                    "recoveryPeriodInDays' failed to satisfy constraint: Member must have value between 1 and "
                    f"{LONGEST_PERIOD_DAYS}"
                )
            if not specification["PointInTimeRecoveryEnabled"]:
                self._histories.pop(name, None)
            elif name not in self._histories:
                self._histories[name] = History(self._backend.now_us(), days or LONGEST_PERIOD_DAYS)
            elif days is not None:
                self._histories[name].period_days = days
            return self.describe(name)

    def describe(self, table_name: str) -> dict[str, Any]:
        """Describe a table's continuous backups as DescribeContinuousBackups does.

        Raises:
            TableNotFoundException: There is no such table.
        """
        with self._backend.lock:
            history = self._histories.get(str(self._table(table_name).name))
            described: dict[str, Any] = {"PointInTimeRecoveryStatus": "DISABLED"}
            if history is not None:
                now_us = self._backend.now_us()
                described = {
                    "PointInTimeRecoveryStatus": "ENABLED",
                    "RecoveryPeriodInDays": history.period_days,
                    "EarliestRestorableDateTime": history.earliest_seconds(now_us),
                    "LatestRestorableDateTime": now_us // 1_000_000,
                }
        return {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": described}

    def export(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Begin to export a table, or find the export that the same request has begun.

        Raises:
            DynamodbException: DynamoDB would refuse the request.
            NotImplementedError: It asks for what local AWS does not do.
        """
        with self._backend.lock:
            try:
                request = ExportRequest.of(parameters)
            except InvalidExportError as error:
                raise MockValidationException(str(error)) from None
            if parameters.get("S3BucketOwner", self._backend.account_id) != self._backend.account_id:
                raise NotImplementedError("S3BucketOwner of another account")
            earlier = self._earlier(parameters)
            if earlier is not None:
                return earlier.describe()
            table = self._table(request.table_arn)
            if request.table_arn != table.table_arn:
                raise MockValidationException(f"Invalid TableArn: {request.table_arn}")
            now_us = self._backend.now_us()
            moment_us = now_us if request.moment is None else round(request.moment.timestamp() * 1_000_000)
            items = self._items_at(table, moment_us, now_us)
            export = Export(request, table_id(table), moment_us / 1_000_000, time.time())
            self._exports[export.arn] = export
            description = export.describe()
            thread = threading.Thread(target=self._run, args=(export, table, items), name="export", daemon=True)
            self._threads = [running for running in self._threads if running.is_alive()]
            self._threads.append(thread)
            thread.start()
        return description

    def describe_export(self, arn: str) -> dict[str, Any]:
        """Describe an export.

        Raises:
            DynamodbException: There is none with that ARN.
        """
        export = self._exports.get(arn)
        if export is None:
            if not _EXPORT_ARN.fullmatch(arn):
                raise MockValidationException("Invalid Export ARN")
            raise DynamodbException(f"{_ERRORS}ExportNotFoundException", f"Export not found: {arn}")
        return export.describe()

    def list_exports(self, table_arn: str | None, limit: int | None, after: str | None) -> dict[str, Any]:
        """List exports by ARN, of one table or of all.

        Args:
            table_arn: Only of this table.
            limit: How many at most; 25 is the most there is.
            after: Where the page before has ended, as that said.

        Raises:
            MockValidationException: The limit is none that DynamoDB has.
        """
        limit = _LONGEST_LIST if limit is None else limit
        if not 1 <= limit <= _LONGEST_LIST:
            raise MockValidationException(
                f"1 validation error detected: Value '{limit}' at 'maxResults' failed to satisfy constraint: Member "
                f"must have value between 1 and {_LONGEST_LIST}"
            )
        found = sorted(
            arn
            for arn, export in list(self._exports.items())
            if (table_arn is None or export.request.table_arn == table_arn) and (after is None or arn > after)
        )
        answer: dict[str, Any] = {"ExportSummaries": [self._exports[arn].summary() for arn in found[:limit]]}
        if len(found) > limit:
            answer["NextToken"] = found[limit - 1]
        return answer

    def stop(self) -> None:
        """Wait for the exports that are in progress."""
        for thread in self._threads:
            thread.join(_STOP_SECONDS)

    def _table(self, name_or_arn: str) -> Table:
        try:
            return self._backend.get_table(name_or_arn)
        except ResourceNotFoundException:
            raise TableNotFoundException(name_or_arn) from None

    def _earlier(self, parameters: dict[str, Any]) -> Export | None:
        token = parameters.get("ClientToken")
        for export in self._exports.values():
            age = time.time() - export.started_at
            if token is not None and export.request.parameters.get("ClientToken") == token:
                if age > exports.CLIENT_TOKEN_SECONDS:
                    continue
                if export.request.parameters != parameters:
                    raise DynamodbException(
                        f"{_ERRORS}ExportConflictException",
                        f"Duplicate request detected for client token {token} with other parameters",
                    )
                return export
        return None

    def _items_at(self, table: Table, moment_us: int, now_us: int) -> list[Item]:
        history = self._histories.get(table.name)
        if history is None:
            raise PointInTimeRecoveryUnavailable(table.name)
        items = {(item.hash_key, item.range_key): item for item in table.all_items()}
        try:
            return list(history.items_at(moment_us, now_us, items).values())
        except OutsideWindowError:
            raise DynamodbException(f"{_ERRORS}InvalidExportTimeException", "Export Time is invalid") from None

    def _run(self, export: Export, table: Table, items: list[Item]) -> None:
        try:
            self._write(export, table, items)
        except MissingBucket:
            export.end(("S3NoSuchBucket", "The specified bucket does not exist"))
        except Exception as error:  # whatever it is, the export has failed and must say so
            LOG.exception("export %s", export.arn)
            export.end(("UNKNOWN", f"{type(error).__name__}: {error}"))
        else:
            export.end()

    def _write(self, export: Export, table: Table, items: list[Item]) -> None:
        # in AWS's order: a reader that waits for the summary finds everything
        self._put(export, "_started", b"")
        written = []
        images = ((str(item.hash_key.to_json()), as_stored(table, item).image) for item in items)
        for content, count, size in exports.data_files(images, len(items)):
            name = f"data/{exports.file_name()}"
            etag = self._put(export, name, content)
            written.append((f"{export.folder}/{name}", count, exports.checksum(content), etag))
            export.item_count += count
            export.billed_bytes += size
        for name, content in (
            ("manifest-files", exports.files_manifest(written)),
            ("manifest-summary", exports.summary_manifest(export, time.time())),
        ):
            self._put(export, f"{name}.md5", exports.checksum(content))
            self._put(export, f"{name}.json", content)

    def _put(self, export: Export, name: str, content: bytes) -> str:
        buckets = s3_backends[self._backend.account_id][get_partition(self._backend.region_name)]
        key = buckets.put_object(export.request.bucket, f"{export.folder}/{name}", content)
        return str(key.etag).strip('"')


def table_id(table: Table) -> str:
    """Return the id of a table, which moto's tables have not: the same for as long as the table lives."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{table.table_arn} {table.created_at.isoformat()}"))
