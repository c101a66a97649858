"""The statements of the views, rendered from their `.sql` files."""

from __future__ import annotations

from importlib import resources
from string import Template

from ddb_pipeline.declaration import KeyAttribute, Pipeline
from ddb_pipeline.item_columns import item_column_expression
from ddb_pipeline.names import PublishedNames
from ddb_pipeline.sql_text import json_path, quote_identifier, quote_literal
from ddb_pipeline.view_sql.columns import View, key_column_names
from ddb_pipeline.view_sql.inputs import NOTHING_KNOWN, ViewInputs
from ddb_pipeline.view_sql.records import baseline_rows, change_conditions

_STATE_READS = (
    "item_key", "event_id", "changed_at_us", "new_hash", "old_hash", "new_image", "new_item",
    "arrived_at_ms", "shard_id", "sequence_number",
)  # fmt: skip


def create_view_statement(
    view: View, pipeline: Pipeline, names: PublishedNames, inputs: ViewInputs = NOTHING_KNOWN
) -> str:
    """Return the `CREATE OR REPLACE VIEW` statement of a view."""
    target = f"{quote_identifier(names.database)}.{quote_identifier(view.name)}"
    return f"CREATE OR REPLACE VIEW {target} AS\n{select_statement(view, pipeline, names, inputs)}"


def select_statement(view: View, pipeline: Pipeline, names: PublishedNames, inputs: ViewInputs = NOTHING_KNOWN) -> str:
    """Return the query that a view stands for, rendered from its `.sql` file."""
    text = resources.files("ddb_pipeline").joinpath("sql", f"{view.name}.sql").read_text(encoding="utf-8")
    return Template(text).substitute(
        change_table=f"{quote_identifier(names.database)}.{quote_identifier(names.change_table)}",
        changes=change_conditions(names, inputs, bounded=False),
        changes_since_the_baseline=change_conditions(names, inputs, bounded=True),
        state_reads=", ".join(_STATE_READS),
        baseline_rows=baseline_rows(_STATE_READS, names, inputs),
        # with a baseline, an item that nothing is known of is absent; without one, the first instant decides
        first_instant="NULL" if inputs.baseline else "min(instant_us) OVER (PARTITION BY item_key)",
        key_columns=_key_columns(pipeline),
        item_columns=_item_columns(inputs),
    )


def _key_columns(pipeline: Pipeline) -> str:
    return ",\n    ".join(
        f"{_key_expression(attribute)} AS {quote_identifier(name)}"
        for name, attribute in key_column_names(pipeline).items()
    )


def _item_columns(inputs: ViewInputs) -> str:
    return "".join(
        f"\n    CAST({item_column_expression(column, 'image')} AS {column.type}) AS {quote_identifier(column.name)},"
        for column in inputs.item_columns
    )


def _key_expression(attribute: KeyAttribute) -> str:
    value = f"json_extract_scalar(item_key, {quote_literal(json_path(attribute.name, attribute.type))})"
    return f"CAST(from_base64({value}) AS varbinary)" if attribute.type == "B" else f"CAST({value} AS varchar)"
