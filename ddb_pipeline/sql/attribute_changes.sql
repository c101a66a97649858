-- One row per attribute that changed in a change; inside maps down to the depth that is asked for. Reads the change
-- table once.
WITH changes AS (
    -- the stream may repeat a record: each event counts once
    SELECT
        item_key,
        event_id,
        min(event_name) AS event_name,
        bool_or(expired_by_ttl) AS expired_by_ttl,
        min(changed_at_us) AS changed_at_us,
        arbitrary(old_image) AS old_image,
        arbitrary(new_image) AS new_image
    FROM ${change_table}
    WHERE ${changes}
        AND new_hash IS DISTINCT FROM old_hash
    GROUP BY item_key, event_id
),
items AS (
    -- absence is an item without attributes
    SELECT
        *,
        CAST(json_parse(coalesce(old_image, '{}')) AS MAP(VARCHAR, JSON)) AS old_members,
        CAST(json_parse(coalesce(new_image, '{}')) AS MAP(VARCHAR, JSON)) AS new_members
    FROM changes
),
attributes AS (
    SELECT
        item_key,
        event_id,
        event_name,
        expired_by_ttl,
        changed_at_us,
        ARRAY[name] AS path,
        json_format(element_at(old_members, name)) AS old_value,
        json_format(element_at(new_members, name)) AS new_value
    FROM items
    CROSS JOIN UNNEST(array_union(map_keys(old_members), map_keys(new_members))) AS names (name)
),
level_1 AS (
    -- both are texts that the same engine made of canonical JSON
    SELECT * FROM attributes WHERE old_value IS DISTINCT FROM new_value
)${deeper_levels}
SELECT
    ${key_columns},
    CAST(date_add('millisecond', changed_at_us / 1000, TIMESTAMP '1970-01-01 00:00:00.000') AS timestamp(3)) AS changed_at,
    CAST(event_name AS varchar) AS event_name,
    CAST(path[1] AS varchar) AS attribute,
    CAST(path AS array(varchar)) AS path,
    CAST(${plain_old_value} AS varchar) AS old_value,
    CAST(${plain_new_value} AS varchar) AS new_value,
    CAST(element_at(map_keys(CAST(json_parse(old_value) AS MAP(VARCHAR, JSON))), 1) AS varchar) AS old_type,
    CAST(element_at(map_keys(CAST(json_parse(new_value) AS MAP(VARCHAR, JSON))), 1) AS varchar) AS new_type,
    CAST(expired_by_ttl AS boolean) AS expired_by_ttl,
    CAST(changed_at_us AS bigint) AS changed_at_us,
    CAST(event_id AS varchar) AS event_id,
    CAST(item_key AS varchar) AS item_key
FROM ${deepest_level}
