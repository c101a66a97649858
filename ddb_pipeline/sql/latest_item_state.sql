-- One row per item that exists now, by the state rule (docs/correctness.md). Reads each table once.
WITH records AS (
    SELECT ${reads}, changed_at_us AS instant_us, false AS from_baseline, true AS certain
    FROM ${change_table}
    WHERE ${changes_since_the_baseline}${baseline_rows}
),
newest AS (
    -- the two newest records of the item: twice the instant, and one more where the image changed
    SELECT
        *,
        max(instant_us * 2 + CASE WHEN new_hash IS DISTINCT FROM old_hash THEN 1 ELSE 0 END, 2)
            OVER (PARTITION BY item_key) AS newest
    FROM records
),
settled AS (
    -- where the newest instant is one record that changed the image, it decides, as for nearly every item
    SELECT
        *,
        newest[1] / 2 AS newest_us,
        newest[1] % 2 = 1 AND coalesce(element_at(newest, 2) / 2 < newest[1] / 2, true) AS is_settled
    FROM newest
),
narrowed AS (
    SELECT * FROM settled WHERE instant_us = newest_us OR NOT is_settled
),
${votes},
instants AS (
    -- An instant whose balances are all zero leads back to where it began, so the instant before it decides.
    -- Each image that may be the state was new in some change: votes against are no longer needed.
    SELECT
        *,
        max(CASE WHEN balance > 0 THEN instant_us END) OVER (PARTITION BY item_key) AS positive_us,
        ${first_instant} AS first_us
    FROM balances
    WHERE weight = 1
),
candidates AS (
    SELECT
        *,
        -- the empty text stands for absence
        min(coalesce(image_hash, '')) OVER (PARTITION BY item_key)
        = max(coalesce(image_hash, '')) OVER (PARTITION BY item_key) AS is_only_image,
        max(CASE WHEN image_hash IS NOT NULL THEN arrival END) OVER (PARTITION BY item_key) AS last_arrival
    FROM instants
    WHERE instant_us = coalesce(positive_us, first_us) AND (balance > 0 OR positive_us IS NULL)
)
SELECT
    ${key_columns},${item_columns}
    CAST(new_item AS varchar) AS item,
    CAST(new_image AS varchar) AS image,
    CAST(date_add('millisecond', changed_at_us / 1000, TIMESTAMP '1970-01-01 00:00:00.000') AS timestamp(3)) AS changed_at,
    CAST(changed_at_us AS bigint) AS changed_at_us,
    CAST(event_id AS varchar) AS event_id,
    CAST(is_only_image AND certain AS boolean) AS state_certain,
    CAST(item_key AS varchar) AS item_key
FROM candidates
WHERE arrival = last_arrival
