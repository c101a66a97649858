"""How much is looked at with one query, so that none comes near the workgroup's limit of scanned bytes. Pure.

What was looked at is remembered after each portion: a query that is cut off, or a run that dies, costs no more than one
of them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

MOST_BYTES = 10 * 2**30
"""More than that takes minutes to read, and Athena bills by the byte: many queries cost what one does."""
MOST_HOURS = 3_000
"""Each is named in the statement, which may have 262,144 bytes (Athena user guide, "Service Quotas")."""
_OF_THE_LIMIT = 4
"""A portion is that part of the limit at most: an hour may grow after it was listed."""


def most_bytes(limit_bytes: int) -> int:
    """Return how many bytes a portion may have, by the limit of scanned bytes."""
    return min(limit_bytes // _OF_THE_LIMIT, MOST_BYTES)


def next_portion(
    hours: Sequence[datetime], sizes: Mapping[datetime, int], bound: int, most_hours: int = MOST_HOURS
) -> tuple[datetime, ...]:
    """Return the first of some hours that fit into a portion; one hour at least, however large.

    Args:
        hours: Hours to look at, oldest first; at least one.
        sizes: Bytes of their raw objects, which are what a query scans at most; of hours without data nothing.
        bound: Most bytes.
        most_hours: Most hours.
    """
    taken, size = 1, sizes.get(hours[0], 0)
    for hour in hours[1:most_hours]:
        size += sizes.get(hour, 0)
        if size > bound:
            break
        taken += 1
    return tuple(hours[:taken])
