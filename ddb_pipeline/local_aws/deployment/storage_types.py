"""How the stack's keys and buckets are made."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ddb_pipeline.local_aws.deployment.intrinsic_functions import Made
from ddb_pipeline.local_aws.deployment.place import Place, Properties, ResourceType, differ, picked, retag, tag_table


def _make_key(place: Place, properties: Properties) -> Made:
    tags = [{"TagKey": key, "TagValue": value} for key, value in tag_table(properties).items()]
    made = place.client("kms").create_key(
        **picked(properties, "Description", "KeySpec", "KeyUsage"),
        **({"Policy": json.dumps(properties["KeyPolicy"])} if "KeyPolicy" in properties else {}),
        **({"Tags": tags} if tags else {}),
    )["KeyMetadata"]
    return Made(made["KeyId"], {"Arn": made["Arn"], "KeyId": made["KeyId"]})


def _configure_key(place: Place, made: Made, properties: Properties) -> None:
    if properties.get("EnableKeyRotation"):
        place.client("kms").enable_key_rotation(KeyId=made.physical_id)


def _update_key(place: Place, made: Made, old: Properties, new: Properties) -> None:
    kms, key = place.client("kms"), made.physical_id
    if differ(old, new, "Description"):
        kms.update_key_description(KeyId=key, Description=new.get("Description", ""))
    if differ(old, new, "KeyPolicy"):
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(new["KeyPolicy"]))
    if differ(old, new, "EnableKeyRotation"):
        switch = kms.enable_key_rotation if new.get("EnableKeyRotation") else kms.disable_key_rotation
        switch(KeyId=key)
    retag(
        old,
        new,
        lambda tags: kms.tag_resource(
            KeyId=key, Tags=[{"TagKey": name, "TagValue": value} for name, value in tags.items()]
        ),
        lambda keys: kms.untag_resource(KeyId=key, TagKeys=keys),
    )


def _delete_key(place: Place, made: Made, properties: Properties) -> None:
    days = int(properties.get("PendingWindowInDays", 30))
    place.client("kms").schedule_key_deletion(KeyId=made.physical_id, PendingWindowInDays=days)


def _make_alias(place: Place, properties: Properties) -> Made:
    place.client("kms").create_alias(**picked(properties, "AliasName", "TargetKeyId"))
    return Made(properties["AliasName"])


def _update_alias(place: Place, made: Made, old: Properties, new: Properties) -> None:  # noqa: ARG001
    place.client("kms").update_alias(AliasName=made.physical_id, TargetKeyId=new["TargetKeyId"])


def _delete_alias(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("kms").delete_alias(AliasName=made.physical_id)


def _make_bucket(place: Place, properties: Properties) -> Made:
    name = properties.get("BucketName") or place.generated_name(63).lower()
    where = {} if place.region == "us-east-1" else {"LocationConstraint": place.region}
    place.client("s3").create_bucket(Bucket=name, **({"CreateBucketConfiguration": where} if where else {}))
    attributes = {
        "Arn": f"arn:aws:s3:::{name}",
        "DomainName": f"{name}.s3.amazonaws.com",
        "DualStackDomainName": f"{name}.s3.dualstack.{place.region}.amazonaws.com",
        "RegionalDomainName": f"{name}.s3.{place.region}.amazonaws.com",
    }
    return Made(name, attributes)


def _configure_bucket(place: Place, made: Made, properties: Properties) -> None:
    _update_bucket(place, made, {}, properties)


def _update_bucket(place: Place, made: Made, old: Properties, new: Properties) -> None:
    s3, bucket = place.client("s3"), made.physical_id

    def bring(name: str, put: Callable[[Any], object], take_away: Callable[[], object]) -> None:
        if differ(old, new, name):
            if new.get(name):
                put(new[name])
            else:
                take_away()

    bring(
        "BucketEncryption",
        lambda value: s3.put_bucket_encryption(
            Bucket=bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [_encryption_rule(rule) for rule in value["ServerSideEncryptionConfiguration"]]
            },
        ),
        lambda: s3.delete_bucket_encryption(Bucket=bucket),
    )
    bring(
        "LifecycleConfiguration",
        lambda value: s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": [_lifecycle_rule(rule) for rule in value["Rules"]]}
        ),
        lambda: s3.delete_bucket_lifecycle(Bucket=bucket),
    )
    bring(
        "OwnershipControls",
        lambda value: s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=value),
        lambda: s3.delete_bucket_ownership_controls(Bucket=bucket),
    )
    bring(
        "PublicAccessBlockConfiguration",
        lambda value: s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=value),
        lambda: s3.delete_public_access_block(Bucket=bucket),
    )
    bring(
        "VersioningConfiguration",
        lambda value: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=value),
        # versioning that was once enabled can only be suspended
        lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}),
    )
    bring(
        "Tags",
        lambda value: s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": list(value)}),
        lambda: s3.delete_bucket_tagging(Bucket=bucket),
    )


def _encryption_rule(rule: Properties) -> dict[str, Any]:
    """A rule as S3's API has it: the inner table has another name (API_ServerSideEncryptionRule.html)."""
    return {("Apply" + key if key == "ServerSideEncryptionByDefault" else key): value for key, value in rule.items()}


def _lifecycle_rule(rule: Properties) -> dict[str, Any]:
    """A rule as S3's API has it (API_LifecycleRule.html)."""
    days = {"Expiration": {"Days": int(rule["ExpirationInDays"])}} if "ExpirationInDays" in rule else {}
    return {
        **({"ID": rule["Id"]} if "Id" in rule else {}),
        "Status": rule["Status"],
        "Filter": {"Prefix": rule.get("Prefix", "")},
        **days,
        **picked(rule, "AbortIncompleteMultipartUpload"),
    }


def _delete_bucket(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("s3").delete_bucket(Bucket=made.physical_id)


def _make_bucket_policy(place: Place, properties: Properties) -> Made:
    _put_bucket_policy(place, Made(properties["Bucket"]), {}, properties)
    return Made(properties["Bucket"])


def _put_bucket_policy(place: Place, made: Made, old: Properties, new: Properties) -> None:  # noqa: ARG001
    place.client("s3").put_bucket_policy(Bucket=made.physical_id, Policy=json.dumps(new["PolicyDocument"]))


def _delete_bucket_policy(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("s3").delete_bucket_policy(Bucket=made.physical_id)


TYPES = {
    "AWS::KMS::Alias": ResourceType(_make_alias, _delete_alias, update=_update_alias),
    "AWS::KMS::Key": ResourceType(_make_key, _delete_key, _configure_key, _update_key),
    "AWS::S3::Bucket": ResourceType(_make_bucket, _delete_bucket, _configure_bucket, _update_bucket),
    "AWS::S3::BucketPolicy": ResourceType(_make_bucket_policy, _delete_bucket_policy, update=_put_bucket_policy),
}
