"""What a check came to, for a run of Dagster's as for a sensor, which reports it without a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    DagsterEventType,
    DagsterInstance,
)

_RECORDS_LOOKED_AT = 5


@dataclass(frozen=True)
class Verdict:
    """Whether a check passed.

    Attributes:
        problem: What is wrong and what to do, one sentence; None: the check passed.
        metadata: What was seen.
        severity: How bad it is.
        note: What there is to say where nothing is wrong.
    """

    problem: str | None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR
    note: str | None = None

    @property
    def description(self) -> str | None:
        """What is said of the check."""
        return self.problem or self.note

    def result(self, key: AssetCheckKey) -> AssetCheckResult:
        """The verdict of a run."""
        return AssetCheckResult(
            check_name=key.name,
            asset_key=key.asset_key,
            passed=self.problem is None,
            description=self.description,
            metadata=self.metadata,
            severity=self.severity,
        )

    def news(self, key: AssetCheckKey, instance: DagsterInstance) -> list[AssetCheckEvaluation]:
        """The verdict of a sensor, if it differs from the last one: an event each tick would fill the event log."""
        last = last_evaluation(instance, key)
        if last and (last.passed, last.description) == (self.problem is None, self.description):
            return []
        return [
            AssetCheckEvaluation(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=self.problem is None,
                description=self.description,
                metadata=self.metadata,
                severity=self.severity,
            )
        ]


def last_evaluation(instance: DagsterInstance, key: AssetCheckKey) -> AssetCheckEvaluation | None:
    """Return what a check came to last; None: it has not run lately, or its history is lost."""
    # the newest record may be of a run that is only about to run it
    for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=_RECORDS_LOOKED_AT):
        event = record.event.dagster_event if record.event else None
        if event and event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            return event.asset_check_evaluation_data
    return None
