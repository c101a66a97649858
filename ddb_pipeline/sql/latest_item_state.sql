-- One row per item that exists now, by the state rule (docs/correctness.md). Reads each table once.
--
-- Every window passes all its rows on, so there are few, and each after the first has few rows: nearly every item is
-- settled by its newest record. Texts stand for what a window must order by several values at once.
WITH records AS (
    SELECT ${reads}, changed_at_us AS instant_us, false AS from_baseline, true AS certain
    FROM ${change_table}
    WHERE ${changes_since_the_baseline}${baseline_rows}
),
newest AS (
    -- Twice the newest instant, and one more where a change of it raised the hash, or lowered it. Changes that lead back
    -- to where they began do both or neither: what rises in a circle falls again. So where the two differ, the newest
    -- instant came to something else than it began with, and nothing before it counts.
    SELECT
        *,
        max(instant_us * 2 + CASE WHEN coalesce(new_hash, '') > coalesce(old_hash, '') THEN 1 ELSE 0 END)
            OVER (PARTITION BY item_key) AS newest_raised,
        max(instant_us * 2 + CASE WHEN coalesce(new_hash, '') < coalesce(old_hash, '') THEN 1 ELSE 0 END)
            OVER (PARTITION BY item_key) AS newest_lowered
    FROM records
),
narrowed AS (
    SELECT
        *,
        lag(event_id) OVER by_event AS event_before,
        lag(from_baseline) OVER by_event AS from_baseline_before,
        lead(event_id) OVER by_event AS event_after
    FROM newest
    WHERE instant_us = newest_raised / 2 OR newest_raised = newest_lowered
    WINDOW by_event AS (
        PARTITION BY item_key
        ORDER BY from_baseline, event_id, arrived_at_ms, shard_id, length(sequence_number), sequence_number
    )
),
settled AS (
    -- one record that changed the image decides alone
    SELECT *, event_before IS NULL AND event_after IS NULL AND newest_raised <> newest_lowered AS is_settled
    FROM narrowed
    -- the stream may repeat a record: its first delivery counts
    WHERE event_before IS NULL OR event_before <> event_id OR from_baseline_before <> from_baseline
),
events AS (
    SELECT
        *,
        -- the order of arrival, total but for copies of one record; Kinesis has names of up to 128 characters, and
        -- sequence numbers of up to 129 digits (API reference, Shard and Record)
        CASE
            WHEN is_settled OR from_baseline THEN ''
            ELSE concat(
                lpad(CAST(coalesce(arrived_at_ms, 0) AS varchar), 20, '0'),
                rpad(coalesce(shard_id, ''), 128, ' '),
                lpad(coalesce(sequence_number, ''), 129, '0')
            )
        END AS arrival
    FROM settled
),
votes AS (
    -- A change speaks for its new image and against its old one; a null hash is the absence of the item.
    -- What is settled needs no vote against.
    SELECT
        events.*,
        vote.image_hash,
        vote.weight
    FROM events
    CROSS JOIN UNNEST(
        CASE WHEN is_settled THEN ARRAY[new_hash] ELSE ARRAY[new_hash, old_hash] END,
        CASE WHEN is_settled THEN ARRAY[1] ELSE ARRAY[1, -1] END
    ) AS vote (image_hash, weight)
),
balances AS (
    -- Within one instant no order is known, and none is needed: whatever it was, the image that the item ended in has
    -- the balance 1, unless it ended where it began: then all are 0.
    SELECT
        *,
        sum(weight) OVER (PARTITION BY item_key, instant_us, image_hash) AS balance,
        max(CASE WHEN weight = 1 THEN arrival END) OVER (PARTITION BY item_key, instant_us, image_hash) AS last_arrival
    FROM votes
),
images AS (
    -- What may be the state: one row per image of an instant, of those changes that made it the one that arrived last.
    -- The newest instant with a positive balance ranks highest. An instant whose balances are all zero leads back to
    -- where it began, so one before it decides; where that is true of every instant, the first one ranks highest.
    SELECT
        *,
        concat(
            CASE WHEN balance > 0 THEN '1' ELSE '0' END,
            lpad(CAST(CASE WHEN balance > 0 THEN instant_us ELSE 1000000000000000000 - instant_us END AS varchar), 19, '0'),
            CASE WHEN image_hash IS NULL THEN '0' ELSE '1' END,
            arrival
        ) AS image_rank
    FROM balances
    WHERE weight = 1 AND arrival = last_arrival AND ${may_decide}
),
states AS (
    SELECT
        *,
        row_number() OVER by_rank AS place,
        lead(image_rank) OVER by_rank AS next_rank
    FROM images
    WINDOW by_rank AS (PARTITION BY item_key ORDER BY image_rank DESC)
)
SELECT
    ${key_columns},${item_columns}
    CAST(new_item AS varchar) AS item,
    CAST(new_image AS varchar) AS image,
    CAST(date_add('millisecond', changed_at_us / 1000, TIMESTAMP '1970-01-01 00:00:00.000') AS timestamp(3)) AS changed_at,
    CAST(changed_at_us AS bigint) AS changed_at_us,
    CAST(event_id AS varchar) AS event_id,
    -- another image of the same instant may be the state too
    CAST(certain AND coalesce(substr(next_rank, 1, 20) <> substr(image_rank, 1, 20), true) AS boolean) AS state_certain,
    CAST(item_key AS varchar) AS item_key
FROM states
WHERE place = 1 AND image_hash IS NOT NULL
