"""The check that no hour of raw objects is gone, where there are no baselines: with them `checks.baselines` has one."""

from dagster import AssetCheckExecutionContext, AssetCheckKey, AssetChecksDefinition

from ddb_pipeline.arrivals import listed, partition_key
from ddb_pipeline.assets.change_table import NAME as CHANGE_TABLE
from ddb_pipeline.assets.common import asset_key
from ddb_pipeline.baselines.choice import expired_too_early
from ddb_pipeline.checks.scanning import scanning_check
from ddb_pipeline.checks.verdict import Verdict
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.resources.aws import Deployment

GONE_CHECK = "no_hour_is_gone_that_is_read"


def gone_hours_check_key(pipeline: Pipeline) -> AssetCheckKey:
    """Return the key of the check, so that a schedule can ask for it."""
    return AssetCheckKey(asset_key(pipeline, CHANGE_TABLE), GONE_CHECK)


def gone_hours_check(pipeline: Pipeline) -> AssetChecksDefinition:
    """Return the check that every hour of the catalog still has raw objects.

    A tick tells of a loss once, when it sees it. This one goes on failing: the views answer without those changes.
    """
    return scanning_check(
        pipeline,
        gone_hours_check_key(pipeline),
        "Every hour of the catalog still has raw objects in S3. Lists all hours: follows `measure` of the stage, "
        "except when it is asked for by itself.",
        _judge,
    )


def _judge(_context: AssetCheckExecutionContext, deployment: Deployment) -> Verdict:
    if deployment.catalog.is_projected:
        return Verdict(None, {"not_applicable": "partitions are projected: no catalog tells which hours there were"})
    gone = expired_too_early(None, deployment.baselines.capture(), deployment.hours_gone())
    if not gone:
        return Verdict(None, {"hours_gone": 0})
    return Verdict(
        f"gone from S3 though the views read them: {listed([partition_key(hour) for hour in gone], 20)}: somebody "
        "deleted these raw objects, and the views answer without the changes in them; an export of the table holds "
        f'what every item is now: set baseline = "export" of pipelines.{deployment.pipeline.name}, deploy, and run '
        f"{deployment.pipeline.name}_baseline (docs/repair.md); if they are meant to be gone, delete their partitions",
        {"hours_gone": len(gone)},
    )
