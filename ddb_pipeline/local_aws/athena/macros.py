"""DuckDB macros for what DuckDB computes differently from Trino, or not at all."""

# ruff: noqa: E501 - SQL reads best unbroken

from __future__ import annotations

from ddb_pipeline.local_aws.athena.casts import failure
from ddb_pipeline.local_aws.athena.json_macros import JSON_MACROS
from ddb_pipeline.local_aws.athena.types import BIGINT, VARCHAR, Type

MAX_SEQUENCE = 10_000
"""Most entries of `sequence` (Trino's SequenceFunction)."""
# Java's whitespace, which Trino trims; DuckDB trims the space alone
_WHITESPACE = " || ".join(
    f"chr({point})"
    for point in (*range(9, 14), *range(28, 33), 5760, *range(8192, 8199), *range(8200, 8203), 8232, 8233, 8287, 12288)
)
_LONG_SEQUENCE = failure(
    "INVALID_FUNCTION_ARGUMENT",
    f"result of sequence function must not have more than {MAX_SEQUENCE} entries",
    Type("array", parts=(BIGINT,)),
)
_ZERO_STEP = failure("INVALID_FUNCTION_ARGUMENT", "step must not be zero", Type("array", parts=(BIGINT,)))
_WRONG_STEP = failure(
    "INVALID_FUNCTION_ARGUMENT",
    "sequence stop value should be greater than or equal to start value if step is greater than zero otherwise stop "
    "value should be less than or equal to start value",
    Type("array", parts=(BIGINT,)),
)
_NO_ELEMENT = failure("INVALID_FUNCTION_ARGUMENT", "Array subscript must be less than or equal to array length", BIGINT)
_ZERO_INDEX = failure("INVALID_FUNCTION_ARGUMENT", "SQL array indices start at 1", BIGINT)
_NEGATIVE_INDEX = failure("INVALID_FUNCTION_ARGUMENT", "Array subscript is negative", BIGINT)
_NO_SUCH_TIME = failure(
    "NOT_SUPPORTED", "a time while clocks are changed is not supported here by local AWS", Type("timestamp", (6,))
)
_BAD_COUNT = failure(
    "INVALID_FUNCTION_ARGUMENT", f"count argument of repeat function must be between 0 and {MAX_SEQUENCE}", BIGINT
)
_BAD_BITS = failure("INVALID_FUNCTION_ARGUMENT", "Bits specified in bit_count must be between 2 and 64", BIGINT)
_TOO_FEW_BITS = failure("INVALID_FUNCTION_ARGUMENT", "Number must be representable with the bits specified", BIGINT)
_NO_MEMBER = failure("INVALID_FUNCTION_ARGUMENT", "Key not present in map: {}", BIGINT, shown="CAST(k AS VARCHAR)")
_NEGATIVE_LENGTH = failure("INVALID_FUNCTION_ARGUMENT", "length must be greater than or equal to 0", BIGINT)
_EMPTY_DELIMITER = failure("INVALID_FUNCTION_ARGUMENT", "The delimiter may not be the empty string", VARCHAR)
_EMPTY_SEARCH = failure("NOT_SUPPORTED", "replace of an empty text is not supported by local AWS", VARCHAR)
_BAD_PART = failure("INVALID_FUNCTION_ARGUMENT", "Index must be greater than zero", BIGINT)
_SHARP_S = failure("NOT_SUPPORTED", "upper of text with a sharp s is not supported by local AWS", VARCHAR)

MACROS: tuple[str, ...] = (
    *JSON_MACROS,
    # rounds half up, also before 1970
    (
        "athena_round_timestamp(x, unit) AS make_timestamp(epoch_us(x) + unit // 2 "
        "- ((epoch_us(x) + unit // 2) % unit + unit) % unit)"
    ),
    # whole months, as Joda counts them: the last day of a shorter month completes one
    (
        "athena_months_after(a, b) AS date_diff('month', a, b) "
        "- CASE WHEN a + to_months(CAST(date_diff('month', a, b) AS INTEGER)) > b THEN 1 ELSE 0 END"
    ),
    "athena_months_between(a, b) AS CASE WHEN b >= a THEN athena_months_after(a, b) ELSE -athena_months_after(b, a) END",
    # clocks that are put forward leave times out, and show others twice
    "athena_wall(x, zone) AS timezone(zone, timezone('UTC', x))",
    (
        "athena_instant(x, zone) AS CASE WHEN athena_wall(timezone('UTC', timezone(zone, x)), zone) <> x "
        "OR athena_wall(timezone('UTC', timezone(zone, x)) - to_hours(1), zone) = x "
        f"OR athena_wall(timezone('UTC', timezone(zone, x)) + to_hours(1), zone) = x THEN {_NO_SUCH_TIME} "
        "ELSE timezone('UTC', timezone(zone, x)) END"
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
    # whole numbers of 32 or 64 bits, as Java shifts them
    "athena_power_of_two(n) AS (CAST(1 AS HUGEINT) << CAST(n AS INTEGER))",
    "athena_unsigned(x, w) AS (CAST(x AS HUGEINT) & (athena_power_of_two(w) - 1))",
    f"athena_times(n) AS CASE WHEN n < 0 OR n > {MAX_SEQUENCE} THEN {_BAD_COUNT} ELSE n END",
    (
        "athena_wrapped(x, w) AS CASE WHEN athena_unsigned(x, w) >= athena_power_of_two(w - 1) "
        "THEN athena_unsigned(x, w) - athena_power_of_two(w) ELSE athena_unsigned(x, w) END"
    ),
    (
        f"athena_bit_count(x, b) AS CASE WHEN b < 2 OR b > 64 THEN {_BAD_BITS} "
        f"WHEN x < -athena_power_of_two(b - 1) OR x >= athena_power_of_two(b - 1) THEN {_TOO_FEW_BITS} "
        "ELSE CAST(bit_count(athena_unsigned(x, b)) AS BIGINT) END"
    ),
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
        f"athena_sequence_by(a, b, s) AS CASE WHEN s = 0 THEN {_ZERO_STEP} WHEN (b > a AND s < 0) OR (b < a AND s > 0) "
        f"THEN {_WRONG_STEP} WHEN abs((CAST(b AS HUGEINT) - a) // s) >= {MAX_SEQUENCE} THEN {_LONG_SEQUENCE} "
        "WHEN a IS NOT NULL AND b IS NOT NULL AND s IS NOT NULL THEN generate_series(a, b, s) END"
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
    (
        "athena_distinct(a) AS list_filter(a, lambda e, i: coalesce(list_position(a, e), 0) = i "
        "OR (e IS NULL AND NOT athena_has_null(a[1:i-1])))"
    ),
    (
        "athena_without(a, b) AS CASE WHEN b IS NOT NULL THEN list_filter(a, lambda e: CASE WHEN e IS NULL "
        "THEN NOT athena_has_null(b) ELSE NOT list_contains(b, e) END) END"
    ),
    # in the order of the longer one (ArrayIntersectFunction)
    "athena_common(a, b) AS athena_distinct(list_filter(a, lambda e: e IS NULL AND athena_has_null(b) OR coalesce(list_contains(b, e), false)))",
    (
        "athena_intersect(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN len(a) < len(b) "
        "THEN athena_common(b, a) ELSE athena_common(a, b) END"
    ),
    (
        "athena_overlap(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN list_has_any(a, b) THEN true "
        "WHEN athena_has_null(a) AND len(b) > 0 OR athena_has_null(b) AND len(a) > 0 THEN NULL ELSE false END"
    ),
    (
        "athena_member(m, k) AS CASE WHEN m IS NULL OR k IS NULL THEN NULL WHEN map_contains(m, k) "
        f"THEN map_extract_value(m, k) ELSE list_extract(map_values(m), {_NO_MEMBER}) END"
    ),
    # what the aggregates of FINISHED have collected: entries of key `k` and value `v`
    "athena_unique(l) AS list_filter(l, lambda e, i: list_position(list_transform(l, lambda o: struct_extract(o, 'k')), struct_extract(e, 'k')) = i)",
    "athena_map_of(l) AS map_from_entries(athena_unique(list_filter(l, lambda e: struct_extract(e, 'k') IS NOT NULL)))",
    (
        "athena_union_of_maps(l) AS athena_map_of(list_transform(flatten(list_filter(l, lambda e: e IS NOT NULL)), "
        "lambda e: {'k': struct_extract(e, 'key'), 'v': struct_extract(e, 'value')}))"
    ),
    (
        "athena_multimap_of(l) AS map_from_entries(list_transform(athena_unique(list_filter(l, lambda e: struct_extract(e, 'k') IS NOT NULL)), "
        "lambda u: {'k': struct_extract(u, 'k'), 'v': list_transform(list_filter(l, "
        "lambda e: struct_extract(e, 'k') = struct_extract(u, 'k')), lambda e: struct_extract(e, 'v'))}))"
    ),
    (
        "athena_histogram(l) AS map_from_entries(list_transform(athena_unique(list_filter(l, lambda e: struct_extract(e, 'k') IS NOT NULL)), "
        "lambda u: {'k': struct_extract(u, 'k'), 'v': CAST(len(list_filter(l, "
        "lambda e: struct_extract(e, 'k') = struct_extract(u, 'k'))) AS BIGINT)}))"
    ),
    # entries of rank `y`, value `x` and the number `n` of them that are wanted
    (
        "athena_most(l, direction) AS list_transform(list_slice(list_sort(list_filter(l, lambda e: struct_extract(e, 'y') IS NOT NULL), "
        "direction, 'NULLS LAST'), 1, struct_extract(l[1], 'n')), lambda e: struct_extract(e, 'x'))"
    ),
    "athena_zip(a, b) AS CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN list_zip(a, b) END",
    (
        f"athena_slice(a, s, n) AS CASE WHEN a IS NULL OR s IS NULL OR n IS NULL THEN NULL ELSE list_slice(a, "
        f"CASE WHEN s = 0 THEN {_ZERO_INDEX} WHEN s > 0 THEN s WHEN len(a) + s < 0 THEN len(a) + 1 ELSE len(a) + s + 1 END, "
        f"CASE WHEN n < 0 THEN {_NEGATIVE_LENGTH} WHEN s > 0 THEN s + n - 1 ELSE len(a) + s + n END) END"
    ),
)
