"""Whether the newest baseline stands: what the asset checks and `ddb-pipeline check` say of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ddb_pipeline.arrivals import listed, partition_key
from ddb_pipeline.baseline_making.late import LateChanges
from ddb_pipeline.baselines import moment_of
from ddb_pipeline.baselines.choice import expired_too_early
from ddb_pipeline.baselines.records import Manifest
from ddb_pipeline.resources.aws import Deployment


def too_late(deployment: Deployment, manifest: Manifest, late: LateChanges) -> str | None:
    """Say which changes a baseline lacks; None: none.

    Args:
        deployment: The pipeline on its stage.
        manifest: The newest baseline.
        late: The changes that came too late for it.
    """
    if not late.changes:
        return None
    # an export lacks nothing from before its cut, but what came since into an hour that was over long ago is not read
    when = "since" if manifest.source == "export" else "from before"
    return (
        f"{late.changes} changes {when} {moment_of(manifest.cut_us):%Y-%m-%d %H:%M:%S} UTC came too late for "
        f"baseline {manifest.baseline_id}, so the views lack them; the oldest is of "
        f"{moment_of(late.oldest_us or 0):%Y-%m-%d %H:%M:%S}: the next baseline heals it (run "
        f"{deployment.pipeline.name}_baseline); if this comes back, raise baseline_margin_seconds"
    )


def expired_hours(deployment: Deployment, manifest: Manifest | None) -> Sequence[datetime]:
    """Return the hours that are gone from S3 though the views read them, oldest first.

    Args:
        deployment: The pipeline on its stage.
        manifest: The newest baseline; None: there is none yet.
    """
    return expired_too_early(manifest, deployment.baselines.capture(), deployment.hours_gone())


def expired(manifest: Manifest | None, gone: Sequence[datetime]) -> str | None:
    """Say which hours are gone though the views read them; None: none.

    Args:
        manifest: The newest baseline; None: there is none yet.
        gone: The hours.
    """
    if not gone:
        return None
    bound = f"baseline {manifest.baseline_id} does not bridge" if manifest else "no baseline bridges"
    return (
        f"gone from S3 though the views read them: {listed([partition_key(hour) for hour in gone], 20)}; "
        f"{bound} them: only an export of the table still holds what they said: make a baseline with "
        'baseline = "export", and let baselines be made more often than raw_retention_days'
    )


def damaged(deployment: Deployment, manifest: Manifest) -> str | None:
    """Say that files of a baseline are not those that were verified; None: they are.

    Args:
        deployment: The pipeline on its stage.
        manifest: The newest baseline.
    """
    if deployment.baselines.files(manifest.baseline_id) == manifest.files:
        return None
    return (
        f"files of baseline {manifest.baseline_id} were changed or deleted: run {deployment.pipeline.name}_baseline, "
        "which makes another from one that is whole"
    )
