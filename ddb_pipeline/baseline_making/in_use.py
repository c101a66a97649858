"""The baseline that the views start from: which it is to be, and which it is."""

from __future__ import annotations

from collections.abc import Iterable

from ddb_pipeline.baselines import Baseline
from ddb_pipeline.baselines.choice import newest
from ddb_pipeline.baselines.records import Manifest
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.view_sql import views


def baseline_in_use(deployment: Deployment) -> Baseline | None:
    """Return the newest verified baseline of the table, which is in the catalog afterwards; None: there is none.

    Args:
        deployment: The pipeline on its stage.
    """
    if deployment.pipeline.baseline == "none":
        return None
    store = deployment.baselines
    manifest = newest(store.manifests())
    if manifest is None:
        return None
    if manifest.baseline_id not in store.registered():
        # a run broke off between the two; the view would find no rows
        store.register_manifests()
    return manifest.baseline


def ids_in_views(deployment: Deployment, manifests: Iterable[Manifest]) -> set[str]:
    """Return the ids of those baselines that the views read as they stand in the catalog.

    Args:
        deployment: The pipeline on its stage.
        manifests: The baselines that are asked about.
    """
    texts = [deployment.catalog.view_text(view.name) for view in views(deployment.pipeline)]
    return {found.baseline_id for found in manifests if any(found.baseline_id in text for text in texts)}
