"""The repair of one pipeline, from its tables to its views."""

from __future__ import annotations

from collections.abc import Callable

from ddb_pipeline.repair.catalog import CatalogRepair
from ddb_pipeline.repair.findings import Outcome, go_through
from ddb_pipeline.repair.views import ViewRepair
from ddb_pipeline.resources.aws import PipelineAwsResource


def repair(
    aws: PipelineAwsResource,
    pipeline_name: str,
    *,
    dry_run: bool,
    every_view: bool = False,
    note: Callable[[Outcome], None],
    progress: Callable[[str], None],
) -> list[Outcome]:
    """Look at everything that a pipeline has in the catalog, and mend what is wrong. Harmless when repeated.

    Nothing is deleted but partitions of baselines that are not there, and nothing in S3 is written but the memory of
    attributes, when it is gone.

    Args:
        aws: Finds the pipeline on its stage.
        pipeline_name: Name of the pipeline.
        dry_run: Only look: nothing is written, and nothing scanned.
        every_view: Make every view again, also those that nothing seems to be wrong with.
        note: Takes each outcome as soon as it is there.
        progress: Takes lines about how far a long step is.

    Returns:
        What was found, in the order in which it was looked for.

    Raises:
        PipelineError: There is no way to AWS or no stack, or something could not be mended.
    """
    with aws.deployment(pipeline_name) as deployment:
        catalog = CatalogRepair(deployment, progress)
        seen = ViewRepair(deployment, aws, every_view)
        looks = [catalog.tables, catalog.hours, catalog.baselines, catalog.gone, seen.columns, seen.views]
        return go_through(looks, dry_run=dry_run, note=note)
