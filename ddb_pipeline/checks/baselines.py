"""Asset checks of baselines: what must hold so that a view may leave out what came before."""

from datetime import UTC, datetime
from typing import Any

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    MetadataValue,
    TableRecord,
    asset_check,
)

from ddb_pipeline.assets.baseline import NAME as BASELINE
from ddb_pipeline.assets.change_table import NAME as CHANGE_TABLE
from ddb_pipeline.assets.common import RETRY_TRANSIENT, asset_key, failing_plainly
from ddb_pipeline.baseline_making.capture import complaint, observe
from ddb_pipeline.baseline_making.in_use import ids_in_views
from ddb_pipeline.baseline_making.late import late_changes
from ddb_pipeline.baseline_making.standing import damaged, expired, expired_hours, too_late
from ddb_pipeline.baselines import moment_of
from ddb_pipeline.baselines.choice import newest
from ddb_pipeline.checks.scanning import scanning_check
from ddb_pipeline.checks.verdict import Verdict
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource

LATE_CHECK = "no_change_came_too_late_for_the_baseline"
CAPTURE_CHECK = "changes_are_captured_since_the_baseline"
EXPIRY_CHECK = "no_hour_expired_that_is_still_read"
DATA_CHECK = "baseline_is_what_was_verified"


def baseline_checks(pipeline: Pipeline) -> list[AssetChecksDefinition]:
    """Return the checks of a pipeline's baselines, if it has some. Each refresh runs them, too."""
    if pipeline.baseline == "none":
        return []
    return [_late_check(pipeline), _capture_check(pipeline), _expiry_check(pipeline), _data_check(pipeline)]


def baseline_check_keys(pipeline: Pipeline) -> list[AssetCheckKey]:
    """Return the keys of the checks, so that the refresh can ask for them without making a baseline."""
    names = [] if pipeline.baseline == "none" else [LATE_CHECK, CAPTURE_CHECK, EXPIRY_CHECK, DATA_CHECK]
    return [AssetCheckKey(asset_key(pipeline, BASELINE), name) for name in names]


def _late_check(pipeline: Pipeline) -> AssetChecksDefinition:
    return scanning_check(
        pipeline,
        AssetCheckKey(asset_key(pipeline, BASELINE), LATE_CHECK),
        "No change from before the newest baseline's cut arrived after the baseline was made: it would be in no view "
        "of the state. Scans data: follows `measure` of the stage, except when it is asked for by itself.",
        _judge_late,
        deps=[asset_key(pipeline, CHANGE_TABLE)],
    )


def _judge_late(_context: AssetCheckExecutionContext, deployment: Deployment) -> Verdict:
    manifest = newest(deployment.baselines.manifests())
    if manifest is None:
        return Verdict(None, {"baseline_id": "none yet"})
    late = late_changes(deployment, manifest)
    metadata: dict[str, Any] = {
        "baseline_id": manifest.baseline_id,
        "late_changes": late.changes,
        "bytes_scanned": late.bytes_scanned,
    }
    if late.changes:
        metadata["items"] = MetadataValue.table(
            [
                TableRecord({"item_key": item, "changed_at": moment_of(changed).isoformat(), "event_id": event})
                for item, changed, event in late.keys
            ]
        )
    return Verdict(too_late(deployment, manifest, late), metadata)


def _capture_check(pipeline: Pipeline) -> AssetChecksDefinition:
    @asset_check(
        asset=asset_key(pipeline, BASELINE),
        name=CAPTURE_CHECK,
        additional_deps=[asset_key(pipeline, CHANGE_TABLE)],
        description="The table streams its changes, and has done so without a gap since the newest baseline, as far "
        "as the refreshes saw it. What is seen is remembered: AWS tells only how things are now.",
        retry_policy=RETRY_TRANSIENT,
    )
    def changes_are_captured(aws: PipelineAwsResource) -> AssetCheckResult:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            capture = observe(deployment, datetime.now(UTC))
            said = complaint(deployment, capture, newest(deployment.baselines.manifests()))
        return AssetCheckResult(
            passed=said is None,
            description=said,
            metadata={
                "capture": capture.number,
                "active": capture.active,
                "first_seen_active": MetadataValue.timestamp(moment_of(capture.active_since_us)),
                "table_id": capture.table_id,
            },
        )

    return changes_are_captured


def _expiry_check(pipeline: Pipeline) -> AssetChecksDefinition:
    @asset_check(
        asset=asset_key(pipeline, BASELINE),
        name=EXPIRY_CHECK,
        additional_deps=[asset_key(pipeline, CHANGE_TABLE)],
        description="Every hour of the catalog that the views of the state read is still in S3.",
        retry_policy=RETRY_TRANSIENT,
    )
    def no_hour_expired(aws: PipelineAwsResource) -> AssetCheckResult:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            manifest = newest(deployment.baselines.manifests())
            gone = expired_hours(deployment, manifest)
            metadata: dict[str, Any] = {"hours_gone": len(gone)}
            if deployment.catalog.is_projected:
                metadata = {"not_applicable": "partitions are projected: no catalog tells which hours there were"}
        return AssetCheckResult(passed=not gone, description=expired(manifest, gone), metadata=metadata)

    return no_hour_expired


def _data_check(pipeline: Pipeline) -> AssetChecksDefinition:
    @asset_check(
        asset=asset_key(pipeline, BASELINE),
        name=DATA_CHECK,
        description="The newest baseline is in the catalog, and its files are those that were verified.",
        retry_policy=RETRY_TRANSIENT,
    )
    def baseline_is_what_was_verified(aws: PipelineAwsResource) -> AssetCheckResult:
        with failing_plainly(), aws.deployment(pipeline.name) as deployment:
            store = deployment.baselines
            in_use = ids_in_views(deployment, store.manifests_of_all_tables())
            changed = (*store.register_manifests(), *store.hide_healed(in_use))
            manifest = newest(store.manifests())
            said = damaged(deployment, manifest) if manifest else None
        return AssetCheckResult(
            passed=said is None,
            description=said,
            metadata={
                "baseline_id": manifest.baseline_id if manifest else "none yet",
                "brought_to_the_manifests": ", ".join(changed) or "nothing",
            },
        )

    return baseline_is_what_was_verified
