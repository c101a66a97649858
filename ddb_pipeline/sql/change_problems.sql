-- One row per item and kind of problem: what does not add up, and in which changes (docs/correctness.md). Reads each
-- table once.
WITH records AS (
    SELECT ${reads}, changed_at_us AS instant_us, false AS from_baseline, true AS certain
    FROM ${change_table}
    WHERE ${changes_of_all_tables}${baseline_rows}
),
${votes},
whole_balances AS (
    SELECT
        *,
        -- no image has the empty text for its hash: it stands for absence
        coalesce(image_hash, '') AS image,
        sum(CASE WHEN from_baseline THEN 0 ELSE weight END)
            OVER (PARTITION BY table_name, item_key, image_hash) AS whole_balance
    FROM balances
),
instants AS (
    SELECT
        table_name,
        item_key,
        instant_us,
        bool_or(from_baseline) AS from_baseline,
        bool_and(certain) AS certain,
        array_agg(DISTINCT image) FILTER (WHERE balance > 0) AS ends,
        array_agg(DISTINCT image) FILTER (WHERE balance < 0) AS starts,
        array_agg(DISTINCT image) AS images,
        array_agg(DISTINCT event_id) FILTER (WHERE event_id IS NOT NULL) AS event_ids,
        -- where the changes of all time end, and which of them lead there
        array_agg(DISTINCT image) FILTER (WHERE whole_balance > 0) AS whole_ends,
        array_agg(DISTINCT event_id) FILTER (WHERE whole_balance > 0 AND weight = 1 AND NOT from_baseline) AS whole_end_ids
    FROM whole_balances
    GROUP BY table_name, item_key, instant_us
),
steps AS (
    SELECT
        *,
        -- what the item may have been before this instant: what the last one came to that led anywhere; where none
        -- did, one of the images of the first
        coalesce(
            last_value(CASE WHEN NOT from_baseline THEN ends END) IGNORE NULLS OVER earlier,
            first_value(CASE WHEN NOT from_baseline THEN images END) IGNORE NULLS OVER earlier
        ) AS images_before,
        max(CASE WHEN ends IS NOT NULL AND ${decides} THEN instant_us END)
            OVER (PARTITION BY table_name, item_key) AS deciding_us,
        max(CASE WHEN ends IS NOT NULL AND NOT from_baseline THEN instant_us END)
            OVER (PARTITION BY table_name, item_key) AS last_open_us,
        ${first_instant} AS first_us
    FROM instants
    WINDOW earlier AS (
        PARTITION BY table_name, item_key
        ORDER BY instant_us
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
judged AS (
    SELECT
        *,
        table_name = ${table_name} AS is_own,
        NOT from_baseline AND NOT arrays_overlap(coalesce(starts, images), images_before) AS is_broken,
        instant_us = coalesce(deciding_us, first_us) AND (cardinality(coalesce(ends, images)) > 1 OR NOT certain) AS is_undecided,
        NOT from_baseline AND instant_us = last_open_us AS is_last
    FROM steps
),
stories AS (
    SELECT
        table_name,
        CASE WHEN is_own THEN item_key END AS item_key,
        array_agg(event_ids) FILTER (WHERE is_own AND is_broken AND event_ids IS NOT NULL) AS broken_ids,
        min(instant_us) FILTER (WHERE is_own AND is_broken) AS broken_first_us,
        max(instant_us) FILTER (WHERE is_own AND is_broken) AS broken_last_us,
        bool_or(is_own AND is_undecided) AS is_undecided,
        array_agg(event_ids) FILTER (WHERE is_own AND is_undecided AND event_ids IS NOT NULL) AS undecided_ids,
        max(CASE WHEN from_baseline THEN NULL ELSE instant_us END) FILTER (WHERE is_own AND is_undecided) AS undecided_us,
        array_distinct(flatten(array_agg(ends) FILTER (WHERE is_own AND is_last))) AS last_ends,
        array_distinct(flatten(array_agg(whole_ends) FILTER (WHERE is_own AND whole_ends IS NOT NULL))) AS whole_ends,
        array_agg(CASE WHEN is_last THEN event_ids ELSE whole_end_ids END)
            FILTER (WHERE is_own AND (is_last OR whole_end_ids IS NOT NULL)) AS end_ids,
        min(instant_us) FILTER (WHERE is_own AND (is_last OR whole_end_ids IS NOT NULL)) AS end_first_us,
        max(instant_us) FILTER (WHERE is_own AND (is_last OR whole_end_ids IS NOT NULL)) AS end_last_us,
        array_agg(event_ids) FILTER (WHERE NOT is_own) AS foreign_ids,
        min(instant_us) FILTER (WHERE NOT is_own) AS foreign_first_us,
        max(instant_us) FILTER (WHERE NOT is_own) AS foreign_last_us
    FROM judged
    GROUP BY table_name, CASE WHEN is_own THEN item_key END
),
problems AS (
    SELECT
        table_name,
        item_key,
        found.problem,
        found.first_us,
        found.last_us,
        array_sort(array_distinct(flatten(coalesce(found.ids, ARRAY[])))) AS event_ids
    FROM stories
    CROSS JOIN UNNEST(
        ARRAY['broken_chain', 'undecided', 'unbalanced', 'other_table'],
        ARRAY[
            broken_first_us IS NOT NULL,
            is_undecided,
            -- the changes of all time end in one image, or in several, and not where the newest instant does
            cardinality(whole_ends) > 0 AND (cardinality(whole_ends) > 1 OR cardinality(last_ends) > 1 OR whole_ends[1] <> last_ends[1]),
            foreign_first_us IS NOT NULL
        ],
        ARRAY[broken_ids, undecided_ids, end_ids, foreign_ids],
        ARRAY[broken_first_us, undecided_us, end_first_us, foreign_first_us],
        ARRAY[broken_last_us, undecided_us, end_last_us, foreign_last_us]
    ) AS found (problem, is_found, ids, first_us, last_us)
    WHERE found.is_found
)
SELECT
    ${key_columns},
    CAST(problem AS varchar) AS problem,
    CAST(cardinality(event_ids) AS bigint) AS changes,
    CAST(slice(event_ids, 1, 100) AS array(varchar)) AS event_ids,
    CAST(date_add('millisecond', first_us / 1000, TIMESTAMP '1970-01-01 00:00:00.000') AS timestamp(3)) AS first_changed_at,
    CAST(date_add('millisecond', last_us / 1000, TIMESTAMP '1970-01-01 00:00:00.000') AS timestamp(3)) AS last_changed_at,
    CAST(table_name AS varchar) AS table_name,
    CAST(item_key AS varchar) AS item_key
FROM problems
