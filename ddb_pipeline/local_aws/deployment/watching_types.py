"""How the stack's alarms, topics, dashboards, metric filters and budgets are made.

All are kept and shown. Nothing evaluates an alarm or counts costs here, so nothing is ever told to anybody.
"""

from __future__ import annotations

import json
from typing import Any

from ddb_pipeline.local_aws.deployment.intrinsic_functions import Made
from ddb_pipeline.local_aws.deployment.place import Place, Properties, ResourceType, differ, picked, retag, tag_list

NOT_EVALUATED = "local AWS evaluates no alarms"
"""Why an alarm is in the state that it begins with on AWS, and stays there."""

_ALARM = (
    "ActionsEnabled",
    "AlarmActions",
    "AlarmDescription",
    "ComparisonOperator",
    "DatapointsToAlarm",
    "Dimensions",
    "EvaluationPeriods",
    "InsufficientDataActions",
    "MetricName",
    "Metrics",
    "Namespace",
    "OKActions",
    "Period",
    "Statistic",
    "Threshold",
    "TreatMissingData",
)


def _make_alarm(place: Place, properties: Properties) -> Made:
    name = properties.get("AlarmName") or place.generated_name(255)
    _put_alarm(place, name, properties)
    return Made(name, {"Arn": place.arn("cloudwatch", f"alarm:{name}")})


def _put_alarm(place: Place, name: str, properties: Properties) -> None:
    cloudwatch = place.client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName=name, **picked(properties, *_ALARM), **tag_list(properties))
    # moto would say OK
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="INSUFFICIENT_DATA", StateReason=NOT_EVALUATED)


def _update_alarm(place: Place, made: Made, old: Properties, new: Properties) -> None:
    cloudwatch, arn = place.client("cloudwatch"), made.attributes["Arn"]
    _put_alarm(place, made.physical_id, new)
    # an alarm that is there keeps its tags (API PutMetricAlarm)
    retag(
        old,
        new,
        lambda tags: cloudwatch.tag_resource(
            ResourceARN=arn, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
        ),
        lambda keys: cloudwatch.untag_resource(ResourceARN=arn, TagKeys=keys),
    )


def _delete_alarm(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("cloudwatch").delete_alarms(AlarmNames=[made.physical_id])


def _make_dashboard(place: Place, properties: Properties) -> Made:
    name = properties.get("DashboardName") or place.generated_name(255)
    place.client("cloudwatch").put_dashboard(DashboardName=name, DashboardBody=properties["DashboardBody"])
    return Made(name)


def _update_dashboard(place: Place, made: Made, old: Properties, new: Properties) -> None:  # noqa: ARG001
    place.client("cloudwatch").put_dashboard(DashboardName=made.physical_id, DashboardBody=new["DashboardBody"])


def _delete_dashboard(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("cloudwatch").delete_dashboards(DashboardNames=[made.physical_id])


def _topic_attributes(properties: Properties) -> dict[str, str]:
    return {name: str(value) for name, value in picked(properties, "DisplayName", "KmsMasterKeyId").items()}


def _make_topic(place: Place, properties: Properties) -> Made:
    name = properties.get("TopicName") or place.generated_name(256)
    arn = place.client("sns").create_topic(Name=name, Attributes=_topic_attributes(properties), **tag_list(properties))[
        "TopicArn"
    ]
    return Made(arn, {"TopicArn": arn, "TopicName": name})


def _update_topic(place: Place, made: Made, old: Properties, new: Properties) -> None:
    sns, topic = place.client("sns"), made.physical_id
    before, after = _topic_attributes(old), _topic_attributes(new)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            sns.set_topic_attributes(TopicArn=topic, AttributeName=name, AttributeValue=after.get(name, ""))
    retag(
        old,
        new,
        lambda tags: sns.tag_resource(
            ResourceArn=topic, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
        ),
        lambda keys: sns.untag_resource(ResourceArn=topic, TagKeys=keys),
    )


def _delete_topic(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("sns").delete_topic(TopicArn=made.physical_id)


def _make_topic_policy(place: Place, properties: Properties) -> Made:
    _put_topic_policy(place, Made(""), {}, properties)
    return Made(place.generated_name(128))


def _put_topic_policy(place: Place, made: Made, old: Properties, new: Properties) -> None:  # noqa: ARG001
    document = json.dumps(new["PolicyDocument"])
    for topic in new["Topics"]:
        place.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document)


def _delete_topic_policy(place: Place, made: Made, properties: Properties) -> None:
    """A topic that stays keeps a policy that nothing here checks, where AWS gives it back its first one."""


def _make_subscription(place: Place, properties: Properties) -> Made:
    arn = place.client("sns").subscribe(**picked(properties, "Endpoint", "Protocol", "TopicArn"))["SubscriptionArn"]
    return Made(arn, {"Arn": arn})


def _delete_subscription(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("sns").unsubscribe(SubscriptionArn=made.physical_id)


def _make_metric_filter(place: Place, properties: Properties) -> Made:
    name = properties.get("FilterName") or place.generated_name(512)
    _put_metric_filter(place, name, properties)
    return Made(name)


def _put_metric_filter(place: Place, name: str, properties: Properties) -> None:
    place.client("logs").put_metric_filter(
        filterName=name,
        logGroupName=properties["LogGroupName"],
        filterPattern=properties["FilterPattern"],
        metricTransformations=[
            {name[0].lower() + name[1:]: str(value) for name, value in transformation.items()}
            for transformation in properties["MetricTransformations"]
        ],
    )


def _update_metric_filter(place: Place, made: Made, old: Properties, new: Properties) -> None:
    # moto would keep the old one beside the new one, and have both taken away with one name
    _delete_metric_filter(place, made, old)
    _put_metric_filter(place, made.physical_id, new)


def _delete_metric_filter(place: Place, made: Made, properties: Properties) -> None:
    place.client("logs").delete_metric_filter(filterName=made.physical_id, logGroupName=properties["LogGroupName"])


def _make_budget(place: Place, properties: Properties) -> Made:
    name = properties["Budget"].get("BudgetName") or place.generated_name(100)
    _put_budget(place, name, properties)
    return Made(name)


def _put_budget(place: Place, name: str, properties: Properties) -> None:
    budget: dict[str, Any] = {**properties["Budget"], "BudgetName": name}
    limit = budget["BudgetLimit"]
    budget["BudgetLimit"] = {**limit, "Amount": str(limit["Amount"])}
    place.client("budgets").create_budget(
        AccountId=place.account, Budget=budget, **picked(properties, "NotificationsWithSubscribers")
    )


def _update_budget(place: Place, made: Made, old: Properties, new: Properties) -> None:
    if differ(old, new, "Budget"):
        # moto has no UpdateBudget
        _delete_budget(place, made, old)
        _put_budget(place, made.physical_id, new)


def _delete_budget(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("budgets").delete_budget(AccountId=place.account, BudgetName=made.physical_id)


TYPES = {
    "AWS::Budgets::Budget": ResourceType(_make_budget, _delete_budget, update=_update_budget),
    "AWS::CloudWatch::Alarm": ResourceType(_make_alarm, _delete_alarm, update=_update_alarm),
    "AWS::CloudWatch::Dashboard": ResourceType(_make_dashboard, _delete_dashboard, update=_update_dashboard),
    "AWS::Logs::MetricFilter": ResourceType(_make_metric_filter, _delete_metric_filter, update=_update_metric_filter),
    "AWS::SNS::Subscription": ResourceType(_make_subscription, _delete_subscription),
    "AWS::SNS::Topic": ResourceType(_make_topic, _delete_topic, update=_update_topic),
    "AWS::SNS::TopicPolicy": ResourceType(_make_topic_policy, _delete_topic_policy, update=_put_topic_policy),
}
