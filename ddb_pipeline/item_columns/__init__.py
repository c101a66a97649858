"""Attributes of items as typed columns of the views: discovered in the hours, remembered, written as SQL. Pure."""

from ddb_pipeline.item_columns.expressions import ItemColumn, item_column_expression, plain_json

__all__ = ["ItemColumn", "item_column_expression", "plain_json"]
