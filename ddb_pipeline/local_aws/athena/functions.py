"""The functions that local AWS knows: signature, and how DuckDB computes what Athena would.

Anything else fails by name. The tests' `athena_examples` hold an example of each, with Athena's result and its source.
A signature's types: `T` is any type, the same wherever it stands; `timestamp` is any precision; `...` after the
last argument lets it repeat. A result `=1` is the type of the first argument, `whole` a decimal without fraction.
Source of all signatures: https://trino.io/docs/current/functions.html, which
https://docs.aws.amazon.com/athena/latest/ug/functions.html names as those of engine version 3.
"""

# ruff: noqa: E501 - one function, one line

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Function:
    """A function and how DuckDB computes it.

    Attributes:
        name: Its name in SQL, lower case.
        arguments: Types of its arguments.
        result: Type of its result.
        duckdb: DuckDB SQL with {0}, {1}, ... for the arguments; {*} is all of them.
    """

    name: str
    arguments: tuple[str, ...]
    result: str
    duckdb: str


def _functions(text: str) -> tuple[Function, ...]:
    """Read lines such as `lower(varchar) -> varchar: lower({0})`."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        signature, _, duckdb = line.partition(": ")
        head, _, result = signature.partition(" -> ")
        name, _, arguments = head.partition("(")
        found.append(Function(name, tuple(filter(None, arguments[:-1].split("; "))), result, duckdb))
    return tuple(found)


SCALARS = _functions(r"""
    abs(integer) -> integer: abs({0})
    abs(bigint) -> bigint: abs({0})
    abs(decimal) -> =1: abs({0})
    abs(double) -> double: abs({0})
    array_distinct(array(T)) -> =1: athena_distinct({0})
    array_except(array(T); array(T)) -> =1: athena_distinct(athena_without({0}, {1}))
    array_intersect(array(T); array(T)) -> =1: athena_intersect({0}, {1})
    array_max(array(T)) -> T: CASE WHEN athena_has_null({0}) THEN NULL ELSE list_max({0}) END
    array_min(array(T)) -> T: CASE WHEN athena_has_null({0}) THEN NULL ELSE list_min({0}) END
    array_position(array(T); T) -> bigint: CASE WHEN {0} IS NULL OR {1} IS NULL THEN NULL ELSE CAST(coalesce(list_position({0}, {1}), 0) AS BIGINT) END
    array_remove(array(T); T) -> =1: CASE WHEN {1} IS NOT NULL THEN list_filter({0}, lambda e: e IS DISTINCT FROM {1}) END
    array_sort(array(T)) -> =1: list_sort({0}, 'ASC', 'NULLS LAST')
    array_union(array(T); array(T)) -> =1: CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN athena_distinct({0} || {1}) END
    arrays_overlap(array(T); array(T)) -> boolean: athena_overlap({0}, {1})
    bit_count(bigint; bigint) -> bigint: athena_bit_count({0}, {1})
    bitwise_and(bigint; bigint) -> bigint: ({0} & {1})
    bitwise_left_shift(integer; bigint) -> integer: CAST(CASE WHEN {1} < 32 THEN athena_wrapped({0} * athena_power_of_two({1}), 32) ELSE 0 END AS INTEGER)
    bitwise_left_shift(bigint; bigint) -> bigint: CAST(CASE WHEN {1} < 64 THEN athena_wrapped({0} * athena_power_of_two({1}), 64) ELSE 0 END AS BIGINT)
    bitwise_not(bigint) -> bigint: (~ {0})
    bitwise_or(bigint; bigint) -> bigint: ({0} | {1})
    bitwise_right_shift(integer; bigint) -> integer: CAST(CASE WHEN {1} < 32 THEN athena_wrapped(athena_unsigned({0}, 32) // athena_power_of_two({1}), 32) ELSE 0 END AS INTEGER)
    bitwise_right_shift(bigint; bigint) -> bigint: CAST(CASE WHEN {1} < 64 THEN athena_wrapped(athena_unsigned({0}, 64) // athena_power_of_two({1}), 64) ELSE 0 END AS BIGINT)
    bitwise_right_shift_arithmetic(integer; bigint) -> integer: CAST({0} >> CAST(least({1}, 31) AS INTEGER) AS INTEGER)
    bitwise_right_shift_arithmetic(bigint; bigint) -> bigint: ({0} >> least({1}, 63))
    bitwise_xor(bigint; bigint) -> bigint: xor({0}, {1})
    cardinality(array(T)) -> bigint: CAST(len({0}) AS BIGINT)
    cardinality(map(K,V)) -> bigint: CAST(cardinality({0}) AS BIGINT)
    ceil(integer) -> integer: {0}
    ceil(bigint) -> bigint: {0}
    ceil(double) -> double: ceil({0})
    ceil(decimal) -> whole: ceil({0})
    ceiling(integer) -> integer: {0}
    ceiling(bigint) -> bigint: {0}
    ceiling(double) -> double: ceil({0})
    ceiling(decimal) -> whole: ceil({0})
    codepoint(varchar(1)) -> integer: CAST(unicode({0}) AS INTEGER)
    chr(bigint) -> varchar: chr(CAST({0} AS INTEGER))
    concat(array(T); array(T)) -> =1: CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN {0} || {1} END
    concat(varchar; varchar...) -> varchar: ({*||})
    concat_ws(varchar; varchar...) -> varchar: concat_ws({*,})
    contains(array(T); T) -> boolean: athena_contains({0}, {1})
    current_timezone() -> varchar: CAST('UTC' AS VARCHAR)
    day(date) -> bigint: CAST(day({0}) AS BIGINT)
    day(timestamp) -> bigint: CAST(day({0}) AS BIGINT)
    day_of_month(date) -> bigint: CAST(day({0}) AS BIGINT)
    day_of_month(timestamp) -> bigint: CAST(day({0}) AS BIGINT)
    day_of_week(date) -> bigint: CAST(isodow({0}) AS BIGINT)
    day_of_week(timestamp) -> bigint: CAST(isodow({0}) AS BIGINT)
    day_of_year(date) -> bigint: CAST(dayofyear({0}) AS BIGINT)
    day_of_year(timestamp) -> bigint: CAST(dayofyear({0}) AS BIGINT)
    dow(date) -> bigint: CAST(isodow({0}) AS BIGINT)
    doy(date) -> bigint: CAST(dayofyear({0}) AS BIGINT)
    element_at(array(T); bigint) -> T: athena_element({0}, {1})
    element_at(map(K,V); K) -> V: map_extract_value({0}, {1})
    flatten(array(array(T))) -> array(T): flatten(list_filter({0}, lambda e: e IS NOT NULL))
    floor(integer) -> integer: {0}
    floor(bigint) -> bigint: {0}
    floor(double) -> double: floor({0})
    floor(decimal) -> whole: floor({0})
    from_base64(varchar) -> varbinary: from_base64({0})
    from_hex(varchar) -> varbinary: unhex({0})
    from_utf8(varbinary) -> varchar: decode({0})
    hour(timestamp) -> bigint: CAST(hour({0}) AS BIGINT)
    infinity() -> double: CAST('Infinity' AS DOUBLE)
    is_finite(double) -> boolean: isfinite({0})
    is_infinite(double) -> boolean: isinf({0})
    is_json_scalar(json) -> boolean: (left({0}, 1) NOT IN ('[', '{'))
    is_nan(double) -> boolean: isnan({0})
    json_array_length(varchar) -> bigint: athena_json_length({0})
    json_array_length(json) -> bigint: athena_json_length({0})
    json_format(json) -> varchar: athena_json_shown({0})
    json_parse(varchar) -> json: athena_json_parse({0})
    last_day_of_month(date) -> date: last_day({0})
    last_day_of_month(timestamp) -> date: last_day({0})
    length(varchar) -> bigint: CAST(length({0}) AS BIGINT)
    length(varbinary) -> bigint: CAST(octet_length({0}) AS BIGINT)
    lower(varchar) -> =1: lower({0})
    lpad(varchar; bigint; varchar) -> varchar: lpad({0}, CAST({1} AS INTEGER), {2})
    ltrim(varchar) -> =1: athena_ltrim({0})
    ltrim(varchar; varchar) -> =1: ltrim({0}, {1})
    map(array(K); array(V)) -> map(K,V): map({0}, {1})
    map_concat(map(K,V); map(K,V)) -> =1: CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN map_concat({0}, {1}) END
    map_entries(map(K,V)) -> array(row(K,V)): list_transform(map_entries({0}), lambda e: {'f1': struct_extract(e, 'key'), 'f2': struct_extract(e, 'value')})
    map_from_entries(array(row(K,V))) -> map(K,V): map(list_transform({0}, lambda e: struct_extract(e, 'f1')), list_transform({0}, lambda e: struct_extract(e, 'f2')))
    map_keys(map(K,V)) -> array(K): map_keys({0})
    map_values(map(K,V)) -> array(V): map_values({0})
    md5(varbinary) -> varbinary: unhex(md5({0}))
    minute(timestamp) -> bigint: CAST(minute({0}) AS BIGINT)
    mod(integer; integer) -> integer: ({0} % {1})
    mod(bigint; bigint) -> bigint: ({0} % {1})
    mod(double; double) -> double: ({0} % {1})
    month(date) -> bigint: CAST(month({0}) AS BIGINT)
    month(timestamp) -> bigint: CAST(month({0}) AS BIGINT)
    nan() -> double: CAST('NaN' AS DOUBLE)
    pi() -> double: pi()
    pow(double; double) -> double: pow({0}, {1})
    power(double; double) -> double: pow({0}, {1})
    quarter(date) -> bigint: CAST(quarter({0}) AS BIGINT)
    quarter(timestamp) -> bigint: CAST(quarter({0}) AS BIGINT)
    rand() -> double: random()
    random() -> double: random()
    repeat(T; bigint) -> array(T): list_transform(range(athena_times({1})), lambda e: {0})
    replace(varchar; varchar) -> varchar: athena_replace({0}, {1}, '')
    replace(varchar; varchar; varchar) -> varchar: athena_replace({0}, {1}, {2})
    reverse(varchar) -> =1: athena_reverse({0})
    reverse(array(T)) -> =1: list_reverse({0})
    rpad(varchar; bigint; varchar) -> varchar: rpad({0}, CAST({1} AS INTEGER), {2})
    rtrim(varchar) -> =1: athena_rtrim({0})
    rtrim(varchar; varchar) -> =1: rtrim({0}, {1})
    second(timestamp) -> bigint: CAST(second({0}) AS BIGINT)
    millisecond(timestamp) -> bigint: CAST(millisecond({0}) % 1000 AS BIGINT)
    sha1(varbinary) -> varbinary: unhex(sha1({0}))
    sha256(varbinary) -> varbinary: unhex(sha256({0}))
    slice(array(T); bigint; bigint) -> =1: athena_slice({0}, {1}, {2})
    sign(integer) -> integer: CAST(sign({0}) AS INTEGER)
    sign(bigint) -> bigint: CAST(sign({0}) AS BIGINT)
    split(varchar; varchar) -> array(varchar): string_split({0}, athena_delimiter({1}))
    split_part(varchar; varchar; bigint) -> varchar: athena_part({0}, {1}, {2})
    sqrt(double) -> double: CASE WHEN {0} < 0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt({0}) END
    starts_with(varchar; varchar) -> boolean: starts_with({0}, {1})
    strpos(varchar; varchar) -> bigint: CAST(instr({0}, {1}) AS BIGINT)
    substr(varchar; bigint) -> =1: athena_substr({0}, {1})
    substr(varchar; bigint; bigint) -> =1: athena_substr3({0}, {1}, {2})
    substring(varchar; bigint) -> =1: athena_substr({0}, {1})
    substring(varchar; bigint; bigint) -> =1: athena_substr3({0}, {1}, {2})
    to_base64(varbinary) -> varchar: base64({0})
    to_hex(varbinary) -> varchar: hex({0})
    to_utf8(varchar) -> varbinary: encode({0})
    translate(varchar; varchar; varchar) -> varchar: translate({0}, {1}, {2})
    trim(varchar) -> =1: athena_trim({0})
    trim(varchar; varchar) -> =1: trim({0}, {1})
    truncate(double) -> double: trunc({0})
    upper(varchar) -> =1: athena_upper({0})
    week(date) -> bigint: CAST(weekofyear({0}) AS BIGINT)
    week(timestamp) -> bigint: CAST(weekofyear({0}) AS BIGINT)
    week_of_year(date) -> bigint: CAST(weekofyear({0}) AS BIGINT)
    week_of_year(timestamp) -> bigint: CAST(weekofyear({0}) AS BIGINT)
    year(date) -> bigint: CAST(year({0}) AS BIGINT)
    year(timestamp) -> bigint: CAST(year({0}) AS BIGINT)
    year_of_week(date) -> bigint: CAST(isoyear({0}) AS BIGINT)
    year_of_week(timestamp) -> bigint: CAST(isoyear({0}) AS BIGINT)
    zip(array(T); array(U)) -> array(row(T,U)): list_transform(athena_zip({0}, {1}), lambda e: {'f1': e[1], 'f2': e[2]})
""")

AGGREGATES = _functions("""
    any_value(T) -> T: any_value({0})
    approx_distinct(T) -> bigint: count(DISTINCT {0})
    approx_distinct(T; double) -> bigint: count(DISTINCT {0})
    approx_percentile(bigint; double) -> bigint: quantile_disc({0}, {1})
    approx_percentile(bigint; array(double)) -> array(bigint): quantile_disc({0}, {1})
    approx_percentile(double; double) -> double: quantile_disc({0}, {1})
    approx_percentile(double; array(double)) -> array(double): quantile_disc({0}, {1})
    arbitrary(T) -> T: any_value({0})
    array_agg(T) -> array(T): list({0})
    avg(bigint) -> double: avg({0})
    avg(double) -> double: avg({0})
    avg(decimal) -> =1: avg({0})
    bool_and(boolean) -> boolean: bool_and({0})
    bool_or(boolean) -> boolean: bool_or({0})
    count(T) -> bigint: count({0})
    bitwise_and_agg(bigint) -> bigint: bit_and({0})
    bitwise_or_agg(bigint) -> bigint: bit_or({0})
    count_if(boolean) -> bigint: count(CASE WHEN {0} THEN 1 END)
    every(boolean) -> boolean: bool_and({0})
    histogram(T) -> map(T,bigint): list({'k': {0}, 'v': CAST(1 AS BIGINT)})
    listagg(varchar) -> varchar: string_agg({0}, '')
    listagg(varchar; varchar) -> varchar: string_agg({0}, {1})
    map_agg(K; V) -> map(K,V): list({'k': {0}, 'v': {1}})
    map_union(map(K,V)) -> map(K,V): list(map_entries({0}))
    max(T) -> T: max({0})
    max(T; bigint) -> array(T): max({0}, {1})
    max_by(T; U) -> T: arg_max_null({0}, {1})
    max_by(T; U; bigint) -> array(T): list({'y': {1}, 'x': {0}, 'n': {2}})
    min(T) -> T: min({0})
    min(T; bigint) -> array(T): min({0}, {1})
    min_by(T; U) -> T: arg_min_null({0}, {1})
    min_by(T; U; bigint) -> array(T): list({'y': {1}, 'x': {0}, 'n': {2}})
    multimap_agg(K; V) -> map(K,array(V)): list({'k': {0}, 'v': {1}})
    stddev(double) -> double: stddev_samp({0})
    stddev_pop(double) -> double: stddev_pop({0})
    stddev_samp(double) -> double: stddev_samp({0})
    sum(bigint) -> bigint: sum({0})
    sum(decimal) -> decimal(38): sum({0})
    sum(double) -> double: sum({0})
    var_pop(double) -> double: var_pop({0})
    var_samp(double) -> double: var_samp({0})
    variance(double) -> double: var_samp({0})
""")

FINISHED = {
    ("histogram", 1): "athena_histogram({})",
    ("map_agg", 2): "athena_map_of({})",
    ("map_union", 1): "athena_union_of_maps({})",
    ("max_by", 3): "athena_most({}, 'DESC')",
    ("min_by", 3): "athena_most({}, 'ASC')",
    ("multimap_agg", 2): "athena_multimap_of({})",
}
"""Aggregates, by name and number of arguments, that collect entries into a list; and what makes a result of the list."""

WINDOWS = _functions("""
    row_number() -> bigint: row_number()
    rank() -> bigint: rank()
    dense_rank() -> bigint: dense_rank()
    percent_rank() -> double: percent_rank()
    cume_dist() -> double: cume_dist()
    ntile(bigint) -> bigint: ntile({0})
    first_value(T) -> T: first_value({0})
    last_value(T) -> T: last_value({0})
    nth_value(T; bigint) -> T: nth_value({0}, {1})
    lag(T) -> T: lag({0})
    lag(T; bigint) -> T: lag({0}, {1})
    lag(T; bigint; T) -> T: lag({0}, {1}, {2})
    lead(T) -> T: lead({0})
    lead(T; bigint) -> T: lead({0}, {1})
    lead(T; bigint; T) -> T: lead({0}, {1}, {2})
""")

NOT_OF_DECIMALS = ("avg", "mod", "truncate")
"""Functions of doubles that Trino has for decimals too, with other results: a decimal must not become a double."""


def known(functions: tuple[Function, ...]) -> frozenset[str]:
    """Names of the functions."""
    return frozenset(function.name for function in functions)


def overloads(functions: tuple[Function, ...], name: str) -> list[Function]:
    """All signatures of one name, in the order of the list."""
    return [function for function in functions if function.name == name]
