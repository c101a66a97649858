,
maps_${level} AS (
    -- a map that changed is shown by its members; a map that came, went or became another type is shown whole
    SELECT
        *,
        CAST(json_extract(old_value, '$$["M"]') AS MAP(VARCHAR, JSON)) AS old_members,
        CAST(json_extract(new_value, '$$["M"]') AS MAP(VARCHAR, JSON)) AS new_members
    FROM level_${above}
),
members_${level} AS (
    SELECT
        item_key,
        event_id,
        event_name,
        expired_by_ttl,
        changed_at_us,
        CASE WHEN name IS NULL THEN path ELSE concat(path, ARRAY[name]) END AS path,
        CASE WHEN name IS NULL THEN old_value ELSE json_format(element_at(old_members, name)) END AS old_value,
        CASE WHEN name IS NULL THEN new_value ELSE json_format(element_at(new_members, name)) END AS new_value
    FROM maps_${level}
    CROSS JOIN UNNEST(
        CASE
            WHEN cardinality(path) = ${above} AND old_members IS NOT NULL AND new_members IS NOT NULL
                THEN array_union(map_keys(old_members), map_keys(new_members))
            ELSE ARRAY[CAST(NULL AS varchar)]
        END
    ) AS names (name)
),
level_${level} AS (
    SELECT * FROM members_${level} WHERE old_value IS DISTINCT FROM new_value
)
