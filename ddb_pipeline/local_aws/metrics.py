"""CloudWatch metrics that local AWS publishes by itself: one value a minute each.

A minute is one record of statistics that is added to, so that moto holds no more than a few each minute, however much
is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime

from moto.cloudwatch.models import MetricAggregatedDatum, cloudwatch_backends


class MinuteMetrics:
    """The metrics of one resource.

    Args:
        namespace: The service, such as `AWS/Firehose`.
        dimension: Name of the dimension that tells resources apart, and the resource.
        units: Unit of each metric by its name.
        account_id: Account of the metrics.
        region: Region of the metrics.
    """

    def __init__(
        self, namespace: str, dimension: tuple[str, str], units: Mapping[str, str], account_id: str, region: str
    ) -> None:
        self._namespace = namespace
        self._dimensions = [{"Name": dimension[0], "Value": dimension[1]}]
        self._units = units
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
                namespace=self._namespace,
                name=name,
                min_stat=value,
                max_stat=value,
                sample_count=1,
                sum_stat=value,
                dimensions=self._dimensions,
                timestamp=minute,
                unit=self._units[name],
            )
            self._cloudwatch.metric_data.append(datum)
