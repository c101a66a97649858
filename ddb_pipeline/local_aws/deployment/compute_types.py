"""How the stack's functions, delivery stream, roles, logs and parameters are made."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from ddb_pipeline.local_aws.deployment.intrinsic_functions import Made
from ddb_pipeline.local_aws.deployment.place import (
    Place,
    Properties,
    ResourceError,
    ResourceType,
    picked,
    tag_list,
    tag_table,
    wait_until,
)


def _code(properties: Properties) -> dict[str, Any]:
    """The code as Lambda's API takes it: text in the template is a file `index.py`."""
    code = properties["Code"]
    if "ZipFile" not in code:
        return picked(code, "S3Bucket", "S3Key")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("index.py"), code["ZipFile"])
    return {"ZipFile": content.getvalue()}


_FUNCTION_SETTINGS = (
    "Description",
    "Environment",
    "Handler",
    "LoggingConfig",
    "MemorySize",
    "Role",
    "Runtime",
    "Timeout",
)


def _make_function(place: Place, properties: Properties) -> Made:
    name = properties.get("FunctionName") or place.generated_name(64)
    made = place.client("lambda").create_function(
        FunctionName=name,
        Code=_code(properties),
        **picked(properties, *_FUNCTION_SETTINGS, "Architectures"),
        **({"Tags": tag_table(properties)} if properties.get("Tags") else {}),
    )
    return Made(name, {"Arn": made["FunctionArn"]})


def _update_function(place: Place, made: Made, old: Properties, new: Properties) -> None:
    _refuse_changes(old, new, "FunctionName", "Tags")
    functions = place.client("lambda")
    functions.update_function_code(FunctionName=made.physical_id, **_code(new))
    settings = {"Description": "", "Environment": {"Variables": {}}, "Timeout": 3, "MemorySize": 128}
    functions.update_function_configuration(
        FunctionName=made.physical_id, **{**settings, **picked(new, *_FUNCTION_SETTINGS)}
    )


def _delete_function(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("lambda").delete_function(FunctionName=made.physical_id)


def _make_delivery(place: Place, properties: Properties) -> Made:
    name = properties.get("DeliveryStreamName") or place.generated_name(64)
    same = ("DeliveryStreamType", "ExtendedS3DestinationConfiguration", "KinesisStreamSourceConfiguration")
    made = place.client("firehose").create_delivery_stream(
        DeliveryStreamName=name, **picked(properties, *same), **tag_list(properties)
    )
    return Made(name, {"Arn": made["DeliveryStreamARN"]})


def _configure_delivery(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    firehose, name = place.client("firehose"), made.physical_id

    def is_active() -> bool:
        found = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
        if found["DeliveryStreamStatus"] == "CREATING_FAILED":
            raise ResourceError(f"delivery stream {name} could not be created")
        return bool(found["DeliveryStreamStatus"] == "ACTIVE")

    wait_until(f"delivery stream {name} was not active", is_active)


def _delete_delivery(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("firehose").delete_delivery_stream(DeliveryStreamName=made.physical_id)


def _make_role(place: Place, properties: Properties) -> Made:
    name = properties.get("RoleName") or place.generated_name(64)
    role = place.client("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps(properties["AssumeRolePolicyDocument"]),
        **picked(properties, "Description", "MaxSessionDuration", "Path"),
        **tag_list(properties),
    )["Role"]
    return Made(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})


def _configure_role(place: Place, made: Made, properties: Properties) -> None:
    iam = place.client("iam")
    for policy in properties.get("Policies", []):
        document = json.dumps(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=made.physical_id, PolicyName=policy["PolicyName"], PolicyDocument=document)
    for arn in properties.get("ManagedPolicyArns", []):
        iam.attach_role_policy(RoleName=made.physical_id, PolicyArn=arn)


def _update_role(place: Place, made: Made, old: Properties, new: Properties) -> None:
    _refuse_changes(old, new, "Description", "MaxSessionDuration", "Path", "RoleName", "Tags")
    document = json.dumps(new["AssumeRolePolicyDocument"])
    place.client("iam").update_assume_role_policy(RoleName=made.physical_id, PolicyDocument=document)
    _strip_role(place, made)
    _configure_role(place, made, new)


def _strip_role(place: Place, made: Made) -> None:
    """Take all policies from the role: it can be deleted, or given others, only then."""
    iam, role = place.client("iam"), made.physical_id
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        iam.delete_role_policy(RoleName=role, PolicyName=name)
    for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=role, PolicyArn=policy["PolicyArn"])


def _delete_role(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    _strip_role(place, made)
    place.client("iam").delete_role(RoleName=made.physical_id)


def _make_managed_policy(place: Place, properties: Properties) -> Made:
    policy = place.client("iam").create_policy(
        PolicyName=properties.get("ManagedPolicyName") or place.generated_name(128),
        PolicyDocument=json.dumps(properties["PolicyDocument"]),
        **picked(properties, "Description", "Path"),
        **tag_list(properties),
    )["Policy"]
    return Made(policy["Arn"], {"PolicyArn": policy["Arn"], "PolicyId": policy["PolicyId"]})


def _configure_managed_policy(place: Place, made: Made, properties: Properties) -> None:
    for role in properties.get("Roles", []):
        place.client("iam").attach_role_policy(RoleName=role, PolicyArn=made.physical_id)


def _update_managed_policy(place: Place, made: Made, old: Properties, new: Properties) -> None:
    _refuse_changes(old, new, "Description", "ManagedPolicyName", "Path", "Roles", "Tags")
    iam, arn = place.client("iam"), made.physical_id
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(new["PolicyDocument"]), SetAsDefault=True)
    # a policy keeps five versions at most
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])


def _delete_managed_policy(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    iam, arn = place.client("iam"), made.physical_id
    for role in iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"]:
        iam.detach_role_policy(RoleName=role["RoleName"], PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)


def _make_policy(place: Place, properties: Properties) -> Made:
    _put_policy(place, Made(properties["PolicyName"]), {}, properties)
    return Made(properties["PolicyName"])


def _put_policy(place: Place, made: Made, old: Properties, new: Properties) -> None:
    if old:
        _refuse_changes(old, new, "PolicyName", "Roles")
    document = json.dumps(new["PolicyDocument"])
    for role in new.get("Roles", []):
        place.client("iam").put_role_policy(RoleName=role, PolicyName=made.physical_id, PolicyDocument=document)


def _delete_policy(place: Place, made: Made, properties: Properties) -> None:
    for role in properties.get("Roles", []):
        place.client("iam").delete_role_policy(RoleName=role, PolicyName=made.physical_id)


def _make_log_group(place: Place, properties: Properties) -> Made:
    name = properties.get("LogGroupName") or place.generated_name(512)
    place.client("logs").create_log_group(
        logGroupName=name,
        **({"kmsKeyId": properties["KmsKeyId"]} if "KmsKeyId" in properties else {}),
        **({"tags": tag_table(properties)} if properties.get("Tags") else {}),
    )
    return Made(name, {"Arn": place.arn("logs", f"log-group:{name}:*")})


def _configure_log_group(place: Place, made: Made, properties: Properties) -> None:
    if "RetentionInDays" in properties:
        days = int(properties["RetentionInDays"])
        place.client("logs").put_retention_policy(logGroupName=made.physical_id, retentionInDays=days)


def _delete_log_group(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("logs").delete_log_group(logGroupName=made.physical_id)


def _make_log_stream(place: Place, properties: Properties) -> Made:
    name = properties.get("LogStreamName") or place.generated_name(512)
    place.client("logs").create_log_stream(logGroupName=properties["LogGroupName"], logStreamName=name)
    return Made(name)


def _delete_log_stream(place: Place, made: Made, properties: Properties) -> None:
    group = properties["LogGroupName"]
    place.client("logs").delete_log_stream(logGroupName=group, logStreamName=made.physical_id)


def _make_parameter(place: Place, properties: Properties) -> Made:
    name = properties.get("Name") or f"CFN-{place.generated_name(1000)}"
    same = ("AllowedPattern", "Description", "Tier", "Type", "Value")
    place.client("ssm").put_parameter(Name=name, **picked(properties, *same), **tag_list(properties))
    return Made(name, {"Type": properties["Type"], "Value": properties["Value"]})


def _update_parameter(place: Place, made: Made, old: Properties, new: Properties) -> None:
    _refuse_changes(old, new, "Name", "Tags")
    same = ("AllowedPattern", "Description", "Tier", "Type", "Value")
    place.client("ssm").put_parameter(Name=made.physical_id, Overwrite=True, **picked(new, *same))


def _delete_parameter(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("ssm").delete_parameter(Name=made.physical_id)


def _make_metadata(place: Place, properties: Properties) -> Made:  # noqa: ARG001
    return Made(place.logical_id)


def _delete_metadata(place: Place, made: Made, properties: Properties) -> None:
    """Nothing was made."""


def _refuse_changes(old: Properties, new: Properties, *names: str) -> None:
    """Refuse an update of properties that local AWS cannot change in place.

    Raises:
        ResourceError: Names them.
    """
    changed = [name for name in names if old.get(name) != new.get(name)]
    if changed:
        raise ResourceError(f"local AWS cannot change {', '.join(changed)} in place: start it anew and deploy again")


TYPES = {
    "AWS::CDK::Metadata": ResourceType(_make_metadata, _delete_metadata),
    "AWS::IAM::ManagedPolicy": ResourceType(
        _make_managed_policy, _delete_managed_policy, _configure_managed_policy, _update_managed_policy
    ),
    "AWS::IAM::Policy": ResourceType(_make_policy, _delete_policy, update=_put_policy),
    "AWS::IAM::Role": ResourceType(_make_role, _delete_role, _configure_role, _update_role),
    "AWS::KinesisFirehose::DeliveryStream": ResourceType(_make_delivery, _delete_delivery, _configure_delivery),
    "AWS::Lambda::Function": ResourceType(_make_function, _delete_function, update=_update_function),
    "AWS::Logs::LogGroup": ResourceType(_make_log_group, _delete_log_group, _configure_log_group),
    "AWS::Logs::LogStream": ResourceType(_make_log_stream, _delete_log_stream),
    "AWS::SSM::Parameter": ResourceType(_make_parameter, _delete_parameter, update=_update_parameter),
}
