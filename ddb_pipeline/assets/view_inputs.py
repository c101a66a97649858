"""What a view is made with at the moment of a refresh, and where its columns come from."""

from __future__ import annotations

from collections.abc import Mapping

from dagster import AssetKey, TableColumnDep, TableColumnLineage

from ddb_pipeline.assets.item_attributes import remembered_columns, views_with_columns
from ddb_pipeline.baseline_making.in_use import baseline_in_use
from ddb_pipeline.resources.aws import Deployment
from ddb_pipeline.view_sql import View, ViewInputs, key_column_names

SOURCES: Mapping[str, tuple[str, ...]] = {
    "item": ("new_item",),
    "image": ("new_image",),
    "changed_at": ("changed_at_us",),
    "changed_at_us": ("changed_at_us",),
    "event_id": ("event_id",),
    "state_certain": ("changed_at_us", "new_hash", "old_hash"),
    "item_key": ("item_key",),
}
"""Columns of the change table that a view's column of that name is made of."""


def view_inputs(deployment: Deployment, view: str) -> ViewInputs:
    """Return what a view is to be made with.

    Args:
        deployment: The pipeline on its stage.
        view: Name of the view.

    Raises:
        PipelineError: The view has attributes as columns, and which ones is not known.
    """
    has_columns = view in views_with_columns(deployment.pipeline)
    return ViewInputs(
        baseline=baseline_in_use(deployment),
        item_columns=remembered_columns(deployment) if has_columns else (),
        other_change_table=deployment.other_change_table,
    )


def column_lineage(
    view: View, inputs: ViewInputs, deployment: Deployment, change_table: AssetKey
) -> TableColumnLineage:
    """Return which columns of the change table each column of a view of items is made of.

    Args:
        view: The view, with the columns that it has now.
        inputs: What it is made with.
        deployment: The pipeline on its stage.
        change_table: Key of the change table's asset.
    """
    image = "old_image" if view.name == "deleted_items" else "new_image"
    keys = dict.fromkeys(key_column_names(deployment.pipeline), ("item_key",))
    attributes = dict.fromkeys((column.name for column in inputs.item_columns), (image,))
    sources = {**SOURCES, "image": (image,), **attributes, **keys}
    return TableColumnLineage(
        {
            column.name: [TableColumnDep(change_table, source) for source in sources[column.name]]
            for column in view.columns
            if column.name in sources
        }
    )
