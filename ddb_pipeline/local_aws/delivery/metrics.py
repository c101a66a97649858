"""CloudWatch metrics of a delivery stream, one value a minute each, as Firehose publishes them.

Names and units: firehose/latest/dev/cloudwatch-metrics.html, those of this path. A minute is one record of statistics
that is added to, so that moto holds no more than a few each minute, however much is delivered.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from moto.cloudwatch.models import MetricAggregatedDatum, cloudwatch_backends

NAMESPACE = "AWS/Firehose"
_UNITS = {
    "DataReadFromKinesisStream.Bytes": "Bytes",
    "DataReadFromKinesisStream.Records": "Count",
    "KinesisMillisBehindLatest": "Milliseconds",
    "ExecuteProcessing.Duration": "Milliseconds",
    "ExecuteProcessing.Success": "Count",
    "SucceedProcessing.Records": "Count",
    "SucceedProcessing.Bytes": "Bytes",
    "SucceedConversion.Records": "Count",
    "SucceedConversion.Bytes": "Bytes",
    "FailedConversion.Records": "Count",
    "FailedConversion.Bytes": "Bytes",
    "DeliveryToS3.Bytes": "Bytes",
    "DeliveryToS3.DataFreshness": "Seconds",
    "DeliveryToS3.ObjectCount": "Count",
    "DeliveryToS3.Records": "Count",
    "DeliveryToS3.Success": "Count",
}


class Metrics:
    """The metrics of one delivery stream. Its worker alone adds to them.

    Args:
        delivery_stream: Its name.
        account_id: Account of the metrics.
        region: Region of the metrics.
    """

    def __init__(self, delivery_stream: str, account_id: str, region: str) -> None:
        self._dimensions = [{"Name": "DeliveryStreamName", "Value": delivery_stream}]
        self._cloudwatch = cloudwatch_backends[account_id][region]
        self._current: dict[str, MetricAggregatedDatum] = {}
        self._lock = threading.Lock()

    def add(self, name: str, value: float, now: datetime | None = None) -> None:
        """Add a value.

        Args:
            name: Name of the metric.
            value: In the metric's unit.
            now: Its time; the present by default.
        """
        # moto compares with times without a zone
        minute = (now or datetime.now(UTC)).replace(tzinfo=None, second=0, microsecond=0)
        with self._lock:
            datum = self._current.get(name)
            if datum is not None and datum.timestamp == minute:
                datum.sum += value
                datum.sample_count += 1
                datum.min, datum.max = min(datum.min, value), max(datum.max, value)
                return
            self._current[name] = datum = MetricAggregatedDatum(
                namespace=NAMESPACE,
                name=name,
                min_stat=value,
                max_stat=value,
                sample_count=1,
                sum_stat=value,
                dimensions=self._dimensions,
                timestamp=minute,
                unit=_UNITS[name],
            )
            self._cloudwatch.metric_data.append(datum)
