"""Alarms, topics, dashboards and budgets of a stack: made, changed and deleted, and nothing pretends to watch."""

from __future__ import annotations

import copy
import json
from typing import Any

from ddb_pipeline_tests.stacks import Stacks

MAIL = "team@example.org"
TEMPLATE: dict[str, Any] = {
    "Resources": {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": "Trouble", "KmsMasterKeyId": "the-key"}},
        "TopicPolicy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {"Topics": [{"Ref": "Topic"}], "PolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
        "Mail": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {"Protocol": "email", "Endpoint": MAIL, "TopicArn": {"Ref": "Topic"}},
        },
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "AlarmActions": [{"Ref": "Topic"}],
                "ComparisonOperator": "GreaterThanThreshold",
                "Dimensions": [{"Name": "StreamName", "Value": "changes"}],
                "EvaluationPeriods": 1,
                "MetricName": "GetRecords.IteratorAgeMilliseconds",
                "Namespace": "AWS/Kinesis",
                "Period": 300,
                "Statistic": "Maximum",
                "Threshold": 1000,
                "TreatMissingData": "missing",
            },
        },
        "Dashboard": {
            "Type": "AWS::CloudWatch::Dashboard",
            "Properties": {"DashboardBody": {"Fn::Sub": '{"widgets":[{"alarms":["${Alarm.Arn}"]}]}'}},
        },
        "Logs": {"Type": "AWS::Logs::LogGroup"},
        "Filter": {
            "Type": "AWS::Logs::MetricFilter",
            "Properties": {
                "FilterPattern": '"not converted"',
                "LogGroupName": {"Ref": "Logs"},
                "MetricTransformations": [{"MetricName": "Refused", "MetricNamespace": "own", "MetricValue": "1"}],
            },
        },
        "Budget": {
            "Type": "AWS::Budgets::Budget",
            "Properties": {
                "Budget": {
                    "BudgetLimit": {"Amount": 50, "Unit": "USD"},
                    "BudgetType": "COST",
                    "CostFilters": {"TagKeyValue": ["user:deployment$stack"]},
                    "TimeUnit": "MONTHLY",
                },
                "NotificationsWithSubscribers": [
                    {
                        "Notification": {
                            "ComparisonOperator": "GREATER_THAN",
                            "NotificationType": "ACTUAL",
                            "Threshold": 80,
                        },
                        "Subscribers": [{"SubscriptionType": "EMAIL", "Address": MAIL}],
                    }
                ],
            },
        },
    }
}


def test_they_are_made_changed_and_deleted_and_no_alarm_claims_to_be_well(stacks: Stacks) -> None:
    cloudwatch, sns, budgets = (stacks.client(service) for service in ("cloudwatch", "sns", "budgets"))

    stack = stacks.create(TEMPLATE)
    name = stack["StackName"]
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.reasons(name)
    account = stack["StackId"].split(":")[4]
    ids = {logical_id: stacks.physical_id(name, logical_id) for logical_id in TEMPLATE["Resources"]}

    def alarm() -> dict[str, Any]:
        (found,) = cloudwatch.describe_alarms(AlarmNames=[ids["Alarm"]])["MetricAlarms"]
        return found

    def budget() -> dict[str, Any]:
        return budgets.describe_budget(AccountId=account, BudgetName=ids["Budget"])["Budget"]

    assert (alarm()["StateValue"], alarm()["StateReason"]) == ("INSUFFICIENT_DATA", "local AWS evaluates no alarms")
    assert alarm()["AlarmActions"] == [ids["Topic"]]
    body = json.loads(cloudwatch.get_dashboard(DashboardName=ids["Dashboard"])["DashboardBody"])
    assert body["widgets"][0]["alarms"] == [alarm()["AlarmArn"]]
    attributes = sns.get_topic_attributes(TopicArn=ids["Topic"])["Attributes"]
    assert (attributes["DisplayName"], attributes["KmsMasterKeyId"]) == ("Trouble", "the-key")
    assert json.loads(attributes["Policy"])["Statement"] == []
    (subscription,) = sns.list_subscriptions_by_topic(TopicArn=ids["Topic"])["Subscriptions"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", MAIL)
    (found,) = stacks.client("logs").describe_metric_filters(logGroupName=ids["Logs"])["metricFilters"]
    assert found["filterPattern"] == '"not converted"'
    assert budget()["BudgetLimit"] == {"Amount": "50", "Unit": "USD"}

    changed = copy.deepcopy(TEMPLATE)
    changed["Resources"]["Alarm"]["Properties"]["Threshold"] = 2000
    changed["Resources"]["Topic"]["Properties"]["DisplayName"] = "More trouble"
    changed["Resources"]["Budget"]["Properties"]["Budget"]["BudgetLimit"]["Amount"] = 80
    stack = stacks.update(name, changed)
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.reasons(name)
    assert ids == {logical_id: stacks.physical_id(name, logical_id) for logical_id in TEMPLATE["Resources"]}
    assert (alarm()["Threshold"], alarm()["StateValue"]) == (2000.0, "INSUFFICIENT_DATA")
    assert sns.get_topic_attributes(TopicArn=ids["Topic"])["Attributes"]["DisplayName"] == "More trouble"
    assert budget()["BudgetLimit"]["Amount"] == "80"

    # CloudFormation makes another budget when its warnings change
    changed["Resources"]["Budget"]["Properties"]["NotificationsWithSubscribers"] = []
    assert stacks.update(name, changed)["StackStatus"] == "UPDATE_COMPLETE", stacks.reasons(name)
    assert stacks.physical_id(name, "Budget") != ids["Budget"]

    assert stacks.delete(stack["StackId"])["StackStatus"] == "DELETE_COMPLETE"
    assert cloudwatch.describe_alarms(AlarmNames=[ids["Alarm"]])["MetricAlarms"] == []
    assert ids["Topic"] not in [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
    assert budgets.describe_budgets(AccountId=account)["Budgets"] == []
