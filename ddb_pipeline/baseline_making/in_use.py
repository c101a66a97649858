"""The baseline that the views start from."""

from __future__ import annotations

from ddb_pipeline.baselines import Baseline
from ddb_pipeline.baselines.choice import newest
from ddb_pipeline.resources.aws import Deployment


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
