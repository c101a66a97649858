"""Result reuse: the answer of an earlier query instead of another run.

Source: Athena user guide, "Reuse query results": same text and settings, in the same workgroup, not older than asked
for; data that has changed since is not looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from ddb_pipeline.local_aws.athena.errors import InvalidRequestError
from ddb_pipeline.local_aws.athena.execution import QueryExecution

_DEFAULT_MINUTES = 60
_MAX_MINUTES = 10_080


def max_age_seconds(configuration: dict[str, Any] | None) -> float | None:
    """How old a result may be (ResultReuseConfiguration); None: none is to be reused.

    Raises:
        InvalidRequestError: The age is not one that AWS takes.
    """
    by_age = (configuration or {}).get("ResultReuseByAgeConfiguration") or {}
    if not by_age.get("Enabled"):
        return None
    minutes = by_age.get("MaxAgeInMinutes", _DEFAULT_MINUTES)
    if not 0 <= minutes <= _MAX_MINUTES:
        raise InvalidRequestError(f"MaxAgeInMinutes is {minutes}; allowed is 0 to {_MAX_MINUTES}")
    return float(minutes * 60)


def reusable(
    execution: QueryExecution, known: Iterable[QueryExecution], is_stored: Callable[[str], bool]
) -> QueryExecution | None:
    """Find the newest earlier query whose result answers this one.

    Args:
        execution: What is asked now.
        known: The queries so far, oldest first.
        is_stored: Whether there is an object at an address in S3.
    """
    if execution.reuse_seconds is None or (execution.statement_type, execution.substatement_type) != ("DML", "SELECT"):
        return None
    oldest = time.time() - execution.reuse_seconds
    for other in reversed(list(known)):
        if (
            other.state == "SUCCEEDED"
            and other.reused is None
            and other.completed is not None
            and other.completed >= oldest
            and _asked(other) == _asked(execution)
            and is_stored(other.output_location)
        ):
            return other
    return None


def _asked(execution: QueryExecution) -> tuple[Any, ...]:
    return (
        execution.sql,
        tuple(execution.parameters),
        execution.workgroup,
        execution.database,
        execution.result_configuration,
    )
