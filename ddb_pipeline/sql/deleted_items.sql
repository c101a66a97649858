-- One row per item that is known and does not exist now, by the state rule (docs/correctness.md). Reads each table once.
WITH records AS (
    SELECT ${reads}, changed_at_us AS instant_us, false AS from_baseline, true AS certain
    FROM ${change_table}
    WHERE ${changes}${baseline_rows}
),
${votes},
changes AS (
    SELECT
        *,
        max(CASE WHEN balance > 0 AND ${decides} THEN instant_us END) OVER (PARTITION BY item_key) AS deciding_us
    FROM balances
    WHERE weight = 1
),
lives AS (
    SELECT
        *,
        count_if(instant_us = deciding_us AND balance > 0 AND new_hash IS NOT NULL)
            OVER (PARTITION BY item_key) AS possible_images,
        -- the last delete; or, where the item was there after it and its own delete was never seen, what made it last
        row_number() OVER (
            PARTITION BY item_key
            ORDER BY
                CASE WHEN new_hash IS NULL OR balance > 0 THEN 0 ELSE 1 END,
                instant_us DESC,
                CASE WHEN new_hash IS NULL THEN 0 ELSE 1 END,
                arrival DESC
        ) AS place
    FROM changes
),
ends AS (
    SELECT
        item_key,
        CASE WHEN new_hash IS NULL THEN old_image ELSE new_image END AS image,
        CASE WHEN new_hash IS NULL THEN changed_at_us END AS deleted_at_us,
        CASE WHEN new_hash IS NULL THEN expired_by_ttl END AS expired_by_ttl,
        CASE WHEN new_hash IS NULL THEN event_id END AS event_id
    FROM lives
    WHERE place = 1 AND possible_images = 0 AND ${absence_is_known}
)
SELECT
    ${key_columns},${item_columns}
    CAST(${plain_image} AS varchar) AS item,
    CAST(image AS varchar) AS image,
    CAST(date_add('millisecond', deleted_at_us / 1000, TIMESTAMP '1970-01-01 00:00:00.000') AS timestamp(3)) AS deleted_at,
    CAST(expired_by_ttl AS boolean) AS expired_by_ttl,
    CAST(deleted_at_us AS bigint) AS deleted_at_us,
    CAST(event_id AS varchar) AS event_id,
    CAST(item_key AS varchar) AS item_key
FROM ends
