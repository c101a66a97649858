"""`latest_item_state` and `change_counts` against the rule itself, written down a second time in Python.

Unlike the tests that know an item's true life, this one takes any set of changes, also such as no item can have:
losses, contradictions, clocks that step back. There the rule says nothing true, but it must still say what it says.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ddb_pipeline import change_row
from ddb_pipeline.declaration import KeyAttribute, Pipeline
from ddb_pipeline.local_aws.athena.dialect import parse_statement
from ddb_pipeline.local_aws.athena.engine import connect
from ddb_pipeline.local_aws.athena.query import QueryCompiler
from ddb_pipeline.local_aws.athena.relations import Field, Table
from ddb_pipeline.local_aws.athena.types import from_hive
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.view_sql import select_statement, views

HOUR_US = 3_600_000_000
T0 = 490_896 * HOUR_US  # 2026-01-01, in microseconds
PERSONS = Pipeline(
    name="persons",
    partition_key=KeyAttribute("pk", "S"),
    sort_key=None,
    time_to_live_attribute=None,
    start_date=date(2026, 1, 1),
    crawl_schedule="5 * * * *",
    views_schedule="30 6 * * *",
)
NAMES = PublishedNames(**{field.name: f"the_{field.name}" for field in dataclasses.fields(PublishedNames)})

Image = str | None
"""Here a letter; None is absence."""


@dataclass(frozen=True)
class Event:
    """One change of an item, which the stream may have delivered more than once."""

    old: Image
    new: Image
    at_us: int
    deliveries: int = 1
    expired: bool = False

    @property
    def name(self) -> str:
        return "INSERT" if self.old is None else "REMOVE" if self.new is None else "MODIFY"


def last_arrived(events: list[Event], images: set[Image]) -> Image:
    """Of some images, the one that the event which arrived last has made; absence gives way to any other."""
    made = [event.new for event in events if event.new in images and event.new is not None]
    return made[-1]


def state_by_the_rule(events: list[Event]) -> tuple[Image, bool]:
    """Image and certainty, for events in the order of their first arrival (docs/correctness.md)."""
    instants = sorted({event.at_us for event in events})
    for instant in reversed(instants):
        own = [event for event in events if event.at_us == instant]
        balance: Counter[Image] = Counter()
        for event in own:
            balance[event.new] += 1
            balance[event.old] -= 1
        positive = {image for image, count in balance.items() if count > 0}
        if len(positive) == 1:
            return positive.pop(), True
        if positive:
            return last_arrived(own, positive), False
    first = [event for event in events if event.at_us == instants[0]]
    involved = {image for event in first for image in (event.old, event.new)}
    return (involved.pop(), True) if len(involved) == 1 else (last_arrived(first, involved), False)


IMAGES = st.sampled_from([None, "A", "B", "C"])
EVENTS = st.builds(
    Event,
    old=IMAGES,
    new=IMAGES,
    at_us=st.integers(0, 2).map(lambda place: T0 + (0, HOUR_US - 1, HOUR_US)[place]),
    deliveries=st.sampled_from([1, 1, 1, 2, 3]),
    expired=st.booleans(),
).filter(lambda event: event.old is not None or event.new is not None)


def item_key(number: int) -> str:
    return f'{{"pk":{{"S":"{number}"}}}}'


def rows(items: list[list[Event]], gaps: list[int]) -> Iterator[dict[str, object]]:
    """Change rows; the first deliveries arrive in the order of the events, the repeats at once or at the end.

    `gaps` says how arrival times, shards and sequence numbers grow: 0 leaves the order to the next of the three.
    """
    for number, events in enumerate(items):
        order = [place for place, _ in enumerate(events)]
        order += [place for place, event in enumerate(events) for _ in range(event.deliveries - 1)]
        arrived, shard, sequence = 1_767_225_600_000, 0, 8
        for step, place in enumerate(order):
            event = events[place]
            grown = [(arrived, shard, sequence + 1), (arrived, shard + 1, 8), (arrived + 1, 0, 8)]
            arrived, shard, sequence = grown[gaps[step % len(gaps)]]
            yield {
                "event_id": f"{number}-{place}",
                "event_name": event.name,
                "table_name": NAMES.table,
                "changed_at_us": event.at_us,
                "item_key": item_key(number),
                "new_image": event.new and f"image {event.new}",
                "old_image": event.old and f"image {event.old}",
                "new_hash": event.new,
                "old_hash": event.old,
                "new_item": event.new and f"item {event.new}",
                "expired_by_ttl": event.expired,
                "arrived_at_ms": arrived,
                "shard_id": f"shardId-{shard:012}",
                "sequence_number": str(sequence),
            }


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    directory = tmp_path_factory.mktemp("athena")
    return connect(directory, directory / "objects")


def answer(engine: duckdb.DuckDBPyConnection, view: str, found: list[dict[str, object]]) -> list[dict[str, object]]:
    """What local Athena answers for a view over these change rows."""
    types = {column.name: from_hive(column.type) for column in change_row.COLUMNS}
    table = Table(NAMES.database, NAMES.change_table, tuple(Field(*one) for one in types.items()), (), ())
    (declared,) = [one for one in views(PERSONS) if one.name == view]
    sql = select_statement(declared, PERSONS, NAMES)
    compiler = QueryCompiler(sql, None, datetime(2026, 1, 1, tzinfo=UTC), lambda _database, _name: table)
    relation = compiler.compile(parse_statement(sql))
    (scan,) = compiler.scans
    columns = ", ".join(
        f"c{place} {'VARCHAR' if str(kind) == 'varchar' else kind}" for place, kind in enumerate(types.values(), 1)
    )
    engine.execute(f"CREATE OR REPLACE TEMP TABLE {scan.name} ({columns})")
    if found:
        values = [[row.get(name) for name in types] for row in found]
        engine.executemany(f"INSERT INTO {scan.name} VALUES ({', '.join('?' * len(types))})", values)
    names = [field.name for field in relation.fields]
    return [dict(zip(names, line, strict=True)) for line in engine.execute(relation.sql).fetchall()]


ITEMS = st.lists(st.lists(EVENTS, min_size=1, max_size=6), min_size=1, max_size=25)
GAPS = st.lists(st.sampled_from([0, 1, 2]), min_size=1, max_size=5)


@settings(max_examples=25, deadline=None)
@given(items=ITEMS, gaps=GAPS)
@example(items=[[Event("A", "B", T0), Event("B", "A", T0, deliveries=3)]], gaps=[0])
@example(items=[[Event(None, "A", T0)] * 2 + [Event("A", None, T0)], [Event("A", "A", T0)]], gaps=[1])
@example(items=[[Event("C", None, T0), Event("A", "B", T0)], [Event("A", "B", T0), Event("C", None, T0)]], gaps=[2])
@example(items=[[Event("A", "A", T0), Event("B", "C", T0 + 1), Event("C", "B", T0 + 1)]], gaps=[0])
@example(items=[[Event("A", "A", T0 + 1), Event("B", "C", T0), Event("C", "B", T0)]], gaps=[0])
@example(items=[[Event("A", "B", T0), Event(None, "A", T0 - 1), Event("A", "C", T0)]], gaps=[1, 1, 2])
def test_the_state_is_what_the_rule_says_for_any_set_of_changes(engine, items, gaps):
    expected = {}
    for number, events in enumerate(items):
        image, certain = state_by_the_rule(events)
        if image is not None:
            expected[item_key(number)] = (f"image {image}", f"item {image}", certain)
    found = answer(engine, "latest_item_state", list(rows(items, gaps)))

    assert len({row["item_key"] for row in found}) == len(found)
    assert {row["item_key"]: (row["image"], row["item"], row["state_certain"]) for row in found} == expected


@settings(max_examples=25, deadline=None)
@given(items=ITEMS, gaps=GAPS)
def test_the_row_names_a_change_that_made_the_state(engine, items, gaps):
    for row in answer(engine, "latest_item_state", list(rows(items, gaps))):
        number, place = map(int, str(row["event_id"]).split("-"))
        event = items[number][place]
        assert (item_key(number), f"image {event.new}", event.at_us) == tuple(
            row[name] for name in ("item_key", "image", "changed_at_us")
        )


@settings(max_examples=25, deadline=None)
@given(items=ITEMS, gaps=GAPS)
def test_counts_count_each_change_once(engine, items, gaps):
    changes: Counter[tuple[datetime, str, bool]] = Counter()
    touched = defaultdict(set)
    for number, events in enumerate(items):
        for event in events:
            hour = datetime.fromtimestamp(event.at_us // HOUR_US * 3600, UTC).replace(tzinfo=None)
            changes[hour, event.name, event.expired] += 1
            touched[hour, event.name, event.expired].add(number)
    found = answer(engine, "change_counts", list(rows(items, gaps)))

    assert {
        (row["changed_hour"], row["event_name"], row["expired_by_ttl"]): (row["changes"], row["distinct_items"])
        for row in found
    } == {hour: (count, len(touched[hour])) for hour, count in changes.items()}
    assert len(found) == len(changes)
