"""How the stack's keys, buckets, table and stream are made."""

from __future__ import annotations

import json
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


def _delete_key(place: Place, made: Made, properties: Properties) -> None:
    days = int(properties.get("PendingWindowInDays", 30))
    place.client("kms").schedule_key_deletion(KeyId=made.physical_id, PendingWindowInDays=days)


def _make_alias(place: Place, properties: Properties) -> Made:
    place.client("kms").create_alias(**picked(properties, "AliasName", "TargetKeyId"))
    return Made(properties["AliasName"])


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
    s3, bucket = place.client("s3"), made.physical_id
    if "BucketEncryption" in properties:
        # the API's name of the inner table is another (API_ServerSideEncryptionRule.html)
        rules = [
            {("Apply" + key if key == "ServerSideEncryptionByDefault" else key): value for key, value in rule.items()}
            for rule in properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        ]
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
    if "LifecycleConfiguration" in properties:
        lifecycle = {"Rules": [_lifecycle_rule(rule) for rule in properties["LifecycleConfiguration"]["Rules"]]}
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=lifecycle)
    if "OwnershipControls" in properties:
        s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=properties["OwnershipControls"])
    if "PublicAccessBlockConfiguration" in properties:
        block = properties["PublicAccessBlockConfiguration"]
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    if "VersioningConfiguration" in properties:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=properties["VersioningConfiguration"])
    if properties.get("Tags"):
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": list(properties["Tags"])})


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
    _put_bucket_policy(place, Made(properties["Bucket"]), properties, properties)
    return Made(properties["Bucket"])


def _put_bucket_policy(place: Place, made: Made, _old: Properties, properties: Properties) -> None:
    if made.physical_id != properties["Bucket"]:
        raise ResourceError("the bucket of a policy cannot be changed in place")
    place.client("s3").put_bucket_policy(Bucket=made.physical_id, Policy=json.dumps(properties["PolicyDocument"]))


def _delete_bucket_policy(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("s3").delete_bucket_policy(Bucket=made.physical_id)


def _make_stream(place: Place, properties: Properties) -> Made:
    name = properties.get("Name") or place.generated_name(128)
    kinesis = place.client("kinesis")
    tags = {"Tags": tag_table(properties)} if properties.get("Tags") else {}
    kinesis.create_stream(StreamName=name, **picked(properties, "ShardCount", "StreamModeDetails"), **tags)
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    return Made(name, {"Arn": summary["StreamARN"]})


def _configure_stream(place: Place, made: Made, properties: Properties) -> None:
    kinesis, name = place.client("kinesis"), made.physical_id

    def is_active() -> bool:
        summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        return bool(summary["StreamStatus"] == "ACTIVE")

    wait_until(f"stream {name} was not active", is_active)
    hours = int(properties.get("RetentionPeriodHours", 24))
    # 24 hours are the default, and setting what is set already is an error
    if hours != 24:  # noqa: PLR2004
        kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=hours)
    if "StreamEncryption" in properties:
        kinesis.start_stream_encryption(StreamName=name, **properties["StreamEncryption"])
    wait_until(f"stream {name} was not active", is_active)


def _delete_stream(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("kinesis").delete_stream(StreamName=made.physical_id, EnforceConsumerDeletion=True)


def _make_table(place: Place, properties: Properties) -> Made:
    name = properties.get("TableName") or place.generated_name(255)
    same = (
        "AttributeDefinitions",
        "BillingMode",
        "DeletionProtectionEnabled",
        "GlobalSecondaryIndexes",
        "KeySchema",
        "LocalSecondaryIndexes",
        "ProvisionedThroughput",
    )
    arguments = {**picked(properties, *same), **tag_list(properties)}
    if "SSESpecification" in properties:
        encryption = properties["SSESpecification"]
        enabled = {"Enabled": encryption["SSEEnabled"]} if "SSEEnabled" in encryption else {}
        arguments["SSESpecification"] = {**enabled, **picked(encryption, "SSEType", "KMSMasterKeyId")}
    if "StreamSpecification" in properties:
        arguments["StreamSpecification"] = {"StreamEnabled": True, **properties["StreamSpecification"]}
    table = place.client("dynamodb").create_table(TableName=name, **arguments)["TableDescription"]
    stream = {"StreamArn": table["LatestStreamArn"]} if "LatestStreamArn" in table else {}
    return Made(name, {"Arn": table["TableArn"], **stream})


def _configure_table(place: Place, made: Made, properties: Properties) -> None:
    dynamodb, name = place.client("dynamodb"), made.physical_id

    def is_active() -> bool:
        return bool(dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE")

    wait_until(f"table {name} was not active", is_active)
    if "PointInTimeRecoverySpecification" in properties:
        recovery = properties["PointInTimeRecoverySpecification"]
        dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    if "TimeToLiveSpecification" in properties:
        time_to_live = properties["TimeToLiveSpecification"]
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=time_to_live)
    if "KinesisStreamSpecification" in properties:
        _enable_streaming(place, name, properties["KinesisStreamSpecification"])


def _enable_streaming(place: Place, table: str, specification: Properties) -> None:
    dynamodb = place.client("dynamodb")
    precision = picked(specification, "ApproximateCreationDateTimePrecision")
    dynamodb.enable_kinesis_streaming_destination(
        TableName=table,
        StreamArn=specification["StreamArn"],
        **({"EnableKinesisStreamingConfiguration": precision} if precision else {}),
    )

    def is_active() -> bool:
        found = dynamodb.describe_kinesis_streaming_destination(TableName=table)["KinesisDataStreamDestinations"]
        states = [item["DestinationStatus"] for item in found if item["StreamArn"] == specification["StreamArn"]]
        if "ENABLE_FAILED" in states:
            raise ResourceError(f"streaming from table {table} to {specification['StreamArn']} could not be enabled")
        return "ACTIVE" in states

    wait_until(f"streaming from table {table} was not active", is_active)


def _delete_table(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("dynamodb").delete_table(TableName=made.physical_id)


TYPES = {
    "AWS::DynamoDB::Table": ResourceType(_make_table, _delete_table, _configure_table),
    "AWS::KMS::Alias": ResourceType(_make_alias, _delete_alias),
    "AWS::KMS::Key": ResourceType(_make_key, _delete_key, _configure_key),
    "AWS::Kinesis::Stream": ResourceType(_make_stream, _delete_stream, _configure_stream),
    "AWS::S3::Bucket": ResourceType(_make_bucket, _delete_bucket, _configure_bucket),
    "AWS::S3::BucketPolicy": ResourceType(_make_bucket_policy, _delete_bucket_policy, update=_put_bucket_policy),
}
