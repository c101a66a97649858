"""The statements of the views, rendered from their `.sql` files."""

from __future__ import annotations

from importlib import resources
from string import Template

from ddb_pipeline.declaration import KeyAttribute, Pipeline
from ddb_pipeline.item_columns import item_column_expression, plain_json
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.sql_text import json_path, quote_identifier, quote_literal
from ddb_pipeline.view_sql.columns import STATE_VIEW, View, key_column_names
from ddb_pipeline.view_sql.inputs import NOTHING_KNOWN, ViewInputs
from ddb_pipeline.view_sql.records import baseline_rows, change_conditions, change_rows, moment_condition

_ARRIVAL = ("arrived_at_ms", "shard_id", "sequence_number")
_CHANGE = ("item_key", "event_id", "changed_at_us", "new_hash", "old_hash")
_READS = {
    STATE_VIEW: (*_CHANGE, "new_image", "new_item", *_ARRIVAL),
    "item_history": (*_CHANGE, "event_name", "expired_by_ttl", "new_image", "old_image", *_ARRIVAL),
    "deleted_items": (*_CHANGE, "expired_by_ttl", "new_image", "old_image", *_ARRIVAL),
    "change_problems": ("table_name", *_CHANGE, *_ARRIVAL),
    "attribute_changes": (*_CHANGE, "event_name", "expired_by_ttl", "new_image", "old_image"),
    "change_counts": ("item_key", "event_id", "event_name", "expired_by_ttl"),
}
"""Columns of the change tables that views read, beside those of conditions."""


def create_view_statement(
    view: View, pipeline: Pipeline, names: PublishedNames, inputs: ViewInputs = NOTHING_KNOWN
) -> str:
    """Return the `CREATE OR REPLACE VIEW` statement of a view."""
    target = f"{quote_identifier(names.database)}.{quote_identifier(view.name)}"
    return f"CREATE OR REPLACE VIEW {target} AS\n{select_statement(view, pipeline, names, inputs)}"


def select_statement(view: View, pipeline: Pipeline, names: PublishedNames, inputs: ViewInputs = NOTHING_KNOWN) -> str:
    """Return the query that a view stands for, rendered from its `.sql` file."""
    reads = _READS[view.name]
    image = "new_image" if view.name == STATE_VIEW else "image"
    of_item = "table_name, item_key" if view.name == "change_problems" else "item_key"
    depth = pipeline.attribute_changes_depth
    return _sql(
        view.name,
        change_table=change_rows(reads, names, inputs.other_change_table),
        table_name=quote_literal(names.table),
        reads=", ".join(reads),
        changes=change_conditions(names, inputs, bounded=False),
        changes_of_all_tables=moment_condition(inputs),
        changes_since_the_baseline=change_conditions(names, inputs, bounded=True),
        baseline_rows=baseline_rows(reads, names, inputs),
        votes=_sql("parts/votes", of_item=of_item),
        decides=f"(from_baseline OR instant_us >= {inputs.baseline.cut_us})" if inputs.baseline else "true",
        first_instant=_first_instant(inputs, of_item),
        may_decide="balance > 0" if inputs.baseline else "true",
        absence_is_known="true" if inputs.baseline else "deciding_us IS NOT NULL",
        key_columns=_key_columns(pipeline),
        item_columns=_item_columns(inputs, image),
        plain_image=plain_json("concat('{\"M\":', image, '}')"),
        plain_old_value=plain_json("old_value"),
        plain_new_value=plain_json("new_value"),
        deeper_levels="".join(
            _sql("parts/deeper_level", level=str(level), above=str(level - 1)) for level in range(2, depth + 1)
        ),
        deepest_level=f"level_{depth}",
    )


def _first_instant(inputs: ViewInputs, of_item: str) -> str:
    """The instant that decides on an item where none led anywhere; null where what was before it decides."""
    # with a baseline, an item that nothing is known of is absent; since a moment, the changes before are not read
    is_known_before = inputs.baseline is not None or inputs.since_us is not None
    return "CAST(NULL AS bigint)" if is_known_before else f"min(instant_us) OVER (PARTITION BY {of_item})"


def _sql(name: str, **values: str) -> str:
    """Return a file of `sql/` with these values for its placeholders, whichever of them it has."""
    text = resources.files("ddb_pipeline").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    return Template(text.rstrip("\n")).substitute(values)


def _key_columns(pipeline: Pipeline) -> str:
    return ",\n    ".join(
        f"{_key_expression(attribute)} AS {quote_identifier(name)}"
        for name, attribute in key_column_names(pipeline).items()
    )


def _item_columns(inputs: ViewInputs, image: str) -> str:
    return "".join(
        f"\n    CAST({item_column_expression(column, image)} AS {column.type}) AS {quote_identifier(column.name)},"
        for column in inputs.item_columns
    )


def _key_expression(attribute: KeyAttribute) -> str:
    value = f"json_extract_scalar(item_key, {quote_literal(json_path(attribute.name, attribute.type))})"
    return f"CAST(from_base64({value}) AS varbinary)" if attribute.type == "B" else f"CAST({value} AS varchar)"
