"""Wrong rules that people write: the proof must catch each, or it proves nothing of the right ones.

Each stands in the place of a view, with the columns that the comparison asks for.
"""

from __future__ import annotations

from ddb_pipeline.baselines.records import Manifest
from ddb_pipeline_tests.proof import held
from ddb_pipeline_tests.proof.delivered import Ask, Delivered

_NEWEST = "row_number() OVER (PARTITION BY item_key ORDER BY changed_at_us DESC, arrived_at_ms DESC)"
_ARRIVED_LAST = """row_number() OVER (
    PARTITION BY item_key ORDER BY arrived_at_ms DESC, length(sequence_number) DESC, sequence_number DESC
)"""

STATES = {
    "keeps deleted items": f"""
        SELECT item_key, new_image AS image, true AS state_certain FROM (
            SELECT *, {_NEWEST} AS place FROM changes WHERE event_name IN ('INSERT', 'MODIFY')
        ) WHERE place = 1""",
    "takes the newest by time alone": f"""
        SELECT item_key, new_image AS image, true AS state_certain FROM (
            SELECT *, {_NEWEST} AS place FROM changes
        ) WHERE place = 1 AND new_image IS NOT NULL""",
    "takes the new image that is nobody's old image": """
        SELECT DISTINCT item_key, new_image AS image, true AS state_certain FROM changes AS later
        WHERE new_image IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM changes AS earlier
            WHERE earlier.item_key = later.item_key AND earlier.old_hash = later.new_hash
        )""",
    "takes what arrived last": f"""
        SELECT item_key, new_image AS image, true AS state_certain FROM (
            SELECT *, {_ARRIVED_LAST} AS place FROM changes
        ) WHERE place = 1 AND new_image IS NOT NULL""",
    "balances without dropping repeated events": """
        SELECT item_key, max(image) AS image, true AS state_certain FROM (
            SELECT item_key, image, sum(vote) AS balance FROM (
                SELECT item_key, new_image AS image, 1 AS vote FROM changes
                UNION ALL SELECT item_key, old_image AS image, -1 AS vote FROM changes
            ) GROUP BY item_key, image
        ) WHERE balance > 0 AND image IS NOT NULL GROUP BY item_key""",
}
"""Rules of the state: item_key, image, state_certain over the table `changes`."""

_OTHERS = {
    "counts repeated records": (
        "change_counts",
        """SELECT date_trunc('hour', from_unixtime(changed_at_us / 1000000)) AS changed_hour, event_name,
            expired_by_ttl, count(*) AS changes, count(DISTINCT item_key) AS distinct_items
        FROM changes GROUP BY 1, 2, 3""",
    ),
    "a history ends with the next change in time": (
        "item_history",
        """SELECT *, changed_at_us AS valid_from_us, old_image AS "before", new_image AS "after", false AS tied,
            lead(changed_at_us) OVER (PARTITION BY item_key ORDER BY changed_at_us) AS valid_to_us,
            lead(changed_at_us) OVER (PARTITION BY item_key ORDER BY changed_at_us) IS NULL AS is_current
        FROM changes""",
    ),
    "whatever was deleted once is gone": (
        "deleted_items",
        """SELECT item_key, old_image AS image, changed_at_us AS deleted_at_us, expired_by_ttl
        FROM (SELECT DISTINCT item_key, event_id, old_image, changed_at_us, expired_by_ttl FROM changes
              WHERE event_name = 'REMOVE')""",
    ),
}


_BLIND_TO_LATENESS = {
    # right wherever no change arrives in a later hour than it was made
    "counts a change in the hour in which it arrived": (
        "change_counts",
        """SELECT date_parse(arrived_hour, '%Y%m%d%H') AS changed_hour, event_name, expired_by_ttl,
            count(*) AS changes, count(DISTINCT item_key) AS distinct_items
        FROM (
            SELECT item_key, event_id, event_name, expired_by_ttl, min(concat(year, month, day, hour)) AS arrived_hour
            FROM changes GROUP BY 1, 2, 3, 4
        ) GROUP BY 1, 2, 3""",
    ),
    # right wherever no change arrives in a later hour than a newer one of its item
    "looks no further back than the newest hour that came to something": (
        "latest_item_state",
        """SELECT item_key, image, balance > 0 AS state_certain FROM (
            SELECT *, row_number() OVER (
                PARTITION BY item_key
                ORDER BY CASE WHEN balance > 0 THEN 0 ELSE 1 END, arrived_hour DESC, changed_at_us DESC
            ) AS place
            FROM (
                SELECT item_key, arrived_hour, changed_at_us, image, sum(vote) AS balance FROM (
                    SELECT DISTINCT item_key, event_id, changed_at_us, vote, image,
                        min(concat(year, month, day, hour)) OVER (PARTITION BY item_key, event_id) AS arrived_hour
                    FROM changes CROSS JOIN UNNEST(ARRAY[1, -1], ARRAY[new_image, old_image]) AS votes (vote, image)
                ) GROUP BY item_key, arrived_hour, changed_at_us, image
            ) WHERE balance > 0 OR image IS NOT NULL
        ) WHERE place = 1 AND image IS NOT NULL""",
    ),
    # right wherever nothing from before a baseline arrives after it
    "lets what arrived since the baseline decide": (
        "latest_item_state",
        """SELECT item_key, new_image AS image, certain AS state_certain FROM (
            SELECT *, row_number() OVER (PARTITION BY item_key ORDER BY from_baseline, changed_at_us DESC) AS place
            FROM (
                SELECT item_key, new_image, changed_at_us, false AS from_baseline, true AS certain
                FROM changes WHERE arrived_at_ms * 1000 > {read_at_us}
                UNION ALL
                SELECT item_key, new_image, changed_at_us, true AS from_baseline, state_certain AS certain
                FROM baselines WHERE baseline_id = '{baseline_id}'
            )
        ) WHERE place = 1 AND new_image IS NOT NULL""",
    ),
}
"""Rules that only changes which arrive late prove wrong."""


def uncaught(ask: Ask, delivered: Delivered, baseline: Manifest) -> list[str]:
    """The wrong rules that the comparison takes for right ones.

    Args:
        ask: Runs a query.
        delivered: What arrived.
        baseline: One that was made before the last records arrived.
    """
    rules = {**{name: ("latest_item_state", sql) for name, sql in STATES.items()}, **_OTHERS, **_BLIND_TO_LATENESS}
    known = {"baseline_id": baseline.baseline_id, "read_at_us": baseline.read_at_us}
    return [
        f"nobody noticed a {view} that {name}"
        for name, (view, sql) in rules.items()
        if not held.VIEWS[view](_instead_of(ask, view, sql.format(**known)), delivered)
    ]


def _instead_of(ask: Ask, view: str, sql: str) -> Ask:
    return lambda query: ask(query.replace(f"FROM {view}", f"FROM ({sql})"))
