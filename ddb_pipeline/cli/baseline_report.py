"""What `ddb-pipeline check` says of baselines: the newest one, whether it stands, and what is to be done."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from ddb_pipeline.baseline_making.capture import complaint, observe
from ddb_pipeline.baseline_making.in_use import ids_in_views
from ddb_pipeline.baseline_making.late import late_changes
from ddb_pipeline.baseline_making.standing import damaged, expired, expired_hours, too_late
from ddb_pipeline.baselines import moment_of
from ddb_pipeline.baselines.choice import newest
from ddb_pipeline.baselines.records import Manifest
from ddb_pipeline.cron import longest_gap
from ddb_pipeline.declaration import Declaration, Pipeline
from ddb_pipeline.errors import PipelineError
from ddb_pipeline.resources.aws import Deployment, PipelineAwsResource

_BYTES_A_MEBIBYTE = 2**20


def baseline_sentences(declaration: Declaration, pipeline: Pipeline) -> list[str]:
    """Return what is to be said of a pipeline's baselines on the configured stage.

    Args:
        declaration: What pipeline.toml says.
        pipeline: One of its pipelines, which has baselines.
    """
    aws = PipelineAwsResource(declaration_file=str(declaration.path))
    try:
        with aws.deployment(pipeline.name) as deployment:
            return list(baseline_report(deployment, datetime.now(UTC)))
    except PipelineError as error:
        # the declaration is right all the same, and nobody need have deployed it
        return [f"baselines from {pipeline.baseline}s: not looked at: {error}"]


def baseline_report(deployment: Deployment, now: datetime) -> Iterator[str]:
    """Say how the newest baseline of a pipeline stands, and what is to be done: a sentence at a time.

    Args:
        deployment: The pipeline on its stage.
        now: The time, with a time zone.
    """
    pipeline = deployment.pipeline
    manifest = newest(deployment.baselines.manifests())
    late = late_changes(deployment, manifest) if manifest else None
    complaints = [
        said
        for said in (
            damaged(deployment, manifest) if manifest else None,
            complaint(deployment, observe(deployment, now), manifest),
            expired(manifest, expired_hours(deployment, manifest)),
            too_late(deployment, manifest, late) if manifest and late else None,
            _overdue(pipeline, manifest, now) if manifest else None,
            _not_read(deployment, manifest) if manifest else None,
        )
        if said
    ]
    if manifest is None:
        yield (
            f"there is no baseline of table {deployment.names.table} yet, so the views read all its changes: run "
            f"{pipeline.name}_baseline in Dagster, or leave it to its schedule ({pipeline.baseline_schedule})"
        )
    else:
        source = "an export of the table" if manifest.source == "export" else "a snapshot of our own state"
        yield (
            f"the newest baseline is {manifest.baseline_id}, verified: {manifest.rows} items, from {source} as of "
            f"{moment_of(manifest.as_of_us):%Y-%m-%d %H:%M:%S} UTC, {_told(now - moment_of(manifest.as_of_us))} ago"
        )
    if late and not late.changes:
        yield "no change came too late for it" + _cost(late.bytes_scanned)
    yield from complaints
    if manifest and not complaints:
        yield "nothing is to be done"


def _overdue(pipeline: Pipeline, manifest: Manifest, now: datetime) -> str | None:
    """Say that a schedule has missed its time; None: it has not, or has none that comes back within two years."""
    age, longest = now - moment_of(manifest.made_at_us), longest_gap(pipeline.baseline_schedule)
    if longest is None or age <= longest + timedelta(hours=1):
        return None
    return (
        f"it was made {_told(age)} ago, and the schedule ({pipeline.baseline_schedule}) makes one every "
        f"{_told(longest)} at least: see in Dagster whether {pipeline.name}_baseline is on, and what its last run says"
    )


def _not_read(deployment: Deployment, manifest: Manifest) -> str | None:
    """Say that the views do not start from a baseline; None: they do."""
    if ids_in_views(deployment, [manifest]):
        return None
    return f"the views do not start from it yet: run {deployment.pipeline.name}_refresh in Dagster"


def _told(span: timedelta) -> str:
    """A span of time, in its two largest units."""
    seconds = max(0, int(span.total_seconds()))
    sizes = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    first = next((place for place, (_, size) in enumerate(sizes) if seconds >= size), len(sizes) - 1)
    parts: list[str] = []
    for unit, size in sizes[first : first + 2]:
        number, seconds = divmod(seconds, size)
        if number or not parts:
            parts.append(f"{number} {unit}")
    return " ".join(parts)


def _cost(scanned: int) -> str:
    return f" ({scanned / _BYTES_A_MEBIBYTE:.2f} MiB scanned to find out)" if scanned else ""
