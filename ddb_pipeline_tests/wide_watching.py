"""The part of the wide template that watches and tells: alarms, dashboards, topics, metric filters, budgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_ALARM = {
    "ActionsEnabled": True,
    "AlarmActions": [{"Ref": "Topic"}],
    "AlarmDescription": "first",
    "ComparisonOperator": "GreaterThanThreshold",
    "DatapointsToAlarm": 1,
    "EvaluationPeriods": 2,
    "InsufficientDataActions": [{"Ref": "Topic"}],
    "OKActions": [{"Ref": "Topic"}],
    "Threshold": 1,
    "TreatMissingData": "notBreaching",
}
_DASHBOARD = (
    '{"widgets": [{"type": "text", "x": 0, "y": 0, "width": 6, "height": 3, "properties": {"markdown": "%s"}}]}'
)

BEFORE: dict[str, dict[str, Any]] = {
    "Topic": {
        "Type": "AWS::SNS::Topic",
        "Properties": {
            "DisplayName": "first",
            "KmsMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]},
            "Tags": [{"Key": "one", "Value": "1"}, {"Key": "two", "Value": "2"}],
            "TopicName": {"Fn::Sub": "${AWS::StackName}-topic"},
        },
    },
    "TopicPolicy": {
        "Type": "AWS::SNS::TopicPolicy",
        "Properties": {
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "First",
                        "Effect": "Allow",
                        "Principal": {"Service": "cloudwatch.amazonaws.com"},
                        "Action": "sns:Publish",
                        "Resource": {"Ref": "Topic"},
                    }
                ],
            },
            "Topics": [{"Ref": "Topic"}],
        },
    },
    "Subscription": {
        "Type": "AWS::SNS::Subscription",
        "Properties": {"Endpoint": "nobody@example.com", "Protocol": "email", "TopicArn": {"Ref": "Topic"}},
    },
    "Alarm": {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            **_ALARM,
            "AlarmName": {"Fn::Sub": "${AWS::StackName}-alarm"},
            "Dimensions": [{"Name": "TableName", "Value": {"Ref": "Table"}}],
            "MetricName": "ThrottledRequests",
            "Namespace": "AWS/DynamoDB",
            "Period": 300,
            "Statistic": "Sum",
            "Tags": [{"Key": "one", "Value": "1"}, {"Key": "two", "Value": "2"}],
        },
    },
    "AlarmOfTwo": {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            **_ALARM,
            "Metrics": [
                {"Id": "both", "Expression": "one + one", "Label": "both", "ReturnData": True},
                {
                    "Id": "one",
                    "MetricStat": {
                        "Metric": {"MetricName": "Errors", "Namespace": "AWS/Lambda"},
                        "Period": 60,
                        "Stat": "Sum",
                    },
                    "ReturnData": False,
                },
            ],
        },
    },
    "Dashboard": {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {
            "DashboardBody": _DASHBOARD % "first",
            "DashboardName": {"Fn::Sub": "${AWS::StackName}-dashboard"},
        },
    },
    "MetricFilter": {
        "Type": "AWS::Logs::MetricFilter",
        "Properties": {
            "FilterName": {"Fn::Sub": "${AWS::StackName}-filter"},
            "FilterPattern": "ERROR",
            "LogGroupName": {"Ref": "OtherLogGroup"},
            "MetricTransformations": [{"MetricName": "errors", "MetricNamespace": "first", "MetricValue": "1"}],
        },
    },
    "Budget": {
        "Type": "AWS::Budgets::Budget",
        "Properties": {
            "Budget": {
                "BudgetLimit": {"Amount": 10, "Unit": "USD"},
                "BudgetName": {"Fn::Sub": "${AWS::StackName}-budget"},
                "BudgetType": "COST",
                "CostFilters": {"TagKeyValue": ["user:stage$first"]},
                "TimeUnit": "MONTHLY",
            },
            "NotificationsWithSubscribers": [
                {
                    "Notification": {
                        "ComparisonOperator": "GREATER_THAN",
                        "NotificationType": "ACTUAL",
                        "Threshold": 80,
                        "ThresholdType": "PERCENTAGE",
                    },
                    "Subscribers": [{"Address": "nobody@example.com", "SubscriptionType": "EMAIL"}],
                }
            ],
        },
    },
}


def change(properties: Callable[[str], dict[str, Any]]) -> None:
    """Change every property of these resources that is changed in place.

    Args:
        properties: Gives the properties of a resource, to be changed.
    """
    second = [{"Key": "two", "Value": "2"}, {"Key": "three", "Value": "3"}]
    properties("Topic").update(DisplayName="second", KmsMasterKeyId={"Fn::GetAtt": ["OtherKey", "Arn"]}, Tags=second)
    properties("TopicPolicy")["PolicyDocument"]["Statement"][0]["Sid"] = "Second"
    properties("Alarm").update(
        ActionsEnabled=False,
        AlarmDescription="second",
        ComparisonOperator="LessThanThreshold",
        DatapointsToAlarm=2,
        Dimensions=[],
        EvaluationPeriods=3,
        MetricName="UserErrors",
        Period=60,
        Statistic="Maximum",
        Threshold=2,
        TreatMissingData="breaching",
        Tags=second,
    )
    properties("AlarmOfTwo")["Metrics"][0]["Expression"] = "one * 2"
    properties("Dashboard")["DashboardBody"] = _DASHBOARD % "second"
    properties("MetricFilter").update(
        FilterPattern="WARN",
        MetricTransformations=[{"MetricName": "warnings", "MetricNamespace": "second", "MetricValue": "2"}],
    )
    properties("Budget")["Budget"].update(
        BudgetLimit={"Amount": 20, "Unit": "USD"}, CostFilters={"TagKeyValue": ["user:stage$second"]}
    )
