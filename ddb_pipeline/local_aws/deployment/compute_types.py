"""How the stack's functions, delivery stream, logs and parameters are made."""

from __future__ import annotations

import io
import zipfile
from typing import Any

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
    functions, name = place.client("lambda"), made.physical_id
    if differ(old, new, "Code", "Architectures"):
        functions.update_function_code(FunctionName=name, **_code(new), **picked(new, "Architectures"))
    if differ(old, new, *_FUNCTION_SETTINGS):
        # what the template no longer says goes back to Lambda's own (API_UpdateFunctionConfiguration.html)
        settings = {
            "Description": "",
            "Environment": {"Variables": {}},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
            "MemorySize": 128,
            "Timeout": 3,
        }
        functions.update_function_configuration(FunctionName=name, **{**settings, **picked(new, *_FUNCTION_SETTINGS)})
    arn = made.attributes["Arn"]
    retag(
        old,
        new,
        lambda tags: functions.tag_resource(Resource=arn, Tags=tags),
        lambda keys: functions.untag_resource(Resource=arn, TagKeys=keys),
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


def _update_delivery(place: Place, made: Made, old: Properties, new: Properties) -> None:
    firehose, name = place.client("firehose"), made.physical_id
    if differ(old, new, "ExtendedS3DestinationConfiguration"):
        found = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
        firehose.update_destination(
            DeliveryStreamName=name,
            CurrentDeliveryStreamVersionId=found["VersionId"],
            DestinationId=found["Destinations"][0]["DestinationId"],
            ExtendedS3DestinationUpdate=_destination_update(
                old["ExtendedS3DestinationConfiguration"], new["ExtendedS3DestinationConfiguration"]
            ),
        )
        _configure_delivery(place, made, new)
    retag(
        old,
        new,
        lambda tags: firehose.tag_delivery_stream(
            DeliveryStreamName=name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
        ),
        lambda keys: firehose.untag_delivery_stream(DeliveryStreamName=name, TagKeys=keys),
    )


_DESTINATION_DEFAULTS: dict[str, Any] = {
    "BufferingHints": {"IntervalInSeconds": 300, "SizeInMBs": 5},
    "CloudWatchLoggingOptions": {"Enabled": False},
    "CompressionFormat": "UNCOMPRESSED",
    "DataFormatConversionConfiguration": {"Enabled": False},
    "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
    "ErrorOutputPrefix": "",
    "FileExtension": "",
    "Prefix": "",
    "ProcessingConfiguration": {"Enabled": False},
}


def _destination_update(old: Properties, new: Properties) -> dict[str, Any]:
    """What UpdateDestination must be told, as it leaves alone what it is not told.

    What the template no longer says goes back to Firehose's default (API_ExtendedS3DestinationUpdate.html).
    """
    gone = {name: _DESTINATION_DEFAULTS[name] for name in old if name not in new and name in _DESTINATION_DEFAULTS}
    return {**gone, **new}


def _delete_delivery(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("firehose").delete_delivery_stream(DeliveryStreamName=made.physical_id)


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


def _update_log_group(place: Place, made: Made, old: Properties, new: Properties) -> None:
    logs, name = place.client("logs"), made.physical_id
    if differ(old, new, "RetentionInDays"):
        if "RetentionInDays" in new:
            _configure_log_group(place, made, new)
        else:
            logs.delete_retention_policy(logGroupName=name)
    arn = place.arn("logs", f"log-group:{name}")
    retag(
        old,
        new,
        lambda tags: logs.tag_resource(resourceArn=arn, tags=tags),
        lambda keys: logs.untag_resource(resourceArn=arn, tagKeys=keys),
    )


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


def _update_parameter(place: Place, made: Made, old: Properties, new: Properties) -> Made:
    ssm, name = place.client("ssm"), made.physical_id
    same = ("AllowedPattern", "Description", "Tier", "Type", "Value")
    if differ(old, new, *same):
        # without a description PutParameter keeps the old one
        settings = {"Description": "", "AllowedPattern": "", **picked(new, *same)}
        ssm.put_parameter(Name=name, Overwrite=True, **settings)
    retag(
        old,
        new,
        lambda tags: ssm.add_tags_to_resource(
            ResourceType="Parameter",
            ResourceId=name,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        ),
        lambda keys: ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId=name, TagKeys=keys),
    )
    return Made(name, {"Type": new["Type"], "Value": new["Value"]})


def _delete_parameter(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("ssm").delete_parameter(Name=made.physical_id)


def _make_metadata(place: Place, properties: Properties) -> Made:  # noqa: ARG001
    return Made(place.logical_id)


def _delete_metadata(place: Place, made: Made, properties: Properties) -> None:
    """Nothing was made."""


def _update_metadata(place: Place, made: Made, old: Properties, new: Properties) -> None:
    """Nothing was made."""


TYPES = {
    "AWS::CDK::Metadata": ResourceType(_make_metadata, _delete_metadata, update=_update_metadata),
    "AWS::KinesisFirehose::DeliveryStream": ResourceType(
        _make_delivery, _delete_delivery, _configure_delivery, _update_delivery
    ),
    "AWS::Lambda::Function": ResourceType(_make_function, _delete_function, update=_update_function),
    "AWS::Logs::LogGroup": ResourceType(_make_log_group, _delete_log_group, _configure_log_group, _update_log_group),
    "AWS::Logs::LogStream": ResourceType(_make_log_stream, _delete_log_stream),
    "AWS::SSM::Parameter": ResourceType(_make_parameter, _delete_parameter, update=_update_parameter),
}
