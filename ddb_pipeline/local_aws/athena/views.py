"""Views as Athena keeps them in the Glue catalog: made, read, dropped.

The format is Presto's: the view's query and its column types as base64 of JSON, in `ViewOriginalText`. AWS does not
document it; facts were read from real catalogs.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlglot import exp, parse_one

from ddb_pipeline.local_aws.athena.errors import QueryFailedError
from ddb_pipeline.local_aws.athena.literals import read_type
from ddb_pipeline.local_aws.athena.relations import Field, View
from ddb_pipeline.local_aws.athena.types import UNKNOWN, to_hive

TABLE_TYPE = "VIRTUAL_VIEW"
EXPANDED_TEXT = "/* Presto View */"
MAX_TEXT_CHARACTERS = 409_600
"""Longest ViewOriginalText (botocore, glue `ViewTextString`)."""
_ORIGINAL_TEXT = re.compile(r"/\* Presto View: ([A-Za-z0-9+/=]*) \*/")
_NAME = re.compile(r"[a-z0-9_]+")


def entry(database: str, name: str, sql: str, fields: Sequence[Field]) -> dict[str, Any]:
    """Make the catalog's entry (Glue `TableInput`) of a view.

    Args:
        database: Database that the view is made in.
        name: Lower-case name of the view.
        sql: The query after AS.
        fields: Its columns.

    Raises:
        QueryFailedError: Athena would refuse the view: its name, a column's name or type.
    """
    if not _NAME.fullmatch(name):
        raise QueryFailedError("INVALID_VIEW", f"the view name '{name}' may hold only letters, digits and underscores")
    columns = hive_columns(fields)
    stored = {
        "originalSql": sql,
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [{"name": field.name, "type": str(field.type)} for field in fields],
    }
    encoded = base64.b64encode(json.dumps(stored).encode()).decode()
    text = f"/* Presto View: {encoded} */"
    if len(text) > MAX_TEXT_CHARACTERS:
        raise QueryFailedError(
            "INVALID_VIEW", f"the view takes {len(text)} characters; Glue stores {MAX_TEXT_CHARACTERS}"
        )
    return {
        "Name": name,
        "TableType": TABLE_TYPE,
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "PartitionKeys": [],
        "StorageDescriptor": {"Columns": columns, "Location": "", "SerdeInfo": {}},
        "ViewOriginalText": text,
        "ViewExpandedText": EXPANDED_TEXT,
    }


def hive_columns(fields: Sequence[Field]) -> list[dict[str, str]]:
    """Make Glue's columns of a query's columns.

    Raises:
        QueryFailedError: A name is missing or there twice, or Hive has no such type.
    """
    names = [field.name for field in fields]
    for place, field in enumerate(fields, 1):
        if field.name is None:
            raise QueryFailedError("MISSING_COLUMN_NAME", f"Column name not specified at position {place}")
    repeated = [column for column, count in Counter(names).items() if count > 1]
    if repeated:
        raise QueryFailedError("DUPLICATE_COLUMN_NAME", f"Column name '{repeated[0]}' specified more than once")
    columns: list[dict[str, str]] = []
    for field in fields:
        hive = to_hive(field.type)
        if field.type == UNKNOWN:
            raise QueryFailedError("COLUMN_TYPE_UNKNOWN", f"Column type is unknown: {field.name}")
        if hive is None:
            raise QueryFailedError(
                "NOT_SUPPORTED", f"Invalid column type for column {field.name}: Unsupported Hive type: {field.type}"
            )
        columns.append({"Name": str(field.name), "Type": hive})
    return columns


def read(database: str, name: str, stored: dict[str, Any]) -> View:
    """Read a view from its catalog entry.

    Raises:
        QueryFailedError: The entry is not one that Athena makes.
    """
    match = _ORIGINAL_TEXT.fullmatch(str(stored.get("ViewOriginalText") or "").strip())
    if match is None or (stored.get("Parameters") or {}).get("presto_view") != "true":
        raise QueryFailedError("HIVE_INVALID_VIEW_DATA", f"View {database}.{name} is not a view made by Athena")
    try:
        content = json.loads(base64.b64decode(match[1], validate=True))
        columns = tuple(Field(str(column["name"]), _trino_type(column["type"])) for column in content["columns"])
        return View(str(content["schema"]), name, str(content["originalSql"]), columns)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise QueryFailedError("HIVE_INVALID_VIEW_DATA", f"View {database}.{name} cannot be read: {error}") from None


def _trino_type(text: str) -> Any:
    if text == "unknown":
        return UNKNOWN
    return read_type(text, parse_one(f"CAST(NULL AS {text})", dialect="trino").find(exp.DataType) or exp.Null())
