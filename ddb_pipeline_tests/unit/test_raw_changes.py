"""What is reported of an hour: what it holds, once, and that it lost objects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from dagster import DagsterInstance

from ddb_pipeline.arrivals import HourContent
from ddb_pipeline.assets.raw_changes import arrival_events, losses, lost_hours
from ddb_pipeline.readings import HoursWithoutData
from ddb_pipeline_tests.declared import pipeline

HOUR = datetime(2026, 3, 5, 12, tzinfo=UTC)
AN_HOUR = timedelta(hours=1)
PIPELINE = pipeline()


def report(
    instance: DagsterInstance,
    objects: int,
    listed_at: datetime | None = None,
    begun_before: dict[datetime, datetime] | None = None,
) -> tuple[list[str | None], str]:
    """Report an hour of so many objects: what its events say, and what is said of losses."""
    listed_at = listed_at or datetime.now(UTC)
    content = HourContent(HOUR, objects, 10 * objects, HOUR, HOUR, {"changes/": HOUR})
    events = arrival_events(instance, PIPELINE, [content], "bucket", listed_at=listed_at, begun_before=begun_before)
    for event in events:
        instance.report_runless_asset_event(event)
    return [event.description for event in events], losses(events)


def test_an_hour_is_reported_once_until_it_changes_and_says_how_many_objects_it_lost():
    with DagsterInstance.ephemeral() as instance:
        assert report(instance, 5) == (["5 objects, 50 bytes"], "")
        assert report(instance, 5) == ([], "")
        assert report(instance, 7) == (["7 objects, 70 bytes"], "")
        said, lost = report(instance, 4)
        assert report(instance, 6) == (["6 objects, 60 bytes"], "")

    assert said == ["4 objects, 40 bytes; at least 3 are gone that were there"]
    assert lost.startswith("raw objects are gone that were there: 2026-03-05-12:00 (3): unless they expired or were")


def test_a_listing_that_a_refresh_overtook_tells_of_no_loss_and_the_next_one_does():
    """It listed the hour before objects arrived that a run beside it has told of since."""
    with DagsterInstance.ephemeral() as instance:
        report(instance, 5)
        before = datetime.now(UTC)
        report(instance, 7)
        assert report(instance, 5, listed_at=before) == ([], "")
        after = datetime.now(UTC)
        assert report(instance, 6, after, begun_before={HOUR: before}) == ([], ""), "an earlier tick began to list it"
        assert report(instance, 8, listed_at=before)[0] == ["8 objects, 80 bytes"]

        said, lost = report(instance, 6)

    assert said == ["6 objects, 60 bytes; at least 2 are gone that were there"]
    assert lost


@pytest.mark.parametrize("years", [0, 3])
def test_an_hour_that_holds_nothing_any_more_is_reported_once(years: int):
    empty = HoursWithoutData(((HOUR - timedelta(days=365 * years), HOUR + timedelta(hours=1)),))
    with DagsterInstance.ephemeral() as instance:
        report(instance, 5)
        (gone,) = lost_hours(instance, PIPELINE, empty)
        (event,) = arrival_events(instance, PIPELINE, [gone], "bucket", listed_at=datetime.now(UTC))
        instance.report_runless_asset_event(event)
        assert lost_hours(instance, PIPELINE, empty) == []
        assert report(instance, 1)[0] == ["1 objects, 10 bytes"], "what arrives afterwards is reported"

    assert event.description == "0 objects, 0 bytes; at least 5 are gone that were there"
    assert losses([event]).startswith("raw objects are gone that were there: 2026-03-05-12:00 (5)")


@pytest.mark.parametrize("years", [0, 3])
def test_hours_that_hold_something_or_lie_elsewhere_are_not_lost(years: int):
    first = HOUR - timedelta(days=365 * years)
    with DagsterInstance.ephemeral() as instance:
        report(instance, 5)
        assert lost_hours(instance, PIPELINE, HoursWithoutData(((first, HOUR),), frozenset({HOUR}))) == []
        assert lost_hours(instance, PIPELINE, HoursWithoutData(((first - 2 * AN_HOUR, HOUR - AN_HOUR),))) == []


def test_hours_of_years_are_looked_into_without_a_look_at_each():
    """A tick passes them all where the table had hardly any changes; the code server has other ticks to evaluate."""

    class Counted(HoursWithoutData):
        def __iter__(self) -> Iterator[datetime]:
            raise AssertionError("each hour is made")

    with DagsterInstance.ephemeral() as instance:
        report(instance, 5)
        assert lost_hours(instance, PIPELINE, Counted(((HOUR - timedelta(days=3 * 365), HOUR),)))
