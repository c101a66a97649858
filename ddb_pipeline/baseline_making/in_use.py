"""The baseline that the views start from: which it is to be, and which it is."""

from __future__ import annotations

from ddb_pipeline.baselines import Baseline
from ddb_pipeline.baselines.choice import newest
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.view_sql import views


def baseline_in_use(deployment: Deployment) -> Baseline | None:
    """Return the newest verified baseline, which is in the catalog afterwards; None: the pipeline has none.

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


def ids_in_views(deployment: Deployment) -> set[str]:
    """Return the ids of the baselines that the views read as they stand in the catalog.

    Args:
        deployment: The pipeline on its stage.
    """
    texts = [deployment.catalog.view_text(view.name) for view in views(deployment.pipeline)]
    known = (found.baseline_id for found in deployment.baselines.manifests())
    return {baseline_id for baseline_id in known if any(baseline_id in text for text in texts)}
