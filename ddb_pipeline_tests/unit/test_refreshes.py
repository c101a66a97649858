"""When the sensor and the schedule may ask for a refresh."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from dagster import (
    AssetKey,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    Definitions,
    asset,
)
from dagster._core.execution.plan.objects import StepSuccessData

from ddb_pipeline import refreshes
from ddb_pipeline.declaration import Pipeline
from ddb_pipeline.refreshes import Attempt, Decision

NOW = datetime(2026, 3, 5, 12, 30, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
HOUR = timedelta(hours=1)
LACKING = [datetime(2026, 3, 5, 11, tzinfo=UTC), datetime(2026, 3, 5, 12, tzinfo=UTC)]


def decide(
    lacking: list[datetime],
    latest: list[Attempt],
    now: datetime,
    loaded_at: datetime = LONG_AGO,
    absent: frozenset[datetime] = frozenset(),
) -> Decision:
    """The decision of a code location that was loaded long ago, if not said otherwise."""
    return refreshes.decide(lacking, latest, now, loaded_at, absent=absent)


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
        waiting = decide(LACKING, [unfinished(status, 119)], NOW)
        assert waiting.run_key is None
        assert "refresh 01234567 is running since 10:31:00 UTC" in waiting.reason
        assert "terminate it in the UI, or wait until 12:31:00" in waiting.reason
        assert decide(LACKING, [unfinished(status, 121)], NOW).run_key is not None
        behind = [attempt(DagsterRunStatus.SUCCESS, 10), unfinished(status, 121)]
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


def test_after_a_day_of_failures_attempts_become_rare_and_the_message_says_how_to_try_at_once():
    failed = [attempt(DagsterRunStatus.FAILURE, 90 + 60 * number, f"failure-{number}") for number in range(40)]

    waiting = decide(LACKING, failed, NOW)

    assert waiting.run_key is None
    assert "the last 40 refreshes failed" in waiting.reason
    assert "failure-" in waiting.reason
    assert "may start at 2026-03-05 15:00:00 UTC: launch the job in the UI to try at once" in waiting.reason
    assert decide(LACKING, failed, NOW + timedelta(hours=3)).run_key is not None


def test_a_success_that_did_not_bring_in_what_it_was_asked_for_did_not_help():
    """Each such crawl is paid for: the crawler passes over folders whose format is not the table's."""
    once = [replace(attempt(DagsterRunStatus.SUCCESS, 0.5, "useless"), asked_for=frozenset(LACKING))]
    thrice = [
        replace(attempt(DagsterRunStatus.SUCCESS, minutes), asked_for=frozenset(LACKING)) for minutes in (3, 6, 9)
    ]

    assert decide(LACKING, once, NOW).run_key is None
    assert "useless" in decide(LACKING, once, NOW).reason
    assert decide(LACKING, thrice, NOW).run_key is None
    assert decide(LACKING, thrice, NOW + timedelta(minutes=2)).run_key is not None
    others = [replace(one, asked_for=frozenset({LACKING[0] - timedelta(days=1)})) for one in thrice]
    assert decide(LACKING, others, NOW).run_key is not None


STUCK = datetime(2026, 2, 20, 3, tzinfo=UTC)
"""An hour that no crawl brings in."""


def asked(status: DagsterRunStatus, minutes_ago: float, *hours: datetime, run_id: str = "r") -> Attempt:
    return replace(attempt(status, minutes_ago, run_id), asked_for=frozenset(hours))


def named(decision: Decision) -> frozenset[datetime]:
    return refreshes.scope_of_run(decision.tags, NOW).named


def test_an_hour_that_no_crawl_brings_in_does_not_delay_a_new_one():
    failed = [asked(DagsterRunStatus.FAILURE, 10 + 60 * number, STUCK) for number in range(35)]

    decision = decide([STUCK, *LACKING], failed, NOW)

    assert named(decision) == frozenset(LACKING)
    assert decide([STUCK], failed, NOW).run_key is None


def test_a_success_for_other_hours_does_not_end_the_wait_of_an_hour_that_no_crawl_brings_in():
    """A week later a run looks no more at the hour unless it is named, and succeeds: each success would begin anew."""
    others = [asked(DagsterRunStatus.SUCCESS, 5 + 60 * number, LACKING[0]) for number in range(10)]
    stuck = [asked(DagsterRunStatus.FAILURE, 10 + 60 * number, STUCK) for number in range(10)]
    latest = [one for pair in zip(others, stuck, strict=True) for one in pair]

    assert decide([STUCK], latest, NOW).run_key is None
    assert named(decide([STUCK], latest, NOW + timedelta(minutes=51))) == {STUCK}


def test_failures_of_runs_by_hand_are_over_when_a_crawl_has_succeeded():
    by_hand = [attempt(DagsterRunStatus.FAILURE, 10)] * 9

    assert decide(LACKING, by_hand, NOW).run_key is None
    assert decide(LACKING, [asked(DagsterRunStatus.SUCCESS, 5, STUCK), *by_hand], NOW).run_key is not None


def test_hours_that_fail_together_with_new_ones_are_asked_for_together():
    """In an outage each hour would have runs of its own otherwise."""
    failed = [asked(DagsterRunStatus.FAILURE, 40 + 60 * number, STUCK) for number in range(9)]

    assert named(decide([STUCK, *LACKING], failed, NOW)) == {STUCK, *LACKING}


def test_an_hour_that_no_crawl_brings_in_is_asked_for_every_four_hours_though_an_hour_arrives_each_hour():
    """Runs for the new hours must neither hide how often it was asked for, nor take it along before its time."""
    now, runs, seen, asked_for = LONG_AGO, [], set(), []
    while now < LONG_AGO + timedelta(days=12):
        hour = now.replace(minute=0)
        arrived = {hour} - seen if now.minute >= 5 else set()
        decision = decide(sorted({STUCK, *arrived}), runs[: refreshes._RUNS_LOOKED_AT], now, STUCK)
        if decision.run_key:
            hours = named(decision)
            seen |= arrived & hours
            asked_for.append((now, hours))
            runs.insert(0, Attempt(f"r{len(runs)}", DagsterRunStatus.SUCCESS, now, now, asked_for=hours))
        now += timedelta(minutes=10)

    last_week = [hours for at, hours in asked_for if at >= LONG_AGO + timedelta(days=5)]
    assert sum(STUCK in hours for hours in last_week) <= 7 * 6 + 1
    assert len(last_week) <= 7 * (24 + 6) + 1
    assert all(hours == {STUCK} for hours in last_week if STUCK in hours), "no new hour's run fails of it"


def test_when_every_crawl_fails_each_new_hour_is_tried_at_once_and_then_waits_with_the_others():
    """A crawler that is broken for days, while an hour arrives each hour, and views are made each day."""
    now, runs, lacking = LONG_AGO, [], []
    while now < LONG_AGO + timedelta(days=5):
        if (now.hour, now.minute) == (6, 30):
            runs.insert(0, Attempt("views", DagsterRunStatus.SUCCESS, now, now, crawls=False))
        hour = now.replace(minute=0)
        lacking += [hour] * (now.minute >= 5 and hour not in lacking)
        decision = decide(lacking, runs[: refreshes._RUNS_LOOKED_AT], now, STUCK)
        if decision.run_key:
            text = decision.tags[refreshes.LACKING_TAG]
            hours = refreshes._hours_named(text)
            runs.insert(0, Attempt("r", DagsterRunStatus.FAILURE, now, now, asked_for=hours, and_more="more" in text))
        now += timedelta(minutes=10)

    crawls = [sum(run.crawls for run in runs if (run.begun_at - LONG_AGO).days == day) for day in range(5)]
    assert all(24 <= count <= 30 for count in crawls[1:]), crawls
    assert set(crawls[2:]) == {24}, "one for each hour that arrives, with all the others"


def test_a_run_asked_for_more_hours_than_its_tag_names_was_asked_for_all_that_had_begun():
    many = replace(asked(DagsterRunStatus.FAILURE, 0.5, STUCK), and_more=True)
    unnamed, begun_since = STUCK + timedelta(hours=40), NOW + timedelta(minutes=30)

    assert decide([unnamed], [many], NOW).run_key is None
    assert decide([begun_since], [many], NOW).run_key is not None


def test_a_run_that_failed_after_its_crawl_is_asked_for_again_ever_more_rarely():
    """Its hours are in the catalog; its views may not be there."""
    once = [asked(DagsterRunStatus.FAILURE, 2, *LACKING), attempt(DagsterRunStatus.SUCCESS, 60)]
    often = [asked(DagsterRunStatus.FAILURE, 30 + 60 * number, STUCK + HOUR * number) for number in range(9)]

    assert named(decide([], once, NOW)) == frozenset(LACKING)
    assert decide([], once, NOW).reason == "hours in the catalog whose refresh failed later: 2"
    assert decide([], often, NOW).run_key is None
    assert "the last 9 refreshes failed" in decide([], often, NOW).reason
    assert named(decide([], often, NOW + timedelta(minutes=31))) == {STUCK}


def test_an_hour_that_no_crawl_brings_in_does_not_delay_the_repetition_of_a_run_that_failed_after_its_crawl():
    stuck = [asked(DagsterRunStatus.FAILURE, 40 + 60 * number, STUCK) for number in range(35)]
    latest = [asked(DagsterRunStatus.FAILURE, 20, *LACKING), *stuck]

    assert refreshes.asked_for_in_vain(latest) == {STUCK, *LACKING}
    for lacking in ([], [STUCK]):  # a tick meets some of the hours alone
        assert named(decide(lacking, latest, NOW, absent=frozenset({STUCK}))) == frozenset(LACKING)
    # a run for the stuck hour since has made no views either
    since = [asked(DagsterRunStatus.FAILURE, 1, STUCK), *latest]
    assert named(decide([], since, NOW, absent=frozenset({STUCK}))) == frozenset(LACKING)
    again = [asked(DagsterRunStatus.FAILURE, 0.5, *LACKING), *latest]
    assert "the last 2 refreshes failed" in decide([], again, NOW, absent=frozenset({STUCK})).reason


def test_an_hour_that_is_gone_from_s3_since_its_crawl_failed_is_not_asked_for_again():
    assert decide([], [asked(DagsterRunStatus.FAILURE, 90, STUCK)], NOW, absent=frozenset({STUCK})).run_key is None


def test_a_run_that_failed_after_its_crawl_does_not_delay_a_new_hour():
    later = [asked(DagsterRunStatus.FAILURE, 5 + 60 * number, STUCK + HOUR * number) for number in range(9)]

    assert named(decide(LACKING, later, NOW)) == frozenset(LACKING)


def test_a_run_that_failed_after_its_crawl_is_made_good_by_any_success_since():
    failed = asked(DagsterRunStatus.FAILURE, 90, *LACKING)
    views = replace(attempt(DagsterRunStatus.SUCCESS, 10), crawls=False)

    for since in (attempt(DagsterRunStatus.SUCCESS, 10), asked(DagsterRunStatus.SUCCESS, 10, STUCK), views):
        assert decide([], [since, failed], NOW).run_key is None
    assert decide([], [attempt(DagsterRunStatus.FAILURE, 90)], NOW).run_key is None, "nobody asked for its hours"


def test_a_run_of_views_alone_is_no_attempt_to_crawl():
    """The daily schedule runs the same job without its crawl."""
    views = replace(attempt(DagsterRunStatus.SUCCESS, 0.1), crawls=False)
    failed = [attempt(DagsterRunStatus.FAILURE, minutes) for minutes in (1.5, 10, 20)]

    assert decide(LACKING, [views, *failed], NOW).run_key is None
    assert "3 refreshes failed" in decide(LACKING, [views, *failed], NOW).reason
    failed_views = [replace(attempt(DagsterRunStatus.FAILURE, 1.5), crawls=False)] * 9
    assert decide(LACKING, failed_views, NOW).run_key is not None


def test_the_run_is_told_which_hours_it_is_to_bring_in_and_looks_at_these():
    decision = decide(LACKING, [], NOW)

    scope = refreshes.scope_of_run(decision.tags, NOW)

    assert decision.tags == {refreshes.LACKING_TAG: "2026-03-05-11:00, 2026-03-05-12:00"}
    assert scope == refreshes.Scope(refreshes.recent(NOW).first, frozenset(LACKING))


def test_a_run_that_lacks_more_hours_than_a_tag_names_looks_at_everything():
    many = [LACKING[0] - timedelta(hours=number) for number in range(100)]

    decision = decide(sorted(many), [], NOW)

    assert len(decision.tags[refreshes.LACKING_TAG]) < 500
    assert decision.tags[refreshes.LACKING_TAG].endswith(" and 80 more")
    assert refreshes.scope_of_run(decision.tags, NOW) == refreshes.EVERYTHING


def test_a_run_that_a_person_asked_for_looks_at_everything():
    assert refreshes.scope_of_run({}, NOW) == refreshes.EVERYTHING


def test_a_run_of_the_sensor_that_a_person_runs_again_looks_at_everything():
    """The UI's "Re-execute" copies the tags of the run before: the hours that somebody misses are not among those."""
    asked = decide(LACKING, [], NOW).tags
    again = {**asked, "dagster/parent_run_id": "before", "dagster/root_run_id": "before"}

    assert refreshes.scope_of_run(again, NOW) == refreshes.EVERYTHING
    by_dagster = {**again, "dagster/retry_number": "1"}
    assert refreshes.scope_of_run(by_dagster, NOW) == refreshes.scope_of_run(asked, NOW)


def test_a_tag_that_somebody_wrote_by_hand_names_the_hours_that_it_names():
    tags = {refreshes.LACKING_TAG: "2026-13-99-77:00, 2026-03-05-11:00, yesterday"}

    assert refreshes.scope_of_run(tags, NOW).named == {LACKING[0]}


PIPELINE = cast("Pipeline", SimpleNamespace(name="orders"))
TABLE = AssetKey(["orders", "change_table"])


def run(
    instance: DagsterInstance,
    job: str,
    status: DagsterRunStatus,
    assets: frozenset[AssetKey] | None = None,
    *,
    tags: dict[str, str] | None = None,
    steps: list[str] | None = None,
) -> str:
    made = DagsterRun(job, status=status, asset_selection=assets, tags=tags, step_keys_to_execute=steps)
    added = instance.add_run(made)
    return added.run_id


def test_runs_under_way_are_found_however_many_came_after(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refreshes, "_RUNS_LOOKED_AT", 5)
    with DagsterInstance.ephemeral() as instance:
        old = run(instance, "orders_refresh", DagsterRunStatus.STARTED)
        by_hand = run(instance, "__ASSET_JOB", DagsterRunStatus.STARTING, frozenset({TABLE}))
        run(instance, "__ASSET_JOB", DagsterRunStatus.STARTED, frozenset({AssetKey(["persons", "change_table"])}))
        run(instance, "__ASSET_JOB", DagsterRunStatus.SUCCESS, frozenset({TABLE}))
        run(instance, "persons_refresh", DagsterRunStatus.STARTED)
        for _ in range(7):
            run(instance, "orders_refresh", DagsterRunStatus.FAILURE)

        found = refreshes.attempts(instance, PIPELINE)

    assert [one.run_id for one in found[-2:]] == [by_hand, old]
    assert [one.status for one in found[:-2]] == [DagsterRunStatus.FAILURE] * 5


def test_a_run_that_makes_a_baseline_is_in_the_way_until_its_crawl_is_over():
    with DagsterInstance.ephemeral() as instance:
        baseline = run(instance, "orders_baseline", DagsterRunStatus.STARTED)
        run(instance, "orders_baseline", DagsterRunStatus.SUCCESS)
        run(instance, "persons_baseline", DagsterRunStatus.STARTED)
        assert [one.run_id for one in refreshes.attempts(instance, PIPELINE)] == [baseline]

        ended = DagsterEvent(
            DagsterEventType.STEP_SUCCESS.value,
            "orders_baseline",
            step_key="orders__change_table",
            event_specific_data=StepSuccessData(1.0),
        )
        instance.report_dagster_event(ended, baseline)
        assert refreshes.attempts(instance, PIPELINE) == []


def test_a_run_that_dagster_repeats_from_where_it_failed_is_no_crawl_where_the_crawl_went_well():
    """Its step of the crawl never begins, and so never ends."""
    with DagsterInstance.ephemeral() as instance:
        run(instance, "orders_baseline", DagsterRunStatus.STARTED, steps=["make_baseline"])
        run(instance, "__ASSET_JOB", DagsterRunStatus.STARTED, frozenset({TABLE}), steps=["orders__latest_item_state"])
        assert refreshes.attempts(instance, PIPELINE) == []

        again = run(instance, "orders_baseline", DagsterRunStatus.STARTED, steps=["orders__change_table", "other"])
        views = run(instance, "orders_refresh", DagsterRunStatus.FAILURE, steps=["orders__latest_item_state"])
        found = refreshes.attempts(instance, PIPELINE)

    assert [(one.run_id, one.crawls) for one in found] == [(views, False), (again, True)]


def test_a_run_says_whether_it_crawls_and_what_it_was_asked_for():
    view = AssetKey(["orders", "latest_item_state"])
    with DagsterInstance.ephemeral() as instance:
        run(instance, "orders_refresh", DagsterRunStatus.SUCCESS, tags=dict(decide(LACKING, [], NOW).tags))
        run(instance, "orders_refresh", DagsterRunStatus.SUCCESS, frozenset({view}))
        run(instance, "orders_refresh", DagsterRunStatus.SUCCESS, frozenset({view, TABLE}))

        found = refreshes.attempts(instance, PIPELINE)

    assert [one.crawls for one in found] == [True, False, True]
    assert [one.asked_for for one in found] == [frozenset(), frozenset(), frozenset(LACKING)]


def test_the_run_behind_the_materialize_button_has_the_name_that_is_looked_for():
    @asset(key=TABLE)
    def change_table() -> None:
        """The crawl."""

    job = Definitions(assets=[change_table]).resolve_implicit_global_asset_job_def()

    assert job.name == refreshes._MATERIALIZED_BY_HAND
