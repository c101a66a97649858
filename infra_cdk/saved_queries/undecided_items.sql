-- Items whose state the stream leaves undecided: a change of theirs is missing or late
SELECT
    changed_at,
    event_id,
    item,
    image
FROM latest_item_state
WHERE NOT state_certain
ORDER BY changed_at_us DESC
