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
    """The views as tables: three persons and an item without one; two hours of changes; the life of one item."""
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
        connection.execute(
            "CREATE TABLE item_history (pk varchar, event_name varchar, changed_at timestamp, valid_from timestamp, "
            "valid_to timestamp, is_current boolean, tied boolean, before varchar, after varchar, "
            "expired_by_ttl boolean, changed_at_us bigint, valid_to_us bigint, event_id varchar, item_key varchar)"
        )
        connection.executemany(
            "INSERT INTO item_history VALUES ('x', ?, NULL, NULL, NULL, ?, false, ?, ?, false, ?, ?, ?, ?)",
            [
                ("MODIFY", True, "A", "B", 2, None, "event-2", '{"pk":{"S":"a"}}'),
                ("MODIFY", False, "B", "A", 2, 2, "event-3", '{"pk":{"S":"a"}}'),
                ("INSERT", False, None, "A", 1, 2, "event-1", '{"pk":{"S":"a"}}'),
                ("INSERT", True, None, "A", 1, None, "event-4", '{"pk":{"N":"1"}}'),
            ],
        )
        connection.execute(
            "CREATE TABLE deleted_items (item varchar, deleted_at timestamp, expired_by_ttl boolean, "
            "deleted_at_us bigint, event_id varchar, item_key varchar)"
        )
        connection.executemany(
            "INSERT INTO deleted_items VALUES ('{}', NULL, ?, ?, ?, 'x')",
            [(True, 1, "event-a"), (False, 2, "event-b"), (None, None, None)],
        )
        connection.execute(
            "CREATE TABLE attribute_changes (changed_at timestamp, event_name varchar, attribute varchar, "
            "path varchar[], old_value varchar, new_value varchar, expired_by_ttl boolean, changed_at_us bigint, "
            "event_id varchar, item_key varchar)"
        )
        connection.executemany(
            "INSERT INTO attribute_changes VALUES (NULL, 'MODIFY', ?, ?, ?, ?, false, ?, 'event-a', 'x')",
            [
                ("age", ["age"], "1", "2", 1),
                ("age", ["age"], "2", "3", 2),
                ("person", ["person", "age"], "2", "3", 2),
            ],
        )
        connection.execute(
            "CREATE TABLE change_problems (problem varchar, changes bigint, event_ids varchar[], "
            "first_changed_at timestamp, last_changed_at timestamp, table_name varchar, item_key varchar)"
        )
        connection.executemany(
            "INSERT INTO change_problems VALUES (?, 1, ['event-a'], ?, ?, 'persons', ?)",
            [
                ("undecided", at(10), at(10), "a"),
                ("unbalanced", at(10), at(11), "b"),
                ("broken_chain", at(11), at(11), "b"),
            ],
        )
        yield connection


def answer(views, name, *parameters):
    sql = (SAVED_QUERIES / f"{name}.sql").read_text(encoding="utf-8")
    (query,) = sqlglot.transpile(sql, read="athena", write="duckdb")
    found = views.execute(query, parameters)
    return [column[0] for column in found.description], found.fetchall()


def test_persons_by_area_and_type(views):
    assert answer(views, "persons_by_area_and_type") == (
        ["area", "type", "persons"],
        [("Data", "Engineer", 2), ("Data", "Analyst", 1), (None, None, 1)],
    )


def test_recently_changed_items(views):
    columns, rows = answer(views, "recently_changed_items")
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


def test_history_of_an_item(views):
    columns, rows = answer(views, "history_of_an_item", '{"pk":{"S":"a"}}')
    assert columns[-3:] == ["before", "after", "event_id"]
    # within one instant the state that it came to is last
    assert [row[-3:] for row in rows] == [(None, "A", "event-1"), ("B", "A", "event-3"), ("A", "B", "event-2")]


def test_recently_deleted_items(views):
    assert answer(views, "recently_deleted_items") == (
        ["deleted_at", "expired_by_ttl", "event_id", "item"],
        [(None, False, "event-b", "{}"), (None, True, "event-a", "{}")],
    )


def test_changes_of_an_attribute(views):
    columns, rows = answer(views, "changes_of_an_attribute", "age")
    assert columns[4:7] == ["path", "old_value", "new_value"]
    assert [row[4:7] for row in rows] == [(["age"], "2", "3"), (["age"], "1", "2")]


def test_open_problems(views):
    columns, rows = answer(views, "open_problems")
    assert columns[:2] == ["problem", "item_key"]
    assert [row[:2] for row in rows] == [("broken_chain", "b"), ("unbalanced", "b"), ("undecided", "a")]


def test_every_saved_query_is_tried():
    assert {file.stem for file in SAVED_QUERIES.iterdir()} == {
        "items_at_a_moment",  # in test_states_of_the_past, which has baselines
        "persons_by_area_and_type",
        "recently_changed_items",
        "changes_per_hour",
        "undecided_items",
        "history_of_an_item",
        "recently_deleted_items",
        "changes_of_an_attribute",
        "open_problems",
    }
