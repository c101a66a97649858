-- Items whose changes do not add up, the newest problem first, and in which changes that shows
SELECT
    problem,
    item_key,
    table_name,
    changes,
    first_changed_at,
    last_changed_at,
    event_ids
FROM change_problems
ORDER BY last_changed_at DESC, problem, item_key
