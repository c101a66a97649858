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


@dataclass(frozen=True)
class Verdict:
    """Whether a check passed.

    Attributes:
        problem: What is wrong and what to do, one sentence; None: the check passed.
        metadata: What was seen.
        severity: How bad it is.
    """

    problem: str | None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    severity: AssetCheckSeverity = AssetCheckSeverity.ERROR

    def result(self, key: AssetCheckKey) -> AssetCheckResult:
        """The verdict of a run."""
        return AssetCheckResult(
            check_name=key.name,
            asset_key=key.asset_key,
            passed=self.problem is None,
            description=self.problem,
            metadata=self.metadata,
            severity=self.severity,
        )

    def news(self, key: AssetCheckKey, instance: DagsterInstance) -> list[AssetCheckEvaluation]:
        """The verdict of a sensor, if it differs from the last one: an event each tick would fill the event log."""
        record = instance.get_latest_asset_check_evaluation_record(key)
        event = record.event.dagster_event if record and record.event else None
        evaluated = event is not None and event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION
        last = event.asset_check_evaluation_data if event and evaluated else None
        if last and (last.passed, last.description) == (self.problem is None, self.problem):
            return []
        return [
            AssetCheckEvaluation(
                asset_key=key.asset_key,
                check_name=key.name,
                passed=self.problem is None,
                description=self.problem,
                metadata=self.metadata,
                severity=self.severity,
            )
        ]
