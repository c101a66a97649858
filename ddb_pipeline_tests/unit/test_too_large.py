"""A check whose query passes the workgroup's limit did not look, and says so; any other failure stays one."""

from collections.abc import Iterator
from typing import Any

import pytest
from dagster import AssetCheckKey, AssetCheckResult, AssetCheckSeverity, AssetKey, Failure

from ddb_pipeline.assets.common import failing_plainly
from ddb_pipeline.checks.too_large import told_when_too_large
from ddb_pipeline.resources.athena_queries import AthenaQueryError

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
