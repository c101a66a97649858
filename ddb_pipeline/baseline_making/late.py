"""Changes that are in no view of the state, because they arrived too late for the newest baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ddb_pipeline.arrivals import CLOCKS, hour_of, longest_delivery
from ddb_pipeline.baseline_making.sql import late_keys_statement, late_objects_statement
from ddb_pipeline.baselines import moment_of
from ddb_pipeline.baselines.records import Manifest
from ddb_pipeline.resources.aws import Deployment

KEYS_SHOWN = 20
_OBJECTS_NAMED = 200


@dataclass(frozen=True)
class LateChanges:
    """Changes in raw objects that were stored after a baseline was made, which neither it nor what is read since has.

    Of a snapshot these are the changes from before its cut. An export holds the table, so it lacks none of these; but
    changes since its cut may lie in an hour that is not read any more.

    Attributes:
        changes: How many; repeats count.
        oldest_us: When the oldest of them was made, epoch microseconds; None if there is none.
        keys: Some of the items: item key, time of its oldest late change, that change's event id.
        bytes_scanned: What it took to find out.
    """

    changes: int = 0
    oldest_us: int | None = None
    keys: tuple[tuple[str, int, str], ...] = ()
    bytes_scanned: int = 0


def late_changes(deployment: Deployment, manifest: Manifest) -> LateChanges:
    """Find the changes that came too late for a baseline.

    S3 tells which raw objects were stored after its making began; only where there are such is Athena asked, about
    these. What an erasure wrote again was there before.

    Args:
        deployment: The pipeline on its stage.
        manifest: The baseline.
    """
    # Objects of the last moments before are looked at again. Half of what has passed since the cut at most: what they
    # hold from before the cut was late by that much, at least.
    passed = timedelta(microseconds=max(0, manifest.read_at_us - manifest.cut_us))
    allowance = min(CLOCKS, passed / 2)
    since = moment_of(manifest.read_at_us) - allowance
    stored = deployment.raw_bucket.stored_since(
        hour_of(since - longest_delivery(deployment.stage.stream_retention_hours)), since
    )
    end_hour = manifest.baseline.first_hour if manifest.source == "export" else None
    if end_hour:
        stored = {hour: addresses for hour, addresses in stored.items() if hour < end_hour}
    if not stored:
        return LateChanges()
    names = deployment.names
    where: dict[str, Any] = {
        "cut_us": manifest.cut_us,
        "first_hour": min(stored),
        "last_hour": max(stored),
        "holds_earlier": end_hour is None,
        "other_change_table": deployment.other_change_table,
    }
    new = sorted(set().union(*stored.values()))
    found = deployment.athena.execute(late_objects_statement(names, **where, paths=new))
    held = {str(path): (int(changes), int(oldest_us)) for path, changes, oldest_us in found.rows}
    late: Sequence[tuple[str, int, int]] = [
        (path, *held[path]) for path in deployment.raw_bucket.new_since([path for path in new if path in held], since)
    ]
    if not late:
        return LateChanges(bytes_scanned=found.data_scanned_in_bytes)
    keys = deployment.athena.execute(
        late_keys_statement(
            names,
            **where,
            # a statement has 262,144 bytes at most; the oldest are those that matter
            paths=[path for path, _, _ in sorted(late, key=lambda found: found[2])[:_OBJECTS_NAMED]],
            limit=KEYS_SHOWN,
        )
    )
    return LateChanges(
        changes=sum(changes for _, changes, _ in late),
        oldest_us=min(oldest_us for _, _, oldest_us in late),
        keys=tuple((str(key), int(changed_at_us), str(event_id)) for key, changed_at_us, event_id in keys.rows),
        bytes_scanned=found.data_scanned_in_bytes + keys.data_scanned_in_bytes,
    )
