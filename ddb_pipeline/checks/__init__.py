"""Asset checks: what must hold before the views may be trusted, each failure with what to do about it.

docs/checks.md tells each of them.
"""

from dagster import AssetCheckKey, AssetChecksDefinition

from ddb_pipeline.checks.baselines import baseline_check_keys, baseline_checks
from ddb_pipeline.checks.change_table import hours_check, schema_check
from ddb_pipeline.checks.columns import fit_check, fit_check_key
from ddb_pipeline.checks.deliveries import delivered_check_key, delivery_checks, failed_check_key
from ddb_pipeline.checks.gone_hours import gone_hours_check, gone_hours_check_key
from ddb_pipeline.checks.one_row import items_check, items_check_key
from ddb_pipeline.checks.problems import problems_check, problems_check_key
from ddb_pipeline.checks.repeats import repeats_check, repeats_check_key
from ddb_pipeline.checks.state import state_check, state_check_key
from ddb_pipeline.declaration import Pipeline

__all__ = [
    "baseline_check_keys",
    "pipeline_checks",
    "scanning_check_keys",
    "upstream_check_keys",
]


def pipeline_checks(pipeline: Pipeline) -> list[AssetChecksDefinition]:
    """Return the checks of a pipeline."""
    return [
        hours_check(pipeline),
        schema_check(pipeline),
        repeats_check(pipeline),
        items_check(pipeline),
        state_check(pipeline),
        problems_check(pipeline),
        fit_check(pipeline),
        *([gone_hours_check(pipeline)] if pipeline.baseline == "none" else []),
        *delivery_checks(pipeline),
        *baseline_checks(pipeline),
    ]


def scanning_check_keys(pipeline: Pipeline) -> list[AssetCheckKey]:
    """Return the keys of the checks that scan data, so that a schedule can ask for them; baselines have their own."""
    keys = [repeats_check_key, items_check_key, state_check_key, problems_check_key, fit_check_key]
    if pipeline.baseline == "none":
        keys.append(gone_hours_check_key)
    return [key(pipeline) for key in keys]


def upstream_check_keys(pipeline: Pipeline) -> list[AssetCheckKey]:
    """Return the keys of the checks of what stands before the change table: each refresh asks for them, too."""
    return [failed_check_key(pipeline), delivered_check_key(pipeline)]
