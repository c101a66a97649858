"""How the stack's table and stream are made."""

from __future__ import annotations

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
    wait_until,
)

_RETENTION_HOURS = 24
"""How long a stream keeps its records unless told otherwise."""


def _make_stream(place: Place, properties: Properties) -> Made:
    name = properties.get("Name") or place.generated_name(128)
    kinesis = place.client("kinesis")
    kinesis.create_stream(StreamName=name, **picked(properties, "ShardCount", "StreamModeDetails"))
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    return Made(name, {"Arn": summary["StreamARN"]})


def _configure_stream(place: Place, made: Made, properties: Properties) -> None:
    _wait_for_stream(place, made)
    _bring_stream(place, made, {}, properties)


def _wait_for_stream(place: Place, made: Made) -> None:
    kinesis, name = place.client("kinesis"), made.physical_id

    def is_active() -> bool:
        summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        return bool(summary["StreamStatus"] == "ACTIVE")

    wait_until(f"stream {name} was not active", is_active)


def _bring_stream(place: Place, made: Made, old: Properties, new: Properties) -> None:
    """Retention, encryption and tags, from the old to the new properties."""
    kinesis, name = place.client("kinesis"), made.physical_id
    before, after = (int(item.get("RetentionPeriodHours", _RETENTION_HOURS)) for item in (old, new))
    # setting what is set already is an error
    if after > before:
        kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=after)
    elif after < before:
        kinesis.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=after)
    if differ(old, new, "StreamEncryption"):
        if "StreamEncryption" in old:
            kinesis.stop_stream_encryption(StreamName=name, **old["StreamEncryption"])
            _wait_for_stream(place, made)
        if "StreamEncryption" in new:
            kinesis.start_stream_encryption(StreamName=name, **new["StreamEncryption"])
    # moto passes over the tags of CreateStream
    retag(
        old,
        new,
        lambda tags: kinesis.add_tags_to_stream(StreamName=name, Tags=tags),
        lambda keys: kinesis.remove_tags_from_stream(StreamName=name, TagKeys=keys),
    )
    _wait_for_stream(place, made)


def _update_stream(place: Place, made: Made, old: Properties, new: Properties) -> None:
    kinesis, name = place.client("kinesis"), made.physical_id
    mode_before, mode = (item.get("StreamModeDetails", {}).get("StreamMode", "PROVISIONED") for item in (old, new))
    if mode != mode_before:
        kinesis.update_stream_mode(StreamARN=made.attributes["Arn"], StreamModeDetails={"StreamMode": mode})
        _wait_for_stream(place, made)
    if mode == "PROVISIONED" and "ShardCount" in new:
        found = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["OpenShardCount"]
        if found != int(new["ShardCount"]):
            kinesis.update_shard_count(
                StreamName=name, TargetShardCount=int(new["ShardCount"]), ScalingType="UNIFORM_SCALING"
            )
            _wait_for_stream(place, made)
    _bring_stream(place, made, old, new)


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
    return _table_made(place.client("dynamodb").create_table(TableName=name, **arguments)["TableDescription"])


def _table_made(table: Properties) -> Made:
    stream = {"StreamArn": table["LatestStreamArn"]} if "LatestStreamArn" in table else {}
    return Made(table["TableName"], {"Arn": table["TableArn"], **stream})


def _wait_for_table(place: Place, made: Made) -> None:
    dynamodb, name = place.client("dynamodb"), made.physical_id

    def is_active() -> bool:
        return bool(dynamodb.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE")

    wait_until(f"table {name} was not active", is_active)


def _configure_table(place: Place, made: Made, properties: Properties) -> None:
    _wait_for_table(place, made)
    _bring_table(place, made, {}, properties)


def _bring_table(place: Place, made: Made, old: Properties, new: Properties) -> None:
    """What has an operation of its own, from the old to the new properties."""
    dynamodb, name = place.client("dynamodb"), made.physical_id
    if differ(old, new, "PointInTimeRecoverySpecification"):
        recovery = new.get("PointInTimeRecoverySpecification", {"PointInTimeRecoveryEnabled": False})
        dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    if differ(old, new, "TimeToLiveSpecification"):
        before = old.get("TimeToLiveSpecification", {"Enabled": False})
        after = new.get("TimeToLiveSpecification", {**before, "Enabled": False})
        # the attribute can be changed only while time to live is off (API_UpdateTimeToLive.html)
        if before["Enabled"] and after["Enabled"]:
            off = {**before, "Enabled": False}
            dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=off)
        if after["Enabled"] or before["Enabled"]:
            dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=after)
    if differ(old, new, "KinesisStreamSpecification"):
        _stream_to(place, name, old.get("KinesisStreamSpecification"), new.get("KinesisStreamSpecification"))


def _stream_to(place: Place, table: str, before: Properties | None, after: Properties | None) -> None:
    dynamodb = place.client("dynamodb")
    if before and after and before["StreamArn"] == after["StreamArn"]:
        precision = after.get("ApproximateCreationDateTimePrecision", "MILLISECOND")
        if precision != before.get("ApproximateCreationDateTimePrecision", "MILLISECOND"):
            dynamodb.update_kinesis_streaming_destination(
                TableName=table,
                StreamArn=after["StreamArn"],
                UpdateKinesisStreamingConfiguration={"ApproximateCreationDateTimePrecision": precision},
            )
            _wait_for_streaming(place, table, after["StreamArn"], "ACTIVE")
        return
    if before:
        dynamodb.disable_kinesis_streaming_destination(TableName=table, StreamArn=before["StreamArn"])
        _wait_for_streaming(place, table, before["StreamArn"], "DISABLED")
    if after:
        precision = picked(after, "ApproximateCreationDateTimePrecision")
        dynamodb.enable_kinesis_streaming_destination(
            TableName=table,
            StreamArn=after["StreamArn"],
            **({"EnableKinesisStreamingConfiguration": precision} if precision else {}),
        )
        _wait_for_streaming(place, table, after["StreamArn"], "ACTIVE")


def _wait_for_streaming(place: Place, table: str, stream_arn: str, status: str) -> None:
    dynamodb = place.client("dynamodb")

    def is_so() -> bool:
        found = dynamodb.describe_kinesis_streaming_destination(TableName=table)["KinesisDataStreamDestinations"]
        states = [item["DestinationStatus"] for item in found if item["StreamArn"] == stream_arn]
        if "ENABLE_FAILED" in states:
            raise ResourceError(f"streaming from table {table} to {stream_arn} could not be enabled")
        return status in states

    wait_until(f"streaming from table {table} was not {status}", is_so)


def _update_table(place: Place, made: Made, old: Properties, new: Properties) -> Made:
    dynamodb, name = place.client("dynamodb"), made.physical_id
    settings = {}
    if differ(old, new, "BillingMode", "ProvisionedThroughput"):
        settings = {"BillingMode": new.get("BillingMode", "PROVISIONED"), **picked(new, "ProvisionedThroughput")}
    if differ(old, new, "DeletionProtectionEnabled"):
        settings["DeletionProtectionEnabled"] = bool(new.get("DeletionProtectionEnabled", False))
    indexes = _index_updates(old, new)
    if indexes:
        settings |= {"GlobalSecondaryIndexUpdates": indexes, **picked(new, "AttributeDefinitions")}
    if settings:
        dynamodb.update_table(TableName=name, **settings)
        _wait_for_table(place, made)
    _bring_table(place, made, old, new)
    _retag_table(place, made, old, new)
    return _table_made(dynamodb.describe_table(TableName=name)["Table"])


def _retag_table(place: Place, made: Made, old: Properties, new: Properties) -> None:
    dynamodb, arn = place.client("dynamodb"), made.attributes["Arn"]

    def add(tags: dict[str, str]) -> None:
        # moto keeps the old value beside the new one
        dynamodb.untag_resource(ResourceArn=arn, TagKeys=list(tags))
        dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])

    retag(old, new, add, lambda keys: dynamodb.untag_resource(ResourceArn=arn, TagKeys=keys))


def _index_updates(old: Properties, new: Properties) -> list[dict[str, Any]]:
    """The changes of the global secondary indexes, as UpdateTable takes them.

    Raises:
        ResourceError: There is more than one to make or delete, or one changes more than its throughput.
    """
    before, after = (
        {index["IndexName"]: index for index in properties.get("GlobalSecondaryIndexes", [])}
        for properties in (old, new)
    )
    updates: list[dict[str, Any]] = [{"Delete": {"IndexName": name}} for name in before if name not in after]
    updates += [{"Create": index} for name, index in after.items() if name not in before]
    if len(updates) > 1:
        raise ResourceError("Cannot perform more than one GSI creation or deletion in a single update")
    for name, index in after.items():
        if name not in before or index == before[name]:
            continue
        if differ(before[name], index, "KeySchema", "Projection"):
            raise ResourceError(f"Cannot update GSI's properties other than Provisioned Throughput: {name}")
        if "ProvisionedThroughput" in index:
            updates.append({"Update": {"IndexName": name, "ProvisionedThroughput": index["ProvisionedThroughput"]}})
    return updates


def _delete_table(place: Place, made: Made, properties: Properties) -> None:  # noqa: ARG001
    place.client("dynamodb").delete_table(TableName=made.physical_id)


TYPES = {
    "AWS::DynamoDB::Table": ResourceType(_make_table, _delete_table, _configure_table, _update_table),
    "AWS::Kinesis::Stream": ResourceType(_make_stream, _delete_stream, _configure_stream, _update_stream),
}
