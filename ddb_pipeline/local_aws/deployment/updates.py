"""What an update does with each property: which changes make a resource anew, and which local AWS cannot do.

A property that is in neither list is changed in place. A test holds `REPLACED` to the schemas of the resource types.
Pure. Paths are written as in `properties`.
(docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ddb_pipeline.local_aws.deployment.custom_resources import is_custom

REPLACED: dict[str, frozenset[str]] = {
    "AWS::Athena::NamedQuery": frozenset({"Database", "Description", "Name", "QueryString", "WorkGroup"}),
    "AWS::Athena::WorkGroup": frozenset({"Name"}),
    "AWS::Budgets::Budget": frozenset({"Budget.BudgetName", "NotificationsWithSubscribers"}),
    "AWS::CloudWatch::Alarm": frozenset({"AlarmName"}),
    "AWS::CloudWatch::Dashboard": frozenset({"DashboardName"}),
    "AWS::DynamoDB::Table": frozenset({"KeySchema", "LocalSecondaryIndexes", "TableName"}),
    "AWS::Glue::Crawler": frozenset({"Name"}),
    "AWS::Glue::Database": frozenset({"CatalogId", "DatabaseInput.Name"}),
    # Glue has no operation that changes one
    "AWS::Glue::SecurityConfiguration": frozenset({"EncryptionConfiguration", "Name"}),
    "AWS::Glue::Table": frozenset({"CatalogId", "DatabaseName", "TableInput.Name"}),
    "AWS::IAM::ManagedPolicy": frozenset({"Description", "ManagedPolicyName", "Path"}),
    "AWS::IAM::Role": frozenset({"Path", "RoleName"}),
    "AWS::KMS::Alias": frozenset({"AliasName"}),
    "AWS::Kinesis::Stream": frozenset({"Name"}),
    "AWS::KinesisFirehose::DeliveryStream": frozenset(
        {"DeliveryStreamName", "DeliveryStreamType", "KinesisStreamSourceConfiguration"}
    ),
    "AWS::Lambda::Function": frozenset({"FunctionName"}),
    "AWS::Logs::LogGroup": frozenset({"LogGroupName"}),
    "AWS::Logs::LogStream": frozenset({"LogGroupName", "LogStreamName"}),
    "AWS::Logs::MetricFilter": frozenset({"FilterName", "LogGroupName"}),
    "AWS::S3::Bucket": frozenset({"BucketName"}),
    "AWS::S3::BucketPolicy": frozenset({"Bucket"}),
    "AWS::SNS::Subscription": frozenset({"Endpoint", "Protocol", "TopicArn"}),
    "AWS::SNS::Topic": frozenset({"TopicName"}),
    "AWS::SSM::Parameter": frozenset({"Name"}),
}
"""Properties whose change replaces the resource: another is made, then the old one is deleted."""

UNCHANGEABLE: dict[str, frozenset[str]] = {
    # moto passes over the encryption in UpdateTable, and enables no stream a second time
    "AWS::DynamoDB::Table": frozenset({"SSESpecification", "StreamSpecification"}),
    # KMS has no operation that changes them
    "AWS::KMS::Key": frozenset({"KeySpec", "KeyUsage"}),
    # moto passes over it in UpdateFunctionCode
    "AWS::Lambda::Function": frozenset({"Architectures"}),
    # moto has no AssociateKmsKey
    "AWS::Logs::LogGroup": frozenset({"KmsKeyId"}),
}
"""Properties whose change local AWS refuses, before anything is changed."""

NAMES: dict[str, str] = {
    "AWS::Athena::WorkGroup": "Name",
    "AWS::Budgets::Budget": "Budget.BudgetName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Glue::Crawler": "Name",
    "AWS::Glue::Database": "DatabaseInput.Name",
    "AWS::Glue::SecurityConfiguration": "Name",
    "AWS::Glue::Table": "TableInput.Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Kinesis::Stream": "Name",
    "AWS::KinesisFirehose::DeliveryStream": "DeliveryStreamName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Logs::MetricFilter": "FilterName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SSM::Parameter": "Name",
}
"""Where a template gives a resource its own name: one of the same name cannot be made while the old one is there."""


def changed_paths(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """The paths at which two sets of properties differ; a list differs as a whole."""
    if isinstance(old, Mapping | None) and isinstance(new, Mapping | None) and (old or new):
        before, after = old or {}, new or {}
        for name in sorted({*before, *after}):
            yield from changed_paths(before.get(name), after.get(name), f"{path}.{name}" if path else name)
    elif old != new:
        yield path


def replacing(resource_type: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The changed paths that replace a resource."""
    changed = list(changed_paths(old, new))
    found = [path for path in changed if _is_among(path, REPLACED.get(resource_type, frozenset()))]
    if resource_type == "AWS::DynamoDB::Table" and _edits_an_attribute(old, new):
        found.append("AttributeDefinitions")
    return found


def unchangeable(resource_type: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Why local AWS cannot change a resource to its new properties; None if it can."""
    if is_custom(resource_type) and old.get("ServiceToken") != new.get("ServiceToken"):
        return "Modifying service token is not allowed."
    refused = [
        path for path in changed_paths(old, new) if _is_among(path, UNCHANGEABLE.get(resource_type, frozenset()))
    ]
    if refused:
        return f"local AWS cannot change {', '.join(refused)} of {resource_type}: delete the stack and deploy it again"
    return None


def keeps_custom_name(resource_type: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """The name that the template gives a resource, when both versions would have it; None if they differ or have none.

    A resource that is replaced must have another name, as the old one is deleted last.
    """
    path = NAMES.get(resource_type)
    if path is None:
        return None
    # where something else makes the difference, such as the database of a table, equal names do not collide
    if resource_type == "AWS::Glue::Table" and old.get("DatabaseName") != new.get("DatabaseName"):
        return None
    before, after = _at(old, path), _at(new, path)
    return str(after) if after is not None and before == after else None


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _is_among(path: str, paths: frozenset[str]) -> bool:
    return any(path == other or path.startswith(f"{other}.") or other.startswith(f"{path}.") for other in paths)


def _edits_an_attribute(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether an attribute of the key or of an index gets another type (TemplateReference, AttributeDefinitions)."""
    before, after = (
        {item["AttributeName"]: item["AttributeType"] for item in properties.get("AttributeDefinitions", [])}
        for properties in (old, new)
    )
    return any(name in after and after[name] != kind for name, kind in before.items())
