"""Which Kinesis stream the changes of a table go to: the states of a table's streaming destinations.

States, rules and messages are those that were seen on AWS (findings DDB-TABLE-268, -299, -300 and -304 of the public
lab notes `ack-api-quirks`). The waits are shorter: there, ENABLING took 2 to 7 seconds, DISABLING 2, UPDATING 124 to
152. Changes flow from the beginning of ENABLING to that of DISABLING, with the precision as it is set when they happen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from ddb_pipeline.local_aws.change_stream.change_record import Precision

Status = Literal["ENABLING", "ACTIVE", "UPDATING", "DISABLING", "DISABLED", "ENABLE_FAILED"]

TRANSITION_SECONDS = 0.1
"""How long a destination is ENABLING, UPDATING or DISABLING."""

PRECISIONS: tuple[Precision, ...] = ("MILLISECOND", "MICROSECOND")
_SETTING = "ApproximateCreationDateTimePrecision"
_WRONG_STATE = "Table is not in a valid state to enable Kinesis Streaming Destination: "
_NO_STREAM = "User does not have a permission to use kinesis stream"


class InvalidRequestError(Exception):
    """DynamoDB answers with a ValidationException; the message is DynamoDB's."""


@dataclass
class Destination:
    """A Kinesis stream that a table's changes go to, or went to.

    Attributes:
        stream_arn: ARN of the Kinesis stream.
        settled: State of the destination, or the one that it is on its way to.
        passing: The state on that way.
        settled_at: When the way ends, by the monotonic clock.
        precision: Unit of the time of change as it was set, None while nobody set it.
        replicated: How many change records were put on the stream.
        failed_to_replicate: How many were not, being too large or without a stream; CloudWatch's
            FailedToReplicateRecordCount.
    """

    stream_arn: str
    settled: Status
    passing: Status
    settled_at: float
    precision: Precision | None = None
    replicated: int = 0
    failed_to_replicate: int = 0

    @property
    def status(self) -> Status:
        """State of the destination now."""
        return self.passing if time.monotonic() < self.settled_at else self.settled

    @property
    def takes_changes(self) -> bool:
        """Whether changes go there."""
        return self.settled == "ACTIVE"

    def go(self, settled: Status, passing: Status) -> None:
        """Set out for another state."""
        self.settled, self.passing = settled, passing
        self.settled_at = time.monotonic() + TRANSITION_SECONDS

    @property
    def effective_precision(self) -> Precision:
        """Unit of the time of change: milliseconds unless set otherwise."""
        return self.precision or "MILLISECOND"

    def describe(self) -> dict[str, Any]:
        """The destination as DescribeKinesisStreamingDestination shows it."""
        status = self.status
        described: dict[str, Any] = {"StreamArn": self.stream_arn, "DestinationStatus": status}
        if status == "ENABLE_FAILED":
            described["DestinationStatusDescription"] = _NO_STREAM
        if self.precision is not None:
            described[_SETTING] = self.precision
        return described


@dataclass
class TableDestinations:
    """All destinations of one table; one of them at most is neither disabled nor failed.

    Attributes:
        by_stream: Destinations by ARN of the stream.
    """

    by_stream: dict[str, Destination] = field(default_factory=dict)

    @property
    def active(self) -> Destination | None:
        """The destination that changes go to now."""
        return next((found for found in self.by_stream.values() if found.takes_changes), None)

    def enable(
        self, stream_arn: str, configuration: dict[str, Any] | None, stream_exists: Callable[[str], bool]
    ) -> dict[str, Any]:
        """Start to send changes to a stream; one that does not exist gives a destination in ENABLE_FAILED.

        Raises:
            InvalidRequestError: A destination is neither disabled nor failed, or the precision is none that exists.
        """
        precision = _precision(configuration)
        if any(found.status not in {"DISABLED", "ENABLE_FAILED"} for found in self.by_stream.values()):
            raise InvalidRequestError(
                f"{_WRONG_STATE}EnableKinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform "
                "ENABLE operation."
            )
        destination = self.by_stream.setdefault(stream_arn, Destination(stream_arn, "DISABLED", "DISABLED", 0.0))
        destination.precision = precision
        destination.go("ACTIVE" if stream_exists(stream_arn) else "ENABLE_FAILED", "ENABLING")
        return {
            "StreamArn": stream_arn,
            "DestinationStatus": "ENABLING",
            "EnableKinesisStreamingConfiguration": {} if precision is None else {_SETTING: precision},
        }

    def disable(self, stream_arn: str, configuration: dict[str, Any] | None) -> dict[str, Any]:
        """Stop sending changes to a stream; the destination stays listed as DISABLED.

        Raises:
            InvalidRequestError: The destination is not active, or a configuration was given.
        """
        if configuration:
            raise InvalidRequestError("Stream cannot be disabled using EnableKinesisStreamingConfiguration parameters")
        destination = self.by_stream.get(stream_arn)
        if destination is None or destination.status != "ACTIVE":
            raise InvalidRequestError(
                f"{_WRONG_STATE}KinesisStreamingDestination must be ACTIVE to perform DISABLE operation."
            )
        destination.go("DISABLED", "DISABLING")
        destination.precision = None
        return {"StreamArn": stream_arn, "DestinationStatus": "DISABLING"}

    def update(
        self, table_name: str, table_id: str, stream_arn: str, configuration: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Change the precision of the active destination.

        Args:
            table_name: Name of the table, for messages.
            table_id: Unique ID of the table, for messages.
            stream_arn: ARN of the stream.
            configuration: The request's UpdateKinesisStreamingConfiguration.

        Raises:
            InvalidRequestError: It is not active, has that precision already, or none was given.
        """
        precision = _precision(configuration)
        if precision is None:
            raise InvalidRequestError(
                "Streaming destination cannot be updated with given parameters: UpdateKinesisStreamingConfiguration "
                "cannot be null or contain only null values"
            )
        destination = self.by_stream.get(stream_arn)
        if destination is None or destination.status != "ACTIVE":
            raise InvalidRequestError(
                f"{_WRONG_STATE}Kinesis streaming is not in ACTIVE state. Updates are only allowed in ACTIVE state. "
                f"TableName: {table_name}, kdsArn: {stream_arn}"
            )
        if destination.effective_precision == precision:
            raise InvalidRequestError(
                f"Invalid Request: Precision is already set to the desired value of {precision} for tableId: "
                f"{table_id}, kdsArn: {stream_arn}"
            )
        destination.go("ACTIVE", "UPDATING")
        destination.precision = precision
        return {
            "StreamArn": stream_arn,
            "DestinationStatus": "UPDATING",
            "UpdateKinesisStreamingConfiguration": {_SETTING: precision},
        }

    def describe(self) -> list[dict[str, Any]]:
        """All destinations as DescribeKinesisStreamingDestination lists them."""
        return [destination.describe() for destination in self.by_stream.values()]


def _precision(configuration: dict[str, Any] | None) -> Precision | None:
    found = (configuration or {}).get(_SETTING)
    if found is not None and found not in PRECISIONS:
        raise InvalidRequestError(
            f"1 validation error detected: Value '{found}' at '{_SETTING[0].lower()}{_SETTING[1:]}' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(PRECISIONS)}]"
        )
    return cast("Precision | None", found)
