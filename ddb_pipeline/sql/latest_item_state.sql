-- One row per item that exists now, by the state rule (docs/correctness.md). Reads the change table once.
WITH records AS (
    SELECT ${state_reads}, false AS from_baseline, true AS certain
    FROM ${change_table}
    WHERE ${changes_since_the_baseline}${baseline_rows}
),
arrivals AS (
    -- the order of arrival, total for one item, whatever the stream did to the order of change
    SELECT
        *,
        -- a baseline is what was before every change that is read
        CASE WHEN from_baseline THEN -1 ELSE changed_at_us END AS instant_us,
        row_number() OVER (
            PARTITION BY item_key
            ORDER BY arrived_at_ms, shard_id, length(sequence_number), sequence_number
        ) AS arrival
    FROM records
),
first_arrivals AS (
    SELECT
        *,
        min(arrival) OVER (PARTITION BY item_key, from_baseline, event_id) AS first_arrival
    FROM arrivals
),
changes AS (
    -- the stream may repeat a record: each event counts once
    SELECT * FROM first_arrivals WHERE arrival = first_arrival
),
votes AS (
    -- a change speaks for its new image and against its old one; a null hash is the absence of the item
    SELECT
        changes.item_key,
        changes.instant_us,
        changes.certain,
        vote.image_hash,
        vote.weight,
        -- only a vote for an image can name the event that made it: balances of an instant add up to zero,
        -- so an image that may be the state was new in some change of that instant
        CASE WHEN vote.weight = 1 THEN changes.arrival END AS arrival,
        CASE WHEN vote.weight = 1 THEN changes.event_id END AS event_id,
        CASE WHEN vote.weight = 1 THEN changes.changed_at_us END AS changed_at_us,
        CASE WHEN vote.weight = 1 THEN changes.new_image END AS image,
        CASE WHEN vote.weight = 1 THEN changes.new_item END AS item
    FROM changes
    CROSS JOIN UNNEST(ARRAY[new_hash, old_hash], ARRAY[1, -1]) AS vote (image_hash, weight)
),
balances AS (
    SELECT
        item_key,
        instant_us,
        image_hash,
        bool_and(certain) AS certain,
        max_by(changed_at_us, arrival) AS changed_at_us,
        sum(weight) AS balance,
        max(arrival) AS arrival,
        max_by(event_id, arrival) AS event_id,
        max_by(image, arrival) AS image,
        max_by(item, arrival) AS item
    FROM votes
    GROUP BY item_key, instant_us, image_hash
),
instants AS (
    -- An instant whose balances are all zero leads back to where it began, so the instant before it decides.
    -- Where that is true of every instant, the first one does.
    SELECT
        *,
        coalesce(
            max(CASE WHEN balance > 0 THEN instant_us END) OVER (PARTITION BY item_key),
            ${first_instant}
        ) AS deciding_us
    FROM balances
),
candidates AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY item_key) AS images,
        count_if(balance > 0) OVER (PARTITION BY item_key) AS positive_images,
        row_number() OVER (
            PARTITION BY item_key
            ORDER BY
                CASE WHEN balance > 0 THEN 0 ELSE 1 END,
                CASE WHEN image_hash IS NOT NULL THEN 0 ELSE 1 END,
                arrival DESC
        ) AS place
    FROM instants
    WHERE instant_us = deciding_us
)
SELECT
    ${key_columns},${item_columns}
    CAST(item AS varchar) AS item,
    CAST(image AS varchar) AS image,
    CAST(date_add('millisecond', changed_at_us / 1000, TIMESTAMP '1970-01-01 00:00:00.000') AS timestamp(3)) AS changed_at,
    CAST(changed_at_us AS bigint) AS changed_at_us,
    CAST(event_id AS varchar) AS event_id,
    CAST(certain AND (positive_images = 1 OR images = 1) AS boolean) AS state_certain,
    CAST(item_key AS varchar) AS item_key
FROM candidates
WHERE place = 1 AND image_hash IS NOT NULL
