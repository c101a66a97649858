"""How the stack's roles and policies are made."""

from __future__ import annotations

import json

from ddb_pipeline.local_aws.deployment.intrinsic_functions import Made
from ddb_pipeline.local_aws.deployment.place import (
    Place,
    Properties,
    ResourceError,
    ResourceType,
    differ,
    picked,
    retag,
    tag_list,
)

_POLICY_VERSIONS = 5
"""How many versions of a managed policy IAM keeps."""


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
    iam, role = place.client("iam"), made.physical_id
    if differ(old, new, "AssumeRolePolicyDocument"):
        document = json.dumps(new["AssumeRolePolicyDocument"])
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=document)
    if differ(old, new, "Description", "MaxSessionDuration"):
        settings = {"Description": "", "MaxSessionDuration": 3600, **picked(new, "Description", "MaxSessionDuration")}
        iam.update_role(RoleName=role, **settings)
    if differ(old, new, "Policies", "ManagedPolicyArns"):
        _strip_role(
            place,
            made,
            inline=[policy["PolicyName"] for policy in old.get("Policies", [])],
            managed=list(old.get("ManagedPolicyArns", [])),
        )
        _configure_role(place, made, new)
    retag(
        old,
        new,
        lambda tags: iam.tag_role(RoleName=role, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]),
        lambda keys: iam.untag_role(RoleName=role, TagKeys=keys),
    )


def _strip_role(place: Place, made: Made, *, inline: list[str], managed: list[str]) -> None:
    """Take policies from the role that it has; other resources may have given it others."""
    iam, role = place.client("iam"), made.physical_id
    there = set(iam.list_role_policies(RoleName=role)["PolicyNames"])
    attached = {policy["PolicyArn"] for policy in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]}
    for name in inline:
        if name in there:
            iam.delete_role_policy(RoleName=role, PolicyName=name)
    for arn in managed:
        if arn in attached:
            iam.detach_role_policy(RoleName=role, PolicyArn=arn)


def _delete_role(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    iam, role = place.client("iam"), made.physical_id
    # a role can be deleted only when it has no policies
    _strip_role(
        place,
        made,
        inline=iam.list_role_policies(RoleName=role)["PolicyNames"],
        managed=[item["PolicyArn"] for item in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]],
    )
    iam.delete_role(RoleName=role)


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
    iam, arn = place.client("iam"), made.physical_id
    if differ(old, new, "PolicyDocument"):
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        if len(versions) >= _POLICY_VERSIONS:
            others = [version for version in versions if not version["IsDefaultVersion"]]
            oldest = min(others, key=lambda version: version["CreateDate"])
            iam.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(new["PolicyDocument"]), SetAsDefault=True)
    before, after = set(old.get("Roles", [])), set(new.get("Roles", []))
    attached = {role["RoleName"] for role in iam.list_entities_for_policy(PolicyArn=arn)["PolicyRoles"]}
    for role in sorted((before - after) & attached):
        iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    for role in sorted(after - attached):
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    retag(
        old,
        new,
        lambda tags: iam.tag_policy(PolicyArn=arn, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]),
        lambda keys: iam.untag_policy(PolicyArn=arn, TagKeys=keys),
    )


def _delete_managed_policy(place: Place, made: Made, properties: Properties) -> None:
    """Delete a policy that nobody has beside the roles of the template (API_DeletePolicy.html).

    Raises:
        ResourceError: Somebody has it. moto would delete it all the same.
    """
    iam, arn = place.client("iam"), made.physical_id
    found = iam.list_entities_for_policy(PolicyArn=arn)
    roles = {role["RoleName"] for role in found["PolicyRoles"]}
    own = roles & set(properties.get("Roles", []))
    if roles - own or found["PolicyUsers"] or found["PolicyGroups"]:
        raise ResourceError(f"Cannot delete a policy attached to entities: {arn} (DeleteConflict)")
    for role in sorted(own):
        iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=arn)


def _make_policy(place: Place, properties: Properties) -> Made:
    _put_policy(place, properties)
    return Made(properties["PolicyName"])


def _put_policy(place: Place, properties: Properties) -> None:
    document = json.dumps(properties["PolicyDocument"])
    for role in properties.get("Roles", []):
        place.client("iam").put_role_policy(RoleName=role, PolicyName=properties["PolicyName"], PolicyDocument=document)


def _update_policy(place: Place, made: Made, old: Properties, new: Properties) -> Made:  # noqa: ARG001
    _put_policy(place, new)
    kept = set(new.get("Roles", [])) if old["PolicyName"] == new["PolicyName"] else set()
    _take_policy(place, old["PolicyName"], set(old.get("Roles", [])) - kept)
    return Made(new["PolicyName"])


def _take_policy(place: Place, name: str, roles: set[str]) -> None:
    iam = place.client("iam")
    for role in sorted(roles):
        if name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            iam.delete_role_policy(RoleName=role, PolicyName=name)


def _delete_policy(place: Place, made: Made, properties: Properties) -> None:
    _take_policy(place, made.physical_id, set(properties.get("Roles", [])))


TYPES = {
    "AWS::IAM::ManagedPolicy": ResourceType(
        _make_managed_policy, _delete_managed_policy, _configure_managed_policy, _update_managed_policy
    ),
    "AWS::IAM::Policy": ResourceType(_make_policy, _delete_policy, update=_update_policy),
    "AWS::IAM::Role": ResourceType(_make_role, _delete_role, _configure_role, _update_role),
}
