-- The 50 items that exist now and were changed last
SELECT
    changed_at,
    event_id,
    item
FROM latest_item_state
ORDER BY changed_at_us DESC
LIMIT 50
