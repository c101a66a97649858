"""What the services themselves say of a stack's resources, in the words of the template.

One function a type: it asks the service's API, as anybody could, and answers properties as a template has them.
A property that is honoured, or kept and shown, must come back as it was given; `WRITE_ONLY` are those no API shows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ddb_pipeline_tests import read_back_watching

Clients = Callable[[str], Any]

WRITE_ONLY: dict[str, frozenset[str]] = {
    "AWS::Athena::WorkGroup": frozenset({"RecursiveDeleteOption"}),
    "AWS::CDK::Metadata": frozenset({"Analytics"}),
    "AWS::KMS::Key": frozenset({"PendingWindowInDays"}),
    # the code is compared by running it
    "AWS::Lambda::Function": frozenset({"Code"}),
}


def differences(resource_type: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Where what a service says differs from what the template wants."""
    return [
        line
        for name, value in wanted.items()
        if name not in WRITE_ONLY.get(resource_type, frozenset())
        for line in _differences(value, found.get(name), name)
    ]


def _differences(wanted: Any, found: Any, path: str) -> list[str]:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        return [
            line for name, value in wanted.items() for line in _differences(value, found.get(name), f"{path}.{name}")
        ]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        # tags and the like come back in any order
        by_key = all(isinstance(item, Mapping) and "Key" in item for item in wanted)
        pairs = zip(*(sorted(one, key=str) if by_key else one for one in (wanted, found)), strict=True)
        return [line for one, other in pairs for line in _differences(one, other, path)]
    same = str(wanted).lower() == str(found).lower() if isinstance(wanted, bool | int | float) else wanted == found
    return [] if same else [f"{path}: wanted {wanted!r}, found {found!r}"]


def read_back(clients: Clients, resource_type: str, physical_id: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the service.

    Args:
        clients: Gives the boto3 client of a service.
        resource_type: Such as `AWS::S3::Bucket`.
        physical_id: What `Ref` gives.
        wanted: The template's properties, for what is found only through another resource.
    """
    return READERS[resource_type](clients, physical_id, wanted)


def _tags(table: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in table.items()]


def _or_nothing(ask: Callable[[], Any], *codes: str) -> Any:
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] not in codes:
            raise
        return None


def named_query(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    return dict(clients("athena").get_named_query(NamedQueryId=physical_id)["NamedQuery"])


def workgroup(clients: Clients, physical_id: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    found = clients("athena").get_work_group(WorkGroup=physical_id)["WorkGroup"]
    region, account = clients("athena").meta.region_name, clients("sts").get_caller_identity()["Account"]
    arn = f"arn:aws:athena:{region}:{account}:workgroup/{physical_id}"
    # moto knows no tags of a workgroup that never had any
    tags = clients("athena").list_tags_for_resource(ResourceARN=arn)["Tags"] if "Tags" in wanted else []
    return {**found, "WorkGroupConfiguration": found["Configuration"], "Tags": tags}


def table(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    dynamodb = clients("dynamodb")
    found = dynamodb.describe_table(TableName=physical_id)["Table"]
    backups = dynamodb.describe_continuous_backups(TableName=physical_id)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]
    expiry = dynamodb.describe_time_to_live(TableName=physical_id)["TimeToLiveDescription"]
    listed = dynamodb.describe_kinesis_streaming_destination(TableName=physical_id)["KinesisDataStreamDestinations"]
    active = [item for item in listed if item["DestinationStatus"] == "ACTIVE"]
    encryption = found.get("SSEDescription", {})
    return {
        **found,
        "BillingMode": found.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED"),
        "KinesisStreamSpecification": active[0] if active else None,
        "PointInTimeRecoverySpecification": {
            **recovery,
            "PointInTimeRecoveryEnabled": recovery["PointInTimeRecoveryStatus"] == "ENABLED",
        },
        "SSESpecification": {
            "KMSMasterKeyId": encryption.get("KMSMasterKeyArn"),
            "SSEEnabled": encryption.get("Status") == "ENABLED",
            "SSEType": encryption.get("SSEType"),
        },
        "Tags": dynamodb.list_tags_of_resource(ResourceArn=found["TableArn"])["Tags"],
        "TimeToLiveSpecification": {**expiry, "Enabled": expiry["TimeToLiveStatus"] == "ENABLED"},
    }


def crawler(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    glue = clients("glue")
    account = clients("sts").get_caller_identity()["Account"]
    arn = f"arn:aws:glue:{glue.meta.region_name}:{account}:crawler/{physical_id}"
    found = glue.get_crawler(Name=physical_id)["Crawler"]
    return {**found, "Tags": _tags(glue.get_tags(ResourceArn=arn)["Tags"])}


def database(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    found = clients("glue").get_database(Name=physical_id)["Database"]
    return {"CatalogId": found["CatalogId"], "DatabaseInput": found}


def security_configuration(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    found = clients("glue").get_security_configuration(Name=physical_id)["SecurityConfiguration"]
    encryption = found["EncryptionConfiguration"]
    if "S3Encryption" in encryption:
        encryption["S3Encryptions"] = encryption["S3Encryption"]
    return dict(found)


def catalog_table(clients: Clients, physical_id: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    found = clients("glue").get_table(DatabaseName=wanted["DatabaseName"], Name=physical_id)["Table"]
    return {"CatalogId": found["CatalogId"], "DatabaseName": found["DatabaseName"], "TableInput": found}


def managed_policy(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    iam = clients("iam")
    found = iam.get_policy(PolicyArn=physical_id)["Policy"]
    version = iam.get_policy_version(PolicyArn=physical_id, VersionId=found["DefaultVersionId"])["PolicyVersion"]
    roles = iam.list_entities_for_policy(PolicyArn=physical_id)["PolicyRoles"]
    return {
        **found,
        "ManagedPolicyName": found["PolicyName"],
        "PolicyDocument": version["Document"],
        "Roles": [role["RoleName"] for role in roles],
        "Tags": iam.list_policy_tags(PolicyArn=physical_id)["Tags"],
    }


def policy(clients: Clients, physical_id: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    iam = clients("iam")
    found = [iam.get_role_policy(RoleName=role, PolicyName=physical_id) for role in wanted["Roles"]]
    assert all(item["PolicyDocument"] == found[0]["PolicyDocument"] for item in found)
    return {**found[0], "Roles": [item["RoleName"] for item in found]}


def role(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    iam = clients("iam")
    attached = iam.list_attached_role_policies(RoleName=physical_id)["AttachedPolicies"]
    names = iam.list_role_policies(RoleName=physical_id)["PolicyNames"]
    return {
        **iam.get_role(RoleName=physical_id)["Role"],
        "ManagedPolicyArns": [item["PolicyArn"] for item in attached],
        "Policies": [iam.get_role_policy(RoleName=physical_id, PolicyName=name) for name in names],
        "Tags": iam.list_role_tags(RoleName=physical_id)["Tags"],
    }


def alias(clients: Clients, physical_id: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    kms = clients("kms")
    target = kms.describe_key(KeyId=physical_id)["KeyMetadata"]
    known = {target["KeyId"], target["Arn"]}
    return {
        "AliasName": physical_id,
        "TargetKeyId": wanted["TargetKeyId"] if wanted["TargetKeyId"] in known else target,
    }


def key(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    kms = clients("kms")
    found = kms.describe_key(KeyId=physical_id)["KeyMetadata"]
    tags = kms.list_resource_tags(KeyId=physical_id)["Tags"]
    return {
        **found,
        "EnableKeyRotation": kms.get_key_rotation_status(KeyId=physical_id)["KeyRotationEnabled"],
        "KeyPolicy": json.loads(kms.get_key_policy(KeyId=physical_id, PolicyName="default")["Policy"]),
        "Tags": [{"Key": tag["TagKey"], "Value": tag["TagValue"]} for tag in tags],
    }


def stream(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    kinesis = clients("kinesis")
    found = kinesis.describe_stream_summary(StreamName=physical_id)["StreamDescriptionSummary"]
    encrypted = found.get("EncryptionType", "NONE") != "NONE"
    return {
        **found,
        "Name": found["StreamName"],
        "ShardCount": found["OpenShardCount"],
        "StreamEncryption": {"EncryptionType": found["EncryptionType"], "KeyId": found["KeyId"]} if encrypted else None,
        "Tags": kinesis.list_tags_for_stream(StreamName=physical_id)["Tags"],
    }


def delivery_stream(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    firehose = clients("firehose")
    found = firehose.describe_delivery_stream(DeliveryStreamName=physical_id)["DeliveryStreamDescription"]
    return {
        **found,
        "ExtendedS3DestinationConfiguration": found["Destinations"][0]["ExtendedS3DestinationDescription"],
        "KinesisStreamSourceConfiguration": found["Source"]["KinesisStreamSourceDescription"],
        "Tags": firehose.list_tags_for_delivery_stream(DeliveryStreamName=physical_id)["Tags"],
    }


def function(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    found = clients("lambda").get_function(FunctionName=physical_id)
    return {**found["Configuration"], "Tags": _tags(found.get("Tags", {}))}


def log_group(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    logs = clients("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix=physical_id)["logGroups"]
    (found,) = [group for group in groups if group["logGroupName"] == physical_id]
    tags = logs.list_tags_for_resource(resourceArn=found["arn"].removesuffix(":*"))["tags"]
    return {
        "KmsKeyId": found.get("kmsKeyId"),
        "LogGroupName": physical_id,
        "RetentionInDays": found.get("retentionInDays"),
        "Tags": _tags(tags),
    }


def log_stream(clients: Clients, physical_id: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    found = clients("logs").describe_log_streams(logGroupName=wanted["LogGroupName"], logStreamNamePrefix=physical_id)[
        "logStreams"
    ]
    return {"LogGroupName": wanted["LogGroupName"], "LogStreamName": found[0]["logStreamName"]}


def bucket(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    s3 = clients("s3")
    encryption = _or_nothing(
        lambda: s3.get_bucket_encryption(Bucket=physical_id), "ServerSideEncryptionConfigurationNotFoundError"
    )
    lifecycle = _or_nothing(
        lambda: s3.get_bucket_lifecycle_configuration(Bucket=physical_id), "NoSuchLifecycleConfiguration"
    )
    ownership = _or_nothing(
        lambda: s3.get_bucket_ownership_controls(Bucket=physical_id), "OwnershipControlsNotFoundError"
    )
    block = _or_nothing(lambda: s3.get_public_access_block(Bucket=physical_id), "NoSuchPublicAccessBlockConfiguration")
    tags = _or_nothing(lambda: s3.get_bucket_tagging(Bucket=physical_id), "NoSuchTagSet")
    rules = encryption["ServerSideEncryptionConfiguration"]["Rules"] if encryption else []
    return {
        "BucketName": physical_id,
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {name.removeprefix("Apply"): value for name, value in rule.items()} for rule in rules
            ]
        },
        "LifecycleConfiguration": {"Rules": [_lifecycle_rule(rule) for rule in lifecycle["Rules"]]}
        if lifecycle
        else None,
        "OwnershipControls": ownership and ownership["OwnershipControls"],
        "PublicAccessBlockConfiguration": block and block["PublicAccessBlockConfiguration"],
        "Tags": tags["TagSet"] if tags else [],
        "VersioningConfiguration": s3.get_bucket_versioning(Bucket=physical_id),
    }


def _lifecycle_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **rule,
        "Id": rule.get("ID"),
        "Prefix": rule.get("Filter", {}).get("Prefix", ""),
        "ExpirationInDays": rule.get("Expiration", {}).get("Days"),
    }


def bucket_policy(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    document = json.loads(clients("s3").get_bucket_policy(Bucket=physical_id)["Policy"])
    return {"Bucket": physical_id, "PolicyDocument": document}


def parameter(clients: Clients, physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    ssm = clients("ssm")
    described = ssm.describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [physical_id]}])["Parameters"][0]
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=physical_id)["TagList"]
    return {
        **described,
        **ssm.get_parameter(Name=physical_id)["Parameter"],
        "Tags": {tag["Key"]: tag["Value"] for tag in tags},
    }


def metadata(_clients: Clients, _physical_id: str, _wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {}


READERS: dict[str, Callable[[Clients, str, Mapping[str, Any]], dict[str, Any]]] = {
    "AWS::Athena::NamedQuery": named_query,
    "AWS::Athena::WorkGroup": workgroup,
    "AWS::CDK::Metadata": metadata,
    "AWS::DynamoDB::Table": table,
    "AWS::Glue::Crawler": crawler,
    "AWS::Glue::Database": database,
    "AWS::Glue::SecurityConfiguration": security_configuration,
    "AWS::Glue::Table": catalog_table,
    "AWS::IAM::ManagedPolicy": managed_policy,
    "AWS::IAM::Policy": policy,
    "AWS::IAM::Role": role,
    "AWS::KMS::Alias": alias,
    "AWS::KMS::Key": key,
    "AWS::Kinesis::Stream": stream,
    "AWS::KinesisFirehose::DeliveryStream": delivery_stream,
    "AWS::Lambda::Function": function,
    "AWS::Logs::LogGroup": log_group,
    "AWS::Logs::LogStream": log_stream,
    "AWS::S3::Bucket": bucket,
    "AWS::S3::BucketPolicy": bucket_policy,
    "AWS::SSM::Parameter": parameter,
    **read_back_watching.READERS,
}
