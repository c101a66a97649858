"""Whether the table's changes are captured, as far as we see it, and which baselines that leaves standing."""

from __future__ import annotations

from datetime import datetime

from ddb_pipeline.baselines import moment_of
from ddb_pipeline.baselines.captures import Capture, next_capture
from ddb_pipeline.baselines.records import Manifest
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.resources.aws import Deployment

_SURE_AFTER_US = 600_000_000
"""How long after it became active a destination is trusted to have missed nothing, where the margin is not shorter."""


def observe(deployment: Deployment, now: datetime) -> Capture:
    """Look at table and destination, and remember what was seen.

    Args:
        deployment: The pipeline on its stage.
        now: The time.
    """
    store = deployment.baselines
    known = store.capture()
    capture = next_capture(known, deployment.table_export.look(now))
    if capture != known:
        store.note_capture(capture)
    return capture


def require_active(deployment: Deployment, capture: Capture) -> None:
    """Refuse a baseline of a table whose changes go nowhere.

    Raises:
        PipelineError: The streaming destination is not active.
    """
    if not capture.active:
        raise PipelineError(
            f"the streaming destination of table {deployment.names.table} is not active, so its changes are lost: "
            f"enable it (stream {deployment.names.change_stream}), then make a baseline from an export"
        )


def require_settled(capture: Capture, moment_us: int, margin_us: int) -> None:
    """Refuse an export of a moment at which the destination had only just become active.

    What changed before then is in the export, what changed after is in the stream; around that moment a change may be
    in neither.

    Raises:
        PipelineError: The moment is too early; the message says when the job may run.
    """
    settled_us = capture.active_since_us + min(margin_us, _SURE_AFTER_US)
    if moment_us < settled_us:
        raise PipelineError(
            f"the streaming destination was first seen active at {moment_of(capture.active_since_us):%Y-%m-%d %H:%M:%S}"
            f" UTC, and an export is safe from {moment_of(settled_us + 999_999):%H:%M:%S} UTC on: run the job again "
            "then"
        )


def complaint(deployment: Deployment, capture: Capture, manifest: Manifest | None) -> str | None:
    """Say why the newest baseline does not stand; None: it does.

    Args:
        deployment: The pipeline on its stage.
        capture: What was seen just now.
        manifest: The newest baseline of the table; None: there is none yet.
    """
    heal = (
        f"run {deployment.pipeline.name}_baseline"
        if deployment.pipeline.baseline == "export"
        else 'set baseline = "export", deploy, and run the job: only an export of the table heals it'
    )
    if not capture.active:
        return f"the table's streaming destination is not active: changes are being lost: enable it, then {heal}"
    if manifest is not None and manifest.capture != capture.number:
        seen = f"{moment_of(capture.active_since_us):%Y-%m-%d %H:%M:%S} UTC"
        gap = capture.gap or "what was known of the capture of changes is gone"
        return f"{gap} (seen at {seen}), so baseline {manifest.baseline_id} may lack changes: {heal}"
    if manifest is None and capture.number > 1 and deployment.pipeline.baseline == "export":
        return f"{capture.gap}, and no baseline was made since: items and changes may be missing: {heal}"
    return None
