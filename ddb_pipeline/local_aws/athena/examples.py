"""What Athena answers, as tested examples: the proof of each function, operator, conversion and form on the list.

Each line: expression, then its type, then its text in GetQueryResults (`NULL` for none, `!NAME` for an error of that
name), then the page of the Trino documentation that says so, below https://trino.io/docs/current/
(https://docs.aws.amazon.com/athena/latest/ug/functions.html names Trino's functions as those of engine version 3).
Where a page gives no example, the value follows from its text; none of them was run on AWS.
A test holds this list to `functions.py`: a function without an example fails it.
"""

# ruff: noqa: E501 - one example, one line

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "https://trino.io/docs/current/"


@dataclass(frozen=True)
class Example:
    """An expression and what Athena makes of it; `text` None is NULL, `error` is the name of an error."""

    expression: str
    type: str
    text: str | None
    error: str | None
    source: str


def _read(lines: str) -> tuple[Example, ...]:
    found = []
    for line in filter(None, map(str.strip, lines.splitlines())):
        expression, type_, text, page = (part.strip(" ") for part in line.split(" ¦ "))
        error = text[1:] if text.startswith("!") else None
        shown = None if error or text == "NULL" else text.strip("«»")
        found.append(Example(expression, type_, shown, error, SOURCE + page))
    return tuple(found)


EXAMPLES = _read(r"""
    1 + 2 ¦ integer ¦ 3 ¦ functions/math.html
    2147483647 + 1 ¦ integer ¦ !NUMERIC_VALUE_OUT_OF_RANGE ¦ functions/math.html
    2147483648 + 1 ¦ bigint ¦ 2147483649 ¦ functions/math.html
    9223372036854775807 * 2 ¦ bigint ¦ !NUMERIC_VALUE_OUT_OF_RANGE ¦ functions/math.html
    5 - 7 ¦ integer ¦ -2 ¦ functions/math.html
    7 / 2 ¦ integer ¦ 3 ¦ functions/math.html
    -7 / 2 ¦ integer ¦ -3 ¦ functions/math.html
    1 / 0 ¦ integer ¦ !DIVISION_BY_ZERO ¦ functions/math.html
    1 % 0 ¦ integer ¦ !DIVISION_BY_ZERO ¦ functions/math.html
    7 % 2 ¦ integer ¦ 1 ¦ functions/math.html
    -7 % 2 ¦ integer ¦ -1 ¦ functions/math.html
    mod(-7, 2) ¦ bigint ¦ -1 ¦ functions/math.html
    1e0 / 0 ¦ double ¦ Infinity ¦ functions/math.html
    0e0 / 0 = 0e0 / 0 ¦ boolean ¦ false ¦ functions/comparison.html
    1.0 / 3 ¦ decimal(2,1) ¦ 0.3 ¦ functions/decimal.html
    2.00 / 3 ¦ decimal(3,2) ¦ 0.67 ¦ functions/decimal.html
    -2.00 / 3 ¦ decimal(3,2) ¦ -0.67 ¦ functions/decimal.html
    12345.0 / 7 ¦ decimal(6,1) ¦ 1763.6 ¦ functions/decimal.html
    1 / 3.000 ¦ decimal(16,3) ¦ 0.333 ¦ functions/decimal.html
    'a%c' NOT LIKE 'a#%c' ESCAPE '#' ¦ boolean ¦ false ¦ functions/comparison.html
    1.0 / 0 ¦ decimal(2,1) ¦ !DIVISION_BY_ZERO ¦ functions/decimal.html
    1.5 + 2.25 ¦ decimal(4,2) ¦ 3.75 ¦ functions/decimal.html
    1.5 * 2.25 ¦ decimal(5,3) ¦ 3.375 ¦ functions/decimal.html
    1.5 + 1 ¦ decimal(12,1) ¦ 2.5 ¦ functions/decimal.html
    5.5 % 2.0 ¦ decimal(2,1) ¦ 1.5 ¦ functions/decimal.html
    1.5 + 1e0 ¦ double ¦ 2.5 ¦ language/types.html
    - 1.5 ¦ decimal(2,1) ¦ -1.5 ¦ functions/decimal.html
    + 1 ¦ integer ¦ 1 ¦ functions/math.html
    abs(-1.5) ¦ decimal(2,1) ¦ 1.5 ¦ functions/math.html
    ceil(1.2e0) ¦ double ¦ 2.0 ¦ functions/math.html
    ceiling(-1.2e0) ¦ double ¦ -1.0 ¦ functions/math.html
    floor(-1.2e0) ¦ double ¦ -2.0 ¦ functions/math.html
    ceil(1.2) ¦ decimal(2,0) ¦ 2 ¦ functions/math.html
    floor(-1.25) ¦ decimal(2,0) ¦ -2 ¦ functions/math.html
    truncate(1.5) ¦ decimal(1,0) ¦ !FUNCTION_NOT_FOUND ¦ functions/math.html
    round(2.5e0) ¦ double ¦ 3.0 ¦ functions/math.html
    round(-2.5e0) ¦ double ¦ -3.0 ¦ functions/math.html
    round(2.5) ¦ decimal(2,0) ¦ 3 ¦ functions/math.html
    round(2.567, 2) ¦ decimal(5,3) ¦ 2.570 ¦ functions/math.html
    round(2.567e0, 2) ¦ double ¦ 2.57 ¦ functions/math.html
    sign(-3) ¦ integer ¦ -1 ¦ functions/math.html
    sqrt(9) ¦ double ¦ 3.0 ¦ functions/math.html
    truncate(-2.7e0) ¦ double ¦ -2.0 ¦ functions/math.html
    bitwise_and(12, 10) ¦ bigint ¦ 8 ¦ functions/bitwise.html
    bitwise_or(12, 10) ¦ bigint ¦ 14 ¦ functions/bitwise.html
    bitwise_xor(12, 10) ¦ bigint ¦ 6 ¦ functions/bitwise.html
    1e10 ¦ double ¦ 1.0E10 ¦ language/types.html
    0.00012e0 ¦ double ¦ 1.2E-4 ¦ language/types.html
    1234567.5e0 ¦ double ¦ 1234567.5 ¦ language/types.html
    1 = 1.0 ¦ boolean ¦ true ¦ functions/comparison.html
    1 <> 2 ¦ boolean ¦ true ¦ functions/comparison.html
    1 != 1 ¦ boolean ¦ false ¦ functions/comparison.html
    'a' < 'B' ¦ boolean ¦ false ¦ functions/comparison.html
    'é' > 'z' ¦ boolean ¦ true ¦ functions/comparison.html
    1 <= 1 ¦ boolean ¦ true ¦ functions/comparison.html
    2 >= 3 ¦ boolean ¦ false ¦ functions/comparison.html
    1 = 'a' ¦ boolean ¦ !TYPE_MISMATCH ¦ functions/comparison.html
    1 = NULL ¦ boolean ¦ NULL ¦ functions/comparison.html
    NULL IS NULL ¦ boolean ¦ true ¦ functions/comparison.html
    NOT 1 IS NULL ¦ boolean ¦ true ¦ functions/comparison.html
    1 IS NOT NULL ¦ boolean ¦ true ¦ functions/comparison.html
    NULL IS DISTINCT FROM 1 ¦ boolean ¦ true ¦ functions/comparison.html
    CAST(NULL AS integer) IS NOT DISTINCT FROM NULL ¦ boolean ¦ true ¦ functions/comparison.html
    3 BETWEEN 1 AND 3 ¦ boolean ¦ true ¦ functions/comparison.html
    3 NOT BETWEEN 1 AND 2 ¦ boolean ¦ true ¦ functions/comparison.html
    1 IN (1, 2) ¦ boolean ¦ true ¦ functions/comparison.html
    1 NOT IN (2, NULL) ¦ boolean ¦ NULL ¦ functions/comparison.html
    1 IN (SELECT 1) ¦ boolean ¦ true ¦ sql/select.html
    EXISTS (SELECT 1 WHERE false) ¦ boolean ¦ false ¦ sql/select.html
    (SELECT 3) ¦ integer ¦ 3 ¦ sql/select.html
    (SELECT x FROM (VALUES 1, 2) AS t(x)) ¦ integer ¦ !SUBQUERY_MULTIPLE_ROWS ¦ sql/select.html
    'abc' LIKE 'a_c' ¦ boolean ¦ true ¦ functions/comparison.html
    'a%c' LIKE 'a#%c' ESCAPE '#' ¦ boolean ¦ true ¦ functions/comparison.html
    'abc' NOT LIKE '%b%' ¦ boolean ¦ false ¦ functions/comparison.html
    'a\b' LIKE 'a\b' ¦ boolean ¦ true ¦ functions/comparison.html
    greatest(1, NULL) ¦ integer ¦ NULL ¦ functions/comparison.html
    greatest(1, 3, 2) ¦ integer ¦ 3 ¦ functions/comparison.html
    least('b', 'a') ¦ varchar(1) ¦ a ¦ functions/comparison.html
    true AND NULL ¦ boolean ¦ NULL ¦ functions/logical.html
    false AND NULL ¦ boolean ¦ false ¦ functions/logical.html
    true OR NULL ¦ boolean ¦ true ¦ functions/logical.html
    1 AND true ¦ boolean ¦ !TYPE_MISMATCH ¦ functions/logical.html
    CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE 'c' END ¦ varchar(1) ¦ b ¦ functions/conditional.html
    CASE WHEN false THEN 1 END ¦ integer ¦ NULL ¦ functions/conditional.html
    CASE WHEN true THEN 1 ELSE 'a' END ¦ integer ¦ !TYPE_MISMATCH ¦ functions/conditional.html
    if(false, 1) ¦ integer ¦ NULL ¦ functions/conditional.html
    if(true, 1, 2.5) ¦ decimal(11,1) ¦ 1.0 ¦ functions/conditional.html
    coalesce(NULL, 2) ¦ integer ¦ 2 ¦ functions/conditional.html
    nullif(1, 1) ¦ integer ¦ NULL ¦ functions/conditional.html
    nullif('a', 'b') ¦ varchar(1) ¦ a ¦ functions/conditional.html
    try(1 / 0) ¦ integer ¦ NULL ¦ functions/conditional.html
    try(CAST('x' AS bigint)) ¦ bigint ¦ NULL ¦ functions/conditional.html
    coalesce(try(2147483647 + 1), 0) ¦ integer ¦ 0 ¦ functions/conditional.html
    typeof(1.50) ¦ varchar ¦ decimal(3,2) ¦ functions/conversion.html
    typeof(ROW(1, 'a')) ¦ varchar ¦ row(integer, varchar(1)) ¦ functions/conversion.html
    CAST('12' AS bigint) ¦ bigint ¦ 12 ¦ functions/conversion.html
    CAST('1.5' AS bigint) ¦ bigint ¦ !INVALID_CAST_ARGUMENT ¦ functions/conversion.html
    CAST('' AS integer) ¦ integer ¦ !INVALID_CAST_ARGUMENT ¦ functions/conversion.html
    CAST('9223372036854775808' AS bigint) ¦ bigint ¦ !INVALID_CAST_ARGUMENT ¦ functions/conversion.html
    TRY_CAST('x' AS integer) ¦ integer ¦ NULL ¦ functions/conversion.html
    CAST(2.5e0 AS bigint) ¦ bigint ¦ 3 ¦ functions/conversion.html
    CAST(-2.5e0 AS bigint) ¦ bigint ¦ -3 ¦ functions/conversion.html
    CAST(2.5 AS integer) ¦ integer ¦ 3 ¦ functions/conversion.html
    CAST(300 AS tinyint) ¦ tinyint ¦ !NUMERIC_VALUE_OUT_OF_RANGE ¦ functions/conversion.html
    CAST(7 AS smallint) ¦ smallint ¦ 7 ¦ functions/conversion.html
    CAST('1.25' AS decimal(2,1)) ¦ decimal(2,1) ¦ 1.3 ¦ functions/conversion.html
    CAST(1 AS double) ¦ double ¦ 1.0 ¦ functions/conversion.html
    CAST('1e3' AS double) ¦ double ¦ 1000.0 ¦ functions/conversion.html
    CAST(1e10 AS varchar) ¦ varchar ¦ 1.0E10 ¦ functions/conversion.html
    CAST(-0.00012e0 AS varchar) ¦ varchar ¦ -1.2E-4 ¦ functions/conversion.html
    CAST(100e0 AS varchar) ¦ varchar ¦ 1.0E2 ¦ functions/conversion.html
    CAST(0e0 AS varchar) ¦ varchar ¦ 0E0 ¦ functions/conversion.html
    CAST(-37.75e0 AS varchar) ¦ varchar ¦ -3.775E1 ¦ functions/conversion.html
    CAST(1e0 / 0 AS varchar) ¦ varchar ¦ Infinity ¦ functions/conversion.html
    CAST(1.50 AS varchar) ¦ varchar ¦ 1.50 ¦ functions/conversion.html
    CAST(true AS varchar) ¦ varchar ¦ true ¦ functions/conversion.html
    CAST('abc' AS varchar(2)) ¦ varchar(2) ¦ ab ¦ functions/conversion.html
    CAST('T' AS boolean) ¦ boolean ¦ true ¦ functions/conversion.html
    CAST('yes' AS boolean) ¦ boolean ¦ !INVALID_CAST_ARGUMENT ¦ functions/conversion.html
    CAST(0 AS boolean) ¦ boolean ¦ false ¦ functions/conversion.html
    CAST(true AS bigint) ¦ bigint ¦ 1 ¦ functions/conversion.html
    CAST('2026-01-31' AS date) ¦ date ¦ 2026-01-31 ¦ functions/conversion.html
    CAST('2026-02-30' AS date) ¦ date ¦ !INVALID_CAST_ARGUMENT ¦ functions/conversion.html
    CAST('2026-01-31 10:00:00.5' AS timestamp) ¦ timestamp(3) ¦ 2026-01-31 10:00:00.500 ¦ functions/conversion.html
    CAST(TIMESTAMP '2026-01-31 10:00:00.0005' AS timestamp(3)) ¦ timestamp(3) ¦ 2026-01-31 10:00:00.001 ¦ functions/conversion.html
    CAST(TIMESTAMP '2026-01-31 10:00:00.120' AS varchar) ¦ varchar ¦ 2026-01-31 10:00:00.120 ¦ functions/conversion.html
    CAST(DATE '2026-01-31' AS timestamp) ¦ timestamp(3) ¦ 2026-01-31 00:00:00.000 ¦ functions/conversion.html
    CAST(TIMESTAMP '2026-01-31 10:00:00' AS date) ¦ date ¦ 2026-01-31 ¦ functions/conversion.html
    CAST(DATE '2026-01-31' AS varchar) ¦ varchar ¦ 2026-01-31 ¦ functions/conversion.html
    CAST(X'61' AS varchar) ¦ varchar ¦ !NOT_SUPPORTED ¦ functions/conversion.html
    CAST(ROW(1, 'x') AS ROW(a bigint, b varchar)) ¦ row(a bigint, b varchar) ¦ {a=1, b=x} ¦ language/types.html
    CAST(ROW(1, 'x') AS ROW(a bigint, b varchar)).b ¦ varchar ¦ x ¦ language/types.html
    ROW(1, NULL, 'x') ¦ row(integer, unknown, varchar(1)) ¦ {field0=1, field1=null, field2=x} ¦ language/types.html
    CAST(ARRAY[1, 2] AS array(varchar)) ¦ array(varchar) ¦ [1, 2] ¦ functions/array.html
    'it''s' ¦ varchar(4) ¦ it's ¦ language/types.html
    'a' || 'b' || 'c' ¦ varchar ¦ abc ¦ functions/string.html
    'a' || NULL ¦ varchar ¦ NULL ¦ functions/string.html
    concat('a', 'b', 'c') ¦ varchar ¦ abc ¦ functions/string.html
    concat('a', NULL) ¦ varchar ¦ NULL ¦ functions/string.html
    X'6162' || X'63' ¦ varbinary ¦ 61 62 63 ¦ functions/binary.html
    length('é😀') ¦ bigint ¦ 2 ¦ functions/string.html
    length(X'6162') ¦ bigint ¦ 2 ¦ functions/binary.html
    lower('ÀB') ¦ varchar(2) ¦ àb ¦ functions/string.html
    upper('éa') ¦ varchar(2) ¦ ÉA ¦ functions/string.html
    substr('abcd', 2) ¦ varchar(4) ¦ bcd ¦ functions/string.html
    substr('abcd', -2) ¦ varchar(4) ¦ cd ¦ functions/string.html
    substr('abcd', 0) ¦ varchar(4) ¦ «» ¦ functions/string.html
    substr('abcd', 2, 2) ¦ varchar(4) ¦ bc ¦ functions/string.html
    substring('a😀c', 2, 1) ¦ varchar(3) ¦ 😀 ¦ functions/string.html
    substring('abcd', 9) ¦ varchar(4) ¦ «» ¦ functions/string.html
    trim('  a  ') ¦ varchar(5) ¦ a ¦ functions/string.html
    ltrim(' a') ¦ varchar(2) ¦ a ¦ functions/string.html
    rtrim('a ') ¦ varchar(2) ¦ a ¦ functions/string.html
    trim(LEADING FROM ' a') ¦ varchar(2) ¦ a ¦ functions/string.html
    replace('abab', 'a') ¦ varchar ¦ bb ¦ functions/string.html
    replace('abab', 'a', 'x') ¦ varchar ¦ xbxb ¦ functions/string.html
    reverse('aé😀') ¦ varchar(3) ¦ 😀éa ¦ functions/string.html
    strpos('abcb', 'b') ¦ bigint ¦ 2 ¦ functions/string.html
    position('z' IN 'abc') ¦ bigint ¦ 0 ¦ functions/string.html
    starts_with('abc', 'ab') ¦ boolean ¦ true ¦ functions/string.html
    split('a,b,,c', ',') ¦ array(varchar) ¦ [a, b, , c] ¦ functions/string.html
    split('a', '') ¦ array(varchar) ¦ !INVALID_FUNCTION_ARGUMENT ¦ functions/string.html
    split_part('a,b', ',', 2) ¦ varchar ¦ b ¦ functions/string.html
    split_part('a,b', ',', 3) ¦ varchar ¦ NULL ¦ functions/string.html
    lpad('7', 3, '0') ¦ varchar ¦ 007 ¦ functions/string.html
    rpad('7', 3, 'xy') ¦ varchar ¦ 7xy ¦ functions/string.html
    chr(97) ¦ varchar ¦ a ¦ functions/string.html
    codepoint('a') ¦ integer ¦ 97 ¦ functions/string.html
    regexp_like('1a 2b 14m', '\d+b') ¦ boolean ¦ true ¦ functions/regexp.html
    regexp_like('abc', '^b') ¦ boolean ¦ false ¦ functions/regexp.html
    to_utf8('é') ¦ varbinary ¦ c3 a9 ¦ functions/string.html
    from_utf8(X'c3a9') ¦ varchar ¦ é ¦ functions/string.html
    to_hex(X'abcd') ¦ varchar ¦ ABCD ¦ functions/binary.html
    from_hex('abcd') ¦ varbinary ¦ ab cd ¦ functions/binary.html
    to_base64(X'616263') ¦ varchar ¦ YWJj ¦ functions/binary.html
    from_base64('YWJj') ¦ varbinary ¦ 61 62 63 ¦ functions/binary.html
    to_hex(md5(to_utf8('abc'))) ¦ varchar ¦ 900150983CD24FB0D6963F7D28E17F72 ¦ functions/binary.html
    to_hex(sha1(to_utf8('abc'))) ¦ varchar ¦ A9993E364706816ABA3E25717850C26C9CD0D89D ¦ functions/binary.html
    to_hex(sha256(to_utf8('abc'))) ¦ varchar ¦ BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD ¦ functions/binary.html
    json_extract_scalar('{"a.b": {"S": "x"}}', '$["a.b"]["S"]') ¦ varchar ¦ x ¦ functions/json.html
    json_extract_scalar('{"a": [1, "y"]}', '$.a[1]') ¦ varchar ¦ y ¦ functions/json.html
    json_extract_scalar('{"a": 1.10}', '$.a') ¦ varchar ¦ 1.10 ¦ functions/json.html
    json_extract_scalar('{"a": 12345678901234567890123456789012345678}', '$.a') ¦ varchar ¦ 12345678901234567890123456789012345678 ¦ functions/json.html
    json_extract_scalar('{"a": true}', '$.a') ¦ varchar ¦ true ¦ functions/json.html
    json_extract_scalar('{"a": {}}', '$.a') ¦ varchar ¦ NULL ¦ functions/json.html
    json_extract_scalar('{"a": null}', '$.a') ¦ varchar ¦ NULL ¦ functions/json.html
    json_extract_scalar('{"A": 1}', '$.a') ¦ varchar ¦ NULL ¦ functions/json.html
    json_extract_scalar('not json', '$.a') ¦ varchar ¦ NULL ¦ functions/json.html
    json_extract_scalar('{"a": 1}', '$.a.') ¦ varchar ¦ !INVALID_FUNCTION_ARGUMENT ¦ functions/json.html
    json_extract_scalar(json_extract('{"a": {"b": "x"}}', '$.a'), '$.b') ¦ varchar ¦ x ¦ functions/json.html
    json_extract_scalar(json_parse('"x"'), '$') ¦ varchar ¦ x ¦ functions/json.html
    json_array_length('[1, 2, 3]') ¦ bigint ¦ 3 ¦ functions/json.html
    json_array_length('{}') ¦ bigint ¦ NULL ¦ functions/json.html
    CAST(json_parse('["a", "b"]') AS array(varchar)) ¦ array(varchar) ¦ [a, b] ¦ functions/json.html
    CAST(json_parse('"x"') AS varchar) ¦ varchar ¦ x ¦ functions/json.html
    CAST(json_parse('7') AS bigint) ¦ bigint ¦ 7 ¦ functions/json.html
    json_parse('{') IS NULL ¦ boolean ¦ !INVALID_FUNCTION_ARGUMENT ¦ functions/json.html
    ARRAY[1, NULL, 3] ¦ array(integer) ¦ [1, null, 3] ¦ functions/array.html
    ARRAY['a', 'b'][2] ¦ varchar(1) ¦ b ¦ functions/array.html
    ARRAY[1][5] ¦ integer ¦ !INVALID_FUNCTION_ARGUMENT ¦ functions/array.html
    ARRAY[1][0] ¦ integer ¦ !INVALID_FUNCTION_ARGUMENT ¦ functions/array.html
    element_at(ARRAY[1, 2], 5) ¦ integer ¦ NULL ¦ functions/array.html
    element_at(ARRAY[1, 2], -1) ¦ integer ¦ 2 ¦ functions/array.html
    ARRAY[1] || ARRAY[2] ¦ array(integer) ¦ [1, 2] ¦ functions/array.html
    cardinality(ARRAY[1, 2]) ¦ bigint ¦ 2 ¦ functions/array.html
    contains(ARRAY[1, NULL], 2) ¦ boolean ¦ NULL ¦ functions/array.html
    contains(ARRAY[1, 2], 2) ¦ boolean ¦ true ¦ functions/array.html
    array_distinct(ARRAY[2, 1, 2, NULL, NULL]) ¦ array(integer) ¦ [2, 1, null] ¦ functions/array.html
    array_join(ARRAY['a', NULL, 'b'], '-') ¦ varchar ¦ a-b ¦ functions/array.html
    array_max(ARRAY[1, 3, 2]) ¦ integer ¦ 3 ¦ functions/array.html
    array_max(ARRAY[1, NULL]) ¦ integer ¦ NULL ¦ functions/array.html
    array_min(ARRAY[2, 1]) ¦ integer ¦ 1 ¦ functions/array.html
    array_position(ARRAY['a', 'b'], 'b') ¦ bigint ¦ 2 ¦ functions/array.html
    array_position(ARRAY['a'], 'z') ¦ bigint ¦ 0 ¦ functions/array.html
    array_sort(ARRAY[3, NULL, 1]) ¦ array(integer) ¦ [1, 3, null] ¦ functions/array.html
    flatten(ARRAY[ARRAY[1], ARRAY[2, 3]]) ¦ array(integer) ¦ [1, 2, 3] ¦ functions/array.html
    reverse(ARRAY[1, 2]) ¦ array(integer) ¦ [2, 1] ¦ functions/array.html
    sequence(1, 3) ¦ array(bigint) ¦ [1, 2, 3] ¦ functions/array.html
    sequence(1, 10001) ¦ array(bigint) ¦ !INVALID_FUNCTION_ARGUMENT ¦ functions/array.html
    sequence(3, 1) ¦ array(bigint) ¦ [3, 2, 1] ¦ functions/array.html
    transform(ARRAY[1, 2], x -> x * 10) ¦ array(integer) ¦ [10, 20] ¦ functions/array.html
    filter(ARRAY[1, 2, NULL], x -> x > 1) ¦ array(integer) ¦ [2] ¦ functions/array.html
    any_match(ARRAY[1, NULL], x -> x = 2) ¦ boolean ¦ NULL ¦ functions/array.html
    any_match(ARRAY[1, 2], x -> x = 2) ¦ boolean ¦ true ¦ functions/array.html
    all_match(ARRAY[2, 4], x -> x % 2 = 0) ¦ boolean ¦ true ¦ functions/array.html
    none_match(ARRAY[1, 3], x -> x % 2 = 0) ¦ boolean ¦ true ¦ functions/array.html
    cardinality(map(ARRAY['a'], ARRAY[1])) ¦ bigint ¦ 1 ¦ functions/map.html
    element_at(map(ARRAY['a'], ARRAY[1]), 'b') ¦ integer ¦ NULL ¦ functions/map.html
    element_at(map(ARRAY['a'], ARRAY[1]), 'a') ¦ integer ¦ 1 ¦ functions/map.html
    map_keys(map(ARRAY['a'], ARRAY[1])) ¦ array(varchar(1)) ¦ [a] ¦ functions/map.html
    map_values(map(ARRAY['a'], ARRAY[1])) ¦ array(integer) ¦ [1] ¦ functions/map.html
    map(ARRAY['a'], ARRAY[1]) ¦ map(varchar(1), integer) ¦ {a=1} ¦ functions/map.html
    DATE '2026-01-31' ¦ date ¦ 2026-01-31 ¦ language/types.html
    TIMESTAMP '2026-01-31 10:00:00.123' ¦ timestamp(3) ¦ 2026-01-31 10:00:00.123 ¦ language/types.html
    DATE '2026-01-31' + INTERVAL '1' MONTH ¦ date ¦ 2026-02-28 ¦ functions/datetime.html
    TIMESTAMP '2026-01-31 10:00:00.000' - INTERVAL '2' HOUR ¦ timestamp(3) ¦ 2026-01-31 08:00:00.000 ¦ functions/datetime.html
    date_add('millisecond', 1700000000123456 / 1000, TIMESTAMP '1970-01-01 00:00:00.000') ¦ timestamp(3) ¦ 2023-11-14 22:13:20.123 ¦ functions/datetime.html
    date_add('day', -1, DATE '2026-03-01') ¦ date ¦ 2026-02-28 ¦ functions/datetime.html
    date_add('month', 1, TIMESTAMP '2026-01-31 10:00:00.000') ¦ timestamp(3) ¦ 2026-02-28 10:00:00.000 ¦ functions/datetime.html
    date_add('hour', 1, DATE '2026-03-01') ¦ date ¦ !INVALID_FUNCTION_ARGUMENT ¦ functions/datetime.html
    date_diff('hour', TIMESTAMP '2026-01-01 00:59:00', TIMESTAMP '2026-01-01 01:01:00') ¦ bigint ¦ 0 ¦ functions/datetime.html
    date_diff('day', DATE '2026-01-01', DATE '2026-03-01') ¦ bigint ¦ 59 ¦ functions/datetime.html
    date_diff('month', DATE '2026-01-01', DATE '2026-03-01') ¦ bigint ¦ !NOT_SUPPORTED ¦ functions/datetime.html
    date_trunc('hour', TIMESTAMP '2026-01-31 10:34:56.789') ¦ timestamp(3) ¦ 2026-01-31 10:00:00.000 ¦ functions/datetime.html
    date_trunc('week', DATE '2026-01-31') ¦ date ¦ 2026-01-26 ¦ functions/datetime.html
    date_format(TIMESTAMP '2026-01-05 03:04:05.678', '%Y-%m-%d %H:%i:%s %e %W') ¦ varchar ¦ 2026-01-05 03:04:05 5 Monday ¦ functions/datetime.html
    date('2026-01-31') + INTERVAL '1' DAY ¦ date ¦ 2026-02-01 ¦ functions/datetime.html
    date('31.1.2026') ¦ date ¦ !INVALID_CAST_ARGUMENT ¦ functions/datetime.html
    date(TIMESTAMP '2026-01-31 10:00:00') ¦ date ¦ 2026-01-31 ¦ functions/datetime.html
    year(DATE '2026-01-31') ¦ bigint ¦ 2026 ¦ functions/datetime.html
    quarter(DATE '2026-05-31') ¦ bigint ¦ 2 ¦ functions/datetime.html
    month(DATE '2026-01-31') ¦ bigint ¦ 1 ¦ functions/datetime.html
    week(DATE '2026-01-01') ¦ bigint ¦ 1 ¦ functions/datetime.html
    day(DATE '2026-01-31') ¦ bigint ¦ 31 ¦ functions/datetime.html
    day_of_month(DATE '2026-01-31') ¦ bigint ¦ 31 ¦ functions/datetime.html
    day_of_week(DATE '2026-02-01') ¦ bigint ¦ 7 ¦ functions/datetime.html
    dow(DATE '2026-02-02') ¦ bigint ¦ 1 ¦ functions/datetime.html
    day_of_year(DATE '2026-02-01') ¦ bigint ¦ 32 ¦ functions/datetime.html
    doy(DATE '2026-02-01') ¦ bigint ¦ 32 ¦ functions/datetime.html
    hour(TIMESTAMP '2026-01-31 10:34:56.789') ¦ bigint ¦ 10 ¦ functions/datetime.html
    minute(TIMESTAMP '2026-01-31 10:34:56.789') ¦ bigint ¦ 34 ¦ functions/datetime.html
    second(TIMESTAMP '2026-01-31 10:34:56.789') ¦ bigint ¦ 56 ¦ functions/datetime.html
    millisecond(TIMESTAMP '2026-01-31 10:34:56.789') ¦ bigint ¦ 789 ¦ functions/datetime.html
    EXTRACT(YEAR FROM DATE '2026-01-31') ¦ bigint ¦ 2026 ¦ functions/datetime.html
    last_day_of_month(DATE '2026-02-01') ¦ date ¦ 2026-02-28 ¦ functions/datetime.html
    from_unixtime(1.5) ¦ timestamp(3) with time zone ¦ 1970-01-01 00:00:01.500 UTC ¦ functions/datetime.html
    CAST(from_unixtime(1700000000) AS timestamp) ¦ timestamp(3) ¦ 2023-11-14 22:13:20.000 ¦ functions/datetime.html
    to_unixtime(TIMESTAMP '1970-01-01 00:00:01.500') ¦ double ¦ 1.5 ¦ functions/datetime.html
    TIMESTAMP '2026-01-31 10:00:00.000' AT TIME ZONE 'UTC' ¦ timestamp(3) with time zone ¦ 2026-01-31 10:00:00.000 UTC ¦ functions/datetime.html
    TIMESTAMP '2026-01-31 10:00:00.000' AT TIME ZONE 'Europe/Berlin' ¦ unknown ¦ !NOT_SUPPORTED ¦ functions/datetime.html
    now() = current_timestamp ¦ boolean ¦ true ¦ functions/datetime.html
    current_date = CAST(localtimestamp AS date) ¦ boolean ¦ true ¦ functions/datetime.html
    (SELECT count(*) FROM (VALUES 1, NULL) AS t(x)) ¦ bigint ¦ 2 ¦ functions/aggregate.html
    (SELECT count(x) FROM (VALUES 1, NULL) AS t(x)) ¦ bigint ¦ 1 ¦ functions/aggregate.html
    (SELECT count(DISTINCT x) FROM (VALUES 1, 1, 2) AS t(x)) ¦ bigint ¦ 2 ¦ functions/aggregate.html
    (SELECT count(*) FILTER (WHERE x > 1) FROM (VALUES 1, 2) AS t(x)) ¦ bigint ¦ 1 ¦ functions/aggregate.html
    (SELECT count_if(x > 1) FROM (VALUES 1) AS t(x) WHERE false) ¦ bigint ¦ 0 ¦ functions/aggregate.html
    (SELECT sum(x) FROM (VALUES 1, 2, NULL) AS t(x)) ¦ bigint ¦ 3 ¦ functions/aggregate.html
    (SELECT sum(x) FROM (VALUES 1.5, 2.5) AS t(x)) ¦ decimal(38,1) ¦ 4.0 ¦ functions/aggregate.html
    (SELECT sum(x) FROM (VALUES 9223372036854775807, 1) AS t(x)) ¦ bigint ¦ !NUMERIC_VALUE_OUT_OF_RANGE ¦ functions/aggregate.html
    (SELECT sum(x) FROM (VALUES 1) AS t(x) WHERE false) ¦ bigint ¦ NULL ¦ functions/aggregate.html
    (SELECT avg(x) FROM (VALUES 1, 2) AS t(x)) ¦ double ¦ 1.5 ¦ functions/aggregate.html
    (SELECT avg(x) FROM (VALUES 1.5, 2.5) AS t(x)) ¦ decimal(2,1) ¦ !FUNCTION_NOT_FOUND ¦ functions/aggregate.html
    (SELECT min(x) FROM (VALUES 'b', 'a') AS t(x)) ¦ varchar(1) ¦ a ¦ functions/aggregate.html
    (SELECT max(x) FROM (VALUES 1, NULL) AS t(x)) ¦ integer ¦ 1 ¦ functions/aggregate.html
    (SELECT max_by(x, y) FROM (VALUES (NULL, 3), (1, 2)) AS t(x, y)) ¦ integer ¦ NULL ¦ functions/aggregate.html
    (SELECT max_by(x, y) FROM (VALUES (1, 2), (5, NULL)) AS t(x, y)) ¦ integer ¦ 1 ¦ functions/aggregate.html
    (SELECT min_by(x, y) FROM (VALUES ('a', 2), ('b', 1)) AS t(x, y)) ¦ varchar(1) ¦ b ¦ functions/aggregate.html
    (SELECT bool_or(x) FROM (VALUES false, NULL) AS t(x)) ¦ boolean ¦ false ¦ functions/aggregate.html
    (SELECT bool_and(x) FROM (VALUES true, NULL) AS t(x)) ¦ boolean ¦ true ¦ functions/aggregate.html
    (SELECT every(x) FROM (VALUES true, false) AS t(x)) ¦ boolean ¦ false ¦ functions/aggregate.html
    (SELECT any_value(x) FROM (VALUES 1, NULL) AS t(x)) ¦ integer ¦ 1 ¦ functions/aggregate.html
    (SELECT arbitrary(x) FROM (VALUES 1) AS t(x)) ¦ integer ¦ 1 ¦ functions/aggregate.html
    (SELECT array_agg(x ORDER BY x DESC) FROM (VALUES 1, NULL, 2) AS t(x)) ¦ array(integer) ¦ [2, 1, null] ¦ functions/aggregate.html
    (SELECT array_agg(n) FROM (SELECT row_number() OVER (ORDER BY x DESC) n FROM (VALUES 1, 2) AS t(x))) ¦ array(bigint) ¦ [1, 2] ¦ functions/window.html
    (SELECT max(n) FROM (SELECT rank() OVER (ORDER BY x) n FROM (VALUES 1, 1, 2) AS t(x))) ¦ bigint ¦ 3 ¦ functions/window.html
    (SELECT max(n) FROM (SELECT dense_rank() OVER (ORDER BY x) n FROM (VALUES 1, 1, 2) AS t(x))) ¦ bigint ¦ 2 ¦ functions/window.html
    (SELECT max(n) FROM (SELECT percent_rank() OVER (ORDER BY x) n FROM (VALUES 1, 2, 3) AS t(x))) ¦ double ¦ 1.0 ¦ functions/window.html
    (SELECT min(n) FROM (SELECT cume_dist() OVER (ORDER BY x) n FROM (VALUES 1, 2) AS t(x))) ¦ double ¦ 0.5 ¦ functions/window.html
    (SELECT max(n) FROM (SELECT ntile(2) OVER (ORDER BY x) n FROM (VALUES 1, 2, 3) AS t(x))) ¦ bigint ¦ 2 ¦ functions/window.html
    (SELECT array_agg(n ORDER BY x) FROM (SELECT x, lag(x) OVER (ORDER BY x) n FROM (VALUES 1, 2) AS t(x))) ¦ array(integer) ¦ [null, 1] ¦ functions/window.html
    (SELECT array_agg(n ORDER BY x) FROM (SELECT x, lead(x, 1, 0) OVER (ORDER BY x) n FROM (VALUES 1, 2) AS t(x))) ¦ array(integer) ¦ [2, 0] ¦ functions/window.html
    (SELECT max(n) FROM (SELECT first_value(x) OVER (ORDER BY x DESC) n FROM (VALUES 1, 2) AS t(x))) ¦ integer ¦ 2 ¦ functions/window.html
    (SELECT min(n) FROM (SELECT last_value(x) OVER (ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) n FROM (VALUES 1, 2) AS t(x))) ¦ integer ¦ 2 ¦ functions/window.html
    (SELECT array_agg(n ORDER BY x) FROM (SELECT x, sum(x) OVER (ORDER BY x) n FROM (VALUES 1, 2, 3) AS t(x))) ¦ array(bigint) ¦ [1, 3, 6] ¦ functions/window.html
    (SELECT array_agg(x) FROM (SELECT x FROM (VALUES 1, NULL, 2) AS t(x) ORDER BY x DESC LIMIT 3)) ¦ array(integer) ¦ [2, 1, null] ¦ sql/select.html
    (SELECT sum(x * n) FROM UNNEST(ARRAY[1, 2]) WITH ORDINALITY AS t(x, n)) ¦ bigint ¦ 5 ¦ sql/select.html
    (SELECT array_agg(h || v ORDER BY v) FROM (VALUES 1) q(z) CROSS JOIN UNNEST(ARRAY[ROW('a', '1'), ROW('b', '2')]) AS t(h, v)) ¦ array(varchar) ¦ [a1, b2] ¦ sql/select.html
    (SELECT count(*) FROM (VALUES 1) q(z) LEFT JOIN UNNEST(filter(ARRAY[1], x -> false)) AS t(h) ON true) ¦ bigint ¦ 1 ¦ sql/select.html
    (SELECT count(*) FROM (VALUES 1) q(z) CROSS JOIN UNNEST(filter(ARRAY[1], x -> false)) AS t(h)) ¦ bigint ¦ 0 ¦ sql/select.html
    (WITH a AS (SELECT 1 x), b AS (SELECT x + 1 y FROM a) SELECT max(y) FROM b) ¦ integer ¦ 2 ¦ sql/select.html
    (SELECT array_agg(x ORDER BY x) FROM (SELECT 1 x UNION SELECT 1 UNION ALL SELECT 2)) ¦ array(integer) ¦ [1, 2] ¦ sql/select.html
    (SELECT count(*) FROM ((VALUES 1, 2) INTERSECT (VALUES 2, 3)) AS t(x)) ¦ bigint ¦ 1 ¦ sql/select.html
    (SELECT max(x) FROM ((VALUES 1, 2) EXCEPT (VALUES 2)) AS t(x)) ¦ integer ¦ 1 ¦ sql/select.html
    (SELECT count(*) FROM (VALUES 1, 2) a(x) LEFT JOIN (VALUES 2) b(y) ON a.x = b.y WHERE b.y IS NULL) ¦ bigint ¦ 1 ¦ sql/select.html
    (SELECT count(*) FROM (VALUES 1, 2) a(x) FULL JOIN (VALUES 2, 3) b(x) USING (x)) ¦ bigint ¦ 3 ¦ sql/select.html
    (SELECT count(*) FROM (SELECT x FROM (VALUES 1, 1, 2) AS t(x) GROUP BY 1 HAVING count(*) > 1)) ¦ bigint ¦ 1 ¦ sql/select.html
    (SELECT count(*) FROM (SELECT DISTINCT x FROM (VALUES 1, 1, 2) AS t(x))) ¦ bigint ¦ 2 ¦ sql/select.html
    (SELECT max(x) FROM (SELECT x FROM (VALUES 1, 2, 3) AS t(x) ORDER BY x OFFSET 1 LIMIT 1)) ¦ integer ¦ 2 ¦ sql/select.html
    format('%s', 1) ¦ varchar ¦ !FUNCTION_NOT_FOUND ¦ functions/conversion.html
    approx_distinct(1) ¦ bigint ¦ !FUNCTION_NOT_FOUND ¦ functions/aggregate.html
    ARRAY[1, NULL] = ARRAY[1, NULL] ¦ boolean ¦ !TYPE_MISMATCH ¦ functions/array.html
""")
