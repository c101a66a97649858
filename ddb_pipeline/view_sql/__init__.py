"""The Athena views: what they are called, which columns they have, and their SQL.

Each view is one file in `sql/`. Rendering puts in the names, quoted by `sql_text`, and what the view depends on: the
baseline that bounds it, the moment it answers for, attributes as columns. Pure; needs no client.
"""

from ddb_pipeline.view_sql.columns import View, key_column_names, views
from ddb_pipeline.view_sql.inputs import NOTHING_KNOWN, ViewInputs
from ddb_pipeline.view_sql.records import change_rows
from ddb_pipeline.view_sql.rendering import create_view_statement, select_statement

__all__ = [
    "NOTHING_KNOWN",
    "View",
    "ViewInputs",
    "change_rows",
    "create_view_statement",
    "key_column_names",
    "select_statement",
    "views",
]
