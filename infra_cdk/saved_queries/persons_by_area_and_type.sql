-- How many persons there are now in each area and type of job (for items of the item_loader)
SELECT
    json_extract_scalar(item, '$.person.job.area') AS area,
    json_extract_scalar(item, '$.person.job.type') AS type,
    count(*) AS persons
FROM latest_item_state
GROUP BY
    json_extract_scalar(item, '$.person.job.area'),
    json_extract_scalar(item, '$.person.job.type')
ORDER BY persons DESC, area, type
