-- One row per change: how long the image it made was the item's state (docs/correctness.md). Reads the change table once.
WITH records AS (
    SELECT ${reads}, changed_at_us AS instant_us, false AS from_baseline
    FROM ${change_table}
    WHERE ${changes}
),
${votes},
changes AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY item_key, instant_us) AS changes_of_instant,
        -- the change that made the state of its instant; where that is undecided, the one that arrived last
        row_number() OVER (
            PARTITION BY item_key, instant_us
            ORDER BY
                CASE WHEN balance > 0 THEN 0 ELSE 1 END,
                CASE WHEN image_hash IS NOT NULL THEN 0 ELSE 1 END,
                arrival DESC
        ) AS place,
        max(balance) OVER (PARTITION BY item_key) AS highest_balance,
        min(instant_us) OVER (PARTITION BY item_key) AS first_us
    FROM balances
    WHERE weight = 1
),
states AS (
    -- an instant that leads back to where it began makes no state; where every instant does, the first one decides
    SELECT
        *,
        place = 1 AND (balance > 0 OR (highest_balance <= 0 AND instant_us = first_us)) AS is_state
    FROM changes
),
intervals AS (
    SELECT
        *,
        min(CASE WHEN is_state THEN instant_us END) OVER (
            PARTITION BY item_key
            ORDER BY instant_us, CASE WHEN is_state THEN 1 ELSE 0 END
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS next_us
    FROM states
),
lives AS (
    -- an image that no instant ended in was valid for no time that is known; a delete leaves none
    SELECT
        *,
        CASE WHEN new_hash IS NOT NULL THEN instant_us END AS valid_from_us,
        CASE WHEN new_hash IS NOT NULL AND is_state THEN next_us WHEN new_hash IS NOT NULL THEN instant_us END AS valid_to_us
    FROM intervals
)
SELECT
    ${key_columns},
    CAST(event_name AS varchar) AS event_name,
    CAST(date_add('millisecond', changed_at_us / 1000, TIMESTAMP '1970-01-01 00:00:00.000') AS timestamp(3)) AS changed_at,
    CAST(date_add('millisecond', valid_from_us / 1000, TIMESTAMP '1970-01-01 00:00:00.000') AS timestamp(3)) AS valid_from,
    CAST(date_add('millisecond', valid_to_us / 1000, TIMESTAMP '1970-01-01 00:00:00.000') AS timestamp(3)) AS valid_to,
    CAST(is_state AND next_us IS NULL AND new_hash IS NOT NULL AS boolean) AS is_current,
    CAST(changes_of_instant > 1 AS boolean) AS tied,
    CAST(old_image AS varchar) AS "before",
    CAST(new_image AS varchar) AS "after",
    CAST(expired_by_ttl AS boolean) AS expired_by_ttl,
    CAST(changed_at_us AS bigint) AS changed_at_us,
    CAST(valid_from_us AS bigint) AS valid_from_us,
    CAST(valid_to_us AS bigint) AS valid_to_us,
    CAST(event_id AS varchar) AS event_id,
    CAST(item_key AS varchar) AS item_key
FROM lives
