"""The DynamoDB table as a source of baselines: whether its changes are captured, and its exports to S3.

An export is asked for with a token, so that a run which died finds its export again and never starts two (AWS: API
ExportTableToPointInTime, the token holds for eight hours).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from ddb_pipeline.baselines import EXPORTS_PREFIX
from ddb_pipeline.baselines.captures import Sight
from ddb_pipeline.baselines.records import microseconds
from ddb_pipeline.errors import AwsError, PipelineError, explained
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.resources.waiting import Waiting

# UPDATING: its precision is being changed, and it streams on (API UpdateKinesisStreamingDestination)
STREAMING = {"ACTIVE", "UPDATING"}


def recovery_command(table: str) -> str:
    """Return the command that switches the point-in-time recovery of a table on."""
    return (
        f"aws dynamodb update-continuous-backups --table-name {table} "
        "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
    )


@dataclass(frozen=True)
class Export:
    """An export as DynamoDB describes it.

    Attributes:
        arn: Its ARN.
        as_of_us: The moment whose state it holds, epoch microseconds.
        table_id: DynamoDB's id of the table.
        manifest_key: Key of its summary; None until it is complete.
        items: Items in it; None until it is complete.
    """

    arn: str
    as_of_us: int
    table_id: str
    manifest_key: str | None
    items: int | None


@dataclass(frozen=True)
class TableExport:
    """The table of a pipeline.

    Attributes:
        client: boto3's DynamoDB client.
        names: Names of the pipeline.
    """

    client: Any
    names: PublishedNames

    def look(self, now: datetime) -> Sight:
        """See whether the table streams its changes into the pipeline's stream.

        Args:
            now: The time.
        """
        table_id = str(self.client.describe_table(TableName=self.names.table)["Table"]["TableId"])
        found = self.client.describe_kinesis_streaming_destination(TableName=self.names.table)
        statuses = {
            str(destination["StreamArn"]).rpartition("/")[2]: str(destination["DestinationStatus"])
            for destination in found["KinesisDataStreamDestinations"]
        }
        active = statuses.get(self.names.change_stream) in STREAMING
        return Sight(self.names.table, table_id, self.names.change_stream, active, microseconds(now))

    def start(self, token: str) -> Export:
        """Start an export of the table's present state, or find the one that was started with this token.

        Args:
            token: Names the export.

        Raises:
            PipelineError: Point-in-time recovery is off, or the export is refused.
        """
        try:
            described = self.client.export_table_to_point_in_time(
                TableArn=self._arn,
                ClientToken=token,
                S3Bucket=self.names.raw_bucket,
                S3Prefix=EXPORTS_PREFIX.rstrip("/"),
                S3SseAlgorithm="KMS",
                S3SseKmsKeyId=self.names.key_arn,
                ExportFormat="DYNAMODB_JSON",
                ExportType="FULL_EXPORT",
            )["ExportDescription"]
        except self.client.exceptions.PointInTimeRecoveryUnavailableException:
            raise PipelineError(
                f"point-in-time recovery of table {self.names.table} is off, and DynamoDB exports nothing without it: "
                + self._recovery_advice
            ) from None
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "LimitExceededException":
                raise
            raise AwsError(
                f"DynamoDB runs as many exports as the account may have: run the job again later ({error})",
                transient=True,
            ) from error
        return _export(described)

    def wait(self, arn: str, waiting: Waiting, note: Callable[[str], None]) -> Export:
        """Wait until an export is complete.

        Args:
            arn: The export.
            waiting: Deadline and pauses. An interrupt ends the waiting; the export goes on.
            note: Takes a line for the log.

        Raises:
            ExportFailedError: It failed, or DynamoDB does not know it any more.
            PipelineError: It was not complete at the deadline.
        """
        while True:
            try:
                described = self.client.describe_export(ExportArn=arn)["ExportDescription"]
            except self.client.exceptions.ExportNotFoundException:
                raise ExportFailedError(f"DynamoDB does not know export {arn} any more: run the job again") from None
            status = str(described["ExportStatus"])
            if status == "COMPLETED":
                return _export(described)
            if status == "FAILED":
                code, reason = described.get("FailureCode", "no code"), described.get("FailureMessage", "no reason")
                raise ExportFailedError(f"export {arn} of the table failed: {code}: {reason}: run the job again")
            if waiting.is_over:
                raise AwsError(
                    f"export {arn} was still in progress after {waiting.deadline_seconds:.0f} s: run the job again "
                    "within a day, it waits for this export and starts no other"
                )
            note(f"export {arn}: {status}")
            waiting.pause()

    @property
    def _recovery_advice(self) -> str:
        if self.names.item_loader:
            return 'deploy the stack with baseline = "export", which switches it on'
        # a table that existed: its settings are its owner's
        return f"the table is yours, so switch it on yourself: {recovery_command(self.names.table)}"

    @property
    def _arn(self) -> str:
        return str(self.client.describe_table(TableName=self.names.table)["Table"]["TableArn"])


class ExportFailedError(PipelineError):
    """An export that no baseline will ever come of: DynamoDB gave it up, or its files are not what it says."""


_SPOILT = frozenset({"ExportError", "NoSuchKey"})
"""Classes of errors with which the function says that a file is not what the manifest says, or is gone."""


@dataclass(frozen=True)
class BaselineConverter:
    """The function that makes rows of exported items.

    Attributes:
        client: boto3's Lambda client, which waits as long as the function may run, and asks once.
        name: Name of the function; empty: the stack has none.
    """

    client: Any
    name: str

    def convert(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Convert one data file.

        Args:
            event: The function's event.

        Raises:
            ExportFailedError: The file is not what the manifest says.
            PipelineError: There is no function, or it failed; transient: it may not have run, or its answer was lost.
        """
        if not self.name:
            raise PipelineError('the stack has no baseline converter: deploy it with baseline = "export"')
        with explained(f"function {self.name}"):
            answer = self.client.invoke(FunctionName=self.name, Payload=json.dumps(event).encode())
            result = json.loads(answer["Payload"].read())
        if not answer.get("FunctionError"):
            return dict(result)
        said = result if isinstance(result, dict) else {}
        failed = f"function {self.name} could not convert {event['source_key']}: {said.get('errorMessage', result)}"
        if said.get("errorType") in _SPOILT:
            raise ExportFailedError(f"{failed}: run the job again, which makes a new export")
        raise PipelineError(f"{failed}: run the job again, which goes on with this export")


def _export(described: Mapping[str, Any]) -> Export:
    return Export(
        arn=str(described["ExportArn"]),
        as_of_us=microseconds(described["ExportTime"]),
        table_id=str(described["TableId"]),
        manifest_key=described.get("ExportManifest"),
        items=described.get("ItemCount"),
    )
