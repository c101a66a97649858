"""When records last came into the change stream, from CloudWatch: evidence of recent writes that reads no data.

GetMetricStatistics is part of the free tier (a million requests a month; GetMetricData is not), and Kinesis publishes
its stream-level metrics without charge (streams/latest/dev/monitoring-with-cloudwatch.html).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

PERIOD = timedelta(minutes=5)
"""Records are known by periods of this length: CloudWatch answers with 1440 of them at most."""
LOOKED_BACK = 1440 * PERIOD


@dataclass(frozen=True)
class StreamMetrics:
    """The CloudWatch metrics of a change stream.

    Attributes:
        client: boto3's CloudWatch client.
        stream: Name of the stream.
    """

    client: Any
    stream: str

    def last_arrivals(self, before: datetime) -> datetime | None:
        """Return the beginning of the last period in which records came in and that was over by a moment.

        Args:
            before: The moment.

        Returns:
            None: none came in within five days.
        """
        seconds = PERIOD.total_seconds()
        end = datetime.fromtimestamp(before.timestamp() // seconds * seconds, UTC)
        points = self.client.get_metric_statistics(
            Namespace="AWS/Kinesis",
            MetricName="IncomingRecords",
            Dimensions=[{"Name": "StreamName", "Value": self.stream}],
            StartTime=end - LOOKED_BACK,
            EndTime=end,
            Period=int(seconds),
            Statistics=["Sum"],
        )["Datapoints"]
        return max((point["Timestamp"].astimezone(UTC) for point in points if point["Sum"] > 0), default=None)
