"""DuckDB macros for what DuckDB computes differently from Trino, or not at all."""

# ruff: noqa: E501 - SQL reads best unbroken

from __future__ import annotations

from ddb_pipeline.local_aws.athena.casts import failure
from ddb_pipeline.local_aws.athena.types import BIGINT, VARCHAR, Type

MAX_SEQUENCE = 10_000
"""Most entries of `sequence` (Trino's SequenceFunction)."""
# Java's whitespace, which Trino trims; DuckDB trims the space alone
_WHITESPACE = " || ".join(
    f"chr({point})"
    for point in (*range(9, 14), *range(28, 33), 5760, *range(8192, 8199), *range(8200, 8203), 8232, 8233, 8287, 12288)
)
_JSON_NUMBER = r"'(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)'"
_NOT_A_SCALAR = failure("INVALID_CAST_ARGUMENT", "Cannot cast '{}' to varchar", VARCHAR, shown="x")
_NOT_AN_ARRAY = failure(
    "INVALID_CAST_ARGUMENT", "Cannot cast '{}' to array", Type("array", parts=(VARCHAR,)), shown="x"
)
_FRACTION = failure(
    "NOT_SUPPORTED", "CAST of the JSON number {} to varchar is not supported by local AWS", VARCHAR, shown="x"
)
_INEXACT = failure("NOT_SUPPORTED", "a JSON part with fractions is not supported by local AWS", VARCHAR)
_NOT_JSON = failure("INVALID_FUNCTION_ARGUMENT", "Cannot convert value to JSON: '{}'", VARCHAR, shown="x")
_LONG_SEQUENCE = failure(
    "INVALID_FUNCTION_ARGUMENT",
    f"result of sequence function must not have more than {MAX_SEQUENCE} entries",
    Type("array", parts=(BIGINT,)),
)
_NO_ELEMENT = failure("INVALID_FUNCTION_ARGUMENT", "Array subscript must be less than or equal to array length", BIGINT)
_ZERO_INDEX = failure("INVALID_FUNCTION_ARGUMENT", "SQL array indices start at 1", BIGINT)
_NEGATIVE_INDEX = failure("INVALID_FUNCTION_ARGUMENT", "Array subscript is negative", BIGINT)
_EMPTY_DELIMITER = failure("INVALID_FUNCTION_ARGUMENT", "The delimiter may not be the empty string", VARCHAR)
_EMPTY_SEARCH = failure("NOT_SUPPORTED", "replace of an empty text is not supported by local AWS", VARCHAR)
_BAD_PART = failure("INVALID_FUNCTION_ARGUMENT", "Index must be greater than zero", BIGINT)
_SHARP_S = failure("NOT_SUPPORTED", "upper of text with a sharp s is not supported by local AWS", VARCHAR)

MACROS: tuple[str, ...] = (
    # rounds half up, also before 1970
    (
        "athena_round_timestamp(x, unit) AS make_timestamp(epoch_us(x) + unit // 2 "
        "- ((epoch_us(x) + unit // 2) % unit + unit) % unit)"
    ),
    # a CAST to text is scientific for every double (github.com/trinodb/trino/pull/10657); a double that is
    # itself a result is shown as Java shows it: see `results`
    (
        "athena_double_digits(x) AS regexp_replace(regexp_replace(replace(regexp_replace(regexp_replace("
        "CAST(abs(x) AS VARCHAR), 'e.*', ''), '^0\\.0*', ''), '.', ''), '^0+', ''), '0+$', '')"
    ),
    (
        "athena_double_exponent(x) AS CASE "
        "WHEN CAST(x AS VARCHAR) LIKE '%e%' THEN CAST(regexp_extract(CAST(x AS VARCHAR), 'e(.*)', 1) AS INTEGER) "
        "WHEN abs(x) >= 1 THEN length(regexp_extract(CAST(abs(x) AS VARCHAR), '^[0-9]+')) - 1 "
        "ELSE -length(regexp_extract(CAST(abs(x) AS VARCHAR), '^0\\.(0*)', 1)) - 1 END"
    ),
    (
        "athena_double_text(x) AS CASE WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN "
        "CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END "
        "WHEN x = 0 THEN CASE WHEN CAST(x AS VARCHAR) LIKE '-%' THEN '-0E0' ELSE '0E0' END "
        "ELSE CASE WHEN x < 0 THEN '-' ELSE '' END || left(athena_double_digits(x), 1) || '.' || "
        "CASE WHEN length(athena_double_digits(x)) > 1 THEN substring(athena_double_digits(x), 2) ELSE '0' END "
        "|| 'E' || CAST(athena_double_exponent(x) AS VARCHAR) END"
    ),
    # halves away from zero, as BigDecimal's HALF_UP; the operands are unscaled whole numbers
    "athena_unscaled(x) AS CAST(replace(CAST(x AS VARCHAR), '.', '') AS HUGEINT)",
    "athena_half_up(n, d) AS (CASE WHEN (n < 0) = (d < 0) THEN 1 ELSE -1 END) * ((2 * abs(n) + abs(d)) // (2 * abs(d)))",
    # digits and a point before the last `scale` of them
    (
        "athena_padded(n, scale) AS repeat('0', greatest(scale + 1 - length(CAST(abs(n) AS VARCHAR)), 0)) "
        "|| CAST(abs(n) AS VARCHAR)"
    ),
    (
        "athena_decimal_text(n, scale) AS CASE WHEN n < 0 THEN '-' ELSE '' END "
        "|| left(athena_padded(n, scale), length(athena_padded(n, scale)) - scale) "
        "|| '.' || right(athena_padded(n, scale), scale)"
    ),
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
        "WHEN 'DOUBLE' THEN TRY(json_extract_string(athena_quote_numbers(x), p)) ELSE NULL END"
    ),
    "athena_json_length(x) AS CASE TRY(json_type(x)) WHEN 'ARRAY' THEN TRY(CAST(json_array_length(x) AS BIGINT)) END",
    (
        f"athena_json_text(x) AS CASE json_type(x) WHEN 'NULL' THEN NULL WHEN 'OBJECT' THEN {_NOT_A_SCALAR} "
        f"WHEN 'ARRAY' THEN {_NOT_A_SCALAR} WHEN 'DOUBLE' THEN {_FRACTION} ELSE json_extract_string(x, '$') END"
    ),
    # DuckDB writes fractions anew: a part that holds one would not be the text it was
    (
        f"athena_exact_json(x) AS CASE WHEN contains(CAST(json_structure(x) AS VARCHAR), '\"DOUBLE\"') THEN {_INEXACT} "
        "ELSE CAST(x AS VARCHAR) END"
    ),
    "athena_json_extract(x, p) AS athena_exact_json(TRY(json_extract(x, p)))",
    (
        f"athena_json_values(x) AS CASE json_type(x) WHEN 'NULL' THEN NULL WHEN 'ARRAY' THEN "
        "list_transform(json_extract(athena_exact_json(x), '$[*]'), lambda e: CAST(e AS VARCHAR)) "
        f"ELSE {_NOT_AN_ARRAY} END"
    ),
    f"athena_json_parse(x) AS CASE WHEN x IS NULL OR json_valid(x) THEN x ELSE {_NOT_JSON} END",
    "athena_json_texts(x) AS list_transform(athena_json_values(x), lambda e: athena_json_text(e))",
    # text, in code points
    f"athena_upper(x) AS CASE WHEN contains(x, chr(223)) THEN {_SHARP_S} ELSE upper(x) END",
    f"athena_trim(x) AS trim(x, {_WHITESPACE})",
    f"athena_ltrim(x) AS ltrim(x, {_WHITESPACE})",
    f"athena_rtrim(x) AS rtrim(x, {_WHITESPACE})",
    "athena_substr(x, s) AS CASE WHEN s = 0 OR abs(s) > length(x) THEN '' ELSE substring(x, s) END",
    (
        "athena_substr3(x, s, n) AS CASE WHEN n IS NULL THEN NULL WHEN s = 0 OR abs(s) > length(x) OR n <= 0 THEN '' "
        "ELSE left(substring(x, s), n) END"
    ),
    "athena_reverse(x) AS array_to_string(list_reverse(string_split(x, '')), '')",
    f"athena_replace(x, a, b) AS CASE WHEN a = '' THEN {_EMPTY_SEARCH} ELSE replace(x, a, b) END",
    f"athena_delimiter(d) AS CASE WHEN d = '' THEN {_EMPTY_DELIMITER} ELSE d END",
    f"athena_part(x, d, i) AS list_extract(string_split(x, athena_delimiter(d)), CASE WHEN i < 1 THEN {_BAD_PART} ELSE i END)",
    # arrays
    (
        f"athena_sequence(a, b) AS CASE WHEN abs(CAST(b AS HUGEINT) - a) >= {MAX_SEQUENCE} THEN {_LONG_SEQUENCE} "
        "WHEN a <= b THEN generate_series(a, b) ELSE generate_series(a, b, -1) END"
    ),
    (
        f"athena_subscript(a, i) AS list_extract(a, CASE WHEN i = 0 THEN {_ZERO_INDEX} WHEN i < 0 THEN {_NEGATIVE_INDEX} "
        f"WHEN i > len(a) THEN {_NO_ELEMENT} ELSE i END)"
    ),
    f"athena_element(a, i) AS list_extract(a, CASE WHEN i = 0 THEN {_ZERO_INDEX} ELSE i END)",
    (
        "athena_contains(a, x) AS CASE WHEN a IS NULL OR x IS NULL THEN NULL WHEN list_contains(a, x) THEN true "
        "WHEN len(list_filter(a, lambda e: e IS NULL)) > 0 THEN NULL ELSE false END"
    ),
    "athena_has_null(a) AS len(list_filter(a, lambda e: e IS NULL)) > 0",
)
