-- Every change of one attribute of any item, newest first; its name is given with quotes: 'person'
SELECT
    changed_at,
    item_key,
    event_name,
    expired_by_ttl,
    path,
    old_value,
    new_value,
    event_id
FROM attribute_changes
WHERE attribute = ?
ORDER BY changed_at_us DESC, item_key, event_id, array_join(path, '.')
