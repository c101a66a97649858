"""Which baseline serves what: the newest, the one for a past moment, the parent of a snapshot. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from ddb_pipeline.baselines.records import Manifest


def newest(baselines: Iterable[Manifest]) -> Manifest | None:
    """Return the baseline of the latest moment; None if there is none."""
    return max(baselines, key=lambda found: (found.as_of_us, found.baseline_id), default=None)


def for_moment(baselines: Iterable[Manifest], moment_us: int) -> Manifest | None:
    """Return the newest baseline that a moment's state can start from; None if there is none.

    Args:
        baselines: All that there are.
        moment_us: The moment, epoch microseconds.
    """
    return newest(found for found in baselines if found.settled_us <= moment_us)


def expired_too_early(
    baseline: Manifest | None, in_catalog: Collection[datetime], in_s3: Collection[datetime]
) -> list[datetime]:
    """Return hours that are gone from S3 though they are still read, oldest first.

    Args:
        baseline: What bounds the hours that are read; None: all are.
        in_catalog: Hours that the change table has partitions for: all that ever were crawled.
        in_s3: Hours that S3 holds.
    """
    first = baseline.baseline.first_hour if baseline else None
    return sorted(hour for hour in set(in_catalog) - set(in_s3) if first is None or hour >= first)


def parent_for(baselines: Iterable[Manifest], moment_us: int, is_whole: Callable[[Manifest], bool]) -> Manifest | None:
    """Return the newest baseline that a snapshot can start from; None: it has to start from the first change.

    Args:
        baselines: All that there are.
        moment_us: The moment of the snapshot, epoch microseconds.
        is_whole: Whether a baseline lacks no change from before its cut, and all that came after its cut can be read.
            Asked from the newest on, and no more once the answer is yes: it may cost a query.
    """
    for found in sorted(baselines, key=lambda found: (found.as_of_us, found.baseline_id), reverse=True):
        if found.settled_us <= moment_us and is_whole(found):
            return found
    return None


def to_retire(baselines: Iterable[Manifest], kept: int, incomplete: Collection[str]) -> list[Manifest]:
    """Return the baselines that may go, oldest first.

    The newest stays whatever is known of it: the views read it.

    Args:
        baselines: All that there are.
        kept: How many stay at most.
        incomplete: Ids of baselines that lack a change from before their cut: a newer one has healed that, and a state
            of the past must not start from them.
    """
    ordered = sorted(baselines, key=lambda found: (found.as_of_us, found.baseline_id))
    whole = [found for found in ordered[:-1] if found.baseline_id not in incomplete]
    staying = {found.baseline_id for found in [*whole[max(0, len(whole) - kept + 1) :], *ordered[-1:]]}
    return [found for found in ordered if found.baseline_id not in staying]
