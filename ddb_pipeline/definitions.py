"""What Dagster loads: the table of contents.

Everything is built by functions of one `Pipeline` and merged into one code location. Loading calls no AWS and needs
no environment; a configured stage only decides how the definitions start out (names shown, sensors on or off).
"""

from __future__ import annotations

import logging
from functools import cache

from dagster import AssetSelection, Definitions, define_asset_job, definitions, in_process_executor

from ddb_pipeline.assets.baseline import baseline_assets
from ddb_pipeline.assets.change_table import NAME as CHANGE_TABLE
from ddb_pipeline.assets.change_table import change_table_asset
from ddb_pipeline.assets.common import LIMITED_RUN, asset_key
from ddb_pipeline.assets.failed_deliveries import failed_deliveries_asset
from ddb_pipeline.assets.item_attributes import item_attributes_asset
from ddb_pipeline.assets.raw_changes import raw_changes_asset
from ddb_pipeline.assets.source import source_assets
from ddb_pipeline.assets.views import view_assets
from ddb_pipeline.checks import baseline_check_keys, pipeline_checks, upstream_check_keys
from ddb_pipeline.declaration import Declaration, Pipeline, Stage, load_declaration
from ddb_pipeline.errors import SettingsError
from ddb_pipeline.refreshes import baseline_job_name, refresh_job_name
from ddb_pipeline.repair.job import repair_job
from ddb_pipeline.replay_job import replay_job
from ddb_pipeline.resources.aws import PipelineAwsResource
from ddb_pipeline.resources.settings import read_settings
from ddb_pipeline.run_failures.notifiers import TopicNotifier
from ddb_pipeline.schedules import pipeline_schedules
from ddb_pipeline.sensors.arrivals import arrivals_sensor
from ddb_pipeline.sensors.deliveries import deliveries_sensor
from ddb_pipeline.sensors.failures import failure_sensor
from ddb_pipeline.sensors.left_out import left_out_sensor

_LOG = logging.getLogger(__name__)


def build_definitions(declaration: Declaration) -> Definitions:
    """Return the definitions of all pipelines of a declaration."""
    stage = _configured_stage(declaration)
    resources = {
        "aws": PipelineAwsResource(declaration_file=str(declaration.path)),
        # another notifier here tells other people of runs that failed
        "notifier": TopicNotifier(declaration_file=str(declaration.path)),
    }
    pipelines = [_pipeline_definitions(pipeline, declaration, stage) for pipeline in declaration.pipelines.values()]
    # the steps do little but wait for AWS: a process for each would cost more than what it does
    common = Definitions(
        resources=resources,
        executor=in_process_executor,
        sensors=[
            failure_sensor(declaration, stage.automation if stage else "running"),
            *([left_out_sensor(declaration)] if declaration.left_out else []),
        ],
    )
    return Definitions.merge(common, *pipelines)


def _pipeline_definitions(pipeline: Pipeline, declaration: Declaration, stage: Stage | None) -> Definitions:
    stage_name = stage.name if stage else None
    # without a stage: on, so that a stage configured later works at once; until then each tick skips
    automation = stage.automation if stage else "running"
    quickest = min((declared.arrivals_interval_seconds for declared in declaration.stages.values()), default=30)
    downstream = AssetSelection.assets(asset_key(pipeline, CHANGE_TABLE)).downstream() | AssetSelection.checks(
        *upstream_check_keys(pipeline)
    )
    arrivals_seconds = stage.arrivals_interval_seconds if stage else quickest
    # its checks run in each refresh; making it has a job of its own
    baseline = baseline_assets(pipeline, stage_name)
    refreshed = (downstream - AssetSelection.assets(*baseline)) | AssetSelection.checks(*baseline_check_keys(pipeline))
    return Definitions(
        assets=[
            *source_assets(pipeline),
            raw_changes_asset(pipeline),
            failed_deliveries_asset(pipeline),
            change_table_asset(pipeline, stage_name),
            item_attributes_asset(pipeline),
            *baseline,
            *view_assets(pipeline, stage_name, stage.automation if stage else "stopped"),
        ],
        asset_checks=pipeline_checks(pipeline),
        jobs=[
            replay_job(pipeline),
            define_asset_job(
                refresh_job_name(pipeline),
                selection=refreshed if baseline else downstream,
                tags=LIMITED_RUN,
                description="Crawls when an hour is not in the catalog, checks the change table, looks for attributes, "
                "refreshes the views.",
            ),
            *(
                [
                    define_asset_job(
                        baseline_job_name(pipeline),
                        selection=downstream,
                        description="Makes a baseline after a crawl, and views that start from it.",
                    )
                ]
                if baseline
                else []
            ),
            repair_job(pipeline),
        ],
        sensors=[
            arrivals_sensor(pipeline, arrivals_seconds, automation),
            deliveries_sensor(pipeline, arrivals_seconds, automation),
        ],
        schedules=pipeline_schedules(pipeline, automation),
    )


def _configured_stage(declaration: Declaration) -> Stage | None:
    """The stage that is configured now, if it is a declared one; runs and ticks say what is wrong otherwise."""
    try:
        return declaration.stages.get(read_settings(declaration.path.parent).stage)
    except SettingsError:
        return None


@definitions
def defs() -> Definitions:
    """Return what `workspace.yaml` loads: all pipelines of `pipeline.toml` that are right."""
    return _loaded()


@cache
def _loaded() -> Definitions:
    """Dagster asks a process for its definitions twice; a reload is another process."""
    declaration = load_declaration(leave_out_wrong=True)
    for error in declaration.left_out.values():
        _LOG.warning("left out until it is right and the definitions are reloaded: %s", error)
    return build_definitions(declaration)
