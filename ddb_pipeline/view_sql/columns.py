"""Which views there are, and their columns."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ddb_pipeline.change_row import Column
from ddb_pipeline.declaration import KeyAttribute, Pipeline
from ddb_pipeline.view_sql.inputs import NOTHING_KNOWN, ViewInputs

STATE_VIEW = "latest_item_state"


@dataclass(frozen=True)
class View:
    """An Athena view: its name, what one row says, and its columns with Trino types."""

    name: str
    description: str
    columns: tuple[Column, ...]


_ITEM_KEY = Column("item_key", "varchar", "Canonical DynamoDB JSON of the key attributes; the item's identity")
_EVENT_ID = Column("event_id", "varchar", "eventID of the change")
_EVENT_NAME = Column("event_name", "varchar", "INSERT, MODIFY or REMOVE")
_EXPIRED = Column("expired_by_ttl", "boolean", "The item was deleted by DynamoDB's time to live")

_STATE_COLUMNS = (
    Column("item", "varchar", "The item as plain JSON; numbers with DynamoDB's own digits"),
    Column("image", "varchar", "The item as canonical DynamoDB JSON"),
    Column("changed_at", "timestamp(3)", "When the item got this state, UTC"),
    Column("changed_at_us", "bigint", "The same in epoch microseconds"),
    Column("event_id", "varchar", "eventID of the change that made this state"),
    Column("state_certain", "boolean", "False where the delivered changes leave more than one possible state"),
    _ITEM_KEY,
)

_HISTORY_COLUMNS = (
    _EVENT_NAME,
    Column("changed_at", "timestamp(3)", "When the item was changed, UTC"),
    Column("valid_from", "timestamp(3)", "When `after` began to be the item's state, UTC; NULL for a delete"),
    Column(
        "valid_to",
        "timestamp(3)",
        "When it no longer was, UTC; NULL while it is. Equal to valid_from where another change of the instant won",
    ),
    Column("is_current", "boolean", "Whether `after` is the item's state now"),
    Column("tied", "boolean", "The item has other changes in the same instant; their order is not known"),
    Column("before", "varchar", "The item before the change as canonical DynamoDB JSON; NULL: there was none"),
    Column("after", "varchar", "The item after the change as canonical DynamoDB JSON; NULL: there is none"),
    _EXPIRED,
    Column("changed_at_us", "bigint", "changed_at in epoch microseconds"),
    Column("valid_from_us", "bigint", "valid_from in epoch microseconds"),
    Column("valid_to_us", "bigint", "valid_to in epoch microseconds"),
    _EVENT_ID,
    _ITEM_KEY,
)

_DELETED_COLUMNS = (
    Column("item", "varchar", "The item as it last was, as plain JSON; numbers with DynamoDB's own digits"),
    Column("image", "varchar", "The item as it last was, as canonical DynamoDB JSON"),
    Column("deleted_at", "timestamp(3)", "When it was deleted, UTC; NULL where a baseline alone says so"),
    Column("expired_by_ttl", "boolean", "Whether DynamoDB's time to live deleted it; NULL where that is not known"),
    Column("deleted_at_us", "bigint", "deleted_at in epoch microseconds"),
    Column("event_id", "varchar", "eventID of the delete"),
    _ITEM_KEY,
)

_ATTRIBUTE_COLUMNS = (
    Column("changed_at", "timestamp(3)", "When the attribute was changed, UTC"),
    Column("event_name", "varchar", "INSERT, MODIFY or REMOVE, of the item"),
    Column("attribute", "varchar", "Name of the item's attribute"),
    Column("path", "array(varchar)", "Its name, then the names of members of nested maps"),
    Column("old_value", "varchar", "What it was, as plain JSON; NULL: there was none"),
    Column("new_value", "varchar", "What it became, as plain JSON; NULL: there is none"),
    Column("old_type", "varchar", "DynamoDB's type of the old value: S, N, B, BOOL, NULL, M, L, SS, NS or BS"),
    Column("new_type", "varchar", "DynamoDB's type of the new value"),
    _EXPIRED,
    Column("changed_at_us", "bigint", "changed_at in epoch microseconds"),
    _EVENT_ID,
    _ITEM_KEY,
)

_PROBLEM_COLUMNS = (
    Column(
        "problem",
        "varchar",
        "broken_chain: a change does not begin where the one before it ended; undecided: more than one state is "
        "possible; unbalanced: all changes together do not end in the newest state; other_table: not this table's",
    ),
    Column("changes", "bigint", "How many changes show it"),
    Column("event_ids", "array(varchar)", "eventIDs of these changes, 100 at most"),
    Column("first_changed_at", "timestamp(3)", "When the first of them was made, UTC"),
    Column("last_changed_at", "timestamp(3)", "When the last of them was made, UTC"),
    Column("table_name", "varchar", "Table of the changes"),
    Column("item_key", "varchar", "Canonical DynamoDB JSON of the key attributes; NULL for another table's"),
)

_COUNT_COLUMNS = (
    Column("changed_hour", "timestamp(3)", "Hour of the changes, UTC"),
    _EVENT_NAME,
    Column("expired_by_ttl", "boolean", "Deletes by DynamoDB's time to live"),
    Column("changes", "bigint", "Changes; repeated records count once"),
    Column("distinct_items", "bigint", "Items that changed"),
)


_FIXED_COLUMNS = (
    _STATE_COLUMNS,
    _COUNT_COLUMNS,
    _HISTORY_COLUMNS,
    _DELETED_COLUMNS,
    _ATTRIBUTE_COLUMNS,
    _PROBLEM_COLUMNS,
)


def views(pipeline: Pipeline, inputs: ViewInputs = NOTHING_KNOWN) -> tuple[View, ...]:
    """Return the views of a pipeline.

    Args:
        pipeline: The pipeline.
        inputs: Which attributes are columns of their own; the names of the views do not depend on it.
    """
    item_columns = tuple(
        Column(column.name, column.type, f"Attribute {'.'.join(column.path)}; NULL where the value does not fit")
        for column in inputs.item_columns
    )
    key_columns = tuple(
        Column(
            name,
            "varbinary" if attribute.type == "B" else "varchar",
            f"Key attribute of type {attribute.type}" + (", with DynamoDB's own digits" * (attribute.type == "N")),
        )
        for name, attribute in key_column_names(pipeline).items()
    )
    return (
        View(STATE_VIEW, "One row per item that exists now.", (*key_columns, *item_columns, *_STATE_COLUMNS)),
        View(
            "change_counts",
            "Changes and changed items per hour of change, event name, and time to live or not.",
            _COUNT_COLUMNS,
        ),
        View(
            "item_history",
            "One row per change, and how long the image it made was valid.",
            (*key_columns, *_HISTORY_COLUMNS),
        ),
        View(
            "deleted_items",
            "One row per item that no longer exists: its last image, when it was deleted, by time to live or not.",
            (*key_columns, *item_columns, *_DELETED_COLUMNS),
        ),
        View(
            "attribute_changes",
            "One row per attribute that changed in a change: its old and new value.",
            (*key_columns, *_ATTRIBUTE_COLUMNS),
        ),
        View(
            "change_problems",
            "One row per item whose story does not add up, and kind of problem: which changes show it.",
            (*key_columns, *_PROBLEM_COLUMNS),
        ),
    )


def key_column_names(pipeline: Pipeline) -> dict[str, KeyAttribute]:
    """Return the column of each key attribute in the views, partition key first.

    Athena lower-cases column names and views take letters, digits and underscores without trouble, so the attribute's
    name is cleaned; a name that is taken already gets `key_` in front.
    """
    taken = {column.name for columns in _FIXED_COLUMNS for column in columns}
    columns: dict[str, KeyAttribute] = {}
    for attribute in pipeline.key_attributes:
        name = re.sub(r"[^a-z0-9_]", "_", attribute.name.lower())
        while name in taken:
            name = f"key_{name}"
        taken.add(name)
        columns[name] = attribute
    return columns
