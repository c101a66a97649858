"""What is reported of an hour: what it holds, once, and that it lost objects."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dagster import DagsterInstance

from ddb_pipeline.arrivals import HourContent
from ddb_pipeline.assets.raw_changes import arrival_events, losses, lost_hours
from ddb_pipeline_tests.declared import pipeline

HOUR = datetime(2026, 3, 5, 12, tzinfo=UTC)
PIPELINE = pipeline()


def report(instance: DagsterInstance, objects: int) -> tuple[list[str | None], str]:
    """Report an hour of so many objects: what its events say, and what is said of losses."""
    content = HourContent(HOUR, objects, 10 * objects, HOUR, HOUR, {"changes/": HOUR})
    events = arrival_events(instance, PIPELINE, [content], "bucket")
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


def test_an_hour_that_holds_nothing_any_more_is_reported_once():
    never = HOUR + timedelta(hours=1)
    with DagsterInstance.ephemeral() as instance:
        report(instance, 5)
        (gone,) = lost_hours(instance, PIPELINE, [HOUR, never])
        (event,) = arrival_events(instance, PIPELINE, [gone], "bucket")
        instance.report_runless_asset_event(event)
        assert lost_hours(instance, PIPELINE, [HOUR, never]) == []
        assert report(instance, 1)[0] == ["1 objects, 10 bytes"], "what arrives afterwards is reported"

    assert event.description == "0 objects, 0 bytes; at least 5 are gone that were there"
    assert losses([event]).startswith("raw objects are gone that were there: 2026-03-05-12:00 (5)")
