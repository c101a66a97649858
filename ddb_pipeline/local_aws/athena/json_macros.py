"""DuckDB macros for JSON. What DuckDB reads and writes as Trino does stays in DuckDB; the rest goes through Python.

A JSON value is its text, as `json_text` makes it, so its first character tells its kind.
"""

# ruff: noqa: E501 - SQL reads best unbroken

from __future__ import annotations

from ddb_pipeline.local_aws.athena.casts import failure, text
from ddb_pipeline.local_aws.athena.types import VARCHAR, Type

_JSON_NUMBER = r"'(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)'"
# numbers that DuckDB writes anew, and what it takes for JSON although it is none
_FRACTION = text(r"(?:^|[\[:,\s])-?[0-9]+[.eE]")
_NUMBER = text(r"(?:^|[\[:,\s])-?(?:[0-9]+[.eE]|[NIi]|n[^u])")
_DIGITS = text(r"^-?[0-9].*")
_UNUSUAL = text(r"(?:^|[\[:,])(?:-?[0-9]+[.eE]|-0|-?[NIi]|n[^u])")
# a number so long that a double may not hold it
_LONG_NUMBER = text(r"(?:^|[\[:,])-?[0-9.eE+-]{17,}")
_NOT_A_CONTAINER = failure(
    "INVALID_CAST_ARGUMENT", "Cannot cast '{}' to array or map", Type("array", parts=(VARCHAR,)), shown="x"
)
_NOT_AN_OBJECT = failure("INVALID_CAST_ARGUMENT", "Cannot cast '{}' to map", VARCHAR, shown="x")

JSON_MACROS: tuple[str, ...] = (
    # JSON numbers become text of the same digits: DuckDB would read them as doubles
    (
        'athena_quote_numbers(x) AS array_to_string(list_transform(regexp_extract_all(x, \'"(?:[^"\\\\]|\\\\.)*"|[^"]+\'), '
        f"lambda s: CASE WHEN left(s, 1) = '\"' THEN s ELSE regexp_replace(s, {_JSON_NUMBER}, '\"\\1\"', 'g') END), '')"
    ),
    # TRY around each part: DuckDB evaluates a constant CASE inside TRY before it comes to the TRY
    (
        "athena_json_scalar(x, p) AS CASE TRY(json_type(x, p)) WHEN 'VARCHAR' THEN TRY(json_extract_string(x, p)) "
        "WHEN 'UBIGINT' THEN TRY(json_extract_string(x, p)) WHEN 'BOOLEAN' THEN TRY(json_extract_string(x, p)) "
        "WHEN 'BIGINT' THEN TRY(json_extract_string(athena_quote_numbers(x), p)) "
        # NaN and Infinity are doubles to DuckDB, and no JSON to Trino
        f"WHEN 'DOUBLE' THEN nullif(regexp_extract(TRY(json_extract_string(athena_quote_numbers(x), p)), {_DIGITS}), '') "
        "ELSE NULL END"
    ),
    # of the type json: its numbers have gone through a double, if Athena's do
    (
        "athena_json_value_scalar(x, p) AS CASE TRY(json_type(x, p)) WHEN 'DOUBLE' "
        "THEN athena_json_shown(athena_json_scalar(x, p)) ELSE athena_json_scalar(x, p) END"
    ),
    "athena_json_length(x) AS CASE TRY(json_type(x)) WHEN 'ARRAY' THEN TRY(CAST(json_array_length(x) AS BIGINT)) END",
    (
        "athena_json_size(x, p) AS CASE TRY(json_type(x, p)) WHEN 'OBJECT' THEN CAST(len(json_keys(x, p)) AS BIGINT) "
        "WHEN 'ARRAY' THEN CAST(json_array_length(x, p) AS BIGINT) ELSE 0 + 0 * length(json_type(x, p)) END"
    ),
    # in the form already, as the converter writes it: names that are repeated below the first level escape this look
    (
        "athena_json_parse(x) AS CASE WHEN x IS NULL THEN NULL WHEN NOT json_valid(x) THEN athena_python_json_parse(x) "
        f"WHEN regexp_matches(x, {_UNUSUAL}) OR json_normalize(x) <> x THEN athena_python_json_parse(x) "
        "WHEN len(json_keys(x)) <> len(list_distinct(json_keys(x))) THEN athena_python_json_parse(x) ELSE x END"
    ),
    f"athena_json_shown(x) AS CASE WHEN regexp_matches(x, {_LONG_NUMBER}) THEN athena_python_json_shown(x) ELSE x END",
    (
        f"athena_json_extract(x, p) AS CASE WHEN regexp_matches(x, {_NUMBER}) THEN athena_python_json_extract(x, p) "
        "ELSE TRY(CAST(json_extract(x, p) AS VARCHAR)) END"
    ),
    (
        "athena_json_kind(x) AS CASE left(x, 1) WHEN '\"' THEN 'string' WHEN '{' THEN 'object' WHEN '[' THEN 'array' "
        "WHEN 't' THEN 'boolean' WHEN 'f' THEN 'boolean' WHEN 'n' THEN 'null' "
        "ELSE CASE WHEN regexp_full_match(x, '-?[0-9]+') THEN 'whole' ELSE 'fraction' END END"
    ),
    (
        f"athena_json_parts(x) AS CASE WHEN regexp_matches(x, {_FRACTION}) THEN athena_python_json_parts(x) WHEN left(x, 1) = '[' "
        "THEN CAST(json_extract(x, '$[*]') AS VARCHAR[]) ELSE CAST(json_extract(x, '$.*') AS VARCHAR[]) END"
    ),
    (
        "athena_json_values(x) AS CASE left(x, 1) WHEN 'n' THEN NULL WHEN '[' THEN athena_json_parts(x) "
        f"ELSE CASE WHEN x IS NULL THEN NULL ELSE {_NOT_A_CONTAINER} END END"
    ),
    (
        "athena_json_members(x) AS CASE left(x, 1) WHEN 'n' THEN NULL WHEN '{' THEN map(json_keys(x), athena_json_parts(x)) "
        f"ELSE CASE WHEN x IS NULL THEN NULL ELSE map([{_NOT_AN_OBJECT}], ['']) END END"
    ),
)
