-- Items as they stood at a past moment, which is given twice, with quotes: '2026-11-01T12:00:00Z'; reads all changes
WITH known AS (
    -- ids of baselines tell moment and margin; an export may hold what changed up to a minute after it was begun
    SELECT DISTINCT
        baseline_id,
        CAST(to_unixtime(from_iso8601_timestamp(concat(
            substr(baseline_id, 1, 4), '-', substr(baseline_id, 5, 2), '-', substr(baseline_id, 7, 5), ':',
            substr(baseline_id, 12, 2), ':', substr(baseline_id, 14, 2), 'Z'
        ))) AS bigint) * 1000000 + CAST(substr(baseline_id, 16, 6) AS bigint) AS begun_us,
        CASE WHEN baseline_id LIKE '%-export' THEN 120000000 ELSE 0 END AS blur_us,
        CAST(regexp_extract(baseline_id, '-([0-9]+)s-', 1) AS bigint) * 1000000 AS margin_us
    FROM baselines
    WHERE table_name = '${table_name}'
),
bounds AS (
    -- Athena takes parameters in a WHERE clause only, so the moment is asked for here and below
    SELECT
        max_by(baseline_id, begun_us) AS start_id,
        coalesce(max_by(begun_us - margin_us, begun_us), 0) AS cut_us
    FROM known
    WHERE begun_us + blur_us <= CAST(round(to_unixtime(from_iso8601_timestamp(?)) * 1000000) AS bigint)
),
records AS (
    SELECT
        item_key, event_id, changed_at_us, new_hash, old_hash, new_image, new_item, arrived_at_ms, shard_id,
        sequence_number, false AS from_baseline, true AS certain, start_id
    FROM (
        SELECT
            item_key, event_id, changed_at_us, new_hash, old_hash, new_image, new_item, arrived_at_ms, shard_id,
            sequence_number, table_name
        FROM changes
        UNION ALL
        SELECT
            item_key, event_id, changed_at_us, new_hash, old_hash, new_image, new_item, arrived_at_ms, shard_id,
            sequence_number, table_name
        FROM changes_parquet
    ) AS changes_of_both_formats
    CROSS JOIN bounds
    WHERE
        table_name = '${table_name}'
        AND changed_at_us >= cut_us
        AND changed_at_us <= CAST(round(to_unixtime(from_iso8601_timestamp(?)) * 1000000) AS bigint)
    UNION ALL
    SELECT
        item_key, event_id, changed_at_us, new_hash, old_hash, new_image, new_item, arrived_at_ms, shard_id,
        sequence_number, true AS from_baseline, state_certain AS certain, start_id
    FROM baselines
    INNER JOIN bounds ON baselines.baseline_id = bounds.start_id
    WHERE table_name = '${table_name}'
),
arrivals AS (
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
votes AS (
    -- a change speaks for its new image and against its old one; a null hash is the absence of the item
    SELECT
        first_arrivals.item_key,
        first_arrivals.instant_us,
        first_arrivals.certain,
        first_arrivals.start_id,
        vote.image_hash,
        vote.weight,
        CASE WHEN vote.weight = 1 THEN first_arrivals.arrival END AS arrival,
        CASE WHEN vote.weight = 1 THEN first_arrivals.event_id END AS event_id,
        CASE WHEN vote.weight = 1 THEN first_arrivals.changed_at_us END AS changed_at_us,
        CASE WHEN vote.weight = 1 THEN first_arrivals.new_image END AS image,
        CASE WHEN vote.weight = 1 THEN first_arrivals.new_item END AS item
    FROM first_arrivals
    CROSS JOIN UNNEST(ARRAY[new_hash, old_hash], ARRAY[1, -1]) AS vote (image_hash, weight)
    WHERE arrival = first_arrival
),
balances AS (
    SELECT
        item_key,
        instant_us,
        image_hash,
        max(start_id) AS start_id,
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
    -- without a baseline, an item whose instants all lead back to where they began has the state of the first
    SELECT
        *,
        coalesce(
            max(CASE WHEN balance > 0 THEN instant_us END) OVER (PARTITION BY item_key),
            CASE WHEN start_id IS NULL THEN min(instant_us) OVER (PARTITION BY item_key) END
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
    item_key,
    item,
    image,
    changed_at_us,
    event_id,
    certain AND (positive_images = 1 OR images = 1) AS state_certain
FROM candidates
WHERE place = 1 AND image_hash IS NOT NULL
ORDER BY item_key
