-- What became of one item, oldest first; its item_key is given with quotes: '{"pk":{"S":"person-1"}}'
SELECT
    changed_at,
    event_name,
    valid_from,
    valid_to,
    is_current,
    tied,
    expired_by_ttl,
    "before",
    "after",
    event_id
FROM item_history
WHERE item_key = ?
ORDER BY changed_at_us, valid_to_us, event_id
