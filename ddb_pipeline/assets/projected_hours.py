"""Whether a refresh is wanted: of hours that the catalog lacks, and of projected hours that no refresh has seen yet.

Where a crawler registers hours, the catalog says which of them want a refresh. Projected hours are in the views as soon
as they are in S3; still their attributes are to become columns, and a table that begins to fill is to be read. So each
refresh notes the newest hour that it saw of each table, and an hour after that asks for another one.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from dagster import DagsterInstance, JsonMetadataValue, MetadataValue

from ddb_pipeline.arrivals import HourContent, by_prefix, hour_of_key, partition_key
from ddb_pipeline.assets.common import asset_key
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.refreshes import CRAWLED, Decision, asked_for_in_vain, attempts, decide, recent
from ddb_pipeline.resources.aws import Deployment

_REFRESHED = "seen by a refresh"
"""What a projected hour is when it wants nothing more, as sensor and schedule say it."""
NEWEST_HOURS = "newest_hours"
"""Metadata of the change table: the newest hour that was seen below each prefix of raw objects."""


def decide_refresh(
    instance: DagsterInstance,
    deployment: Deployment,
    lacking: Collection[datetime],
    contents: Iterable[HourContent],
    now: datetime,
) -> Decision:
    """Return whether a refresh is to be requested, and why.

    Args:
        instance: Dagster's instance, which knows the runs before.
        deployment: The pipeline on its stage.
        lacking: Hours that the catalog lacks.
        contents: Hours as they are in S3.
        now: The time.
    """
    catalog, latest = deployment.catalog, attempts(instance, deployment.pipeline)
    # a tick meets some of the hours that are lacking, so of those that runs failed of it is asked besides
    absent = catalog.absent(asked_for_in_vain(latest))
    if not catalog.is_projected:
        return decide(sorted(lacking), latest, now, absent=absent)
    new = unseen(instance, deployment.pipeline, contents, now)
    return decide(sorted({*lacking, *new}), latest, now, absent=absent, wanted=_REFRESHED)


def seen(hours: Mapping[str, Iterable[datetime]], now: datetime) -> MetadataValue:
    """Return what a refresh notes of the hours that it saw.

    Args:
        hours: Hours by prefix. Those that have not begun are left out: they would hide all until then.
        now: The time.
    """
    newest = {prefix: max((hour for hour in found if hour <= now), default=None) for prefix, found in hours.items()}
    return MetadataValue.json({prefix: partition_key(hour) for prefix, hour in newest.items() if hour is not None})


def unseen(
    instance: DagsterInstance, pipeline: Pipeline, contents: Iterable[HourContent], now: datetime
) -> tuple[datetime, ...]:
    """Return hours that are newer than all that the last refresh saw of their table, oldest first.

    Args:
        instance: Dagster's instance, whose event log holds what the refresh noted.
        pipeline: The pipeline.
        contents: Hours as they are in S3.
        now: The time.
    """
    newest = _noted(instance, pipeline)
    # a refresh looks no further back, so of older hours it notes nothing
    first = recent(now).first or now
    return tuple(
        sorted(
            {
                hour
                for prefix, hours in by_prefix(contents).items()
                for hour in hours
                if first <= hour <= now and (prefix not in newest or hour > newest[prefix])
            }
        )
    )


def _noted(instance: DagsterInstance, pipeline: Pipeline) -> dict[str, datetime]:
    event = instance.get_latest_materialization_event(asset_key(pipeline, CRAWLED))
    materialization = event.asset_materialization if event else None
    value = materialization.metadata.get(NEWEST_HOURS) if materialization else None
    noted = value.data if isinstance(value, JsonMetadataValue) else None
    return {str(prefix): hour_of_key(str(key)) for prefix, key in noted.items()} if isinstance(noted, dict) else {}
