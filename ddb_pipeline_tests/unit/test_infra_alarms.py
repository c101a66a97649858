"""Who is told when something goes wrong or gets dear: alarms, their topic, the dashboard, the budget."""

import importlib
import json

import pytest

from ddb_pipeline.local_aws.delivery.metrics import _UNITS as FIREHOSE_METRICS
from ddb_pipeline_tests.unit.infra_templates import MAIL, REPOSITORY, declaration, resolved, resource, resources

NAMES = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "1"}


@pytest.fixture(scope="module", params=["dev", "prod"])
def stage(request):
    return declaration().stage(request.param)


def alarms(stage_name, pipeline="persons"):
    """The alarms by what stands for them in the tree."""
    found = resources(stage_name, "AWS::CloudWatch::Alarm", pipeline)
    return {name.removeprefix("Alarms")[:-8]: alarm["Properties"] for name, alarm in found.items()}


def logical_id(stage_name, resource_type, part=""):
    (found,) = [name for name in resources(stage_name, resource_type) if part in name]
    return found


def test_each_way_to_lose_or_delay_changes_has_an_alarm(stage):
    stream = [{"Name": "StreamName", "Value": {"Ref": logical_id(stage.name, "AWS::Kinesis::Stream")}}]
    delivery_stream = logical_id(stage.name, "AWS::KinesisFirehose::DeliveryStream")
    delivery = [{"Name": "DeliveryStreamName", "Value": {"Ref": delivery_stream}}]
    converter = [{"Name": "FunctionName", "Value": {"Ref": logical_id(stage.name, "AWS::Lambda::Function", "Conv")}}]
    own = f"ddb-change-analytics/{stage.name}/persons"
    watched = {
        name: (
            alarm["Namespace"],
            alarm["MetricName"],
            alarm["Statistic"],
            alarm["ComparisonOperator"],
            alarm["Threshold"],
            alarm.get("Dimensions"),
        )
        for name, alarm in alarms(stage.name).items()
        if "Metrics" not in alarm
    }
    at_least, above, below = "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold"
    assert watched == {
        # a quarter of a week
        "IteratorAge": (
            "AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", "Maximum", at_least, 42 * 3_600_000, stream
        ),
        "ConverterErrors": ("AWS/Lambda", "Errors", "Sum", at_least, 1, converter),
        "ConverterThrottles": ("AWS/Lambda", "Throttles", "Sum", at_least, 1, converter),
        "ConverterCalls": ("AWS/Firehose", "ExecuteProcessing.Success", "Average", below, 1, delivery),
        "Freshness": (
            "AWS/Firehose", "DeliveryToS3.DataFreshness", "Maximum", above, {"dev": 1020, "prod": 1500}[stage.name],
            delivery,
        ),
        "RefusedRecords": (own, "RefusedRecords", "Sum", at_least, 1, None),
    }  # fmt: skip
    assert set(alarms(stage.name)) - set(watched) == {"FailedToReplicate", "ThrottledPuts"}


@pytest.mark.parametrize(
    ("name", "chosen", "periods"),
    [
        ("FailedToReplicate", "SUM(FailedToReplicateRecordCount)", 1),
        ("ThrottledPuts", "MAX(ThrottledPutRecordCount)", 3),
    ],
)
def test_metrics_of_change_capture_are_asked_for_whatever_their_delegated_operation_is_called(
    stage, name, chosen, periods
):
    table = logical_id(stage.name, "AWS::DynamoDB::Table")
    alarm = alarms(stage.name)[name]
    (query,) = resolved(alarm["Metrics"], {})
    assert query["Expression"] == (
        f"SELECT {chosen} FROM SCHEMA(\"AWS/DynamoDB\", DelegatedOperation, TableName) WHERE TableName = '{table}'"
    )
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanOrEqualToThreshold", 1)
    assert (query["Period"], alarm["EvaluationPeriods"], alarm["TreatMissingData"]) == (300, periods, "notBreaching")


def test_where_firehose_makes_parquet_rows_that_do_not_fit_have_an_alarm(stage):
    assert set(alarms(stage.name, "order_lines")) - set(alarms(stage.name)) == {"ConversionFailures"}
    alarm = alarms(stage.name, "order_lines")["ConversionFailures"]
    watched = (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"], alarm["Threshold"])
    assert watched == ("AWS/Firehose", "FailedConversion.Records", "Sum", 1)
    assert alarm["MetricName"] in FIREHOSE_METRICS


def test_metrics_of_firehose_are_those_that_local_aws_publishes(stage):
    asked = {alarm["MetricName"] for alarm in alarms(stage.name).values() if alarm.get("Namespace") == "AWS/Firehose"}
    assert asked <= set(FIREHOSE_METRICS)


def test_nothing_to_count_is_well_but_a_stream_that_nobody_reads(stage):
    missing = {name: alarm["TreatMissingData"] for name, alarm in alarms(stage.name).items()}
    assert missing.pop("IteratorAge") == "missing"
    assert set(missing.values()) == {"notBreaching"}


def test_every_alarm_tells_the_topic_when_it_begins_and_ends_and_says_what_to_do(stage):
    topic = [{"Ref": logical_id(stage.name, "AWS::SNS::Topic")}]
    for name, alarm in alarms(stage.name).items():
        assert (alarm["AlarmActions"], alarm["OKActions"]) == (topic, topic)
        assert ("InsufficientDataActions" in alarm) is (name == "IteratorAge")
        # API_PutMetricAlarm.html
        assert 50 < len(alarm["AlarmDescription"]) <= 1024


def test_a_stream_on_demand_that_throttles_is_left_to_grow(stage):
    assert alarms(stage.name)["ThrottledPuts"]["AlarmDescription"].endswith(
        " A stream on demand grows by itself; look at its write throughput if this stays."
    )


def test_the_converter_logs_what_the_filter_of_refused_records_looks_for(stage, monkeypatch, caplog):
    monkeypatch.syspath_prepend(str(REPOSITORY / "infra_cdk" / "functions" / "change_converter"))
    handler = importlib.import_module("change_converter").handler
    answer = handler({"records": [{"recordId": "1", "data": "bm8gY2hhbmdl"}]}, None)
    assert answer["records"][0]["result"] == "ProcessingFailed"

    found = resource(stage.name, "AWS::Logs::MetricFilter")["Properties"]
    term = json.loads(found["FilterPattern"])
    assert [term in record.getMessage() for record in caplog.records] == [True]
    assert found["LogGroupName"] == {"Ref": logical_id(stage.name, "AWS::Logs::LogGroup", "Converter")}
    (transformation,) = found["MetricTransformations"]
    assert transformation == {
        "MetricName": "RefusedRecords",
        "MetricNamespace": f"ddb-change-analytics/{stage.name}/persons",
        "MetricValue": "1",
    }


# --- the topic


def test_the_topic_is_encrypted_and_takes_messages_of_this_stacks_alarms_through_tls_only(stage):
    key = logical_id(stage.name, "AWS::KMS::Key")
    assert resource(stage.name, "AWS::SNS::Topic")["Properties"]["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]}
    policy = resource(stage.name, "AWS::SNS::TopicPolicy")["Properties"]["PolicyDocument"]
    refused, admitted = resolved(policy["Statement"], NAMES)
    assert (refused["Effect"], refused["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    alarms_of_stack = f"arn:aws:cloudwatch:eu-west-1:1:alarm:ddb-change-analytics-{stage.name}-persons-Alarms*"
    assert all(name.startswith("Alarms") for name in resources(stage.name, "AWS::CloudWatch::Alarm"))
    assert (admitted["Effect"], admitted["Action"]) == ("Allow", "sns:Publish")
    assert admitted["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert admitted["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "1"},
        "ArnLike": {"aws:SourceArn": alarms_of_stack},
    }
    key_policy = resolved(resource(stage.name, "AWS::KMS::Key")["Properties"]["KeyPolicy"], NAMES)
    (of_alarms,) = [found for found in key_policy["Statement"] if found["Sid"] == "Alarms"]
    assert of_alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert of_alarms["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert of_alarms["Condition"] == admitted["Condition"]


def test_mail_goes_to_who_the_stage_says_and_to_nobody_without():
    subscription = resource("dev", "AWS::SNS::Subscription")["Properties"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", MAIL)
    assert resources("prod", "AWS::SNS::Subscription") == {}


def test_a_stage_without_alarms_has_none_of_it():
    for resource_type in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::SNS::Topic",
                          "AWS::Logs::MetricFilter"):  # fmt: skip
        assert resources("local", resource_type) == {}
    policy = resource("local", "AWS::KMS::Key")["Properties"]["KeyPolicy"]
    assert "Alarms" not in [statement["Sid"] for statement in policy["Statement"]]


# --- the dashboard


def test_the_dashboard_shows_every_alarm_and_what_it_watches(stage):
    dashboard = resource(stage.name, "AWS::CloudWatch::Dashboard")["Properties"]
    assert resolved(dashboard["DashboardName"], NAMES) == f"ddb-change-analytics-{stage.name}-persons-eu-west-1"
    states, *graphs = json.loads(resolved(dashboard["DashboardBody"], NAMES))["widgets"]
    found = resources(stage.name, "AWS::CloudWatch::Alarm")
    assert states["properties"]["alarms"] == [f"{name}.Arn" for name in found]
    titles = [graph["properties"]["title"] for graph in graphs]
    assert titles == ["Records into the stream, and delivered to S3", *alarms(stage.name)]
    assert all(graph["x"] + graph["width"] <= 24 for graph in graphs)


# --- the budget


def test_the_budget_is_of_this_stack_and_warns_by_mail():
    budget = resource("dev", "AWS::Budgets::Budget")["Properties"]
    assert budget["Budget"] == {
        "BudgetLimit": {"Amount": 50, "Unit": "USD"},
        "BudgetType": "COST",
        "CostFilters": {"TagKeyValue": ["user:deployment$ddb-change-analytics-dev-persons"]},
        "TimeUnit": "MONTHLY",
    }
    warnings = [
        (found["Notification"]["NotificationType"], found["Notification"]["Threshold"])
        for found in budget["NotificationsWithSubscribers"]
    ]
    assert warnings == [("ACTUAL", 80), ("FORECASTED", 100), ("ACTUAL", 100)]
    for found in budget["NotificationsWithSubscribers"]:
        assert found["Notification"]["ThresholdType"] == "PERCENTAGE"
        assert found["Subscribers"] == [{"SubscriptionType": "EMAIL", "Address": MAIL}]


def test_without_an_amount_there_is_no_budget():
    assert resources("prod", "AWS::Budgets::Budget") == {}
