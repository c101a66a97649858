"""Which projected hours ask for a refresh."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from dagster import AssetMaterialization, DagsterInstance

from ddb_pipeline.arrivals import HOUR, HourContent
from ddb_pipeline.assets.projected_hours import NEWEST_HOURS, seen, unseen
from ddb_pipeline_tests.declared import pipeline

NOW = datetime(2026, 3, 5, 12, 30, tzinfo=UTC)
NOON = NOW.replace(minute=0)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def holds(hour: datetime, *prefixes: str) -> HourContent:
    return HourContent(hour, 1, 1, hour, hour, dict.fromkeys(prefixes or ("changes/",), hour))


def note(instance: DagsterInstance, **hours: list[datetime]) -> None:
    metadata = {NEWEST_HOURS: seen({f"{name}/": found for name, found in hours.items()}, NOW)}
    instance.report_runless_asset_event(AssetMaterialization(["persons", "change_table"], metadata=metadata))


def test_every_hour_asks_before_the_first_refresh(instance: DagsterInstance):
    assert unseen(instance, pipeline(), [holds(NOON), holds(NOON - HOUR)], NOW) == (NOON - HOUR, NOON)
    assert unseen(instance, pipeline(), [], NOW) == ()


def test_only_hours_after_the_newest_ask(instance: DagsterInstance):
    note(instance, changes=[NOON - 2 * HOUR, NOON - HOUR])
    hours = [holds(NOON - step * HOUR) for step in range(4)]
    assert unseen(instance, pipeline(), hours, NOW) == (NOON,)


def test_a_table_that_begins_to_fill_asks_though_the_hour_is_known(instance: DagsterInstance):
    """As when the format was switched in this hour: the views do not read the new table yet."""
    note(instance, changes=[NOON])
    assert unseen(instance, pipeline(), [holds(NOON)], NOW) == ()
    assert unseen(instance, pipeline(), [holds(NOON, "changes/", "changes_parquet/")], NOW) == (NOON,)


def test_what_lies_beyond_a_refresh_asks_for_none(instance: DagsterInstance):
    """A refresh by the sensor looks a week back, and so notes nothing of a table that was left long ago."""
    note(instance, changes_parquet=[NOON])
    assert unseen(instance, pipeline(), [holds(NOON - timedelta(days=30))], NOW) == ()


def test_an_hour_of_the_future_neither_asks_nor_hides_others(instance: DagsterInstance):
    note(instance, changes=[NOON - HOUR, NOON + timedelta(days=400)])
    assert unseen(instance, pipeline(), [holds(NOON), holds(NOON + timedelta(days=400))], NOW) == (NOON,)
