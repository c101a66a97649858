"""Looks for attributes: in portions well below the limit of scanned bytes, and nothing is paid for twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from dagster import DagsterInstance, materialize

from ddb_pipeline.arrivals import HourContent, hour_values
from ddb_pipeline.assets import attribute_looks
from ddb_pipeline.assets.item_attributes import item_attributes_asset
from ddb_pipeline.item_columns.discovery import discovery_statement, rows_of_hours
from ddb_pipeline.item_columns.hours import MOST_ASKED
from ddb_pipeline.item_columns.memory import Memory, read_memory, write_memory
from ddb_pipeline.item_columns.portions import next_portion
from ddb_pipeline.resources.aws import PipelineAwsResource
from ddb_pipeline.resources.column_memory import StoredMemory
from ddb_pipeline.resources.testing import FakeAthena
from ddb_pipeline_tests.declared import NAMES, pipeline

FIRST = datetime(2026, 1, 1, 3, tzinfo=UTC)
GIBIBYTE = 2**30
CUT_OFF = "Bytes scanned limit was exceeded"
PIPELINE = pipeline(item_column_depth=1)


def days(number: int) -> list[datetime]:
    """An hour a day: each is named by its month and day in the statement."""
    return [FIRST + timedelta(days=step) for step in range(number)]


def pattern(*hours: datetime) -> re.Pattern[str]:
    """What a statement has that reads these hours, and perhaps others."""
    dates = [f"month = '{month}' AND day = '{day}'" for _, month, day, _ in map(hour_values, hours)]
    return re.compile(r"\A" + "".join(f"(?=.*{date})" for date in dates), re.DOTALL)


class MemoryInS3:
    """In the place of `ColumnMemory`."""

    uri = "s3://raw/catalog/item_columns.json"

    def __init__(self) -> None:
        self.text: str | None = None
        self.writes = 0

    def read(self) -> StoredMemory:
        return StoredMemory(read_memory(self.text) if self.text else None, f"{self.writes}")

    def write(self, memory: Memory, before: StoredMemory) -> bool:
        if before.etag != f"{self.writes}":
            return False
        self.text, self.writes = write_memory(memory), self.writes + 1
        return True


class Place:
    """A pipeline whose catalog has hours of some bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, instance: DagsterInstance) -> None:
        self.instance, self.athena, self.memory = instance, FakeAthena(), MemoryInS3()
        self.sizes: dict[datetime, int] = {}
        self.stage = SimpleNamespace(scan_cutoff_mebibytes=102_400)
        deployment = SimpleNamespace(
            athena=self.athena.resource(scan_cutoff_advice="raise scan_cutoff_mebibytes"),
            catalog=SimpleNamespace(require_change_tables=dict),
            column_memory=self.memory,
            hours_in_tables=lambda: set(self.sizes),
            names=NAMES,
            other_change_table="",
            pipeline=PIPELINE,
            raw_bucket=SimpleNamespace(content=self._content, sizes=lambda *_: self.sizes),
            stage=self.stage,
        )
        monkeypatch.setattr(PipelineAwsResource, "deployment", lambda *_, **__: nullcontext(deployment))
        self.athena.answer(re.compile("new_image"), [("age", "N", 3, 2, 0)], ("n", "t", "o", "w", "f"))

    def _content(self, hour: datetime) -> HourContent:
        return HourContent(hour, 1, self.sizes[hour], hour, hour, {})

    def run(self, *, succeeds: bool = True) -> dict[str, Any]:
        """Materialize the asset; returns what it shows."""
        resources = {"aws": PipelineAwsResource(declaration_file="pipeline.toml")}
        done = materialize(
            [item_attributes_asset(PIPELINE)], resources=resources, instance=self.instance, raise_on_error=False
        )
        assert done.success == succeeds
        if not succeeds:
            return {}
        (event,) = done.asset_materializations_for_node("persons__item_attributes")
        return {name: value.value for name, value in event.metadata.items()}

    def asked(self) -> list[list[datetime]]:
        """The hours that each query since the last call has read; none named: all of them."""
        found = [
            [hour for hour in self.sizes if pattern(hour).search(query.sql)] or list(self.sizes)
            for query in self.athena.queries
        ]
        self.athena.queries.clear()
        return found

    def remembered(self) -> Memory:
        memory = self.memory.read().memory
        assert memory is not None
        return memory


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with DagsterInstance.ephemeral() as instance:
        yield Place(monkeypatch, instance)


def test_a_small_history_takes_one_query_and_then_none(place: Place):
    place.sizes = dict.fromkeys(days(60), GIBIBYTE // 100)

    shown = place.run()

    assert place.asked() == [days(60)]
    assert (shown["columns"], shown["hours_looked_at"], place.memory.writes) == (1, 60, 1)
    assert place.run()["hours_looked_at"] == 0
    assert place.asked() == []


@pytest.mark.parametrize("hours", [40, MOST_ASKED + 1])
def test_a_long_history_is_looked_at_in_portions_however_high_the_limit(place: Place, hours: int):
    place.sizes = dict.fromkeys(days(hours), 3 * GIBIBYTE)

    shown = place.run()

    portions = place.asked()
    assert max(map(len, portions)) == 3
    assert [hour for portion in portions for hour in portion] == days(hours)
    assert (shown["columns"], shown["hours_looked_at"]) == (1, hours)
    assert place.remembered().attributes[0].seen.total == 3 * len(portions)


def test_the_statement_of_a_portion_is_never_too_long_for_athena():
    """Hours that each have a day of their own take most."""
    conditions = ["table_name = 'the table'", rows_of_hours(next_portion(days(9_000), {}, 1))]

    assert len(discovery_statement("database.changes", conditions, 5).encode()) < 262_144 - 10_000


def test_a_portion_is_a_quarter_of_a_lower_limit(place: Place):
    place.stage.scan_cutoff_mebibytes = 4096
    place.sizes = dict.fromkeys(days(8), GIBIBYTE // 2)

    place.run()

    assert [len(portion) for portion in place.asked()] == [2, 2, 2, 2]


def test_a_run_that_breaks_off_costs_one_portion_again(place: Place):
    place.sizes = dict.fromkeys(days(9), 4 * GIBIBYTE)
    bad = days(9)[4]
    place.athena.answer(pattern(bad), fails="HIVE_BAD_DATA: s3://raw/changes/bad.gz")

    place.run(succeeds=False)

    assert place.asked() == [days(9)[:2], days(9)[2:4], days(9)[4:6]]
    assert place.remembered().looked_at.hours == frozenset(days(9)[:4])
    place.athena.answer(pattern(bad), [("name", "S", 1, 0, 0)], ("n", "t", "o", "w", "f"))
    assert place.run()["columns"] == 2
    assert place.asked() == [days(9)[4:6], days(9)[6:8], days(9)[8:]]


def test_an_hour_that_no_query_can_look_at_fails_no_run_and_is_paid_for_once_a_limit(place: Place):
    """Its run would fail each time, be asked for again, and be billed up to the limit again."""
    large = days(5)[2]
    place.sizes = dict.fromkeys(days(5), GIBIBYTE) | {large: 120 * GIBIBYTE}
    place.athena.answer(pattern(large), cancelled=CUT_OFF)

    shown = place.run()

    assert place.asked() == [days(5)[:2], [large], days(5)[3:]]
    assert shown["hours_too_large_for_a_query"] == "2026-01-03-03:00"
    place.sizes[large] += GIBIBYTE
    assert place.run()["hours_too_large_for_a_query"] == "2026-01-03-03:00"
    assert place.asked() == []

    place.stage.scan_cutoff_mebibytes *= 2
    place.athena.answer(pattern(large), [("large", "S", 1, 0, 0)], ("n", "t", "o", "w", "f"))
    shown = place.run()
    assert place.asked() == [[large]]
    assert "hours_too_large_for_a_query" not in shown
    assert shown["columns"] == 2


def test_where_the_deployed_limit_is_lower_than_the_declared_one_portions_get_smaller(place: Place):
    place.sizes = dict.fromkeys(days(16), GIBIBYTE)
    for one, two, three in zip(days(16), days(16)[1:], days(16)[2:], strict=False):
        place.athena.answer(pattern(one, two, three), cancelled=CUT_OFF)

    shown = place.run()

    assert [len(portion) for portion in place.asked()] == [10, 5, *[2] * 8]
    assert shown["hours_looked_at"] == 16
    assert "hours_too_large_for_a_query" not in shown


def test_a_portion_that_takes_longer_than_a_query_may_is_made_smaller(place: Place):
    place.sizes = dict.fromkeys(days(12), GIBIBYTE)
    place.athena.answer(pattern(*days(12)[:6]), seconds=1000)

    shown = place.run()

    assert [len(portion) for portion in place.asked()] == [10, 5, 5, 2]
    assert shown["hours_looked_at"] == 12


def test_a_look_that_takes_long_leaves_the_rest_to_the_next_refresh(place: Place, monkeypatch: pytest.MonkeyPatch):
    place.sizes = dict.fromkeys(days(6), 6 * GIBIBYTE)
    times = iter([0, 1, attribute_looks.LOOK_SECONDS - 1, attribute_looks.LOOK_SECONDS + 1])
    with monkeypatch.context() as slow:
        slow.setattr(attribute_looks, "time", SimpleNamespace(monotonic=lambda: next(times)))
        shown = place.run()

    assert (shown["hours_looked_at"], shown["hours_left_to_the_next_refresh"]) == (2, 4)
    assert place.asked() == [[days(6)[0]], [days(6)[1]]]
    assert place.run()["hours_looked_at"] == 4


def test_what_another_run_wrote_meanwhile_costs_no_second_query(place: Place, monkeypatch: pytest.MonkeyPatch):
    place.sizes = dict.fromkeys(days(3), GIBIBYTE)
    write, races = place.memory.write, iter([True])

    def second(memory: Memory, before: StoredMemory) -> bool:
        if next(races, False):
            place.memory.text, place.memory.writes = write_memory(Memory(depth=1, limit=200)), 7
        return write(memory, before)

    monkeypatch.setattr(place.memory, "write", second)

    assert place.run()["hours_looked_at"] == 3
    assert len(place.asked()) == 1
    assert place.remembered().looked_at.hours == frozenset(days(3))
