"""What is told when the path from table to raw object goes wrong: alarms, the topic they publish to, one dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from ddb_pipeline.declaration import Stage, StreamMode
from ddb_pipeline.names import PROJECT, ComputedNames

PERIOD = Duration.minutes(5)
FRESHNESS_SLACK_SECONDS = 900
"""Firehose's own retries of a delivery and of a conversion take minutes before anybody needs to be called."""
REFUSED_RECORDS = '"not converted"'
"""Filter pattern of the line that the converter logs for each record that it cannot convert."""
GRAPHS_A_ROW = 3
GRAPH_WIDTH = 8

_WHEN_THROTTLED: Mapping[StreamMode, str] = {
    "on_demand": "A stream on demand grows by itself; look at its write throughput if this stays.",
    # API_UpdateShardCount.html
    "provisioned": "Raise the stage's stream_shards, to twice as many at most at once, and deploy.",
}

NOT_BREACHING = cloudwatch.TreatMissingData.NOT_BREACHING
AT_LEAST = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD


@dataclass(frozen=True)
class Watched:
    """One alarm.

    Attributes:
        name: Id of the alarm in the construct tree, and the title of its graph.
        metric: What is watched.
        comparison: How the metric compares to the threshold when something is wrong.
        threshold: In the metric's unit.
        advice: What has happened then, and what to do.
        periods: How many periods in a row it must be wrong.
        missing: What a period without a value means.
    """

    name: str
    metric: cloudwatch.IMetric
    comparison: cloudwatch.ComparisonOperator
    threshold: float
    advice: str
    periods: int = 1
    missing: cloudwatch.TreatMissingData = NOT_BREACHING


@dataclass(frozen=True)
class Parts:
    """Names of what is watched.

    Attributes:
        table: The DynamoDB table.
        change_stream: The Kinesis stream.
        delivery_stream: The Firehose stream.
        converter: The converter function.
        converter_log_group: Where the converter logs.
        converts_format: Whether Firehose converts rows to Parquet.
    """

    table: str
    change_stream: str
    delivery_stream: str
    converter: str
    converter_log_group: logs.ILogGroup
    converts_format: bool


class Alarms(Construct):
    """Alarms on what loses or delays changes, a topic that tells of them, and a dashboard of what they watch.

    Every alarm publishes when it begins and when it ends. The topic is encrypted with the key, whose policy admits
    CloudWatch (`Encryption`), and takes messages from the alarms of this stack through TLS only.

    Args:
        scope: The stack.
        construct_id: Id in the construct tree.
        names: Names of stack and pipeline.
        stage: What thresholds follow, `buffer_seconds` (default 60) and `stream_retention_hours` (default 168); what
            to do when the stream throttles, `stream_mode` (default "on_demand"); where mail goes, `alarm_mail` (default
            none: whoever is to get any subscribes to the topic).
        key: Encrypts the topic.
        parts: What is watched.

    Attributes:
        topic: The topic.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        names: ComputedNames,
        stage: Stage,
        key: kms.IKey,
        parts: Parts,
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = self._topic(names, key)
        if stage.alarm_mail is not None:
            self.topic.add_subscription(subscriptions.EmailSubscription(stage.alarm_mail))
        refused = self._refused_records(names, parts)
        watched = [*_watched(stage, parts), _on_refused_records(refused)]
        alarms = [self._alarm(one) for one in watched]
        self._dashboard(names, parts, watched, alarms)

    def _topic(self, names: ComputedNames, key: kms.IKey) -> sns.Topic:
        stack = Stack.of(self)
        topic = sns.Topic(
            self,
            "Topic",
            display_name=f"Change analytics {names.stage} {names.pipeline}",
            master_key=key,
            enforce_ssl=True,
        )
        # a policy takes the place of the one that every topic begins with, so it has to admit CloudWatch
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisStack",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnLike": {"aws:SourceArn": alarms_of(stack, names)},
                },
            )
        )
        return topic

    def _refused_records(self, names: ComputedNames, parts: Parts) -> cloudwatch.Metric:
        return logs.MetricFilter(
            self,
            "RefusedRecordsFilter",
            log_group=parts.converter_log_group,
            filter_pattern=logs.FilterPattern.literal(REFUSED_RECORDS),
            metric_namespace=f"{PROJECT}/{names.stage}/{names.pipeline}",
            metric_name="RefusedRecords",
            metric_value="1",
        ).metric(statistic=cloudwatch.Stats.SUM, period=PERIOD)

    def _alarm(self, watched: Watched) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            watched.name,
            metric=watched.metric,
            comparison_operator=watched.comparison,
            threshold=watched.threshold,
            evaluation_periods=watched.periods,
            treat_missing_data=watched.missing,
            alarm_description=watched.advice,
        )
        tell = actions.SnsAction(self.topic)
        alarm.add_alarm_action(tell)
        alarm.add_ok_action(tell)
        if watched.missing == cloudwatch.TreatMissingData.MISSING:
            alarm.add_insufficient_data_action(tell)
        return alarm

    def _dashboard(
        self, names: ComputedNames, parts: Parts, watched: Sequence[Watched], alarms: Sequence[cloudwatch.Alarm]
    ) -> None:
        # a dashboard is seen in all regions, so its name says which
        dashboard = cloudwatch.Dashboard(self, "Dashboard", dashboard_name=f"{names.resource}-{Stack.of(self).region}")
        dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=GRAPHS_A_ROW * GRAPH_WIDTH)
        )
        graphs = [
            cloudwatch.GraphWidget(
                title="Records into the stream, and delivered to S3",
                left=[
                    _metric("AWS/Kinesis", "IncomingRecords", "Sum", StreamName=parts.change_stream),
                    _metric("AWS/Firehose", "DeliveryToS3.Records", "Sum", DeliveryStreamName=parts.delivery_stream),
                ],
                width=GRAPH_WIDTH,
            ),
            *(
                cloudwatch.GraphWidget(
                    title=one.name,
                    left=[one.metric],
                    left_annotations=[cloudwatch.HorizontalAnnotation(value=one.threshold, label="alarm")],
                    width=GRAPH_WIDTH,
                )
                for one in watched
            ),
        ]
        for first in range(0, len(graphs), GRAPHS_A_ROW):
            dashboard.add_widgets(*graphs[first : first + GRAPHS_A_ROW])


def alarms_of(stack: Stack, names: ComputedNames) -> str:
    """ARN of all alarms of the stack: CloudFormation names them after it.

    Args:
        stack: The stack.
        names: Its name.
    """
    return stack.format_arn(
        service="cloudwatch",
        resource="alarm",
        # with the construct's id: `<stack>-*` would be the alarms of pipelines whose names begin like this one, too
        resource_name=f"{names.stack}-Alarms*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )


def _watched(stage: Stage, parts: Parts) -> list[Watched]:
    """The alarms on metrics that AWS publishes.

    Names, dimensions and statistics: streams/latest/dev/monitoring-with-cloudwatch.html,
    firehose/latest/dev/cloudwatch-metrics.html, lambda/latest/dg/monitoring-metrics-types.html,
    developerguide/metrics-dimensions.html. Whether a stream that is read without traffic has an iterator age is not
    documented; nobody here has seen it.
    """
    stream = {"StreamName": parts.change_stream}
    delivery = {"DeliveryStreamName": parts.delivery_stream}
    converter = {"FunctionName": parts.converter}
    watched = [
        Watched(
            "IteratorAge",
            _metric("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "Maximum", **stream),
            AT_LEAST,
            stage.stream_retention_hours * 3_600_000 / 4,
            "Firehose is behind by a quarter of the time that the stream keeps records; what it has not read by then "
            "is lost. Look at the other alarms and the delivery log, mend what stops it, or raise "
            "stream_retention_hours. INSUFFICIENT_DATA: nobody reads the stream; look at the delivery stream.",
            # Firehose asks each shard once a second, so a period without a value means that it has stopped
            missing=cloudwatch.TreatMissingData.MISSING,
        ),
        Watched(
            "ConverterErrors",
            _metric("AWS/Lambda", "Errors", "Sum", **converter),
            AT_LEAST,
            1,
            "The converter failed. Firehose repeats the batch five times, then writes its records below "
            "errors/processing-failed. Look at the converter's log.",
        ),
        Watched(
            "ConverterThrottles",
            _metric("AWS/Lambda", "Throttles", "Sum", **converter),
            AT_LEAST,
            1,
            "Lambda refused to run the converter: the account's concurrency is used up. Raise the quota, or reserve "
            "some for other functions.",
        ),
        Watched(
            "ConverterCalls",
            _metric("AWS/Firehose", "ExecuteProcessing.Success", "Average", **delivery),
            BELOW,
            1,
            "Firehose called the converter in vain: it failed, timed out, is gone or may not be called. Look at the "
            "delivery log; records that were given up are below errors/processing-failed.",
        ),
        Watched(
            "Freshness",
            _metric("AWS/Firehose", "DeliveryToS3.DataFreshness", "Maximum", **delivery),
            ABOVE,
            2 * stage.buffer_seconds + FRESHNESS_SLACK_SECONDS,
            "Changes wait in Firehose for longer than buffering explains. Look at the delivery log: most often the "
            "bucket, the key or the role was changed. Nothing is lost while the stream keeps the records.",
            periods=3,
        ),
        Watched(
            "FailedToReplicate",
            _of_table(parts.table, "SUM", "FailedToReplicateRecordCount"),
            AT_LEAST,
            1,
            # developerguide/kds_using-shards-and-metrics.html
            "DynamoDB left changes out: as JSON their records are over 1 MiB. Two images of a large item are, and even "
            "those of an item of 34 KB may be if it has very many booleans or empty values. The views miss these "
            "changes; a baseline from an export brings the items' state back.",
        ),
        Watched(
            "ThrottledPuts",
            _of_table(parts.table, "MAX", "ThrottledPutRecordCount"),
            AT_LEAST,
            1,
            "The stream takes changes more slowly than the table makes them. DynamoDB repeats them, so they come "
            f"late. {_WHEN_THROTTLED[stage.stream_mode]}",
            periods=3,
        ),
    ]
    if parts.converts_format:
        watched.append(
            Watched(
                "ConversionFailures",
                _metric("AWS/Firehose", "FailedConversion.Records", "Sum", **delivery),
                AT_LEAST,
                1,
                "Firehose could not make Parquet of rows: they are below errors/format-conversion-failed, whose "
                "documents say why.",
            )
        )
    return watched


def _on_refused_records(metric: cloudwatch.IMetric) -> Watched:
    return Watched(
        "RefusedRecords",
        metric,
        AT_LEAST,
        1,
        "The stream held records that are no change records. They are below errors/processing-failed; the converter's "
        "log says what is wrong with each.",
    )


def _metric(namespace: str, name: str, statistic: str, **dimensions: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace=namespace, metric_name=name, statistic=statistic, dimensions_map=dimensions, period=PERIOD
    )


def _of_table(table: str, statistic: str, name: str) -> cloudwatch.MathExpression:
    """A metric of the table's change capture.

    Its second dimension, DelegatedOperation, has a value that AWS does not document, so it is asked for by a query
    that leaves the value open.
    """
    source = 'SCHEMA("AWS/DynamoDB", DelegatedOperation, TableName)'
    return cloudwatch.MathExpression(
        # DynamoDB's names of tables hold no quotes
        expression=f"SELECT {statistic}({name}) FROM {source} WHERE TableName = '{table}'",  # noqa: S608
        label=name,
        period=PERIOD,
    )
