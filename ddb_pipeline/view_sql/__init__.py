"""The Athena views: what they are called, which columns they have, and their SQL.

Each view is one file in `sql/`. Rendering puts in the names, quoted by `sql_text`, and what the view depends on: the
baseline that bounds it, the moment it answers for, attributes as columns. Pure; needs no client.
"""

from ddb_pipeline.view_sql.columns import STATE_VIEW, View, key_column_names, views
from ddb_pipeline.view_sql.inputs import NOTHING_KNOWN, ViewInputs
from ddb_pipeline.view_sql.records import change_rows, hours_since
from ddb_pipeline.view_sql.rendering import create_view_statement, select_statement

__all__ = [
    "NOTHING_KNOWN",
    "STATE_VIEW",
    "View",
    "ViewInputs",
    "change_rows",
    "create_view_statement",
    "hours_since",
    "key_column_names",
    "select_statement",
    "views",
]
