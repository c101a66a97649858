-- Which attributes items have: per path and DynamoDB type, in how many images, and how long numbers are.
-- Reads the table once. A value in an image is an object with one member, named by the value's DynamoDB type.
WITH images AS (
    SELECT CAST(json_parse(new_image) AS map(varchar, json)) AS members
    FROM ${table}
    WHERE ${rows}
        AND new_image IS NOT NULL
),
attributes AS (
    -- a level of names for each step into a map; a map that has members counts as these, an empty one as itself
    SELECT
        ${names},
        ${deepest_value} AS typed_value
    FROM images
    CROSS JOIN UNNEST(members) AS level_1 (name_1, value_1)${deeper_levels}
),
numbers AS (
    SELECT
        ${names},
        element_at(map_keys(CAST(typed_value AS map(varchar, json))), 1) AS dynamodb_type,
        upper(json_extract_scalar(typed_value, '$$["N"]')) AS number
    FROM attributes
),
parts AS (
    SELECT
        ${names},
        dynamodb_type,
        strpos(number, 'E') > 0 AS has_exponent,
        split_part(split_part(replace(number, '-', ''), 'E', 1), '.', 1) AS whole,
        split_part(split_part(number, 'E', 1), '.', 2) AS fraction,
        coalesce(TRY_CAST(split_part(number, 'E', 2) AS bigint), 0) AS exponent
    FROM numbers
),
digits AS (
    SELECT
        ${names},
        dynamodb_type,
        CASE
            -- an exponent is no digit of a bigint: the column shall be a decimal
            WHEN has_exponent THEN greatest(length(whole) + exponent, ${digits_of_no_bigint})
            WHEN whole = '0' THEN 0
            ELSE length(whole)
        END AS whole_digits,
        greatest(coalesce(length(fraction), 0) - exponent, 0) AS fraction_digits
    FROM parts
)
SELECT
    ${names},
    dynamodb_type,
    CAST(count(*) AS bigint) AS occurrences,
    CAST(coalesce(max(whole_digits), 0) AS bigint) AS whole_digits,
    CAST(coalesce(max(fraction_digits), 0) AS bigint) AS fraction_digits
FROM digits
GROUP BY ${names}, dynamodb_type
ORDER BY occurrences DESC, ${names}
LIMIT ${most_rows}
