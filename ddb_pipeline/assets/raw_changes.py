"""The raw objects: an external asset with a partition per hour, whose arrivals we report.

Arrivals are materializations, because Dagster's freshness policies and its graph look at nothing else, with the
hour's fingerprint as data version. Dagster does not compare versions of an external asset: we do, against what its
event log holds, so that sensor and crawl step never report the same content twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from dagster import (
    AssetMaterialization,
    AssetRecordsFilter,
    AssetSpec,
    DagsterEventType,
    DagsterInstance,
    HourlyPartitionsDefinition,
    MetadataValue,
)

from ddb_pipeline.arrivals import (
    HourContent,
    changed,
    emptied,
    hour_of_key,
    hour_prefix,
    listed,
    objects_of,
    partition_key,
)
from ddb_pipeline.assets.common import CHANGES_GROUP, OWNERS, asset_key
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.readings import HoursWithoutData

NAME = "raw_changes"
_MOST_LOST = 100
_FEW_HOURS = 200
"""So many are asked for by their names; of more, all that were ever reported are read. A tick has a few each time."""
_MOST_EVENTS = 1000
_KIND = {"json": "JSON lines", "parquet": "Parquet"}
OBJECTS_GONE = "objects_gone"
"""Metadata of an hour that holds fewer objects than were reported before: how many fewer."""
DATA_VERSION_TAG = "dagster/data_version"
"""Dagster's tag of an event's data version (docs: asset versioning); it exports no constant for it."""


def hours_of(pipeline: Pipeline) -> HourlyPartitionsDefinition:
    """Return the hours of a pipeline; `end_offset=1` makes the hour that is being delivered a partition too."""
    return HourlyPartitionsDefinition(f"{pipeline.start_date:%Y-%m-%d}-00:00", timezone="UTC", end_offset=1)


def raw_changes_asset(pipeline: Pipeline) -> AssetSpec:
    """Return the asset of a pipeline's raw objects."""
    return AssetSpec(
        asset_key(pipeline, NAME),
        deps=[asset_key(pipeline, "delivery_stream")],
        description=f"Change rows as {_KIND[pipeline.format]} in S3, a folder per hour of arrival (UTC). An hour keeps "
        "receiving objects after it has ended. Arrivals are reported by the arrivals sensor and by the crawl.",
        kinds={"s3", pipeline.format},
        owners=OWNERS,
        group_name=CHANGES_GROUP,
        partitions_def=hours_of(pipeline),
    )


def known_fingerprints(instance: DagsterInstance, pipeline: Pipeline, keys: Collection[str]) -> Mapping[str, str]:
    """Return, per partition key, the fingerprint that was reported last."""
    if not keys:
        return {}
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        asset_key(pipeline, NAME),
        DagsterEventType.ASSET_MATERIALIZATION,
        [DATA_VERSION_TAG],
        asset_partitions=list(keys),
    )
    return {key: found[DATA_VERSION_TAG] for key, found in tags.items() if DATA_VERSION_TAG in found}


def lost_hours(instance: DagsterInstance, pipeline: Pipeline, hours: HoursWithoutData) -> list[HourContent]:
    """Return those of some hours without data that were reported with some, newest first, as what they hold now.

    Args:
        instance: Dagster's instance, whose event log holds what was reported.
        pipeline: The pipeline.
        hours: Hours that hold nothing. Where there are none, nothing is asked.
    """
    if not hours:
        return []
    # many hours without data: then few were reported, of as many as there can be
    is_few = len(hours) <= _FEW_HOURS
    keys = [partition_key(hour) for hour in hours] if is_few else _reported_among(instance, pipeline, hours)
    known = known_fingerprints(instance, pipeline, keys)
    lost = sorted((key for key, fingerprint in known.items() if objects_of(fingerprint)), reverse=True)
    # a bucket that was emptied as a whole: the daemon writes each event, the next ticks have the rest
    return [emptied(hour_of_key(key)) for key in lost[:_MOST_LOST]]


def _reported_among(instance: DagsterInstance, pipeline: Pipeline, hours: HoursWithoutData) -> list[str]:
    """Those of some hours that were reported ever, as their keys, which sort as the hours do."""
    spans = [(partition_key(first), partition_key(last)) for first, last in hours.spans]
    full = {partition_key(hour) for hour in hours.full}
    reported = instance.get_materialized_partitions(asset_key(pipeline, NAME))
    return [key for key in reported - full if any(first <= key <= last for first, last in spans)]


def arrival_events(
    instance: DagsterInstance,
    pipeline: Pipeline,
    contents: Iterable[HourContent],
    bucket: str,
    *,
    listed_at: datetime,
    begun_before: Mapping[datetime, datetime] | None = None,
) -> list[AssetMaterialization]:
    """Return the materializations that tell Dagster what arrived since it was told last.

    A listing takes a while, and a run beside it may have told of more in the meantime. So an hour with fewer objects
    than were told is left out where they were told after its listing had begun: whether any are gone the next one says.

    Args:
        instance: Dagster's instance, whose event log holds what was reported.
        pipeline: The pipeline.
        contents: Hours as they are in S3, each a partition of the asset.
        bucket: Name of the raw bucket.
        listed_at: When the listing began.
        begun_before: Of hours whose listing began before that: when.
    """
    contents = list(contents)
    known = known_fingerprints(instance, pipeline, [partition_key(found.hour) for found in contents])
    new = [(found, known.get(partition_key(found.hour))) for found in changed(contents, known)]
    fewer = [found.hour for found, before in new if found.objects < objects_of(before)]
    told = _told_since(instance, pipeline, {hour: (begun_before or {}).get(hour, listed_at) for hour in fewer})
    return [_event(pipeline, found, before, bucket) for found, before in new if found.hour not in told]


def _told_since(instance: DagsterInstance, pipeline: Pipeline, moments: Mapping[datetime, datetime]) -> set[datetime]:
    """Those of some hours of which something was reported after a moment."""
    if not moments:
        return set()
    wanted = AssetRecordsFilter(
        asset_key(pipeline, NAME),
        asset_partitions=[partition_key(hour) for hour in moments],
        after_timestamp=min(moments.values()).timestamp(),
    )
    records = instance.fetch_materializations(wanted, limit=_MOST_EVENTS).records
    last = {key: record.timestamp for record in reversed(records) if (key := record.partition_key)}
    return {hour for hour, moment in moments.items() if last.get(partition_key(hour), 0) > moment.timestamp()}


def _event(pipeline: Pipeline, found: HourContent, known: str | None, bucket: str) -> AssetMaterialization:
    said = f"{found.objects} objects, {found.size} bytes"
    metadata: dict[str, Any] = {
        "objects": found.objects,
        "bytes": found.size,
    }
    if found.objects:
        places = [f"s3://{bucket}/{prefix}{hour_prefix(found.hour)}" for prefix in found.first_written]
        metadata |= {"newest_object": MetadataValue.timestamp(found.newest), "uri": listed(places)}
    if gone := max(objects_of(known) - found.objects, 0):
        metadata[OBJECTS_GONE] = gone
        said += f"; at least {gone} are gone that were there"
    return AssetMaterialization(
        asset_key(pipeline, NAME),
        partition=partition_key(found.hour),
        description=said,
        metadata=metadata,
        tags={DATA_VERSION_TAG: found.fingerprint},
    )


def losses(events: Iterable[AssetMaterialization]) -> str:
    """Say which of some hours lost objects, and what to do; empty: none did.

    Args:
        events: What `arrival_events` returns.
    """
    lost = ((event.partition, event.metadata.get(OBJECTS_GONE)) for event in events)
    hours = [f"{hour} ({gone.value})" for hour, gone in lost if gone]
    return (
        f"raw objects are gone that were there: {listed(hours)}: unless they expired or were erased, somebody deleted "
        "them, and with them changes that the views were made of: docs/repair.md says what can be done"
        if hours
        else ""
    )
