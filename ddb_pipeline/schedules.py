"""The schedules: an hourly refresh as the safety net beside the arrivals sensor, daily views, and baselines."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from dagster import (
    DefaultScheduleStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from ddb_pipeline.assets.common import MEASURE_TAG, asset_key
from ddb_pipeline.assets.item_attributes import NAME as ITEM_ATTRIBUTES
from ddb_pipeline.assets.projected_hours import decide_refresh
from ddb_pipeline.checks import baseline_check_keys, scanning_check_keys
from ddb_pipeline.declaration import Automation, Pipeline
from ddb_pipeline.refreshes import baseline_job_name, recent, refresh_job_name
from ddb_pipeline.resources.aws import PipelineAwsResource
from ddb_pipeline.resources.tick_limit import READING_SECONDS
from ddb_pipeline.survey import survey
from ddb_pipeline.ticks import ticked
from ddb_pipeline.view_sql import views

_PAGES = 40
"""How many pages of LIST a tick may spend on what hours hold."""


def pipeline_schedules(pipeline: Pipeline, automation: Automation) -> list[ScheduleDefinition]:
    """Return the schedules of a pipeline.

    Args:
        pipeline: The pipeline.
        automation: Whether the schedules are on when Dagster first loads them.
    """
    status = DefaultScheduleStatus.RUNNING if automation == "running" else DefaultScheduleStatus.STOPPED
    schedules = [_crawl_schedule(pipeline, status), _views_schedule(pipeline, status)]
    return schedules if pipeline.baseline == "none" else [*schedules, _baseline_schedule(pipeline, status)]


def _crawl_schedule(pipeline: Pipeline, status: DefaultScheduleStatus) -> ScheduleDefinition:
    @schedule(
        name=f"{pipeline.name}_crawl",
        job_name=refresh_job_name(pipeline),
        cron_schedule=pipeline.crawl_schedule,
        execution_timezone="UTC",
        default_status=status,
        description="Launches the refresh when the catalog lacks an hour that the arrivals sensor missed.",
    )
    def crawl(context: ScheduleEvaluationContext, aws: PipelineAwsResource) -> RunRequest | SkipReason:
        now, until = datetime.now(UTC), time.monotonic() + READING_SECONDS

        def work() -> RunRequest | SkipReason:
            with aws.deployment(pipeline.name, hurried=True) as deployment:
                # older hours: the sensor's rounds come by them, and a run by hand compares all
                found = survey(deployment, recent(now), pages=_PAGES, out_of_time=lambda: time.monotonic() > until)
                # an hour too large to be read to its end is one that has begun all the same
                decision = decide_refresh(context.instance, deployment, found.lacking, found.begun.values(), now)
            if decision.run_key is None:
                return SkipReason(decision.reason)
            return RunRequest(run_key=decision.run_key, tags=decision.tags)

        return ticked(f"{pipeline.name}_crawl", work)

    return crawl


def _baseline_schedule(pipeline: Pipeline, status: DefaultScheduleStatus) -> ScheduleDefinition:
    @schedule(
        name=f"{pipeline.name}_baseline",
        job_name=baseline_job_name(pipeline),
        cron_schedule=pipeline.baseline_schedule,
        execution_timezone="UTC",
        default_status=status,
        description="Makes a baseline.",
    )
    def make_baseline(context: ScheduleEvaluationContext, aws: PipelineAwsResource) -> RunRequest | SkipReason:
        def request() -> RunRequest:
            return RunRequest(run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}", tags={MEASURE_TAG: "daily"})

        return _if_ready(aws, pipeline, f"{pipeline.name}_baseline", request)

    return make_baseline


def _views_schedule(pipeline: Pipeline, status: DefaultScheduleStatus) -> ScheduleDefinition:
    @schedule(
        name=f"{pipeline.name}_views",
        job_name=refresh_job_name(pipeline),
        cron_schedule=pipeline.views_schedule,
        execution_timezone="UTC",
        default_status=status,
        description='Re-creates views whose SQL changed, and measures those of a stage with measure = "daily".',
    )
    def refresh_views(context: ScheduleEvaluationContext, aws: PipelineAwsResource) -> RunRequest | SkipReason:
        def request() -> RunRequest:
            names = [view.name for view in views(pipeline)]
            return RunRequest(
                run_key=f"{context.scheduled_execution_time:%Y-%m-%dT%H:%M}",
                asset_selection=[asset_key(pipeline, name) for name in (ITEM_ATTRIBUTES, *names)],
                asset_check_keys=[*scanning_check_keys(pipeline), *baseline_check_keys(pipeline)],
                tags={MEASURE_TAG: "daily"},
            )

        return _if_ready(aws, pipeline, f"{pipeline.name}_views", request)

    return refresh_views


def _if_ready(
    aws: PipelineAwsResource, pipeline: Pipeline, schedule_name: str, request: Callable[[], RunRequest]
) -> RunRequest | SkipReason:
    """Ask for a run if it could do anything; else say what is missing."""

    def work() -> RunRequest:
        with aws.deployment(pipeline.name, hurried=True):
            return request()

    return ticked(schedule_name, work)
