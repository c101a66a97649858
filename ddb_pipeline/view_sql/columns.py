"""Which views there are, and their columns."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ddb_pipeline.change_row import Column
from ddb_pipeline.declaration import KeyAttribute, Pipeline
from ddb_pipeline.view_sql.inputs import NOTHING_KNOWN, ViewInputs


@dataclass(frozen=True)
class View:
    """An Athena view: its name, what one row says, and its columns with Trino types."""

    name: str
    description: str
    columns: tuple[Column, ...]


_STATE_COLUMNS = (
    Column("item", "varchar", "The item as plain JSON; numbers with DynamoDB's own digits"),
    Column("image", "varchar", "The item as canonical DynamoDB JSON"),
    Column("changed_at", "timestamp(3)", "When the item got this state, UTC"),
    Column("changed_at_us", "bigint", "The same in epoch microseconds"),
    Column("event_id", "varchar", "eventID of the change that made this state"),
    Column("state_certain", "boolean", "False where the delivered changes leave more than one possible state"),
    Column("item_key", "varchar", "Canonical DynamoDB JSON of the key attributes; the item's identity"),
)

_COUNT_COLUMNS = (
    Column("changed_hour", "timestamp(3)", "Hour of the changes, UTC"),
    Column("event_name", "varchar", "INSERT, MODIFY or REMOVE"),
    Column("expired_by_ttl", "boolean", "Deletes by DynamoDB's time to live"),
    Column("changes", "bigint", "Changes; repeated records count once"),
    Column("distinct_items", "bigint", "Items that changed"),
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
        View("latest_item_state", "One row per item that exists now.", (*key_columns, *item_columns, *_STATE_COLUMNS)),
        View(
            "change_counts",
            "Changes and changed items per hour of change, event name, and time to live or not.",
            _COUNT_COLUMNS,
        ),
    )


def key_column_names(pipeline: Pipeline) -> dict[str, KeyAttribute]:
    """Return the column of each key attribute in `latest_item_state`, partition key first.

    Athena lower-cases column names and views take letters, digits and underscores without trouble, so the attribute's
    name is cleaned; a name that is taken already gets `key_` in front.
    """
    taken = {column.name for column in _STATE_COLUMNS}
    columns: dict[str, KeyAttribute] = {}
    for attribute in pipeline.key_attributes:
        name = re.sub(r"[^a-z0-9_]", "_", attribute.name.lower())
        while name in taken:
            name = f"key_{name}"
        taken.add(name)
        columns[name] = attribute
    return columns
