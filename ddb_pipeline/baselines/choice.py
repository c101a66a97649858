"""Which baseline serves what: the newest, the one for a past moment, the parent of a snapshot. Pure.

Where nothing else is said, the baselines are those of the table that is streamed now.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from ddb_pipeline.baselines import first_hour_since
from ddb_pipeline.baselines.captures import Capture
from ddb_pipeline.baselines.records import Manifest


def newest(baselines: Iterable[Manifest]) -> Manifest | None:
    """Return the baseline of the latest moment; None if there is none."""
    return max(baselines, key=lambda found: (found.as_of_us, found.baseline_id), default=None)


def without_healed(baselines: Iterable[Manifest]) -> list[Manifest]:
    """Return the baselines that no other one was made to heal: a state may start from these."""
    known = list(baselines)
    healed = {lacking for found in known for lacking in found.heals}
    return [found for found in known if found.baseline_id not in healed]


def for_moment(baselines: Iterable[Manifest], moment_us: int) -> Manifest | None:
    """Return the newest baseline that a moment's state can start from; None if there is none.

    Args:
        baselines: All that there are.
        moment_us: The moment, epoch microseconds.
    """
    return newest(found for found in without_healed(baselines) if found.settled_us <= moment_us)


def is_behind_a_gap(baselines: Iterable[Manifest], capture: Capture | None, moment_us: int) -> bool:
    """Whether the changes between a moment and what its state starts from may not all have been captured.

    Args:
        baselines: All that there are.
        capture: What is known of the capture of changes; None: nobody has looked yet.
        moment_us: The moment, epoch microseconds.
    """
    known = list(baselines)
    start = for_moment(known, moment_us)
    number = start.capture if start else capture.first_number if capture else 1
    # a snapshot tells nothing of gaps: it rests on what its parent rests on
    later = [found for found in known if found.source == "export" and found.as_of_us > moment_us]
    if later:
        return min(later, key=lambda found: found.as_of_us).capture > number
    if capture is None:
        return False
    if start is None and capture.begun_us and moment_us < capture.first_seen_us:
        return True  # another table may have been the one that was streamed
    begun = [(capture.number, capture.active_since_us)]
    begun += [(found.number, found.active_since_us) for found in capture.earlier]
    return any(other > number and 0 < since_us <= moment_us for other, since_us in begun)


def expired_too_early(baseline: Manifest | None, capture: Capture | None, gone: Iterable[datetime]) -> list[datetime]:
    """Return hours that are gone from S3 though they told of the state, oldest first.

    Args:
        baseline: What bounds the hours that are read; None: all are.
        capture: What is known of the capture of changes: hours from before the pipeline streamed this table tell
            nothing of it.
        gone: Hours that are gone.
    """
    if baseline is not None:
        first = baseline.baseline.first_hour
    else:
        first = first_hour_since(capture.begun_us if capture else 0)
    return sorted(hour for hour in gone if hour >= first)


def parent_for(baselines: Iterable[Manifest], moment_us: int, is_whole: Callable[[Manifest], bool]) -> Manifest | None:
    """Return the newest baseline that a snapshot can start from; None: it has to start from the first change.

    Args:
        baselines: All that there are.
        moment_us: The moment of the snapshot, epoch microseconds.
        is_whole: Whether a baseline lacks no change from before its cut, and all that came after its cut can be read.
            Asked from the newest on, and no more once the answer is yes: it may cost a query.
    """
    for found in _newest_first(without_healed(baselines)):
        # a snapshot is of what was before its moment: a baseline of that very moment knows more
        if found.settled_us < moment_us and is_whole(found):
            return found
    return None


def to_retire(baselines: Iterable[Manifest], table: str, kept: int, in_use: Collection[str]) -> list[Manifest]:
    """Return the baselines that may go, oldest first: what is too old, and what another one healed.

    Those of a table that was streamed before go in their turn, as they grow older: not with the first of the new
    table, for somebody may find that it was named by mistake.

    Args:
        baselines: All that there are, of whatever table.
        table: The table that is streamed now.
        kept: How many stay, 2 or more: until the views are made anew, they read the one before the newest.
        in_use: Ids that a view reads: they stay whatever is known of them.
    """
    ordered = _newest_first(baselines)
    staying = set(in_use)
    for known in ordered, [found for found in ordered if found.table == table]:
        fit = _newest_first(without_healed(known))[:kept]
        staying |= {found.baseline_id for found in (*known[:2], *fit)}
    return [found for found in reversed(ordered) if found.baseline_id not in staying]


def _newest_first(baselines: Iterable[Manifest]) -> list[Manifest]:
    return sorted(baselines, key=lambda found: (found.as_of_us, found.baseline_id), reverse=True)
