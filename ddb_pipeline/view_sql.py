"""The Athena views: what they are called, which columns they have, and their SQL.

Each view is one file in `sql/`. Rendering puts the names in, and this is the one place where identifiers are quoted
and text is escaped: attribute names and table names are hostile input. Pure; needs no client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from string import Template

from ddb_pipeline.change_row import Column
from ddb_pipeline.declaration import KeyAttribute, Pipeline
from ddb_pipeline.names import PublishedNames


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


def views(pipeline: Pipeline) -> tuple[View, ...]:
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


def create_view_statement(view: View, pipeline: Pipeline, names: PublishedNames) -> str:
    """Return the `CREATE OR REPLACE VIEW` statement of a view."""
    target = f"{quote_identifier(names.database)}.{quote_identifier(view.name)}"
    return f"CREATE OR REPLACE VIEW {target} AS\n{select_statement(view, pipeline, names)}"


def select_statement(view: View, pipeline: Pipeline, names: PublishedNames) -> str:
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


def quote_identifier(name: str) -> str:
    """Quote a name for Athena's SELECT and CREATE VIEW."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Write text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def json_path(*names: str) -> str:
    r"""Return the JSON path to an object's member by its name, and to members of it by theirs.

    Inside the quotes Trino's tokenizer knows two escapes only, `\"` and `\\`, and refuses any other
    (io.trino.jsonpath JsonPathTokenizer).
    """
    quoted = (name.replace("\\", "\\\\").replace('"', '\\"') for name in names)
    return "$" + "".join(f'["{name}"]' for name in quoted)


def _key_expression(attribute: KeyAttribute) -> str:
    value = f"json_extract_scalar(item_key, {quote_literal(json_path(attribute.name, attribute.type))})"
    return f"CAST(from_base64({value}) AS varbinary)" if attribute.type == "B" else f"CAST({value} AS varchar)"
