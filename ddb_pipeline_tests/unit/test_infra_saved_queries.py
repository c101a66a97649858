"""The saved queries, run over views of the shape that they read."""

import json
from datetime import datetime

import duckdb
import pytest
import sqlglot

from infra_cdk.components.analytics import SAVED_QUERIES


def at(hour):
    """An hour of the first day of 2026; timestamps in Athena have no time zone."""
    return datetime.fromisoformat(f"2026-01-01T{hour}:00:00")


def item(area, job_type):
    return json.dumps({"pk": "x", "person": {"last_name": "Ito", "job": {"area": area, "type": job_type}}})


@pytest.fixture(scope="module")
def views():
    """Both views as tables: three persons and an item without one; two hours of changes."""
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE latest_item_state (pk varchar, item varchar, image varchar, changed_at timestamp, "
            "changed_at_us bigint, event_id varchar, state_certain boolean)"
        )
        connection.executemany(
            "INSERT INTO latest_item_state VALUES (?, ?, '{}', ?, ?, ?, ?)",
            [
                ("a", item("Data", "Engineer"), at(10), 1, "event-a", True),
                ("b", item("Data", "Engineer"), at(11), 2, "event-b", False),
                ("c", item("Data", "Analyst"), at(12), 3, "event-c", True),
                ("d", "{}", at(13), 4, "event-d", True),
            ],
        )
        connection.execute(
            "CREATE TABLE change_counts (changed_hour timestamp, event_name varchar, expired_by_ttl boolean, "
            "changes bigint, distinct_items bigint)"
        )
        connection.executemany(
            "INSERT INTO change_counts VALUES (?, ?, ?, ?, 1)",
            [
                (at(10), "INSERT", False, 7),
                (at(10), "MODIFY", False, 5),
                (at(11), "REMOVE", False, 3),
                (at(11), "REMOVE", True, 2),
            ],
        )
        yield connection


def answer(views, name):
    sql = (SAVED_QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    (query,) = sqlglot.transpile(sql, read="athena", write="duckdb")
    found = views.execute(query)
    return [column[0] for column in found.description], found.fetchall()


def test_persons_by_area_and_type(views):
    assert answer(views, "persons_by_area_and_type") == (
        ["area", "type", "persons"],
        [("Data", "Engineer", 2), ("Data", "Analyst", 1), (None, None, 1)],
    )


def test_most_recent_changes(views):
    columns, rows = answer(views, "most_recent_changes")
    assert columns == ["changed_at", "event_id", "item"]
    assert [row[1] for row in rows] == ["event-d", "event-c", "event-b", "event-a"]


def test_changes_per_hour(views):
    assert answer(views, "changes_per_hour") == (
        ["changed_hour", "inserted", "modified", "deleted", "expired"],
        [(at(11), 0, 0, 3, 2), (at(10), 7, 5, 0, 0)],
    )


def test_undecided_items(views):
    columns, rows = answer(views, "undecided_items")
    assert columns == ["changed_at", "event_id", "item", "image"]
    assert [row[1] for row in rows] == ["event-b"]


def test_every_saved_query_is_tried():
    assert {file.stem for file in SAVED_QUERIES.iterdir()} == {
        "items_at_a_moment",  # in test_states_of_the_past, which has baselines
        "persons_by_area_and_type",
        "most_recent_changes",
        "changes_per_hour",
        "undecided_items",
    }
