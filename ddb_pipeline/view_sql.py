"""The Athena views: what they are called, which columns they have, and their SQL.

Each view is one file in `sql/`. Rendering puts the names in, quoted by `sql_text`. Pure; needs no client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from string import Template

from ddb_pipeline.baselines import Baseline
from ddb_pipeline.change_row import Column
from ddb_pipeline.declaration import KeyAttribute, Pipeline
from ddb_pipeline.item_columns import ItemColumn
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.sql_text import json_path, quote_identifier, quote_literal


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


@dataclass(frozen=True)
class ViewInputs:
    """What a view's SQL depends on beside the declaration and the names.

    Attributes:
        baseline: The newest verified baseline, if there is one: bounds what the views of state read.
        item_columns: Attributes that `latest_item_state` has as typed columns.
        as_of_us: Leave out what changed after this moment, epoch microseconds; None: the state is that of now.
    """

    baseline: Baseline | None = None
    item_columns: tuple[ItemColumn, ...] = ()
    as_of_us: int | None = None


NOTHING_KNOWN = ViewInputs()


def views(pipeline: Pipeline, inputs: ViewInputs = NOTHING_KNOWN) -> tuple[View, ...]:  # noqa: ARG001
    """Return the views of a pipeline."""
    key_columns = tuple(
        Column(
            name,
            "varbinary" if attribute.type == "B" else "varchar",
            f"Key attribute of type {attribute.type}" + (", with DynamoDB's own digits" * (attribute.type == "N")),
        )
        for name, attribute in key_column_names(pipeline).items()
    )
    return (
        View("latest_item_state", "One row per item that exists now.", (*key_columns, *_STATE_COLUMNS)),
        View(
            "change_counts",
            "Changes and changed items per hour of change, event name, and time to live or not.",
            _COUNT_COLUMNS,
        ),
    )


def create_view_statement(
    view: View, pipeline: Pipeline, names: PublishedNames, inputs: ViewInputs = NOTHING_KNOWN
) -> str:
    """Return the `CREATE OR REPLACE VIEW` statement of a view."""
    target = f"{quote_identifier(names.database)}.{quote_identifier(view.name)}"
    return f"CREATE OR REPLACE VIEW {target} AS\n{select_statement(view, pipeline, names, inputs)}"


def select_statement(
    view: View,
    pipeline: Pipeline,
    names: PublishedNames,
    inputs: ViewInputs = NOTHING_KNOWN,  # noqa: ARG001
) -> str:
    """Return the query that a view stands for, rendered from its `.sql` file."""
    text = resources.files("ddb_pipeline").joinpath("sql", f"{view.name}.sql").read_text(encoding="utf-8")
    key_columns = ",\n    ".join(
        f"{_key_expression(attribute)} AS {quote_identifier(name)}"
        for name, attribute in key_column_names(pipeline).items()
    )
    return Template(text).substitute(
        change_table=f"{quote_identifier(names.database)}.{quote_identifier(names.change_table)}",
        table_name=quote_literal(names.table),
        key_columns=key_columns,
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


def _key_expression(attribute: KeyAttribute) -> str:
    value = f"json_extract_scalar(item_key, {quote_literal(json_path(attribute.name, attribute.type))})"
    return f"CAST(from_base64({value}) AS varbinary)" if attribute.type == "B" else f"CAST({value} AS varchar)"
