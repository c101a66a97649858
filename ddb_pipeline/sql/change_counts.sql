-- One row per hour of change, event name, and time to live or not. Reads the change table once.
WITH changes AS (
    -- the stream may repeat a record: each event counts once
    SELECT
        item_key,
        event_id,
        min(event_name) AS event_name,
        bool_or(expired_by_ttl) AS expired_by_ttl,
        min(changed_at_us) AS changed_at_us
    FROM ${change_table}
    WHERE ${changes}
    GROUP BY item_key, event_id
),
hours AS (
    SELECT
        date_trunc('hour', date_add('millisecond', changed_at_us / 1000, TIMESTAMP '1970-01-01 00:00:00.000')) AS changed_hour,
        event_name,
        expired_by_ttl,
        item_key
    FROM changes
)
SELECT
    CAST(changed_hour AS timestamp(3)) AS changed_hour,
    CAST(event_name AS varchar) AS event_name,
    CAST(expired_by_ttl AS boolean) AS expired_by_ttl,
    CAST(count(*) AS bigint) AS changes,
    CAST(count(DISTINCT item_key) AS bigint) AS distinct_items
FROM hours
GROUP BY changed_hour, event_name, expired_by_ttl
