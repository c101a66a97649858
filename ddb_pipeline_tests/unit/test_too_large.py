"""A check whose query passes the workgroup's limit did not look, and says so; any other failure stays one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetKey,
    AssetSpec,
    DagsterInstance,
    Definitions,
    Failure,
    MetadataValue,
)

from ddb_pipeline.assets.common import failing_plainly
from ddb_pipeline.checks import pipeline_checks, scanning_check_keys
from ddb_pipeline.checks.baselines import LATE_CHECK
from ddb_pipeline.checks.state import STATE_CHECK, state_check_key
from ddb_pipeline.checks.too_large import told_when_too_large
from ddb_pipeline.checks.verdict import last_evaluation
from ddb_pipeline.resources.athena_queries import AthenaQueryError
from ddb_pipeline.resources.aws import PipelineAwsResource
from ddb_pipeline_tests.declared import pipeline

KEY = AssetCheckKey(AssetKey(["persons", "latest_item_state"]), "one_row_per_item")


def checked(error: Exception | None) -> list[AssetCheckResult]:
    @told_when_too_large(KEY)
    def check(_context: Any, _aws: Any) -> Iterator[AssetCheckResult]:
        with failing_plainly():
            if error:
                raise error
        yield AssetCheckResult(passed=True, check_name=KEY.name, asset_key=KEY.asset_key)

    unused: Any = None
    return list(check(unused, unused))


def test_a_check_that_may_not_scan_so_much_warns_and_fails_no_run():
    (told,) = checked(AthenaQueryError("Athena query q was cancelled: make a baseline", "q", cut_off=True))

    assert (told.passed, told.severity) == (False, AssetCheckSeverity.WARN)
    assert told.description == "not checked: Athena query q was cancelled: make a baseline"
    assert (told.asset_key, told.check_name) == (KEY.asset_key, KEY.name)


def test_a_check_that_looked_says_what_it_saw():
    (told,) = checked(None)
    assert told.passed


def test_a_query_that_fails_for_another_reason_fails_the_step():
    with pytest.raises(Failure, match="somebody stopped it"):
        checked(AthenaQueryError("somebody stopped it", "q"))


PIPELINE = pipeline(baseline="snapshot")
SUSPECTS = [{"item_key": "k", "held": "h", "asked_us": 1, "read_us": 2}]


def run(name: str, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> AssetCheckEvaluation:
    """Run a check where Athena cuts its query off."""

    @contextmanager
    def too_large(*_: Any) -> Iterator[None]:
        raise AthenaQueryError("Athena query q was cancelled: make a baseline", "q", cut_off=True)
        yield

    monkeypatch.setattr(PipelineAwsResource, "deployment", too_large)
    (check,) = [one for one in pipeline_checks(PIPELINE) if one.check_key.name == name]
    job = Definitions(
        assets=[AssetSpec(check.check_key.asset_key)],
        asset_checks=[check],
        resources={"aws": PipelineAwsResource(declaration_file="")},
    ).resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(instance=instance, raise_on_error=False).success
    told = last_evaluation(instance, check.check_key)
    assert told
    return told


@pytest.mark.parametrize("name", [*(key.name for key in scanning_check_keys(PIPELINE)), LATE_CHECK])
def test_no_check_that_scans_fails_the_run_when_it_may_not_scan_so_much(name: str, monkeypatch: pytest.MonkeyPatch):
    with DagsterInstance.ephemeral() as instance:
        told = run(name, instance, monkeypatch)

    assert (told.passed, told.severity) == (False, AssetCheckSeverity.WARN)
    assert told.description == "not checked: Athena query q was cancelled: make a baseline"


def test_what_is_to_be_looked_at_again_is_remembered_over_a_check_that_did_not_look(monkeypatch: pytest.MonkeyPatch):
    suspected = AssetCheckEvaluation(
        asset_key=state_check_key(PIPELINE).asset_key,
        check_name=STATE_CHECK,
        passed=True,
        metadata={"looked_at_again": MetadataValue.json(SUSPECTS), "query": MetadataValue.text("of that time")},
    )
    with DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(suspected)
        for _ in range(2):
            told = run(STATE_CHECK, instance, monkeypatch)

    assert {name: value.value for name, value in told.metadata.items()} == {"looked_at_again": SUSPECTS}
