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
    DagsterInstance,
)

# Dagster exports no name for it, and its instance no other way to an evaluation behind records of runs without one
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

_EVALUATED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


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
        return AssetCheckResult(**self._told_of(key))

    def news(self, key: AssetCheckKey, instance: DagsterInstance) -> list[AssetCheckEvaluation]:
        """The verdict of a sensor, if it differs from the last one: an event each tick would fill the event log."""
        last = last_evaluation(instance, key)
        if last and (last.passed, last.description) == (self.problem is None, self.description):
            return []
        return [AssetCheckEvaluation(**self._told_of(key))]

    def _told_of(self, key: AssetCheckKey) -> dict[str, Any]:
        return {
            "asset_key": key.asset_key,
            "check_name": key.name,
            "passed": self.problem is None,
            "description": self.description,
            "metadata": self.metadata,
            "severity": self.severity,
        }


def last_evaluation(instance: DagsterInstance, key: AssetCheckKey) -> AssetCheckEvaluation | None:
    """Return what a check came to last; None: it has never run, or its history is lost."""
    # a run that was to evaluate it and did not, as where `measure` spares the scan, leaves a record that says nothing
    records = instance.event_log_storage.get_asset_check_execution_history(key, limit=1, status=_EVALUATED)
    event = records[0].event.dagster_event if records and records[0].event else None
    return event.asset_check_evaluation_data if event else None
