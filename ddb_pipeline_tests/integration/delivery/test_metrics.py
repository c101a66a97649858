"""CloudWatch tells what a delivery stream did, under the names that AWS documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ddb_pipeline.local_aws import delivery


def statistics(path, metric, *wanted):
    """Of all minutes together; none if nothing was published."""
    now = datetime.now(UTC)
    points = path.deployed.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Firehose",
        MetricName=metric,
        Dimensions=[{"Name": "DeliveryStreamName", "Value": path.name}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=7200,
        Statistics=list(wanted),
    )["Datapoints"]
    assert len(points) <= 1
    return tuple(points[0][name] for name in wanted) if points else None


def test_deliveries_reads_and_invocations_are_counted(path):
    path.create(parameters={"BufferIntervalInSeconds": "1"})
    path.put("abc", "defg", "drop", "fail")
    assert delivery.wait_until_delivered(10)

    assert statistics(path, "DataReadFromKinesisStream.Records", "Sum") == (4,)
    assert statistics(path, "DataReadFromKinesisStream.Bytes", "Sum") == (15,)
    assert statistics(path, "ExecuteProcessing.Success", "Sum", "SampleCount") == (1, 1)
    assert statistics(path, "SucceedProcessing.Records", "Sum") == (3,)
    assert statistics(path, "DeliveryToS3.Records", "Sum") == (2,)
    assert statistics(path, "DeliveryToS3.Bytes", "Sum") == (7,)
    assert statistics(path, "DeliveryToS3.Success", "Average") == (1,)
    assert statistics(path, "DeliveryToS3.ObjectCount", "Sum") == (1,)
    [freshness] = statistics(path, "DeliveryToS3.DataFreshness", "Maximum")
    assert 0 < freshness < 10
    [behind] = statistics(path, "KinesisMillisBehindLatest", "Maximum")
    assert behind >= 0


def test_failed_invocations_and_deliveries_lower_the_success(path):
    path.deployed.client("s3").delete_bucket(Bucket=path.name)
    path.create()
    path.put("once more", "raise")
    assert not delivery.wait_until_delivered(2)
    path.make_bucket()
    assert delivery.wait_until_delivered(10)

    assert statistics(path, "ExecuteProcessing.Success", "Minimum") == (0,)
    assert statistics(path, "DeliveryToS3.Success", "Minimum") == (0,) or not path.delivered()


def test_metric_data_can_be_asked_for_too(path):
    path.create()
    path.put("a")
    assert delivery.wait_until_delivered(10)
    now = datetime.now(UTC)
    metric = {
        "Namespace": "AWS/Firehose",
        "MetricName": "DeliveryToS3.Records",
        "Dimensions": [{"Name": "DeliveryStreamName", "Value": path.name}],
    }
    [result] = path.deployed.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "m1", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
    )["MetricDataResults"]

    assert sum(result["Values"]) == 1
