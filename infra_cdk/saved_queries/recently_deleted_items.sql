-- The 50 items that were deleted last, and whether DynamoDB's time to live did it
SELECT
    deleted_at,
    expired_by_ttl,
    event_id,
    item
FROM deleted_items
WHERE deleted_at_us IS NOT NULL
ORDER BY deleted_at_us DESC
LIMIT 50
