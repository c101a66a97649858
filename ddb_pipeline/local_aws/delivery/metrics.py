"""CloudWatch metrics of a delivery stream, as Firehose publishes them.

Names and units: firehose/latest/dev/cloudwatch-metrics.html, those of this path.
"""

from __future__ import annotations

from ddb_pipeline.local_aws.metrics import MinuteMetrics

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


class Metrics(MinuteMetrics):
    """The metrics of one delivery stream.

    Args:
        delivery_stream: Its name.
        account_id: Account of the metrics.
        region: Region of the metrics.
    """

    def __init__(self, delivery_stream: str, account_id: str, region: str) -> None:
        super().__init__(NAMESPACE, ("DeliveryStreamName", delivery_stream), _UNITS, account_id, region)
