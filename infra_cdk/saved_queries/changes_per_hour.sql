-- Inserts, modifications, deletes and expiries in each hour of change (UTC)
SELECT
    changed_hour,
    sum(CASE WHEN event_name = 'INSERT' THEN changes ELSE 0 END) AS inserted,
    sum(CASE WHEN event_name = 'MODIFY' THEN changes ELSE 0 END) AS modified,
    sum(CASE WHEN event_name = 'REMOVE' AND NOT expired_by_ttl THEN changes ELSE 0 END) AS deleted,
    sum(CASE WHEN event_name = 'REMOVE' AND expired_by_ttl THEN changes ELSE 0 END) AS expired
FROM change_counts
GROUP BY changed_hour
ORDER BY changed_hour DESC
