"""What Firehose could not deliver: an external asset with a partition per hour, whose objects we report.

As with the raw objects, Dagster's event log remembers what was reported of an hour, in the data version of its last
event: its fingerprint, and how many of its objects were open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from dagster import AssetMaterialization, AssetSpec, DagsterEventType, DagsterInstance, MetadataValue, TableRecord

from ddb_pipeline.arrivals import classify, hour_of_key, partition_key
from ddb_pipeline.assets.common import CHANGES_GROUP, OWNERS, asset_key
from ddb_pipeline.assets.raw_changes import DATA_VERSION_TAG, hours_of
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.failed_deliveries.documents import UnreadableDocumentError, read_document
from ddb_pipeline.failed_deliveries.looking import FailedHour, Known, Look, OpenObject
from ddb_pipeline.resources.failed_deliveries import FailedDeliveries

NAME = "failed_deliveries"

_REASONS_FROM = 5
_LONGEST_READ = 4 * 2**20
_OBJECTS_TOLD = 20


def replay_job_name(pipeline: Pipeline) -> str:
    """Return the name of the job that puts failed records on the stream again."""
    return f"{pipeline.name}_replay_failed_deliveries"


def failed_deliveries_asset(pipeline: Pipeline) -> AssetSpec:
    """Return the asset of what Firehose could not deliver."""
    return AssetSpec(
        asset_key(pipeline, NAME),
        deps=[asset_key(pipeline, "delivery_stream")],
        description="Records that were not delivered, as Firehose writes them below `errors/` in the raw bucket, a "
        f"folder per hour of arrival (UTC). They are in no view until the job {replay_job_name(pipeline)} puts them on "
        "the stream again. Reported by the deliveries sensor; an hour without an event is one in which nothing failed.",
        kinds={"s3", "json"},
        owners=OWNERS,
        group_name=CHANGES_GROUP,
        partitions_def=hours_of(pipeline),
    )


def known_hours(instance: DagsterInstance, pipeline: Pipeline) -> dict[datetime, Known]:
    """Return what was reported last, by hour."""
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        asset_key(pipeline, NAME), DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    return {
        hour_of_key(key): known
        for key, found in tags.items()
        if (known := Known.of_text(found.get(DATA_VERSION_TAG, "")))
    }


def failure_events(
    instance: DagsterInstance,
    pipeline: Pipeline,
    failed: FailedDeliveries,
    look: Look,
    out_of_time: Callable[[], bool] = lambda: False,
) -> list[AssetMaterialization]:
    """Return the materializations that tell Dagster what it does not know of what a look found.

    Args:
        instance: Dagster's instance, whose event log holds what was reported.
        pipeline: The pipeline.
        failed: The objects.
        look: What was found.
        out_of_time: Whether no other object may be read: then an hour is reported without the reasons of its failures.
    """
    known = known_hours(instance, pipeline)
    hours = [*look.unread, *look.hours]
    partitions = set(classify([found.hour for found in hours], pipeline.start_date, datetime.now(UTC)).hours)
    # where the next look begins comes first: whoever is stopped in between passes over nothing
    unread = [found for found in look.unread if found.hour in partitions][:1]
    told = unread + [found for found in look.hours if found.hour in partitions]
    return [_event(pipeline, failed, found, out_of_time) for found in told if known.get(found.hour) != found.known]


def _event(
    pipeline: Pipeline, failed: FailedDeliveries, found: FailedHour, out_of_time: Callable[[], bool]
) -> AssetMaterialization:
    still_open = found.known.open_objects
    metadata: dict[str, Any] = {
        "objects": len(found.objects),
        "open_objects": still_open,
        "bytes": sum(one.size for one in found.objects),
        "types": ", ".join(sorted({one.error_type for one in found.objects})) or "none",
        "uris": MetadataValue.md("\n".join(f"- `{failed.uri(one.key)}`" for one in found.objects[:_OBJECTS_TOLD])),
    }
    if reasons := reasons_of(failed, found.open, out_of_time):
        metadata["reasons"] = MetadataValue.table(
            [TableRecord({"reason": reason, "records": count}) for reason, count in reasons.most_common(10)]
        )
    said = f"{still_open} open: run {replay_job_name(pipeline)}" if still_open else "replayed, or taken away"
    if not found.is_read:
        said = "not looked into yet: the sensor and the replay go on from here"
    return AssetMaterialization(
        asset_key(pipeline, NAME),
        partition=partition_key(found.hour),
        description=f"{len(found.objects)} objects below errors/, {said}",
        metadata=metadata,
        tags={DATA_VERSION_TAG: found.known.to_text()},
    )


def reasons_of(
    failed: FailedDeliveries, objects: Iterable[OpenObject], out_of_time: Callable[[], bool]
) -> Counter[str]:
    """Why records failed, from the first few objects: how many records say so.

    Args:
        failed: The objects.
        objects: Those that are open.
        out_of_time: Whether no other object may be read.
    """
    reasons: Counter[str] = Counter()
    for one in islice((one.found for one in objects if one.found.size <= _LONGEST_READ), _REASONS_FROM):
        if out_of_time():
            break
        body = failed.body(one.key)
        if body is None:
            continue
        try:
            reasons.update(record.reason for record in read_document(body))
        except UnreadableDocumentError as error:
            reasons[f"an object {error}"] += 1
    return reasons
