"""When the sensor and the schedule may ask for a refresh."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dagster import DagsterRunStatus

from ddb_pipeline import refreshes
from ddb_pipeline.refreshes import Attempt, Decision

NOW = datetime(2026, 3, 5, 12, 30, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
LACKING = [datetime(2026, 3, 5, 11, tzinfo=UTC), datetime(2026, 3, 5, 12, tzinfo=UTC)]


def decide(lacking: list[datetime], latest: list[Attempt], now: datetime, loaded_at: datetime = LONG_AGO) -> Decision:
    """The decision of a code location that was loaded long ago, if not said otherwise."""
    return refreshes.decide(lacking, latest, now, loaded_at)


def attempt(status: DagsterRunStatus, minutes_ago: float = 0, run_id: str = "r") -> Attempt:
    """A run that ended so many minutes ago."""
    ended_at = NOW - timedelta(minutes=minutes_ago)
    return Attempt(run_id, status, ended_at, ended_at - timedelta(minutes=1))


def unfinished(status: DagsterRunStatus, minutes_ago: float) -> Attempt:
    """A run that began, or was created, so many minutes ago."""
    return Attempt("0123456789", status, None, NOW - timedelta(minutes=minutes_ago))


def test_nothing_is_requested_when_the_catalog_lacks_no_hour():
    decision = decide([], [], NOW)

    assert decision.run_key is None
    assert decision.reason == "every hour is in the catalog"


def test_an_hour_that_is_lacking_requests_a_refresh():
    assert decide(LACKING, [], NOW).run_key == "2026-03-05-11:00..2026-03-05-12:00 (2) after none"


def test_no_refresh_is_requested_beside_another():
    for status in (DagsterRunStatus.QUEUED, DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTED):
        assert decide(LACKING, [unfinished(status, 30)], NOW).run_key is None


def test_a_run_whose_process_died_is_not_in_the_way_for_good():
    """A machine that went down in mid-run: Dagster shows the run as started for ever."""
    for status in (DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING):
        waiting = decide(LACKING, [unfinished(status, 59)], NOW)
        assert waiting.run_key is None
        assert "refresh 01234567 is running since 11:31:00 UTC" in waiting.reason
        assert "terminate it in the UI, or wait until 12:31:00" in waiting.reason
        assert decide(LACKING, [unfinished(status, 61)], NOW).run_key is not None
        behind = [attempt(DagsterRunStatus.SUCCESS, 10), unfinished(status, 61)]
        assert decide(LACKING, behind, NOW).run_key is not None


def test_a_run_of_before_the_restart_is_not_in_the_way():
    """Ctrl-C of `dagster dev` in mid-run, and `dagster dev` again."""
    latest = [unfinished(DagsterRunStatus.STARTED, 3)]

    assert decide(LACKING, latest, NOW, loaded_at=NOW - timedelta(minutes=1)).run_key is not None
    assert decide(LACKING, latest, NOW, loaded_at=NOW - timedelta(minutes=4)).run_key is None


def test_a_queued_run_is_waited_for_however_long():
    assert decide(LACKING, [unfinished(DagsterRunStatus.QUEUED, 600)], NOW).run_key is None


def test_the_same_tick_twice_has_the_same_key_and_a_new_attempt_another():
    failed = [attempt(DagsterRunStatus.FAILURE, 90, "first")]

    assert decide(LACKING, [], NOW).run_key == decide(LACKING, [], NOW).run_key
    assert decide(LACKING, failed, NOW).run_key not in {None, decide(LACKING, [], NOW).run_key}


def test_failures_in_a_row_wait_ever_longer_but_never_for_good():
    once = [attempt(DagsterRunStatus.FAILURE, 1.5)]
    thrice = [attempt(DagsterRunStatus.FAILURE, minutes) for minutes in (1.5, 10, 20)]

    assert decide(LACKING, once, NOW).run_key is not None
    assert decide(LACKING, thrice, NOW).run_key is None
    assert "3 refreshes failed" in decide(LACKING, thrice, NOW).reason
    for failures in range(1, 11):
        long_ago = [attempt(DagsterRunStatus.FAILURE, 61 + number) for number in range(failures)]
        assert decide(LACKING, long_ago, NOW).run_key is not None


def test_a_success_ends_the_row_of_failures():
    latest = [attempt(DagsterRunStatus.SUCCESS), *[attempt(DagsterRunStatus.FAILURE)] * 9]

    assert decide(LACKING, latest, NOW).run_key is not None


def test_a_catalog_emptied_later_is_refreshed_again():
    """The same hours, lacking once more after a success, are another attempt."""
    before, after = decide(LACKING, [], NOW), decide(LACKING, [attempt(DagsterRunStatus.SUCCESS)], NOW)

    assert after.run_key not in {None, before.run_key}
