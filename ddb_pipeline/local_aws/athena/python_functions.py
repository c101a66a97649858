"""Functions that DuckDB calls in Python: those that it does not have, and that SQL cannot say.

They cost a microsecond or more for each row, so `macros` calls them only for the rows that need them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import duckdb
from duckdb.func import FunctionNullHandling

from ddb_pipeline.local_aws.athena import date_patterns, java_format, json_text, regular_expressions, results

FUNCTIONS: tuple[tuple[str, Callable[..., Any], tuple[str, ...], str], ...] = (
    ("athena_python_json_parse", json_text.parse, ("VARCHAR",), "VARCHAR"),
    ("athena_python_json_extract", json_text.extract, ("VARCHAR", "VARCHAR"), "VARCHAR"),
    ("athena_python_json_parts", json_text.parts, ("VARCHAR",), "VARCHAR[]"),
    ("athena_python_format", java_format.formatted, ("VARCHAR", "VARCHAR[]"), "VARCHAR"),
    ("athena_python_from_iso", date_patterns.from_iso, ("VARCHAR", "VARCHAR"), "BIGINT"),
    ("athena_python_parse_moment", date_patterns.parse, ("VARCHAR", "VARCHAR"), "BIGINT"),
    ("athena_python_double_text", results.double_text, ("DOUBLE",), "VARCHAR"),
    ("athena_python_json_double", json_text.double, ("DOUBLE",), "VARCHAR"),
    ("athena_python_json_shown", json_text.shown, ("VARCHAR",), "VARCHAR"),
    ("athena_python_regexp_count", regular_expressions.count, ("VARCHAR", "VARCHAR"), "BIGINT"),
    ("athena_python_regexp_extract", regular_expressions.extract, ("VARCHAR", "VARCHAR", "BIGINT"), "VARCHAR"),
    (
        "athena_python_regexp_extract_all",
        regular_expressions.extract_all,
        ("VARCHAR", "VARCHAR", "BIGINT"),
        "VARCHAR[]",
    ),
    ("athena_python_regexp_position", regular_expressions.position, ("VARCHAR", "VARCHAR"), "BIGINT"),
    ("athena_python_regexp_replace", regular_expressions.replace, ("VARCHAR", "VARCHAR", "VARCHAR"), "VARCHAR"),
    ("athena_python_regexp_split", regular_expressions.split, ("VARCHAR", "VARCHAR"), "VARCHAR[]"),
)
"""Name in DuckDB, function, types of its arguments and of its result. A NULL argument makes the result NULL."""


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the functions known to a DuckDB and all its cursors."""
    for name, function, arguments, result in FUNCTIONS:
        connection.create_function(
            name, _null_of_null(function), list(arguments), result, null_handling=FunctionNullHandling.SPECIAL
        )


def _null_of_null(function: Callable[..., Any]) -> Callable[..., Any]:
    # DuckDB counts the parameters of the wrapped function
    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        return None if None in arguments else function(*arguments)

    return call
