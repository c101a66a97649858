"""Jobs and ticks as Dagster runs them, without the work that a test does not ask about."""

from __future__ import annotations

from dagster import (
    AssetKey,
    DagsterInstance,
    JobDefinition,
    RepositoryDefinition,
    SensorResult,
    build_sensor_context,
)

from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.view_sql import STATE_VIEW, views


def with_the_state_alone(loaded: RepositoryDefinition, name: str, pipeline: Pipeline) -> JobDefinition:
    """A job of a pipeline with its checks and all its steps, save the views that are not the state's.

    Each view that is made and measured costs most of a second of a test.

    Args:
        loaded: Where the job is defined.
        name: Name of the job.
        pipeline: Its pipeline.
    """
    job = loaded.get_job(name)
    left_out = {AssetKey([pipeline.name, view.name]) for view in views(pipeline) if view.name != STATE_VIEW}
    layer = job.asset_layer
    subset = job.get_subset(
        asset_selection={key for key in layer.selected_asset_keys if key not in left_out},
        asset_check_selection={key for key in layer.asset_graph.asset_check_keys if key.asset_key not in left_out},
    )
    assert isinstance(subset, JobDefinition)
    return subset


def sensor_tick(
    loaded: RepositoryDefinition, instance: DagsterInstance, sensor: str, cursor: str | None = None
) -> SensorResult:
    """One tick of a sensor; what it reports is in the event log afterwards, as with the daemon.

    Args:
        loaded: Where the sensor is defined.
        instance: Dagster's instance.
        sensor: Name of the sensor.
        cursor: What the tick before left.
    """
    context = build_sensor_context(
        instance, cursor=cursor, repository_def=loaded, resources=loaded.get_top_level_resources()
    )
    result = loaded.get_sensor_def(sensor)(context)
    assert isinstance(result, SensorResult), result
    for event in result.asset_events:
        instance.report_runless_asset_event(event)
    return result
