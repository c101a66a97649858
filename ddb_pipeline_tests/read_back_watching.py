"""What the services say of resources that watch and tell (see `read_back`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Clients = Callable[[str], Any]


def _shortest(number: float) -> float:
    return int(number) if number.is_integer() else number


def alarm(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    cloudwatch = clients("cloudwatch")
    found: dict[str, Any] = cloudwatch.describe_alarms(AlarmNames=[physical_id])["MetricAlarms"][0]
    tags = cloudwatch.list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"]
    # the API's threshold is a floating-point number
    return {**found, "Threshold": _shortest(found["Threshold"]), "Tags": tags}


def dashboard(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = clients("cloudwatch").get_dashboard(DashboardName=physical_id)
    return found


def topic(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    sns = clients("sns")
    return {
        **sns.get_topic_attributes(TopicArn=physical_id)["Attributes"],
        "TopicName": physical_id.rsplit(":", 1)[1],
        "Tags": sns.list_tags_for_resource(ResourceArn=physical_id)["Tags"],
    }


def topic_policy(clients: Clients, _physical_id: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    (arn,) = wanted["Topics"]
    document = clients("sns").get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]
    return {"PolicyDocument": json.loads(document), "Topics": [arn]}


def subscription(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = clients("sns").get_subscription_attributes(SubscriptionArn=physical_id)["Attributes"]
    return found


def metric_filter(clients: Clients, physical_id: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    (found,) = clients("logs").describe_metric_filters(
        logGroupName=wanted["LogGroupName"], filterNamePrefix=physical_id
    )["metricFilters"]
    return {
        "FilterName": found["filterName"],
        "FilterPattern": found["filterPattern"],
        "LogGroupName": found["logGroupName"],
        "MetricTransformations": [
            {name[0].upper() + name[1:]: value for name, value in transformation.items()}
            for transformation in found["metricTransformations"]
        ],
    }


def budget(clients: Clients, physical_id: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    budgets, account = clients("budgets"), clients("sts").get_caller_identity()["Account"]
    found = budgets.describe_budget(AccountId=account, BudgetName=physical_id)["Budget"]
    named = {"AccountId": account, "BudgetName": physical_id}
    return {
        "Budget": {
            **found,
            "BudgetLimit": {**found["BudgetLimit"], "Amount": _shortest(float(found["BudgetLimit"]["Amount"]))},
        },
        "NotificationsWithSubscribers": [
            # who is told, moto keeps to itself
            {"Notification": notification, "Subscribers": given["Subscribers"]}
            for notification, given in zip(
                budgets.describe_notifications_for_budget(**named)["Notifications"],
                wanted["NotificationsWithSubscribers"],
                strict=True,
            )
        ],
    }


READERS: dict[str, Callable[[Clients, str, Mapping[str, Any]], dict[str, Any]]] = {
    "AWS::Budgets::Budget": budget,
    "AWS::CloudWatch::Alarm": alarm,
    "AWS::CloudWatch::Dashboard": dashboard,
    "AWS::Logs::MetricFilter": metric_filter,
    "AWS::SNS::Subscription": subscription,
    "AWS::SNS::Topic": topic,
    "AWS::SNS::TopicPolicy": topic_policy,
}
