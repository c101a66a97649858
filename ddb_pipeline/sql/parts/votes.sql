arrivals AS (
    -- the order of arrival, total for one item, whatever the stream did to the order of change
    SELECT
        *,
        row_number() OVER (
            PARTITION BY ${of_item}
            ORDER BY arrived_at_ms, shard_id, length(sequence_number), sequence_number
        ) AS arrival
    FROM records
),
first_arrivals AS (
    SELECT
        *,
        min(arrival) OVER (PARTITION BY ${of_item}, from_baseline, event_id) AS first_arrival
    FROM arrivals
),
votes AS (
    -- A change speaks for its new image and against its old one; a null hash is the absence of the item.
    -- The stream may repeat a record: each event votes once.
    SELECT
        first_arrivals.*,
        vote.image_hash,
        vote.weight
    FROM first_arrivals
    CROSS JOIN UNNEST(ARRAY[new_hash, old_hash], ARRAY[1, -1]) AS vote (image_hash, weight)
    WHERE arrival = first_arrival
),
balances AS (
    -- Within one instant no order is known, and none is needed: whatever it was, the image that the item ended in has
    -- the balance 1, unless it ended where it began: then all are 0.
    SELECT
        *,
        sum(weight) OVER (PARTITION BY ${of_item}, instant_us, image_hash) AS balance
    FROM votes
)
